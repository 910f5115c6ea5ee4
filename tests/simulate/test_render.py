"""Noiseless images: lenstronomy as the oracle, and identities that need none."""

import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose
from scenes import centroid, drawn, one_galaxy, random_lenses
from scipy.special import ndtr

from lensfinder.errors import SimulationError
from lensfinder.simulate import STANDARD, Renderer, Sampling, Scene
from lensfinder.simulate.psf import GAUSSIAN_SIGMA
from lensfinder.specs import Band, Group, Survey, load_survey


def survey_of(*groups, fwhm=0.3):
    """Groups given as (stamp, pixel scale), one band each, all of the same PSF."""
    made = []
    for k, (stamp, scale) in enumerate(groups):
        noise = {"exposure_time": 1, "sky": 1, "read_noise": 1, "dark_current": 0}
        band = Band(name=f"b{k}", wavelength=700, psf_fwhm=fwhm, zero_point=25, **noise)
        made.append(Group(name=f"g{k}", stamp=stamp, pixel_scale=scale, bands=(band,)))
    return Survey(name="test", description="test", groups=tuple(made))


@pytest.fixture(scope="module")
def vis():
    return Renderer(load_survey("euclid-vis"), STANDARD)


# --- against lenstronomy --------------------------------------------------------------------------
def far_pixels(ours, theirs):
    """Fraction of pixels that differ by more than 1e-3 of their image's peak."""
    peak = theirs.max(axis=(1, 2, 3), keepdims=True)
    return np.mean(~(np.abs(ours - theirs) <= 1e-3 * peak))


def total(images, group):
    return images[f"source/{group}"] + images[f"rest/{group}"]


@pytest.mark.parametrize(
    ("count", "seed"), [(8, 1), pytest.param(50, 2, marks=pytest.mark.slow)], ids=["8", "50"]
)
def test_agrees_with_lenstronomy(vis, count, seed):
    """99 % of all pixels within 1e-3 of the peak, at lenstronomy's 10 x 10 points per pixel.

    Those points themselves leave 0.4 % of the pixels further than that from the truth, at the cusps
    of n > 5; a position angle or a shear that is wrong moves several times as many.
    """
    pytest.importorskip("lenstronomy")
    survey = vis.survey
    scene = random_lenses(np.random.default_rng(seed), count)
    ours = total(drawn(vis, scene), "vis")
    theirs = np.stack([oracle.of_scene(survey, scene, k)["vis"] for k in range(count)])
    assert far_pixels(ours, theirs) < 0.01
    for change in (_turned, _sheared_the_other_way, _mirrored):
        assert far_pixels(total(drawn(vis, change(scene)), "vis"), theirs) > 0.02, change.__name__


def _turned(scene):
    mass = scene.mass.copy()
    mass[:, 2] += 0.1
    return Scene(**{**vars(scene), "mass": mass})


def _sheared_the_other_way(scene):
    mass = scene.mass.copy()
    mass[:, 5:] *= -1
    return Scene(**{**vars(scene), "mass": mass})


def _mirrored(scene):
    light = scene.lens.copy()
    light[..., 5] *= -1
    return Scene(**{**vars(scene), "lens": light})


def test_two_pixel_scales_and_three_bands_agree_with_lenstronomy():
    """VIS and NISP from the same nodes; one object, smaller stamps."""
    pytest.importorskip("lenstronomy")
    survey = load_survey("euclid-vis-nisp")
    groups = [
        group.model_copy(update={"stamp": stamp})
        for group, stamp in zip(survey.groups, (54, 18), strict=True)
    ]
    survey = survey.model_copy(update={"groups": tuple(groups)})
    scene = random_lenses(np.random.default_rng(4), 1, bands=4)
    scene.lens[..., 3] = 1.0  # cusps are another test's business
    scene.source[..., 2:4] = 0.3, 1.5
    images = drawn(Renderer(survey), scene)
    theirs = oracle.of_scene(survey, scene, 0)
    for name in ("vis", "nisp"):
        ours = total(images, name)
        peak = theirs[name].max(axis=(0, 1))
        assert_allclose(ours[0] / peak, theirs[name] / peak, rtol=0, atol=2e-3)
        assert far_pixels(ours, theirs[name][None]) < 0.01


# --- identities -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("n", "R_e", "rtol"), [(0.5, 0.4, 1e-4), (1.0, 0.25, 1e-4), (2.0, 0.1, 2e-3)]
)
def test_the_flux_of_a_galaxy_is_its_flux(vis, n, R_e, rtol):
    """In a stamp that holds all but 1e-5 of it; to 1e-4 but for a cusp of one pixel's width."""
    for q in (1.0, 0.6):
        scene = one_galaxy(flux=7.0, n=n, R_e=R_e, q=q, phi=0.7, x=0.03, y=-0.04)
        image = drawn(vis, scene)["rest/vis"][0, ..., 0]
        assert image.sum() == pytest.approx(7.0, rel=rtol)


def test_a_gaussian_galaxy_is_analytic(vis):
    """n = 0.5 is a Gaussian of variance R_e^2 / (2 ln 2), and adds to that of the PSF."""
    scene = one_galaxy(flux=1.0, n=0.5, R_e=0.3, x=0.21, y=-0.37)
    image = drawn(vis, scene)["rest/vis"][0, ..., 0]
    sigma = np.hypot(0.3 / np.sqrt(2 * np.log(2)), 0.17 * GAUSSIAN_SIGMA)
    edges = (np.arange(58) - 28.5) * 0.1
    exact = np.outer(*(np.diff(ndtr((edges - at) / sigma)) for at in (-0.37, 0.21)))
    # two nodes per pixel sample the PSF of 0.17 arcsec to 1e-3 (see the sheet below)
    assert_allclose(image, exact, rtol=0, atol=5e-4 * exact.max())
    assert np.abs(image - exact.T).max() > 0.1 * exact.max()


def test_up_is_up_and_right_is_right(vis):
    image = drawn(vis, one_galaxy(x=0.8, y=1.5, R_e=0.2))["rest/vis"][0, ..., 0]
    assert np.unravel_index(image.argmax(), image.shape) == (28 + 15, 28 + 8)
    assert_allclose(centroid(image, 0.1), (0.8, 1.5), atol=1e-3)


def test_the_position_angle_runs_from_x_to_y(vis):
    image = drawn(vis, one_galaxy(q=0.4, phi=0.5, n=0.5))["rest/vis"][0, ..., 0]
    axis = (np.arange(57) - 28) * 0.1
    xx, yy, xy = (
        (image * product).sum()
        for product in (axis[None, :] ** 2, axis[:, None] ** 2, axis[:, None] * axis[None, :])
    )
    assert 0.5 * np.arctan2(2 * xy, xx - yy) == pytest.approx(0.5, abs=1e-3)


def test_pixel_scales_of_one_object_agree():
    """Nine pixels of 0.1 arcsec make one of 0.3: the PSF and the nodes are the same."""
    renderer = Renderer(survey_of((42, 0.1), (14, 0.3)))
    scene = random_lenses(np.random.default_rng(6), 2, bands=2, width=4.2)
    scene.lens_flux[..., 1], scene.source_flux[..., 1] = (
        scene.lens_flux[..., 0],
        scene.source_flux[..., 0],
    )
    images = drawn(renderer, scene)
    for kind in ("source", "rest"):
        small, large = images[f"{kind}/g0"][..., 0], images[f"{kind}/g1"][..., 0]
        binned = small.reshape(2, 14, 3, 14, 3).sum(axis=(2, 4))
        assert_allclose(binned, large, rtol=0, atol=1e-5 * large.max())


def test_the_parts_add_up(vis):
    """Source and rest come apart exactly: each is what is drawn without the other."""
    scene = random_lenses(np.random.default_rng(7), 2)
    images = drawn(vis, scene)
    dark = {"lens": scene.lens_flux, "source": scene.source_flux}
    for name, kind in (("lens", "source"), ("source", "rest")):
        alone = Scene(**{**vars(scene), f"{name}_flux": 0 * dark[name]})
        only = drawn(vis, alone)
        other = {"source": "rest", "rest": "source"}[kind]
        assert not only[f"{other}/vis"].any()
        # other pixels are refined when half of the light is missing
        peak = images[f"{kind}/vis"].max()
        assert np.quantile(np.abs(only[f"{kind}/vis"] - images[f"{kind}/vis"]), 0.99) < 1e-3 * peak


def test_lensing_conserves_surface_brightness(vis):
    """A sheet stays a sheet behind any lens, up to the very edge of the stamp.

    4 sigma of PSF beyond the edge are drawn: 3e-5 of the light of an edge pixel is missing. Two
    nodes per pixel sample a PSF of 0.17 arcsec to 1e-3, four to 1e-4.
    """
    scene = random_lenses(np.random.default_rng(8), 3)
    scene.lens_flux[:] = 0
    scene.source[:, 0] = [0, 0, 1000.0, 0.5, 1, 0]
    scene.source_flux[:] = 1e6
    level = 1e6 * np.log(2) / (np.pi * 1000.0**2) * 0.01
    assert_allclose(drawn(vis, scene)["source/vis"], level, rtol=1.5e-3)
    fine = Renderer(vis.survey, Sampling(base=4, levels=()))
    assert_allclose(drawn(fine, scene)["source/vis"], level, rtol=1e-4)


def test_a_small_source_is_magnified_as_a_point():
    """mu = 2 theta_E / beta of an isothermal sphere inside its Einstein radius."""
    renderer = Renderer(survey_of((57, 0.1), fwhm=0.17))
    scene = one_galaxy(kind="source", x=0.3, y=0.4, n=0.5, R_e=0.04, flux=3.0)
    scene.mass[0] = [1.0, 1.0, 0, 0, 0, 0, 0]
    found = drawn(renderer, scene)["source/g0"].sum() / 3.0
    # a disc averages 1/beta: 1 + <r^2> / (4 beta^2), 0.6 % here
    assert found == pytest.approx(2 * 1.0 / 0.5 * (1 + 0.04**2 / np.log(2) / (4 * 0.25)), rel=3e-3)
    scene.mass[0, 0] = 0.0
    assert drawn(renderer, scene)["source/g0"].sum() == pytest.approx(3.0, rel=1e-4)


def test_nothing_gives_nothing(vis):
    images = drawn(vis, Scene.empty(2, 1, lens=1, source=1, field=1, structure=1))
    assert set(images) == {"source/vis", "rest/vis"}
    for image in images.values():
        assert image.shape == (2, 57, 57, 1)
        assert not image.any()


def test_extreme_shapes_are_finite(vis):
    scene = random_lenses(np.random.default_rng(9), 4)
    scene.mass[:, :5] = [
        [1, 1, 0, 0, 0],
        [2.5, 0.1, 1, 0, 0],
        [1e-6, 0.5, 0, 0, 0],
        [1, 1, 0, 9, 9],
    ]
    scene.lens[:, 0, :2] = 0.0
    scene.lens[:, 0, 3] = [0.3, 10, 8, 4]
    scene.source[:, 0, :3] = [[0, 0, 0.01], [0, 0, 3], [0.1, 0, 1e-3], [0, 0, 0.1]]
    for image in drawn(vis, scene).values():
        assert np.isfinite(image).all()
        assert image.min() >= 0


# --- real sources ---------------------------------------------------------------------------------
def stamp_with_blob():
    """33 x 33 pixels, a blob at +4 columns and +8 rows from the middle, and a fainter one."""
    y, x = np.mgrid[:33, :33] - 16.0
    image = np.exp(-((x - 4) ** 2 + (y - 8) ** 2) / 8) + 0.2 * np.exp(-(x**2 + y**2) / 8)
    return image / image.sum()


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_real_source_is_where_it_should_be(vis, angle, flip):
    """Flux and centroid: mirrored in its own x first, then turned counter-clockwise."""
    image = stamp_with_blob()
    scene = Scene.empty(1, 1, stamp=(33, 1))
    scene.stamp[0] = [0.2, -0.3, 3.3, angle, flip]
    scene.stamp_image[0, ..., 0], scene.stamp_flux[0] = image, 5.0
    found = drawn(vis, scene)["source/vis"][0, ..., 0]
    assert found.sum() == pytest.approx(5.0, rel=1e-3)  # bilinear between pixels of its own
    u, v = centroid(image, 0.1)
    u = -u if flip else u
    expected = (
        0.2 + np.cos(angle) * u - np.sin(angle) * v,
        -0.3 + np.sin(angle) * u + np.cos(angle) * v,
    )
    assert_allclose(centroid(found, 0.1), expected, atol=2e-3)


def test_a_real_source_has_the_colours_of_its_channels():
    renderer = Renderer(survey_of((42, 0.1), (14, 0.3)))
    scene = Scene.empty(1, 2, stamp=(33, 2))
    scene.stamp[0] = [0, 0, 3.3, 0, 0]
    scene.stamp_image[0, ..., 0] = stamp_with_blob()
    scene.stamp_image[0, ..., 1] = stamp_with_blob().T
    scene.stamp_flux[0] = [5.0, 2.0]
    images = drawn(renderer, scene)
    assert images["source/g0"].sum() == pytest.approx(5.0, rel=2e-3)
    assert images["source/g1"].sum() == pytest.approx(2.0, rel=2e-3)
    x, y = centroid(images["source/g1"][0, ..., 0], 0.3)
    assert x > y > 0


def test_a_gaussian_stamp_is_lensed_as_a_gaussian_profile(vis):
    """The same source, once a picture of 65 pixels and once a formula: 1 % of the peak."""
    y, x = (np.mgrid[:65, :65] - 32.0) * 0.04
    picture = np.exp(-np.log(2) * (x**2 + y**2) / 0.3**2)
    mass = [1.3, 0.7, 0.4, 0.05, 0.0, 0.03, 0.02]
    real, formula = Scene.empty(1, 1, stamp=(65, 1)), one_galaxy(kind="source", x=0.2, y=0.1)
    formula.source[0, 0, 2:4] = 0.3, 0.5
    real.mass[0] = formula.mass[0] = mass
    real.stamp[0], real.stamp_flux[0] = [0.2, 0.1, 65 * 0.04, 0, 0], 10.0
    real.stamp_image[0, ..., 0] = picture / picture.sum()
    one, other = (drawn(vis, scene)["source/vis"] for scene in (real, formula))
    assert_allclose(one, other, rtol=0, atol=0.01 * other.max())
    assert other.sum() > 20  # it is lensed


# --- the sampling ---------------------------------------------------------------------------------
def test_more_nodes_come_closer():
    """The error falls from one node per pixel over FAST to STANDARD."""
    survey = load_survey("euclid-vis")
    scene = random_lenses(np.random.default_rng(10), 4)
    scene.source[..., 3] = np.clip(scene.source[..., 3], 0.5, 4)
    exact = drawn(Renderer(survey, Sampling(base=8, levels=((64, 32),))), scene)
    errors = []
    for sampling in (Sampling(base=1, levels=()), Sampling(base=2, levels=()), STANDARD):
        found = drawn(Renderer(survey, sampling), scene)
        difference = (total(found, "vis") - total(exact, "vis")) / total(exact, "vis").max()
        errors.append(np.sqrt(np.mean(difference**2)))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_more_refined_pixels_than_pixels_is_an_error():
    with pytest.raises(SimulationError, match="Use fewer in `levels`"):
        Renderer(survey_of((8, 0.1)), Sampling(levels=((5000, 4),)))
