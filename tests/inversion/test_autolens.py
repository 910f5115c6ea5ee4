"""The same lenses inverted by an independent code, PyAutoLens, whose answers are stored.

It cannot share an environment with this package. `data/autolens.json` says which version answered
and with which command; the lenses are made again here, from their seeds.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from systems import autolens_cases

from lensfinder.inversion import Inverter, RectangularGrid, Regularisation

STORED = json.loads((Path(__file__).parent / "data" / "autolens.json").read_text("utf-8"))
CASES = autolens_cases()
TERMS = ("chi2", "smoothness", "log_det_curvature", "log_det_regularisation", "log_noise")


def inverted(name):
    lens, mass, shape, strength, kind = CASES[name]
    # PyAutoLens adds 1e-8 to the diagonal whatever the strength; ours is multiplied by it.
    rule = Regularisation(kind=kind, strength=strength, floor=min(1e-8 / strength, 1e-2))
    grid = RectangularGrid(shape=shape)
    inverter = Inverter(lens.image, lens.noise, **lens.known, source=grid, regularisation=rule)
    return inverter.invert(mass)


def test_every_lens_has_an_answer():
    assert set(STORED["answers"]) == set(CASES)
    assert STORED["autolens"] == "2026.7.29.1"


@pytest.mark.parametrize("name", CASES)
def test_evidence_and_source_are_those_of_pyautolens(name):
    theirs, ours = STORED["answers"][name], inverted(name)
    # 1e-3 is asked for. Where the floor or the size of `zeroth` does not enter, rounding remains.
    for term in TERMS:
        assert getattr(ours.evidence, term) == pytest.approx(theirs[term], rel=1e-6), term
    assert ours.log_evidence == pytest.approx(theirs["log_evidence"], rel=1e-6)
    source = np.array(theirs["source"])
    np.testing.assert_allclose(ours.source, source, rtol=0, atol=1e-6 * np.abs(source).max())
    assert np.sqrt(np.mean(ours.model_image**2)) == pytest.approx(theirs["model_rms"], rel=1e-6)


def test_another_orientation_would_be_noticed():
    source = np.array(STORED["answers"]["true mass"]["source"])
    shape = CASES["true mass"][2]
    upside_down = source.reshape(shape)[::-1].ravel()
    assert np.abs(upside_down - inverted("true mass").source).max() > 0.1 * source.max()
