"""A result folder that PyAutoLens 2026.7.29.1 wrote, against our own inversion of the same lens.

tests/audit/pyautolens_result.py made it. Its FITS files were cut to the images that are read.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensfinder.audit import audit_given, read_pyautolens
from lensfinder.audit.pyautolens import FIT, GALAXIES, MODEL, SUMMARY, mass_of
from lensfinder.errors import ArgumentError, DataFormatError, PixelScaleError
from lensfinder.export.pyautolens import convert
from lensfinder.inversion import Inverter, MassModel, RectangularGrid
from lensfinder.lensing.ellipticity import Ellipticity
from tests.audit.pyautolens_result import problem
from tests.inversion.systems import SCALE

FOLDER = Path(__file__).parent / "data" / "pyautolens"


@pytest.fixture(scope="module")
def found():
    """What is read of the folder."""
    return read_pyautolens(FOLDER)


@pytest.fixture
def copy(tmp_path):
    """A copy of the folder that may be damaged."""
    return Path(shutil.copytree(FOLDER, tmp_path / "result"))


def test_the_lens_is_the_true_one(found):
    truth = problem().mass
    assert found.mass.theta_E == pytest.approx(truth.theta_E, abs=0.005)  # a short search
    assert found.mass.q == pytest.approx(truth.q, abs=0.02)
    assert found.mass.phi == pytest.approx(truth.phi, abs=0.05)
    assert found.pixel_scale == SCALE


def test_images_have_our_orientation(found):
    lens = problem()
    np.testing.assert_allclose(found.image[lens.mask], lens.image[lens.mask], rtol=1e-6, atol=1e-6)
    assert np.array_equal(found.mask, lens.mask)
    assert not np.array_equal(found.image[::-1][lens.mask], lens.image[lens.mask])


def test_the_residual_is_that_of_our_own_inversion(found):
    lens = problem()
    inverter = Inverter(
        lens.image, lens.noise, **lens.known, source=RectangularGrid(shape=(14, 14), sub=2)
    )
    ours = inverter.invert(found.mass, strength=1.0)
    mine, theirs = ours.normalised_residual[lens.mask], found.residual[lens.mask]
    # the source grids differ by an edge
    assert np.corrcoef(mine, theirs)[0, 1] > 0.98
    source = found.source
    rows, columns = np.unravel_index(np.argmax(source), source.shape)
    middle = (np.array(source.shape) - 1) / 2
    x = (columns - middle[1]) * found.source_scale + found.source_centre[0]
    y = (rows - middle[0]) * found.source_scale + found.source_centre[1]
    # a source pixel is 0.1 arcsec wide
    assert (x, y) == pytest.approx((lens.source.x, lens.source.y), abs=0.1)


def test_the_verdict_is_that_it_is_correct(found):
    opinion = found.opinion()
    assert opinion.verdict == "correct"
    images = found.images(32)
    assert images["source"].shape == images["residual"].shape == (32, 32, 1)


def test_a_folder_above_exactly_one_result_will_do(copy, tmp_path):
    assert read_pyautolens(tmp_path).mass == read_pyautolens(copy).mass
    shutil.copytree(FOLDER, tmp_path / "another")
    with pytest.raises(DataFormatError, match="holds 2 results"):
        read_pyautolens(tmp_path)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (FIT, "holds 0 results"),
        ("image/source_plane_reconstruction_0.csv", "csv_reconstruction"),
    ],
)
def test_what_is_missing_is_named(copy, name, match):
    (copy / name).unlink()
    with pytest.raises(DataFormatError, match=match):
        read_pyautolens(copy)


def test_without_the_model_the_rest_is_read(copy):
    (copy / MODEL).unlink()
    shutil.move(copy / "files/dataset.fits", copy / "files/elsewhere.fits")
    found = read_pyautolens(copy)
    assert found.mass is None
    assert found.image is None
    assert found.opinion() is None


def test_another_kind_of_lens_is_no_isothermal(copy):
    model = (copy / MODEL).read_text()
    (copy / MODEL).write_text(model.replace("isothermal.Isothermal", "power_law.PowerLaw"))
    assert read_pyautolens(copy).mass is None


def test_damaged_files_are_named(copy):
    summary = json.loads((copy / SUMMARY).read_text())
    del summary["arguments"]["max_log_likelihood_sample"]
    (copy / SUMMARY).write_text(json.dumps(summary))
    with pytest.raises(DataFormatError, match="does not go with"):
        read_pyautolens(copy)
    (copy / SUMMARY).write_text("{")
    with pytest.raises(DataFormatError, match="no JSON"):
        read_pyautolens(copy)
    (copy / "image/source_plane_reconstruction_0.csv").write_text("y,x\n1,2\n")
    with pytest.raises(DataFormatError, match="columns y, x"):
        read_pyautolens(copy)
    with pytest.raises(DataFormatError, match="not a folder"):
        read_pyautolens(copy / "nothing")


def test_a_pixel_scale_is_needed(copy):
    with fits.open(copy / FIT) as file:
        for unit in file:
            del unit.header["PIXSCAX"]
        file.writeto(copy / "bare.fits")
    shutil.move(copy / "bare.fits", copy / FIT)
    with pytest.raises(PixelScaleError, match="--pixel-scale"):
        read_pyautolens(copy)
    assert read_pyautolens(copy, pixel_scale=0.1).pixel_scale == 0.1


def with_lens_light(copy):
    """The folder with a bright galaxy in the middle, in model and image; returns its light."""
    y, x = np.mgrid[-19.5:20, -19.5:20] * SCALE
    light = (50 * np.exp(-np.hypot(x, 1.2 * y - 0.1) / 0.5)).astype(np.float32)
    model = json.loads((copy / MODEL).read_text())
    model["arguments"]["galaxies"]["arguments"]["lens"]["arguments"]["bulge"] = {
        "class_path": "autogalaxy.profiles.light.linear.sersic.Sersic",
        "type": "instance",
        "arguments": {},
    }
    (copy / MODEL).write_text(json.dumps(model))
    with fits.open(copy / "files" / "dataset.fits") as file:
        file["DATA"].data = file["DATA"].data + light
        file.writeto(copy / "files" / "shining.fits")
        header = file["DATA"].header
    shutil.move(copy / "files" / "shining.fits", copy / "files" / "dataset.fits")
    images = [fits.ImageHDU(plane, header, name) for name, plane in planes(light)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(copy / GALAXIES)
    return light


def planes(light):
    """Lens and source as PyAutoLens names their images."""
    return ("GALAXY_0", light), ("GALAXY_1", np.full_like(light, 3.0))


def test_the_light_of_the_lens_is_taken_off_the_image(copy, found):
    with_lens_light(copy)
    clean = read_pyautolens(copy)
    np.testing.assert_allclose(clean.image, found.image, rtol=0, atol=1e-4)  # float32 of 50
    assert clean.opinion().verdict == found.opinion().verdict == "correct"
    assert clean.remark == ""


def test_light_of_the_lens_that_is_not_there_is_named(copy, found):
    with_lens_light(copy)
    (copy / GALAXIES).unlink()
    bare = read_pyautolens(copy)
    assert bare.image is None
    assert bare.opinion() is None
    assert "--image" in bare.remark
    with pytest.raises(ArgumentError, match="light of its own"):
        audit_given([bare], classifier="parity")
    (row,) = audit_given([bare], classifier=lambda images: np.array([[0.0, 1.0, 0.0]]))
    assert "light of its own" in row["message"]
    assert row["needs_a_person"]
    write = fits.PrimaryHDU(found.image.astype(np.float32), fits.Header({"PIXSCALE": SCALE}))
    write.writeto(copy / "arcs.fits")
    assert read_pyautolens(copy, image=copy / "arcs.fits").opinion().verdict == "correct"


def test_parameters_come_back_from_what_we_export():
    mass = MassModel(theta_E=1.3, q=0.7, phi=0.5, x=0.02, y=-0.03, gamma1=0.04, gamma2=-0.01)
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    columns = dict(theta_E=mass.theta_E, e1=shape.e1, e2=shape.e2, x_lens=mass.x, y_lens=mass.y)
    theirs = convert(columns | dict(gamma1=mass.gamma1, gamma2=mass.gamma2))
    values = {name: float(value) for name, value in theirs.items()}
    back = mass_of(values, values)
    for name in MassModel.model_fields:
        assert getattr(back, name) == pytest.approx(getattr(mass, name), rel=1e-9, abs=1e-12)
    with pytest.raises(DataFormatError, match="No isothermal lens"):
        mass_of({"einstein_radius": -1.0}, {})
