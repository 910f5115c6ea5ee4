"""The painter: planes that add up, noise of the arcs, the galaxy turned and the arcs not."""

import numpy as np
import pytest

from lensfinder.data import split_of
from lensfinder.errors import SimulationError
from lensfinder.paint import Painter, adaptive_moments
from lensfinder.paint.truth import object_names
from lensfinder.simulate.mocks import Mocks


def painted(painter, count=48):
    """Mocks of the first candidates."""
    outcomes = list(painter.outcomes(0, count))
    assert sum(len(outcome.numbers) for outcome in outcomes) == count
    return Mocks.join([outcome.mocks for outcome in outcomes if outcome.mocks is not None])


@pytest.fixture(scope="module")
def mocks(painter):
    return painted(painter)


def test_the_painted_image_is_galaxy_plus_arcs(mocks):
    planes = {name: images["cam"] for name, images in mocks.planes.items()}
    np.testing.assert_array_equal(planes["S1"], planes["LENS"] + planes["S3"])
    assert set(mocks.truth["rotation"]) == {0, 1, 2, 3}


def test_the_galaxys_image_is_turned_as_the_truth_says(mocks, galaxies):
    for row in mocks.truth[:24]:
        at = list(mocks.truth["id"]).index(row["id"])
        shown = mocks.planes["LENS"]["cam"][at]
        own = galaxies.images["cam"][galaxies.ids.index(row["lens_id"])]
        np.testing.assert_array_equal(shown, np.rot90(own, -int(row["rotation"])))
        # measured anew on the turned image: the light that the mass follows
        found = adaptive_moments(shown[..., 1], 0.168)
        assert (found.x, found.y) == pytest.approx((row["x_light"], row["y_light"]), abs=1e-4)
        assert np.cos(2 * (found.phi - row["phi_light"])) > 1 - 1e-6


def test_another_code_draws_the_arcs_from_the_truth(mocks, sources, small):
    """Rays from the columns of the truth table meet the source's brightest pixel."""
    from lensfinder.lensing import image_positions

    for row in range(12):
        truth, arcs = mocks.truth[row], mocks.planes["S3"]["cam"][row, ..., 1]
        lens = {name: truth[name] for name in ("theta_E", "q", "phi", "gamma1", "gamma2")}
        lens |= {"x0": truth["x_lens"], "y0": truth["y_lens"]}
        images = image_positions(truth["x_src"], truth["y_src"], **lens)
        assert images.count == truth["n_images"]
        best = np.nanargmax(np.abs(images.magnification))
        column = round(float(images.x[best]) / 0.168 + 19.5)
        line = round(float(images.y[best]) / 0.168 + 19.5)
        around = arcs[line - 1 : line + 2, column - 1 : column + 2]
        assert around.max() > 0.5 * arcs.max()
        flux = arcs.sum(dtype=np.float64) / truth["src_flux_i"]
        assert flux == pytest.approx(float(truth["magnification"]), rel=1e-5)
        galaxy = mocks.planes["LENS"]["cam"][row, ..., 1].sum(dtype=np.float64)
        ratio = np.log10(arcs.sum(dtype=np.float64) / galaxy)
        assert ratio == pytest.approx(float(truth["log_brightness_i"]), abs=1e-5)


def test_the_magnification_plane_changes_sign_on_the_critical_curve(mocks):
    plane = mocks.planes["MU"]["cam"][..., 0]
    corner = plane[:, 0, 0]
    assert ((corner > 1) & (corner < 3)).all()
    assert (plane.min(axis=(1, 2)) < 0).all()


def test_faint_arcs_are_refused_and_bright_ones_are_not(small, galaxies, sources, painter):
    from dataclasses import replace

    faint = replace(sources, flux=sources.flux * 1e-4)
    other = Painter(small, galaxies, faint, seed=5)
    other._arcs = painter._arcs  # the program is the same; its sources are not
    library, other._arcs.sources = other._arcs.sources, faint
    try:
        outcomes = list(other.outcomes(0, 16))
    finally:
        painter._arcs.sources = library
    assert [outcome.mocks for outcome in outcomes] == [None]
    assert set(outcomes[0].reason) <= {"faint", "theta_E_small"}


def test_photon_noise_of_the_arcs_is_poissons(mocks, small, painter):
    settings = painter.settings.model_copy(update={"poisson": True})
    planes = ("S1", "S3", "LENS")
    noisy = Painter(small, painter.galaxies, painter.sources, settings, seed=5, planes=planes)
    noisy._arcs = painter._arcs
    again = painted(noisy)
    np.testing.assert_array_equal(again.planes["S3"]["cam"], mocks.planes["S3"]["cam"])
    noise = again.planes["S1"]["cam"].astype(np.float64) - mocks.planes["S1"]["cam"]
    rate = mocks.planes["S3"]["cam"]
    bright = rate > 0.5  # 300 electrons in 600 s
    expected = np.sqrt(rate[bright] / 600.0)
    pull = noise[bright] / expected
    # 5 sigma of a standard deviation of so many numbers, and float32 of the galaxy's core
    assert pull.std() == pytest.approx(1.0, abs=5 / np.sqrt(2 * pull.size) + 0.01)
    assert abs(pull.mean()) < 5 / np.sqrt(pull.size)


def test_objects_of_one_galaxy_are_in_one_split():
    lens_ids = [f"galaxy-{k % 60}" for k in range(600)]
    names = object_names(np.arange(600), lens_ids, 60)
    assert len(set(names)) == 600
    splits = split_of(names)
    np.testing.assert_array_equal(splits, split_of(lens_ids))
    assert set(splits) == {"train", "validation", "test"}
    few = object_names(np.arange(600), lens_ids, 6)  # six galaxies cannot be shared among three
    assert not (split_of(few) == split_of(lens_ids)).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"seed": -1}, "seed"), ({"planes": ("S2",)}, "Planes are"), ({"planes": ()}, "Planes are")],
)
def test_what_cannot_be_is_refused(small, galaxies, sources, options, words):
    with pytest.raises(SimulationError, match=words):
        Painter(small, galaxies, sources, **options)
