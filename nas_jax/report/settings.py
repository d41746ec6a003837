"""The last section of a report: the config and where it ran, to repeat it."""

from nas_jax.report.markdown import yaml
from nas_jax.report.page import Code, Section
from nas_jax.report.subject import Subject
from nas_jax.units import number


def section(subject: Subject) -> Section:
    """The command, the config, the environment."""
    record, codes = subject.record, []
    if commands := record.commands:
        how = "in turn, each with" if len(commands) > 1 else "with"
        codes.append(Code(f"To repeat the run, {how} another --workdir behind it", "\n".join(commands)))
    named = (("Config", record.config), ("Environment", record.environment))
    codes += [Code(name, yaml(values)) for name, values in named if values]
    seed = number(record.config.get("seed"))
    revision = record.environment.get("git_revision") or "unknown"
    return Section("settings", "Config and environment", f"Seed {seed}, git revision {revision}.", codes=tuple(codes))
