"""Painting on real galaxies with real sources, where the shared images are."""

import csv

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensfinder.data.cutout import Cutout
from lensfinder.lensing import theta_E_sis
from lensfinder.paint import Painter, Settings, read_galaxies, read_sources
from lensfinder.simulate.mocks import Mocks
from lensfinder.specs import load_survey


@pytest.fixture(scope="module")
def pairs(shared_data):
    """Rows of the table that goes with ten DES galaxies and nine HST sources."""
    place = shared_data / "krojas_des_lrg_hst_sources"
    if not place.is_dir():
        pytest.skip("no krojas_des_lrg_hst_sources among the real images")
    with open(place / "sim.csv", newline="") as lines:
        return place, list(csv.DictReader(lines))


def cutout(identity, images, scale, zero_point):
    """Bands of one object in counts of a zero point."""
    found = Cutout(identity)
    for band, image in images.items():
        found.bands[band] = np.asarray(image, np.float32)
        found.pixel_scales[band], found.units[band] = scale, "adu/s"
        found.zero_points[band] = zero_point
    return found


def without(survey, band):
    """A survey of one group without one of its bands."""
    (group,) = survey.groups
    kept = tuple(b for b in group.bands if b.name != band)
    return survey.model_copy(update={"groups": (group.model_copy(update={"bands": kept}),)})


def painted(painter, count):
    """Mocks of the first candidates."""
    made = [outcome.mocks for outcome in painter.outcomes(0, count)]
    return Mocks.join([mocks for mocks in made if mocks is not None])


def test_einstein_radii_are_those_that_were_published_with_the_pairs(pairs):
    """Rojas et al. (2022) computed them as we do; the cosmologies differ by less than 1e-3."""
    _, rows = pairs
    ours = [
        theta_E_sis(*(float(row[name]) for name in ("lens_vdisp", "lens_z", "source_z")))
        for row in rows
    ]
    theirs = [float(row["Theta_E"]) for row in rows]
    np.testing.assert_allclose(ours, theirs, rtol=2e-3)
    other = theta_E_sis(1.01 * float(rows[0]["lens_vdisp"]), 0.3, float(rows[0]["source_z"]))
    assert abs(other / theirs[0] - 1) > 5e-3  # 1 % of the dispersion is seen


@pytest.mark.slow
def test_des_galaxies_with_everything_measured(pairs):
    place, rows = pairs
    galaxies, sources = [], []
    for name in dict.fromkeys(row["lens_id"] for row in rows):
        with fits.open(place / f"DES_{name}.fits") as units:
            images = {band: units[k].data for k, band in enumerate("gri")}
            galaxies.append(cutout(name, images, 0.263, 30.0))
        with fits.open(place / f"DES_PSF{name}.fits") as units:
            galaxies[-1].psfs = {b: np.array(units[k].data, float) for k, b in enumerate("gri")}
    for name in dict.fromkeys(row["Source_ID"] for row in rows):
        image = fits.getdata(place / f"SOURCE{name}.fits.gz")
        sources.append(cutout(name, {"F814W": image}, 0.03, None))
    lens_table = Table({"id": [row["lens_id"] for row in rows]})
    lens_table["z_lens"] = [float(row["lens_z"]) for row in rows]
    lens_table["sigma_v"] = [float(row["lens_vdisp"]) for row in rows]
    by_source = {row["Source_ID"]: row for row in rows}
    source_table = Table({"id": list(by_source)})
    source_table["z_src"] = [float(row["source_z"]) for row in by_source.values()]
    for band in "gri":
        magnitudes = [float(row[f"source_mag_{band}"]) for row in by_source.values()]
        source_table[f"mag_{band}"] = magnitudes
    survey, settings = without(load_survey("hsc-griz"), "z"), Settings()
    library = read_sources(
        sources, survey, settings, catalogue=source_table, band_map=dict.fromkeys("gri", "F814W")
    )
    taken = read_galaxies(galaxies, survey, settings, catalogue=lens_table, resample=True)
    assert taken.refused == []
    assert library.refused == ()
    painter = Painter(survey, taken, library, settings, planes=("S1", "S3", "LENS"))
    mocks = painted(painter, 40)
    assert len(mocks) > 30  # massive galaxies, bright sources
    for name in ("z_lens_from", "z_src_from", "sigma_v_from"):
        assert set(mocks.truth[name]) == {"catalogue"}
    assert set(mocks.truth["psf_from"]) == {"object"}
    # a magnitude is a magnitude on both sides of the lens
    at = [b.name for b in survey.bands].index("i")
    row = mocks.truth[0]
    magnitude = 28.61 - 2.5 * np.log10(float(row["src_flux_i"]))
    assert magnitude == pytest.approx(
        float(by_source[str(row["source_id"])]["source_mag_i"]), abs=1e-6
    )
    assert np.isfinite(mocks.planes["S1"]["hsc"][..., at]).all()
    assert (np.asarray(mocks.truth["theta_E"]) > 1).all()


@pytest.mark.slow
def test_arcs_on_hsc_galaxies_are_as_bright_as_those_that_were_published(shared_data):
    """The galaxies under the mocks of HOLISMOKES IX, their published arcs and ours (Hubble)."""
    place = shared_data / "holismokes_ix_hsc_mocks"
    if not place.is_dir():
        pytest.skip("no holismokes_ix_hsc_mocks among the real images")
    galaxies, theirs = [], []
    for path in sorted(place.glob("lens_*.fits")):
        with fits.open(path) as units:
            whole, arcs = ([np.array(u.data, float) for u in units[s:9:2]] for s in (1, 2))
        images = {b: w - a for b, w, a in zip("griz", whole, arcs, strict=True)}
        galaxies.append(cutout(path.stem, images, 0.168, 27.0))
        theirs.append(np.log10(arcs[2].sum() / images["i"].sum()))
    survey, settings = load_survey("hsc-griz"), Settings()
    library = read_sources("hubble", survey, settings)
    taken = read_galaxies(galaxies, survey, settings)
    assert len(taken) == 12
    assert 0.4 < np.median([moments.q for moments in taken.moments]) < 0.95
    mocks = painted(Painter(survey, taken, library, settings, planes=("S1", "S3", "LENS")), 60)
    assert set(mocks.truth["sigma_v_from"]) == {"brightness"}
    ours = np.asarray(mocks.truth["log_brightness"])
    # sources of an uncalibrated picture: within a factor of ten of the published ones
    assert np.median(ours) == pytest.approx(np.median(theirs), abs=1.0)
