"""Files that hold tables, one form a module."""
