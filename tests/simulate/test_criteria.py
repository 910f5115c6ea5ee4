"""What counts as a lens: the three criteria of the second lens-finding challenge."""

import numpy as np
import pytest
from scipy import ndimage

from lensfinder.errors import UnknownNameError
from lensfinder.simulate import Simulator


def counted(mocks, survey, band):
    """Groups, lowest magnification and pixels above 1 sigma, from the source plane alone."""
    flux, above = [], None
    for group in survey.groups:
        for channel, each in enumerate(group.bands):
            image = mocks.planes["S3"][group.name][..., channel].astype(np.float64)
            intrinsic = np.asarray(mocks.truth[f"src_flux_{each.name}"])
            with np.errstate(divide="ignore", invalid="ignore"):
                flux.append(np.where(intrinsic > 0, image.sum(axis=(1, 2)) / intrinsic, 0.0))
            if each.name == band:
                above = image > each.background_sigma
    groups = np.array([ndimage.label(mask)[1] for mask in above])
    return groups, np.min(flux, axis=0), above.sum(axis=(1, 2))


def check_catalogue(mocks, survey, band):
    """Label and catalogue are what the planes say, and either gives the other."""
    truth = mocks.truth
    groups, magnification, n_pix = counted(mocks, survey, band)
    lens = truth["class"] == "lens"
    expected = lens & (groups > 0) & (magnification > 1.6) & (n_pix > 20)
    assert np.array_equal(truth["label"] == 1, expected)
    assert np.array_equal(truth["n_groups"], groups)
    assert np.array_equal(truth["n_pix"], n_pix)
    np.testing.assert_allclose(truth["magnification"], magnification, rtol=1e-5)
    loose = lens & (truth["n_pix"] > 5)  # negative control: other thresholds, other lenses
    assert np.sum(loose) > np.sum(expected)


def test_the_catalogue_holds_what_the_label_was_made_of():
    simulator = Simulator("euclid-vis", "bom2022", seed=3, planes=("S3",))
    mocks = simulator.objects(range(256))
    check_catalogue(mocks, simulator.survey, "VIS")
    truth = mocks.truth
    assert np.all(truth["z_src"] > truth["z_lens"])
    assert np.all((truth["z_src"] >= 1.27) & (truth["z_src"] <= 11.08))
    assert np.all(truth["lens_bulge_flux_VIS"] > 0)
    assert truth["n_neighbours"].max() > 2


def test_a_band_that_the_survey_has_not_got():
    with pytest.raises(UnknownNameError, match="VIS"):
        Simulator("euclid-vis", "bom2022-ground", planes=("S3",)).objects([0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("survey", "population", "band"),
    [("euclid-vis-nisp", "bom2022", "VIS"), ("kids-ugri", "bom2022-ground", "r")],
)
def test_half_are_lenses_and_the_median_of_n_pix_is_near_fifty(survey, population, band):
    """Bom 2022, section 2.1 (0.492) and figure 10 (about 50); of 256 objects, at 4 sigma.

    The median's error is measured by the bootstrap: 9 pixels.
    """
    simulator = Simulator(survey, population, seed=3, planes=("S3",))
    mocks = simulator.objects(range(256))
    check_catalogue(mocks, simulator.survey, band)
    truth = mocks.truth
    assert abs(np.mean(truth["label"]) - 0.492) < 4 * 0.5 / 16
    magnified = (truth["class"] == "lens") & (truth["magnification"] > 1.6) & (truth["n_pix"] > 0)
    assert 30 < np.median(truth["n_pix"][magnified]) < 80
