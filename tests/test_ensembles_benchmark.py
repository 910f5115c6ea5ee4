"""The benchmark of ensembles: members whose errors are known, and presets that do not fit."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
N = 4000
TARGETS = ("theta_E", "e1")


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("ensembles")
    sys.path.remove(str(ROOT / "benchmarks"))


def answers(mean, std):
    """One Gaussian per object, as a modeller answers it."""
    mean = np.stack([mean, mean], axis=1)
    factor = np.tile([std, 0.0, std], (len(mean), 1))
    return np.concatenate([mean, np.ones((len(mean), 1)), mean, factor], axis=1)


def test_two_noisy_members_are_better_together(benchmark, rng):
    true = rng.uniform(0.5, 2.5, N)
    noise = rng.normal(0, 0.1, (2, N))
    members = [answers(true + each, 0.1) for each in noise]
    found = benchmark.compared(("a", "b"), members, TARGETS, np.stack([true, true], axis=1))
    for name in TARGETS:
        rms = [found[each]["parameters"][name]["rms"] for each in ("a", "b", "ensemble")]
        assert rms[0] == pytest.approx(0.1, rel=0.05)
        assert rms[2] == pytest.approx(0.1 / np.sqrt(2), rel=0.05)
        held = [found[each]["parameters"][name]["coverage"]["0.68"] for each in ("a", "ensemble")]
        assert held[0] == pytest.approx(0.68, abs=0.03)
        assert held[1] > 0.8, "a mixture of right posteriors is too wide"
    # their means scatter by 0.1^2 / 2 on the mean, of 0.1^2 + that: a third; the median is below
    share = found["ensemble disagrees"]["theta_E_epistemic_share"]
    assert share == pytest.approx(0.1855, abs=0.02)
    alike = benchmark.disagreement([members[0], members[0]], TARGETS)
    assert alike["theta_E_epistemic_share"] == 0


def test_it_runs_and_refuses_what_does_not_go_together(benchmark, tmp_path, monkeypatch):
    names = ["compact-modeller/euclid-vis-posterior", "compact-modeller/euclid-wide-vis"]
    words = ["ensembles.py", "--mocks", "40", "--others", "40", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*words, "--members", names[0], "compact-modeller/euclid-vis"])
    with pytest.raises(SystemExit, match="without a posterior"):
        benchmark.main()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(benchmark, "POPULATIONS", ("pearson2019-test",))
    monkeypatch.setattr(
        sys, "argv", [*words, "--members", names[0], "--populations", "pearson2019-test"]
    )
    benchmark.main()
    figures = json.loads((tmp_path / "ensembles.json").read_text())["figures"]
    one = figures["populations"]["pearson2019-test"]
    assert one["ensemble"] == one[names[0]], "an ensemble of one is that one"
