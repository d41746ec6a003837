"""A saved Gaussian process predicts what it did before, and other files are refused."""

import pickle
import subprocess
import sys

import gpjax as gpx
import jax
import numpy as np
import pytest

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.saving import load, save

KEY = jax.random.key(0)
SETTINGS = [
    GaussianProcess(),
    GaussianProcess(kernel="rational_quadratic", warp="identity", ard=False),
    GaussianProcess(groups=("gene", "gene", ("a", "tuple")), warp="log_distance", upper_bound=9.0, num_starts=1),
]


def _data():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(20, 3))
    return x, np.exp(x[:, 0]) + 0.1 * rng.normal(size=20)


@pytest.mark.parametrize("gp", SETTINGS, ids=["default", "rational", "groups"])
def test_everything_comes_back(gp, tmp_path):
    x, y = _data()
    state = gp.fit(KEY, x, y, noise_std=np.full(20, 0.01))
    save(tmp_path / "gp.npz", gp, state)
    loaded, again = load(tmp_path / "gp.npz")
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for leaf, other in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(leaf, other)
    np.testing.assert_array_equal(loaded.predict(again, x).mean, gp.predict(state, x).mean)
    np.testing.assert_array_equal(loaded.fit(KEY, x, y).lengthscales, gp.fit(KEY, x, y).lengthscales)
    assert [path.name for path in tmp_path.iterdir()] == ["gp.npz"]


def test_all_draws_come_back(tmp_path):
    x, y = _data()
    gp = GaussianProcess(hyperparameters="drawn")
    state = gp.fit(KEY, x, y)
    save(tmp_path / "gp.npz", gp, state)
    loaded, again = load(tmp_path / "gp.npz")
    assert (loaded, len(again.members)) == (gp, 4)
    for leaf, other in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(leaf, other)
    np.testing.assert_array_equal(loaded.predict(again, x).std, gp.predict(state, x).std)


def test_another_process_reads_it(tmp_path):
    x, y = _data()
    gp = GaussianProcess()
    state = gp.fit(KEY, x, y)
    save(tmp_path / "gp.npz", gp, state)
    code = (
        "import sys\nfrom nas_jax.surrogates.saving import load\n"
        "gp, state = load(sys.argv[1])\nprint(float(gp.predict(state, [[0.5, 0.5, 0.5]]).mean[0]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "gp.npz")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert float(printed) == pytest.approx(float(gp.predict(state, [[0.5, 0.5, 0.5]]).mean[0]), rel=1e-6)


def test_a_kernel_that_is_an_instance_is_asked_for(tmp_path):
    x, y = _data()
    kernel = gpx.kernels.PoweredExponential(power=0.8)
    gp = GaussianProcess(kernel=kernel, num_starts=1)
    save(tmp_path / "gp.npz", gp, gp.fit(KEY, x, y))
    loaded, state = load(tmp_path / "gp.npz", kernel=kernel)
    assert np.all(np.isfinite(loaded.predict(state, x).mean))
    for wrong in (None, "rbf", gpx.kernels.RBF()):
        with pytest.raises(ValueError, match=r"kernel must be the gpjax\..*PoweredExponential"):
            load(tmp_path / "gp.npz", kernel=wrong)


@pytest.mark.parametrize("gp", [GaussianProcess(), GaussianProcess(warp="identity")], ids=["default", "identity"])
def test_a_state_from_gpjax_comes_back(gp, tmp_path):
    """Its targets are warped by no warp, or by that of the state whose scaling it was given, whatever the settings."""
    x, y = _data()
    state = GaussianProcess(num_starts=1).fit(KEY, x, y)
    model = GaussianProcess(num_starts=1).as_gpjax(state)
    for made in (gp.from_gpjax(model, *_scaled(state)), gp.from_gpjax(model, x, y, scaling=state.scaling)):
        save(tmp_path / "gp.npz", gp, made)
        loaded, again = load(tmp_path / "gp.npz")
        assert again.scaling.warp == made.scaling.warp
        np.testing.assert_array_equal(loaded.predict(again, x).mean, gp.predict(made, x).mean)


def _scaled(state):
    return state.x, state.scaling.targets(_data()[1])


@pytest.mark.usefixtures("as_users_call")
def test_settings_of_numpys_types_are_written(tmp_path):
    gp = GaussianProcess(num_starts=np.int64(2), warp="log_distance", upper_bound=np.float32(9.0))
    save(tmp_path / "gp.npz", gp, gp.fit(KEY, *_data()))
    assert load(tmp_path / "gp.npz")[0] == gp


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "gp.npz"
    for header in ("[1]", '{"a": 1}'):
        np.savez(path, header=np.array(header))
        with pytest.raises(ValueError, match=r"must be a file that save\(\) wrote"):
            load(path)
    np.save(tmp_path / "gp.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"must be a file that save\(\) wrote"):
        load(tmp_path / "gp.npy")
    for content in (b"", b"text", pickle.dumps({"a": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"must be a file that save\(\) wrote"):
            load(path)
    np.savez(path, other=np.ones(3))
    with pytest.raises(ValueError, match=r"must be a file that save\(\) wrote"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    x, y = _data()
    gp = GaussianProcess()
    state = gp.fit(KEY, x, y)
    save(tmp_path / "gp.npz", gp, state)
    before = (tmp_path / "gp.npz").read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="no space left"):
        save(tmp_path / "gp.npz", gp, state)
    assert (tmp_path / "gp.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
