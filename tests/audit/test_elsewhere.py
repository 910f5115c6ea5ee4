"""Reconstructions in FITS images: judged as from inside, and no pixel scale is guessed."""

import numpy as np
import pytest
from astropy.io import fits

from lensfinder.audit.elsewhere import RASTER, rasterise, read_images, read_plane
from lensfinder.errors import ArgumentError, DataFormatError, PixelScaleError
from lensfinder.inversion import classifier_inputs
from tests.audit.lenses import inverted, lens
from tests.inversion.systems import SCALE


def write(path, image, **keywords):
    """A FITS image."""
    fits.PrimaryHDU(image, fits.Header(keywords)).writeto(path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An inversion written as another code would: a source raster and a residual."""
    folder, result = tmp_path_factory.mktemp("fits"), inverted(1.0)
    source, scale, centre = rasterise(*result.mesh.nodes.T, result.source)
    return {
        "source": write(folder / "source.fits", source, PIXSCALE=scale),
        "residual": write(folder / "my.residual.fits", result.residual, PIXSCALE=SCALE),
        "noise": write(folder / "noise.fits", np.full(result.residual.shape, lens().noise)),
        "image": write(folder / "image.fits", lens().image, PIXSCALE=SCALE),
        "centre": centre,
        "folder": folder,
    }


def read(files, **terms):
    """The reconstruction in the files."""
    given = dict(noise=files["noise"], source_centre=files["centre"]) | terms
    return read_images(files["source"], files["residual"], **given)


def test_the_classifier_is_shown_the_same_as_of_our_own_inversion(files):
    found = read(files, mass=inverted(1.0).mass, image=files["image"])
    ours, theirs = classifier_inputs(inverted(1.0)), found.images(64)
    np.testing.assert_allclose(
        theirs["residual"], ours["residual"], rtol=1e-4, atol=1e-4
    )  # float32
    # resampled twice, from a raster of 1/200 of the source's width; a mirror would give 0.5
    assert np.corrcoef(theirs["source"].ravel(), ours["source"].ravel())[0, 1] > 0.99
    assert np.corrcoef(theirs["source"][::-1].ravel(), ours["source"].ravel())[0, 1] < 0.95
    assert found.id == "my.residual"
    assert found.opinion().verdict == "correct"
    assert read(files, noise=str(lens().noise)).noise == lens().noise


def test_without_image_and_mass_there_is_no_second_opinion(files):
    assert read(files).opinion() is None
    assert read(files, theta_E=1.0).opinion() is None
    assert read(files).theta_E is None
    assert read(files, theta_E=1.0).theta_E == 1.0


def test_a_pixel_scale_is_read_or_given_but_never_guessed(files, tmp_path):
    bare = write(tmp_path / "bare.fits", np.ones((8, 8)))
    with pytest.raises(PixelScaleError, match="--pixel-scale"):
        read_images(files["source"], bare, noise=1)
    with pytest.raises(PixelScaleError, match="--source-scale"):
        read_images(bare, files["residual"], noise=1)
    found = read_images(bare, files["residual"], noise=1, source_scale=0.02)
    assert found.source_scale == 0.02
    wcs = dict(CTYPE1="RA---TAN", CDELT1=-0.05 / 3600, CDELT2=0.05 / 3600)
    _, scale = read_plane(write(tmp_path / "wcs.fits", np.ones((8, 8)), **wcs), option="")
    assert scale == pytest.approx(0.05, rel=1e-9)
    oblong = write(tmp_path / "xy.fits", np.ones((8, 8)), PIXSCAX=0.1, PIXSCAY=0.2)
    for path, scale in ((oblong, None), (bare, 0.0), (bare, np.nan)):
        with pytest.raises(PixelScaleError, match="PIXSCALE"):
            read_plane(path, scale=scale, option="--pixel-scale")


def test_what_does_not_fit_together_is_refused(files, tmp_path):
    cube = write(tmp_path / "cube.fits", np.ones((2, 8, 8)), PIXSCALE=0.1)
    small = write(tmp_path / "small.fits", np.ones((8, 8)), PIXSCALE=0.1)
    with pytest.raises(DataFormatError, match="two axes"):
        read_images(cube, files["residual"], noise=1)
    with pytest.raises(ArgumentError, match="shape"):
        read(files, noise=small)
    with pytest.raises(ArgumentError, match="--noise"):
        read(files, noise=None)
    with pytest.raises(ArgumentError, match="Cut them alike"):
        read(files, mass=inverted(1.0).mass, image=small).opinion()
    with pytest.raises(ArgumentError, match="positive"):
        read(files, theta_E=-1.0)


def test_scattered_points_become_an_image():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, (2, 400))
    image, scale, (x0, y0) = rasterise(x, y, 2 * x - y + 3)
    assert image.shape == (RASTER, RASTER)
    rows, columns = np.nonzero(image)
    px = (columns - (RASTER - 1) / 2) * scale + x0
    py = (rows - (RASTER - 1) / 2) * scale + y0
    # linear interpolation gives a plane back
    np.testing.assert_allclose(image[rows, columns], 2 * px - py + 3, rtol=1e-9, atol=1e-9)
    assert image[0, 0] == 0.0
    for bad in (np.zeros(5), np.array([0.0, 1.0])):
        with pytest.raises(DataFormatError, match="four or more"):
            rasterise(bad, bad, bad)
