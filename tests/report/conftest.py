"""The fixtures of these tests."""

from finished_runs import complete, regression

__all__ = ["complete", "regression"]
