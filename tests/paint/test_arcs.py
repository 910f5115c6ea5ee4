"""Arcs: lenstronomy, conservation of flux, the PSF of each object, zero points."""

import numpy as np
import pytest
import skies

from lensfinder.lensing import sersic_profile
from lensfinder.paint import Settings, Sources, read_sources
from lensfinder.paint.arcs import ArcPainter, subpixels_for
from lensfinder.paint.psf import object_psf, pixel_response, turned
from lensfinder.simulate.psf import SeparablePsf

SHAPE = {"R_e": 0.25, "n": 1.0, "q": 0.6, "phi": 0.5}
FLUX = np.array([20.0, 50.0])  # of the bands, electron/s


def columns(count=1, **given):
    """Parameters of lenses, all alike but for what is given."""
    values = {"theta_E": 1.3, "q": 0.7, "phi": 0.4, "x_lens": 0.05, "y_lens": -0.03}
    values |= {"gamma1": 0.0, "gamma2": 0.0, "source": 0, "x_src": 0.11, "y_src": 0.07}
    values |= {"src_angle": 0.0, "src_flip": 0} | given
    return {
        name: np.broadcast_to(np.asarray(value, int if name == "source" else float), (count,))
        for name, value in values.items()
    }


@pytest.fixture(scope="module")
def smooth():
    """A Sérsic source at 0.03 arcsec per pixel, 7 arcsec wide, and the same at 0.06."""
    stamps = [
        skies.sersic_image(side, scale, over=5, flux=1.0, **SHAPE)[..., None]
        for side, scale in ((235, 0.03), (117, 0.06))
    ]
    return Sources.from_stamps(["fine", "coarse"], stamps, [FLUX, FLUX], [0.03, 0.06])


@pytest.fixture(scope="module")
def arcs(small, smooth):
    return ArcPainter(small, smooth, Settings())


NO_PSF = ("survey", {})


PLACES = (0.11, -0.3)  # of the source in x: a quad and a double
MASS = [1.3, 0.7, 0.4, 0.05, -0.03, 0.03, -0.02]


def with_shear(source, **given):
    return columns(2, x_src=PLACES, gamma1=0.03, gamma2=-0.02, source=source, **given)


def test_lenstronomy_draws_the_same_arcs_of_the_same_stamp(small, smooth, arcs):
    """INTERPOL is bilinear, as we are; what differs is how PSF and pixels are integrated: 4e-4."""
    from tests.simulate import oracle

    image = arcs(with_shear(0, src_angle=0.8), [NO_PSF, NO_PSF])["cam"][0, ..., 1]
    stamp = {
        "image": smooth.images[0, ..., 0].astype(np.float64) / 0.03**2,
        "amp": FLUX[1],
        "center_x": PLACES[0],
        "center_y": 0.07,
        "phi_G": 0.8,
        "scale": 0.03,
    }
    group = small.group("cam")
    expected = oracle.draw(group, 0.6, MASS, stamps=[stamp], factor=6)
    assert np.abs(image - expected).max() < 1.5e-3 * expected.max()
    other_way = oracle.draw(group, 0.6, MASS, stamps=[stamp | {"phi_G": -0.8}], factor=2)
    assert np.abs(image - other_way).max() > 3e-2 * expected.max()


def test_the_arcs_of_a_stamp_approach_those_of_the_source_itself(small, arcs):
    """Lenstronomy with the Sérsic profile that was put on the stamp.

    Pixels and interpolation blur the source by half a pixel of the stamp (standard deviation),
    whose effect is of second order: 1e-2 of the peak at 0.03 arcsec, four times that at 0.06.
    The 0.1 arcsec of HST's own PSF in real stamps do more.
    """
    from tests.simulate import oracle

    images = [arcs(with_shear(source), [NO_PSF, NO_PSF])["cam"][..., 1] for source in (0, 1)]
    for k, x_src in enumerate(PLACES):
        row = [x_src, 0.07, SHAPE["R_e"], SHAPE["n"], SHAPE["q"], SHAPE["phi"]]
        expected = oracle.draw(small.group("cam"), 0.6, MASS, source=[row], source_flux=[FLUX[1]])
        fine, coarse = (np.abs(i[k] - expected).max() / expected.max() for i in images)
        assert fine < 1.3e-2
        assert 3 < coarse / fine < 5
        shifted = np.abs(np.roll(images[0][k], 1, axis=1) - expected).max() / expected.max()
        assert shifted > 0.05  # a pixel's error is seen


def test_the_flux_of_an_unlensed_source_is_that_of_the_catalogue(arcs):
    """Through the PSF and the pixels; what is missing lies outside of the stamp."""
    lens = columns(theta_E=0.0, x_src=0.0, y_src=0.0)
    total = arcs(lens, [NO_PSF])["cam"].sum(axis=(1, 2), dtype=np.float64)[0]
    # measured -1.0e-3: the PSF is cut at 4 sigma, and the cusp falls between four rays
    np.testing.assert_allclose(total, FLUX, rtol=2e-3)


def test_lensing_magnifies_as_the_rays_say(arcs):
    """Flux of the image = integral over the sky of the source's brightness at the end of rays."""
    from lensfinder.lensing import source_position

    lens = columns()
    total = arcs(lens, [NO_PSF])["cam"].sum(axis=(1, 2), dtype=np.float64)[0]
    axis = (np.arange(400) + 0.5 - 200) * 0.0252
    parameters = {"theta_E": 1.3, "q": 0.7, "phi": 0.4, "x0": 0.05, "y0": -0.03}
    x, y = source_position(axis[None, :], axis[:, None], **parameters)
    light = sersic_profile(x, y, flux=1.0, x0=0.11, y0=0.07, **SHAPE).sum() * 0.0252**2
    np.testing.assert_allclose(total, FLUX * light, rtol=3e-3)
    assert light > 3


def gaussian_image(scale, fwhm, reach=2.0, q=1.0):
    half = int(np.ceil(reach / scale))
    axis = np.arange(-half, half + 1) * scale
    sigma = fwhm / 2.3548
    edges = np.append(axis - scale / 2, axis[-1] + scale / 2)
    from scipy.special import ndtr

    row, column = np.diff(ndtr(edges / sigma)), np.diff(ndtr(edges / (q * sigma)))
    return np.outer(row, column)


@pytest.mark.parametrize("scale", [0.168, 0.05], ids=["as the images", "finer"])
def test_a_psf_given_as_an_image_does_what_its_formula_does(arcs, scale):
    """The same Gaussian as the survey's; 3.6 pixels of FWHM are enough for the spline."""
    expected = arcs(columns(), [NO_PSF])["cam"]
    image = gaussian_image(scale, 0.6)
    given = dict.fromkeys("gi", (image, scale, 0))
    found = arcs(columns(), [(f"own {scale}", given)])["cam"]
    assert np.abs(found - expected).max() < 2e-3 * expected.max()
    wider = {band: (gaussian_image(scale, 0.65), scale, 0) for band in "gi"}
    worse = arcs(columns(), [(f"wider {scale}", wider)])["cam"]
    assert np.abs(worse - expected).max() > 2e-2 * expected.max()


def test_each_object_has_its_own_psf_and_bands_without_one_the_surveys(arcs):
    own = {"i": (gaussian_image(0.168, 0.9, reach=3.0), 0.168, 0)}
    mixed = arcs(columns(2), [("sharp", {}), ("blurred", own)])["cam"]
    np.testing.assert_array_equal(mixed[0, ..., 0], mixed[1, ..., 0])
    assert mixed[1, ..., 1].max() < 0.9 * mixed[0, ..., 1].max()


def test_a_galaxy_turned_by_a_quarter_brings_its_psf_and_leaves_the_arcs(arcs):
    """The arcs stay where the mass and the source are; only the blur turns."""
    long = gaussian_image(0.168, 0.6, q=1.5)
    upright = arcs(columns(), [("0", dict.fromkeys("gi", (long, 0.168, 0)))])["cam"]
    lying = arcs(columns(), [("1", dict.fromkeys("gi", (long, 0.168, 1)))])["cam"]
    assert np.abs(upright - lying).max() > 0.05 * upright.max()
    # turning everything, lens, source and PSF, turns the image
    c = columns(phi=0.4 + np.pi / 2, x_lens=0.03, y_lens=0.05, x_src=-0.07, y_src=0.11,
                src_angle=np.pi / 2)  # fmt: skip
    both = arcs(c, [("1", dict.fromkeys("gi", (long, 0.168, 1)))])["cam"]
    np.testing.assert_allclose(both[0], turned(upright[0], 1), atol=2e-5 * upright.max())
    round_psf = arcs(columns(2), [NO_PSF, NO_PSF])["cam"]
    np.testing.assert_array_equal(round_psf[0], round_psf[1])


def test_the_responses_of_the_points_of_a_pixel_add_up_to_one():
    response = pixel_response(SeparablePsf.gaussian(0.6), 0.168, 3)
    # the Gaussian is cut at 4 sigma
    np.testing.assert_allclose(response.sum(axis=(2, 3)), 1.0, atol=3e-4)
    middle = response[1, 1]
    np.testing.assert_allclose(middle, middle[::-1, ::-1], atol=1e-7)
    assert response[2, 1].argmax() == middle.argmax()  # 0.06 arcsec above the middle
    assert response[2, 1][middle.shape[0] // 2 + 1].sum() > middle[middle.shape[0] // 2 + 1].sum()


def test_a_psf_with_an_even_side_keeps_its_place():
    odd = gaussian_image(0.168, 0.6)
    for pads in (((0, 1), (1, 0)), ((1, 0), (0, 1))):
        even = np.pad(odd, pads)
        ours = object_psf(even, 0.168)
        edges = np.linspace(-1.5, 1.5, 7)
        theirs = object_psf(odd, 0.168)
        total, wanted = (
            sum(r(edges)[:, None] * c(edges) for r, c in psf.kernels) for psf in (ours, theirs)
        )
        np.testing.assert_allclose(total, wanted, atol=2e-3)


def test_zero_points_scale_the_flux(small):
    """10^(0.4 (zp_lens - zp_src)), the factor of section 2.3."""
    stamp = skies.source(0)
    found = read_sources([stamp], small, Settings())
    for b, (band, zero_point) in enumerate((("g", 28.9), ("i", 28.6))):
        light = stamp.bands[band].sum(dtype=np.float64)
        assert found.flux[0, b] == pytest.approx(
            light * 10 ** (0.4 * (zero_point - 26.0)), rel=1e-6
        )


def test_rays_are_denser_than_the_sources_pixels(small, smooth):
    group = small.group("cam")
    assert subpixels_for(Settings(), smooth, group) == 6
    assert subpixels_for(Settings(subpixels=3), smooth, group) == 3
