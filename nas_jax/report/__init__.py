"""A run as one page: each section is one file."""
