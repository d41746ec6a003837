"""A run goes on with the examples that it began with, wherever they are now."""

import numpy as np
import pytest
from PIL import Image
from run_configs import PATHS, load_config

from nas_jax.config import complete
from nas_jax.data.arrays import load
from nas_jax.errors import UserError
from nas_jax.run import open_run
from nas_jax.tasks.base import _loaded_problem
from nas_jax.trial import Trial


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of two classes."""
    for place in range(12):
        folder = tmp_path / "pictures" / "ab"[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 10 * place, np.uint8)).save(folder / f"{place:02}.png")
    return tmp_path / "pictures"


def _open(workdir, pictures, **changes):
    """Opens a run and closes it; the first time it leaves a trial."""
    (path,) = (path for path in PATHS if path.stem == "cifar10")
    config = load_config(path, "smoke")
    config.data = {"name": "class_folders", "path": str(pictures), "size": (4, 4), **changes}
    config.recipe.batch_size = 4
    for remembered in (load, _loaded_problem):
        remembered.cache_clear()  # as in another process
    with open_run(complete(config).to_dict(), workdir) as run:
        if not run.store.trials():
            (genome,) = run.parts.space.sample(np.random.default_rng(0), 1)
            run.store.put(Trial(run.store.next_id(), genome, "", "search", seed=0, status="finished", metrics={}))


def test_rungs_are_shown_before_the_search_and_that_each_counts_as_a_trial(tmp_path, capsys):
    (path,) = (path for path in PATHS if path.stem == "quickstart")
    config = load_config(path, "smoke")
    config.strategy = {"name": "asha"}
    config.recipe.num_epochs = 9
    for num_trials, said in ((7, True), (None, False)):
        config.search = {"num_trials": num_trials, "max_cost": 2.0}
        with open_run(complete(config).to_dict(), tmp_path / str(num_trials)):
            shown = capsys.readouterr().out
        assert "cost in full trainings" in shown
        assert ("each rung of a training is a trial, and the search ends after 7" in shown) == said


def test_a_data_set_has_to_stay_the_same_and_may_move(tmp_path, pictures):
    workdir = tmp_path / "run"
    _open(workdir, pictures)
    moved = pictures.rename(tmp_path / "moved")
    _open(workdir, moved, stream_dir=str(tmp_path / "stream"))
    _open(workdir, moved)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(moved / "a" / "12.png")
    with pytest.raises(UserError, match=r"moved' has changed since the run in .* began with it"):
        _open(workdir, moved)
    (moved / "a" / "12.png").unlink()
    _open(workdir, moved)
