"""Where trials are measured: in this process, in workers, on a cluster."""
