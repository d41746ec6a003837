"""Trains one network. Knows nothing of search."""
