"""Shows a run in other programs, while it goes on and afterwards."""
