"""Lens light: found beside arcs, and projected out exactly as if its amplitudes were solved for."""

import numpy as np
import pytest
from scipy import ndimage
from systems import MASS, SCALE, gaussian_psf

from lensfinder.errors import InversionError, MaskError, UnknownNameError
from lensfinder.inversion import Inverter, RectangularGrid, Regularisation, fit_light
from lensfinder.inversion.light import light_basis, refitted
from lensfinder.inversion.light_profiles import gaussian_components, sersic_components
from lensfinder.inversion.observation import observe
from lensfinder.inversion.pixels import annulus, pixel_centres
from lensfinder.lensing.sersic import sersic_profile

CENTRE = dict(x0=0.04, y0=-0.03)
SHAPE = dict(q=0.8, phi=0.9)


@pytest.fixture(scope="module")
def galaxy(lens):
    """A de Vaucouleurs-like galaxy on the pixels of `lens`, blurred."""
    fine, side = 8, lens.image.shape[0]
    x, y = pixel_centres((side * fine, side * fine), SCALE / fine)
    sharp = sersic_profile(*np.broadcast_arrays(x, y), flux=40.0, R_e=0.6, n=3.0, **SHAPE, **CENTRE)
    sharp = sharp.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return ndimage.convolve(sharp, lens.psf, mode="constant")


def test_gaussians_hold_unit_flux_and_have_their_width():
    where = dict(x=0.3, y=-0.2, q=0.6, phi=0.7)
    (narrow, wide) = gaussian_components(
        (121, 121), pixel_scale=SCALE, psf=None, sigmas=[0.03, 0.8], **where
    )
    # Averaged over pixels near the centre only: 2e-4 of the flux.
    assert wide.sum() == pytest.approx(1.0, abs=5e-4)
    # A third of a pixel wide: five rays along a side know its flux to a percent.
    assert narrow.sum() == pytest.approx(1.0, abs=0.01)
    x, y = np.broadcast_arrays(*pixel_centres(wide.shape, SCALE))
    assert (x * wide).sum() == pytest.approx(0.3, rel=1e-3)
    along = (x - 0.3) * np.cos(0.7) + (y + 0.2) * np.sin(0.7)
    # Intermediate axis: sigma / sqrt(q) along the major axis.
    assert (along**2 * wide).sum() == pytest.approx(0.8**2 / 0.6, rel=1e-3)
    blurred = gaussian_components(
        (121, 121), pixel_scale=SCALE, psf=gaussian_psf(), sigmas=[0.8], **where
    )[0]
    spread = (gaussian_psf() * (np.arange(-5, 6) * SCALE) ** 2).sum()
    moment = ((x - 0.3) ** 2 * blurred).sum() - ((x - 0.3) ** 2 * wide).sum()
    assert moment == pytest.approx(spread, rel=1e-3)


def test_a_galaxy_is_found_beside_its_arcs(lens, galaxy):
    disc = annulus(lens.image.shape, pixel_scale=SCALE, inner=0.0, outer=2.5)
    known = dict(psf=lens.psf, pixel_scale=SCALE, mask=disc)
    light = fit_light(lens.image + galaxy, lens.noise, **known)
    # The galaxy's peak is 50 times the noise; arcs that are not clipped would move it by more.
    assert (light.x, light.y) == pytest.approx((0.04, -0.03), abs=0.02)
    assert light.q == pytest.approx(0.8, abs=0.05)
    assert light.phi == pytest.approx(0.9, abs=0.15)
    left = (light.image - galaxy)[disc] / lens.noise
    assert np.sqrt(np.mean(left**2)) < 2.0
    assert np.sqrt(np.mean((galaxy[disc] / lens.noise) ** 2)) > 8.0, "there was much to take off"
    assert light.negative == 0.0
    # Its derivatives correct a shape that is a little wrong.
    seen = observe(galaxy, lens.noise, psf=None, pixel_scale=SCALE, mask=disc)
    moved = light.image + 0.3 * light.components[10] - 0.5 * light.components[13]
    found = refitted(light, moved[seen.rows, seen.columns], seen)
    np.testing.assert_allclose(found.amplitudes[[10, 13]], [0.3, -0.5], atol=1e-3)
    np.testing.assert_allclose(found.image[disc], moved[disc], atol=1e-6 * moved.max())


def test_a_sersic_profile_is_found_beside_its_arcs(lens, galaxy):
    disc = annulus(lens.image.shape, pixel_scale=SCALE, inner=0.0, outer=2.5)
    known = dict(psf=lens.psf, pixel_scale=SCALE, mask=disc)
    light = fit_light(lens.image + galaxy, lens.noise, profile="sersic", **known)
    assert (light.x, light.y) == pytest.approx((0.04, -0.03), abs=0.02)
    assert light.q == pytest.approx(0.8, abs=0.05)
    # Radius, index and sky are degenerate in a disc of four radii.
    assert light.n == pytest.approx(3.0, abs=0.6)
    assert light.sigmas == pytest.approx([0.6], abs=0.15)
    assert len(light.amplitudes) == len(light.components) == 1 + 6 + 1
    assert not light.amplitudes[1:-1].any(), "derivatives"
    assert light.derivatives == 6
    np.testing.assert_array_equal(light.rigid, light.components[[0, -1]])
    left = (light.image - galaxy)[disc] / lens.noise
    assert np.sqrt(np.mean(left**2)) < 2.0
    assert np.isnan(fit_light(galaxy, lens.noise, **known).n)
    with pytest.raises(UnknownNameError, match="mge, sersic"):
        fit_light(galaxy, lens.noise, profile="king", **known)
    x, _ = np.broadcast_arrays(*pixel_centres((81, 81), SCALE))
    where = dict(x=0.02, y=0.01, q=0.7, phi=0.3)
    (one,) = sersic_components((81, 81), pixel_scale=SCALE, psf=None, R_e=0.5, n=1.0, **where)
    assert one.sum() == pytest.approx(1.0, abs=2e-3)
    assert (x * one).sum() == pytest.approx(0.02, abs=1e-3)


def test_a_bright_image_of_the_source_is_not_the_galaxy(lens, galaxy):
    # as where a source outshines its lens: the brightest pixel is an image, 0.4 arcsec away
    y, x = np.mgrid[: lens.image.shape[0], : lens.image.shape[1]]
    middle = (lens.image.shape[0] - 1) / 2
    spot = np.exp(-0.5 * ((x - middle - 4) ** 2 + (y - middle) ** 2) / 0.8**2)
    seen = galaxy + 3.0 * galaxy.max() * spot
    disc = annulus(seen.shape, pixel_scale=SCALE, inner=0.0, outer=2.5)
    light = fit_light(seen, lens.noise, psf=lens.psf, pixel_scale=SCALE, mask=disc)
    assert np.hypot(light.x - 0.04, light.y + 0.03) < 0.15 or not light.centred
    # without any galaxy near the middle the fit says so
    alone = np.roll(galaxy, 12, axis=1)
    lost = fit_light(alone, lens.noise, psf=lens.psf, pixel_scale=SCALE, mask=disc)
    assert not lost.centred
    assert np.hypot(lost.x, lost.y) < 1e-4


def test_projected_light_is_light_solved_for(lens, galaxy):
    image = lens.image + galaxy
    grid, rule = RectangularGrid(shape=(10, 10), sub=1), Regularisation(strength=0.3)
    parts = gaussian_components(
        image.shape, pixel_scale=SCALE, psf=lens.psf, sigmas=[0.2, 0.5, 1.2], x=0, y=0, q=0.9, phi=0
    )
    words = lens.known | dict(source=grid, regularisation=rule)
    inverter = Inverter(image, lens.noise, light=parts, **words)
    result = inverter.invert(MASS)
    # The same without projecting: amplitudes are columns of the system, free but for 1e-9.
    plain = Inverter(image, lens.noise, **words)
    system, seen = plain.system(MASS), plain.observation
    columns = parts[:, seen.rows, seen.columns].T / seen.noise[:, None]
    columns /= np.linalg.norm(columns, axis=0)
    A = np.concatenate([system.seen.toarray(), columns], axis=1)
    H = np.zeros((A.shape[1], A.shape[1]))
    H[:100, :100] = 0.3 * system.C.toarray()
    solved = np.linalg.solve(A.T @ A + H, A.T @ system.data)
    np.testing.assert_allclose(
        result.source, solved[:100], rtol=0, atol=1e-8 * np.abs(solved[:100]).max()
    )
    light = columns @ solved[100:] * seen.noise
    np.testing.assert_allclose(result.light, light, rtol=0, atol=1e-7 * np.abs(light).max())
    assert result.chi2 == pytest.approx(((system.data - A @ solved) ** 2).sum(), rel=1e-8)
    assert result.chi2_map.sum() == pytest.approx(result.chi2, rel=1e-8)
    # The evidence is that of the larger system, but for what does not depend on the mass.
    other = MASS.model_copy(update={"theta_E": 1.1})

    def larger(mass):
        part = plain.system(mass)
        B = np.concatenate([part.seen.toarray(), columns], axis=1)
        M = B.T @ B + H_of(part)
        s = np.linalg.solve(M, B.T @ part.data)
        smooth = 0.3 * s[:100] @ (part.C @ s[:100])
        chi2 = ((part.data - B @ s) ** 2).sum()
        return -0.5 * (chi2 + smooth + np.linalg.slogdet(M)[1] - part.log_det_C)

    def H_of(part):
        big = np.zeros_like(H)
        big[:100, :100] = 0.3 * part.C.toarray()
        return big

    ours = result.log_evidence - inverter.evaluate(other).log_evidence
    assert ours == pytest.approx(larger(MASS) - larger(other), abs=1e-5)
    assert abs(ours) > 10


def test_amplitudes_are_found_again(lens, galaxy):
    parts = gaussian_components(
        lens.image.shape, pixel_scale=SCALE, psf=None, sigmas=[0.3, 1.0], x=0, y=0, q=0.9, phi=0
    )
    disc = annulus(lens.image.shape, pixel_scale=SCALE, inner=0.0, outer=2.5)
    known = dict(psf=lens.psf, pixel_scale=SCALE, mask=disc)
    light = fit_light(lens.image + galaxy, lens.noise, **known)
    words = lens.known | dict(source=RectangularGrid(shape=(6, 6), sub=1))
    seen = Inverter(lens.image, lens.noise, **words).observation
    again = refitted(light, light.image[seen.rows, seen.columns], seen)
    inside = lens.mask
    np.testing.assert_allclose(
        again.image[inside], light.image[inside], rtol=1e-4, atol=1e-4 * lens.noise
    )
    assert light_basis(np.concatenate([parts, parts]), seen).shape[1] == 2, "copies count once"


def test_light_that_cannot_be_is_refused(lens):
    words = lens.known | dict(source=RectangularGrid(shape=(6, 6), sub=1))
    side = lens.image.shape[0]
    for wrong in (np.ones((2, 3, 3)), np.full((1, side, side), np.nan), np.ones((side, side))):
        with pytest.raises(InversionError, match="Components of the lens light"):
            Inverter(lens.image, lens.noise, light=wrong, **words)
    with pytest.raises(InversionError, match="zero in the mask"):
        Inverter(lens.image, lens.noise, light=np.zeros((1, side, side)), **words)
    few = np.zeros(lens.image.shape, dtype=bool)
    few[:3, :3] = True
    with pytest.raises(MaskError, match="50 pixels"):
        fit_light(lens.image, lens.noise, psf=None, pixel_scale=SCALE, mask=few)
