"""Reads a workdir and says what happened in it. Never runs a search."""
