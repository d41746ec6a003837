"""Searches architectures, trains the finalists, hands over the best network.

    python -m nas_jax.main --config=configs/quickstart.py --workdir=runs/first --config.seed=1

The same command again resumes a run that was stopped. Exit codes: 0 done, 2 bad input or a full disk, 130
or 143 interrupted.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from nas_jax.cli import start
from nas_jax.display import Display
from nas_jax.errors import UserError
from nas_jax.parts import build_parts, build_trackers
from nas_jax.report.card import write_card
from nas_jax.report.write import write_report
from nas_jax.search.diagnostics import make_recorder
from nas_jax.search.export import export_genome, export_network
from nas_jax.search.finalists import choose_winner, find_baselines, train_finalists
from nas_jax.search.latency import write_latency
from nas_jax.search.loop import search
from nas_jax.spaces.base import NetworkSpace
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Strategy
from nas_jax.trackers.tracking import Tracking, in_turn
from nas_jax.trial import CONTENDERS, FULL, Stage, Trial
from nas_jax.workdir import claim_workdir

CONFIG = config_flags.DEFINE_config_file("config", None, "Path of a config, with :variant behind it if it has any.")
WORKDIR = flags.DEFINE_string("workdir", None, "Where the run lives; runs/<name of the config> unless given.")


def run(config: ConfigDict, workdir: Path) -> None:
    """The whole job, from the config to the best network."""
    checkpoint_dir = (workdir / "finalists").absolute()  # workers may run in other folders
    parts = build_parts(config.to_dict(), checkpoint_dir)
    trackers, log = build_trackers(config.to_dict()), workdir / "trials.jsonl"
    with TrialStore(log) as store, Display(parts.objective) as display, Tracking(trackers, display.note) as tracking:
        claim_workdir(workdir, config.to_dict(), (*changeable(store, config, parts.strategy), "trackers"))
        if store.repaired:
            display.note(store.repaired)

        tracking.begin(workdir, config.to_dict(), parts.space, parts.objective, store.trials())
        display.begin("search", parts.search_settings.num_trials, ended(store, "search"))
        search(
            parts.space,
            parts.strategy,
            parts.search_evaluator,
            parts.objective,
            store,
            parts.search_settings,
            seed=config.seed,
            on_trial=in_turn(display.show, tracking.trial),
            on_proposals=make_recorder(
                workdir / "diagnostics.jsonl", store, parts.objective, in_turn(display.show_assessment, tracking.round)
            ),
        )
        finals = train_finalists(
            parts.space,
            parts.surrogate,
            parts.final_evaluator,
            parts.objective,
            store,
            parts.final_settings,
            seed=config.seed,
            on_pick=lambda num: display.begin("finalists", num, ended(store, *FULL)),
            on_trial=in_turn(display.show, tracking.trial),
        )
        winner = choose_winner(parts.objective, store.trials(*CONTENDERS))
        baselines = find_baselines(parts.objective, store.trials(), parts.final_settings)
        best, section = workdir / "best", config.space.to_dict()
        space, dataset, recipe = parts.space, parts.dataset, parts.final_recipe
        if best.exists():
            pass
        elif isinstance(space, NetworkSpace) and dataset is not None and recipe is not None:
            export_network(best, checkpoint_dir, space, section, dataset, recipe, winner, baselines)
        else:
            export_genome(best, section, parts.final_evaluator, winner, baselines)
        metrics = json.loads((best / "metrics.json").read_text())
        tracking.end(metrics)
    if parts.final_recipe is not None:
        write_card(workdir)
        write_latency(best)
    report = write_report(workdir, parts.space, parts.surrogate, parts.objective)
    display.summary(finals, winner, metrics, {"best": f"{best}/", "report": str(report), "trials": str(log)})


def changeable(store: TrialStore, config: Collection[str], strategy: Strategy) -> Collection[str]:
    """The fields of the config on which no stored trial depends."""
    if not store.trials():
        return config
    if store.trials(*FULL):
        return ()
    return ("finalists",) if hasattr(strategy, "surrogate") else ("surrogate", "finalists")


def ended(store: TrialStore, *stages: Stage) -> list[Trial]:
    return [trial for trial in store.trials(*stages) if trial.status != "pending"]


def main(argv: Sequence[str]) -> None:
    """Runs the config that the flags name."""
    if argv[1:]:
        raise UserError(f"{argv[1]!r} is no flag; a field of the config is set by --config.{argv[1].lstrip('-')}")
    logging.set_verbosity(logging.ERROR)  # libraries' notes would tear the live display
    path, _, variant = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")
    name = f"{Path(path).stem}-{variant}" if variant else Path(path).stem
    run(CONFIG.value, Path(WORKDIR.value or f"runs/{name}"))


if __name__ == "__main__":
    start(main)
