"""COOLEST templates with pixelised sources; the layout is what their package 0.1.11 writes."""

import json

import numpy as np
import pytest
from astropy.io import fits

from lensfinder.audit import read_coolest
from lensfinder.audit.elsewhere import rasterise
from lensfinder.errors import ArgumentError, DataFormatError, PixelScaleError
from lensfinder.export.coolest import convert
from lensfinder.lensing.ellipticity import Ellipticity
from tests.audit.lenses import inverted, lens
from tests.inversion.systems import SCALE

MASS = inverted(1.0).mass.model_copy(update={"gamma1": 0.03, "gamma2": -0.02, "x": 0.01})


def grid(name, edges, side):
    """A regular grid as a template has it."""
    return {
        "field_of_view_x": list(edges[0]),
        "field_of_view_y": list(edges[1]),
        "num_pix_x": side,
        "num_pix_y": side,
        "fits_file": {"path": name},
    }


def profile(kind, values):
    """A profile with point estimates."""
    return {
        "type": kind,
        "parameters": {
            name: {"fixed": False, "point_estimate": {"value": float(value)}}
            for name, value in values.items()
        },
    }


def masses(mass):
    """SIE and shear in COOLEST's conventions."""
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    columns = dict(theta_E=mass.theta_E, e1=shape.e1, e2=shape.e2, x_lens=mass.x, y_lens=mass.y)
    theirs = convert(columns | dict(gamma1=mass.gamma1, gamma2=mass.gamma2))
    shear = {name: theirs.pop(name) for name in ("gamma_ext", "phi_ext")}
    return profile("SIE", theirs), profile("ExternalShear", shear)


@pytest.fixture
def template(tmp_path):
    """Content of a template; its images lie in tmp_path."""
    result = inverted(1.0)
    source, scale, centre = rasterise(*result.mesh.nodes.T, result.source)
    side = len(source)
    half = scale * side / 2
    edges = [(middle - half, middle + half) for middle in centre]
    shape = result.residual.shape
    fits.PrimaryHDU(source).writeto(tmp_path / "source.fits")
    fits.PrimaryHDU(result.residual).writeto(tmp_path / "residual.fits")
    fits.PrimaryHDU(lens().image).writeto(tmp_path / "observed.fits")
    fits.PrimaryHDU(np.full(shape, lens().noise)).writeto(tmp_path / "noise.fits")
    columns = [
        fits.Column(name, "D", array=values)
        for name, values in zip("xyz", (*result.mesh.nodes.T, result.source), strict=True)
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "points.fits")
    view = [(-2.0, 2.0)] * 2
    pixels = {
        "type": "PixelatedRegularGrid",
        "parameters": {"pixels": grid("source.fits", edges, side)},
    }
    sie, shear = masses(MASS)
    return {
        "standard": "COOLEST",
        "instrument": {"pixel_size": SCALE},
        "lensing_entities": [
            {"type": "Galaxy", "name": "lens", "light_model": [], "mass_model": [sie]},
            {"type": "MassField", "name": "shear", "mass_model": [shear]},
            {"type": "Galaxy", "name": "source", "light_model": [pixels], "mass_model": []},
        ],
        "observation": {
            "pixels": grid("observed.fits", view, 40),
            "noise": {"type": "NoiseMap", "noise_map": grid("noise.fits", view, 40)},
        },
    }


def read(template, folder, **terms):
    """The reconstruction of a template."""
    (folder / "lens.json").write_text(json.dumps(template))
    given = dict(residual=folder / "residual.fits") | terms
    return read_coolest(folder / "lens.json", **given)


def source_of(template):
    """The part of a template that is about the source's pixels."""
    return template["lensing_entities"][2]["light_model"][0]


def test_everything_is_found(template, tmp_path):
    found = read(template, tmp_path)
    assert found.id == "lens"
    assert found.pixel_scale == SCALE
    for name in type(MASS).model_fields:
        assert getattr(found.mass, name) == pytest.approx(getattr(MASS, name), abs=1e-12)
    np.testing.assert_allclose(found.noise, lens().noise, rtol=1e-6)
    assert found.opinion().verdict == "correct"
    assert found.images(32)["source"].max() == 1.0


def test_points_and_pixels_give_the_same_source(template, tmp_path):
    regular = read(template, tmp_path)
    source_of(template)["type"] = "IrregularGrid"
    source_of(template)["parameters"]["pixels"]["fits_file"]["path"] = "points.fits"
    irregular = read(template, tmp_path)
    assert irregular.source_scale == pytest.approx(regular.source_scale, rel=1e-9)
    # float32 in the image file
    np.testing.assert_allclose(irregular.source, regular.source, rtol=1e-5, atol=1e-5)


def test_an_axis_may_be_written_backwards(template, tmp_path):
    regular = read(template, tmp_path)
    pixels = source_of(template)["parameters"]["pixels"]
    pixels["field_of_view_x"] = pixels["field_of_view_x"][::-1]
    turned = read(template, tmp_path)
    np.testing.assert_array_equal(turned.source, regular.source[:, ::-1])
    assert turned.source_centre == regular.source_centre


def test_light_of_the_lens_is_no_light_of_arcs(template, tmp_path):
    sersic = profile("Sersic", dict(I_eff=1.0, n=4.0, theta_eff=0.5, q=0.8, phi=0.0))
    template["lensing_entities"][0]["light_model"].append(sersic)
    found = read(template, tmp_path)
    assert found.image is None
    assert found.opinion() is None
    assert "Sersic" in found.remark
    assert "--image" in found.remark
    given = read(template, tmp_path, image=tmp_path / "observed.fits")
    assert given.opinion().verdict == "correct"
    assert given.remark == ""


def test_noise_is_given_or_found(template, tmp_path):
    assert read(template, tmp_path, noise=1).noise == 1.0
    template["observation"]["noise"] = {"type": "UniformGaussianNoise", "std_dev": 0.25}
    assert read(template, tmp_path).noise == 0.25
    template["observation"]["noise"] = {"type": None}
    with pytest.raises(ArgumentError, match="--noise"):
        read(template, tmp_path)


def test_a_pixel_size_is_needed(template, tmp_path):
    template["instrument"] = {}
    with pytest.raises(PixelScaleError, match="pixel_size"):
        read(template, tmp_path)
    template["instrument"] = {"pixel_size": 1.0}
    template["meta"] = {"lensfinder.pixel_size": "a placeholder: the table has none"}
    with pytest.raises(PixelScaleError, match="pixel_size"):  # of our own export
        read(template, tmp_path)


def test_what_cannot_be_a_source_is_named(template, tmp_path):
    pixels = source_of(template)["parameters"]["pixels"]
    pixels["field_of_view_x"] = [0, 0]
    with pytest.raises(PixelScaleError, match="field of view"):
        read(template, tmp_path)
    pixels["field_of_view_x"] = [-9, 9]
    with pytest.raises(PixelScaleError, match="squares"):
        read(template, tmp_path)
    del pixels["field_of_view_x"]
    with pytest.raises(DataFormatError, match="field of view"):
        read(template, tmp_path)
    source_of(template)["type"] = "Sersic"
    with pytest.raises(DataFormatError, match="0 pixelised"):
        read(template, tmp_path)


@pytest.mark.parametrize("name", ["missing.fits", "../secret.fits", ""])
def test_a_file_of_a_template_lies_beside_it(template, tmp_path, name):
    source_of(template)["parameters"]["pixels"]["fits_file"]["path"] = name
    with pytest.raises(DataFormatError, match="beside"):
        read(template, tmp_path)


def test_another_mass_is_none(template, tmp_path):
    template["lensing_entities"][0]["mass_model"][0]["type"] = "PEMD"
    found = read(template, tmp_path)
    assert found.mass is None
    assert found.theta_E is None
    template["lensing_entities"][0]["mass_model"] = [profile("SIE", {"theta_E": 1.0})]
    with pytest.raises(DataFormatError, match="point estimates"):
        read(template, tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"standard": "other"}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataFormatError, match="COOLEST"):
        read_coolest(tmp_path / "a.json", residual=tmp_path / "r.fits")
    with pytest.raises(DataFormatError, match="does not exist"):
        read_coolest(tmp_path / "b.json", residual=tmp_path / "r.fits")
