"""Search spaces: one file a space."""
