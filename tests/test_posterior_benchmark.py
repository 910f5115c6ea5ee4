"""The benchmark of posteriors: several populations together and one by one."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from lensfinder.training.evaluation import Scored

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("theta_E", "e1")


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("posterior")
    sys.path.remove(str(ROOT / "benchmarks"))


def scored(seed, *, errors):
    """Answers that claim a spread of 1 and err by `errors`."""
    rng, size = np.random.default_rng(seed), 4000
    mean = rng.normal(0, 3, size=(size, 2))
    true = mean + rng.normal(0, errors, size=mean.shape)
    gaussian = np.broadcast_to([1.0, 0.0, 1.0], (size, 3))  # lower triangle of its factor
    answers = np.concatenate([mean, np.ones((size, 1)), mean, gaussian], axis=1)
    columns = {**dict(zip(TARGETS, true.T, strict=True)), "snr": rng.uniform(20, 200, size)}
    return Scored(Table(columns), answers, {"population": f"errors of {errors}"})


def test_populations_are_judged_together_and_one_by_one(benchmark):
    parts = {"narrow": scored(1, errors=0.7), "wide": scored(2, errors=1.4)}
    found = benchmark.of_populations(parts, TARGETS)
    held = {
        name: part["posterior"]["parameters"]["theta_E"]["coverage"]["0.68"]
        for name, part in {"together": found, **found["populations"]}.items()
    }
    # of a Gaussian: within 0.9945 claimed spreads of a true one of 0.7, and of 1.4
    assert held["narrow"] == pytest.approx(0.845, abs=0.02)
    assert held["wide"] == pytest.approx(0.523, abs=0.025)
    assert held["together"] == pytest.approx((held["narrow"] + held["wide"]) / 2, abs=1e-3)
    judged = {name: part["within_limits"]["e1"] for name, part in found["populations"].items()}
    assert found["within_limits"]["e1"]["all"]
    assert not judged["narrow"]["all"]
    assert not judged["wide"]["bins"]
    assert found["posterior"]["objects"] == 8000
    text = benchmark.markdown({**found, "no_lens": {}, "time": {}})
    assert [line for line in text.splitlines() if line.endswith(":")] == [
        "together:",
        "narrow:",
        "wide:",
    ]


def test_one_population_is_not_told_twice(benchmark):
    found = benchmark.of_populations({"right": scored(3, errors=1.0)}, TARGETS)
    assert found["populations"] == {}
    assert found["within_limits"]["theta_E"]["all"]
    # a bias of 0.3 spreads leaves 66 % within 68 %: the ranks tell, not the coverage
    controls = found["within_limits"]["theta_E"]["controls"]
    assert [name for name, within in controls.items() if within] == ["bias of 0.3 std"]


def test_a_modeller_without_a_posterior_is_refused(benchmark, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["posterior.py", "--modeller", "compact-modeller/euclid-vis"])
    with pytest.raises(SystemExit, match="without a posterior"):
        benchmark.main()
