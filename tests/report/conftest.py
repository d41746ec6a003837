"""The fixtures of these tests."""

from finished_runs import complete, regression, stopped_early

__all__ = ["complete", "regression", "stopped_early"]
