"""The benchmark that compares modellers: bins, ratios, and presets that cannot be compared."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

ROOT = Path(__file__).resolve().parent.parent
SIZE = 4000


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("modellers")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def sample():
    """Lenses, and answers that are off by 0.1 and, where S/N is low, by 0.05."""
    rng = np.random.default_rng(1)
    truth = Table(
        {
            "theta_E": rng.uniform(0.5, 2.5, SIZE),
            "e1": rng.uniform(-0.3, 0.3, SIZE),
            "e2": rng.uniform(-0.3, 0.3, SIZE),
            "snr": rng.uniform(20, 200, SIZE),
        }
    )
    true = np.stack([np.asarray(truth[name]) for name in ("theta_E", "e1", "e2")], axis=1)
    scatter = rng.normal(size=true.shape)
    better = np.where(np.asarray(truth["snr"])[:, None] < 110, 0.05, 0.1)
    return truth, {"before": true + 0.1 * scatter, "after": true + better * scatter}


def test_ratios_in_bins_are_those_of_the_errors(benchmark, sample):
    found = benchmark.compared(*sample)["presets"]
    assert found["before"]["parameters"]["theta_E"]["rms"] == pytest.approx(0.1, rel=0.05)
    own = found["before"]["over_reference"]["all"].values()
    assert [(of["ratio"], of["std"]) for of in own] == [(1.0, 0.0)] * 3
    lines = [line["theta_E"] for line in found["after"]["over_reference"]["snr"]]
    ratios = [line["ratio"] for line in lines]
    # the same errors, halved: the ratio is known far better than either
    assert lines[0]["std"] < 1e-3 < found["after"]["bins"]["snr"][0]["parameters"]["e1"]["rms_std"]
    assert ratios[0] == pytest.approx(0.5, abs=1e-3)
    assert ratios[-1] == pytest.approx(1.0, abs=1e-3)
    assert len(found["after"]["bins"]["theta_E"]) == len(ratios)
    assert found["after"]["parameters"]["e1"]["rms_std"] > 0


def test_the_table_has_a_line_for_each_preset_and_parameter(benchmark, sample):
    text = benchmark.markdown({"populations": {"mocks": benchmark.compared(*sample)}})
    lines = [line for line in text.splitlines() if line.startswith(("| before", "| after"))]
    assert len(lines) == 2 * 2 * 3
    assert "mocks, RMS:" in text


def test_modellers_of_other_images_are_refused(benchmark, monkeypatch):
    presets = ["compact-modeller/euclid-vis", "compact-modeller/euclid-wide-vis"]
    monkeypatch.setattr(sys, "argv", ["modellers.py", "--presets", *presets])
    with pytest.raises(SystemExit, match="other images"):
        benchmark.main()
