"""One network on several devices: by jit or by pmap. A training on one device meets nothing of it."""
