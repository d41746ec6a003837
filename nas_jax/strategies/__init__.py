"""Search strategies: one file a strategy."""
