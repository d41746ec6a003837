"""A run in optuna-dashboard."""
