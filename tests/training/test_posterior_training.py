"""A small modeller learns how sure it can be: its spread follows the signal, and noise has most."""

import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.errors import RecipeError
from lensfinder.posterior import Posterior
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.loop import train
from lensfinder.training.spread_calibration import fit_spread
from lensfinder.zoo import fixed_predict

TARGETS = ("theta_E", "e1", "e2")
NETWORK = {"widths": [8, 16], "units": 16, "stretch": "arcsinh"}


class Faint(Objects):
    """The same blobs, from drowned in the noise to a hundred times brighter."""

    def one(self, i):
        image, truth = super().one(i)
        noise = np.random.default_rng((self.seed, i, 1)).normal(0, 0.05, image.shape)
        return image * self.brightness(i) + noise, truth

    def brightness(self, i):
        """Peak of a blob; the noise is 0.05, and a twentieth of the peak."""
        return 10 ** np.random.default_rng((self.seed, i, 2)).uniform(-2, 0.5)


def terms(**changes):
    return {
        "network": {"name": "compact_modeller", "arguments": {**NETWORK, "components": 2}},
        "loss": {"name": "posterior_nll"},
        "schedule": {"kind": "cosine", "peak": 0.01, "warmup_steps": 20},
        "batch_size": 64,
        "steps_per_epoch": 75,
        "epochs": 5,
        **changes,
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posterior")
    source = Faint(batch_size=64, steps_per_epoch=75)
    held = Faint(seed=2).batch(range(1000))
    return train(recipe(folder, **terms()), folder / "run", source=source, validation=held)


def test_the_history_tells_likelihood_and_coverage(trained):
    first, last = trained.history[0], trained.history[-1]
    assert last["val_nll"] < first["val_nll"] - 0.1
    for name in TARGETS:
        assert last[f"val_rms_{name}"] > 0
        assert 0.5 < last[f"val_in68_{name}"] < 0.85  # before calibration


def test_spreads_cover_follow_the_signal_and_grow_on_noise(trained, rng):
    predict = fixed_predict(trained.model)
    held, new = Faint(seed=2), Faint(seed=3)
    lenses = held.batch(range(1000))
    calibration = fit_spread(Posterior.of(predict(lenses.images), TARGETS), lenses.y)
    lenses = new.batch(range(2000))
    posterior = Posterior.of(predict(lenses.images), TARGETS).stretched(calibration.scales)
    signal = np.array([new.brightness(i) for i in range(2000)])
    found = posterior_figures(posterior, lenses.y, rng=rng, by=signal)
    for name, values in found["parameters"].items():
        # binomial error of 2,000 lenses 0.01, and as much again from the calibration's 1,000
        assert abs(values["coverage"]["0.68"] - 0.68) < 0.05, name
        spreads = [line["parameters"][name]["std_median"] for line in found["bins"]]
        assert spreads[0] > 2 * spreads[-1], name
    assert all(control["rejects"] for control in found["controls"].values())
    noise = {"vis": rng.normal(0, 0.05, (200, 16, 16, 1)).astype(np.float32)}
    unsure = Posterior.of(predict(noise), TARGETS).stretched(calibration.scales).std()
    # nothing is there, and that is what it says: surer than it of a lens are nearly all
    bright = posterior.std()[signal > 0.3]
    assert (np.median(unsure, axis=0) > np.quantile(bright, 0.95, axis=0)).all()


def test_a_network_without_a_posterior_has_no_likelihood(tmp_path):
    plain = {"name": "compact_modeller", "arguments": NETWORK}
    with pytest.raises(RecipeError, match="components: 1"):
        train(
            recipe(tmp_path, **terms(network=plain)), tmp_path / "run", source=Faint(batch_size=64)
        )
