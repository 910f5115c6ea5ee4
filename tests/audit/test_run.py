"""The verb: tables and pages of an audit, resumed ones too, and verdicts on other codes."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

import lensfinder
from lensfinder.audit import Reading, Reconstruction, audit_given, loop, run
from lensfinder.audit.elsewhere import rasterise
from lensfinder.audit.run import Places
from lensfinder.data import Cutout
from lensfinder.errors import ArgumentError, OutputExistsError, PresetError, SpecError
from lensfinder.inversion import MassPrior
from lensfinder.tables import read_table
from tests.audit.lenses import TRUTH, Fitter, fitted, inverted, lens
from tests.inversion.systems import SCALE, gaussian_psf

TERMS = {"classifier": "parity", "relation": "maresca2021"}


def cutouts():
    """A lens, one without pixel scale, one that could not be read, and the lens again."""
    known = dict(bands={"VIS": lens().image}, rms={"VIS": np.full((40, 40), lens().noise)})
    known |= dict(psfs={"VIS": gaussian_psf()}, pixel_scales={"VIS": SCALE})
    return [
        Cutout("a", **known),
        Cutout("b", **{**known, "pixel_scales": {}}),
        Cutout.failed("c", "c.fits", "unreadable", "it is no FITS file"),
        Cutout("d", **known),
    ]


@pytest.fixture
def fitter(monkeypatch):
    """A quick fitter in the place of the real one."""
    made = Fitter(0.42)
    monkeypatch.setattr(
        loop.audit_lens, "__kwdefaults__", {"folder": None, "fit": made, "watch": None}
    )
    return made


def test_one_row_per_image_and_one_per_fit(fitter, tmp_path):
    output = tmp_path / "audit.ecsv"
    table = run.audit(cutouts(), output=output, **TERMS)
    assert list(table["id"]) == ["a", "b", "c", "d"]
    assert list(table["status"]) == ["ok", "bad_input", "unreadable", "ok"]
    assert list(table["verdict"]) == ["correct", "", "", "correct"]
    assert list(table["needs_a_person"]) == [False, True, True, False]
    assert "--assume-pixel-scale" in table["message"][1]
    assert table["theta_E"][0] == TRUTH.theta_E
    assert np.isnan(table["theta_E"][1])
    assert list(table["fits"]) == [3, 0, 0, 3]
    assert table.meta["after_round"] == [
        {"under": 2, "correct": 0, "over": 0},
        {"under": 0, "correct": 2, "over": 0},
        {"under": 0, "correct": 2, "over": 0},
        {"under": 0, "correct": 2, "over": 0},
    ]
    assert table.meta["needs_a_person"] == 2
    again = read_table(output)
    assert again.colnames == table.colnames
    assert again["theta_E"].unit == "arcsec"
    history = read_table(tmp_path / "audit.history.ecsv")
    assert list(history["id"]) == ["a"] * 3 + ["d"] * 3
    assert list(history["round"]) == [0, 1, 2] * 2
    assert list(history["action"][:3]) == ["refit", "refine", "done"]
    assert history["prior_low"][1] == pytest.approx((0.42 + 0.08) / 0.46 - 0.25, abs=0.001)
    page = (tmp_path / "audit.report.html").read_text()
    assert page.count("data:image/png") == 6
    assert "<script" not in page
    assert (Places.of(output).lens(3) / "round-2.png").read_bytes()[:4] == b"\x89PNG"


def test_an_interrupted_run_goes_on(fitter, tmp_path):
    one = cutouts()[:1]

    class Stop(BaseException):
        pass

    class Stopper:
        def start(self, classifier, places):
            pass

        def fitted(self, row, identity, record, fit, images):
            if record.number == 1:
                raise Stop

        def audited(self, row, identity, history, message):
            pass

    with pytest.raises(Stop):
        run.audit(one, output=tmp_path / "a.ecsv", watch=[Stopper()], **TERMS)
    assert not (tmp_path / "a.ecsv").exists()
    done = len(fitter.calls)
    resumed = run.audit(one, output=tmp_path / "a.ecsv", **TERMS)
    assert len(fitter.calls) == done + 2  # rounds 1 and 2
    whole = run.audit(one, output=tmp_path / "b.ecsv", report=False, **TERMS)
    for name in whole.colnames:
        np.testing.assert_array_equal(resumed[name], whole[name])
    assert (tmp_path / "a.report.html").read_text().count("data:image/png") == 3
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run.audit(one, output=tmp_path / "a.ecsv", **TERMS)
    before = len(fitter.calls)
    run.audit(one, output=tmp_path / "a.ecsv", overwrite=True, report=False, **TERMS)
    assert len(fitter.calls) == before + 3  # from the beginning


def test_a_modelling_network_gives_the_first_prior(fitter):
    parameters = Table({"id": ["a", "x"], "theta_E": [1.1, 1.0], "e1": [0.1] * 2, "e2": [0.0] * 2})
    sigma = {"theta_E": 0.1, "e1": 0.1, "e2": 0.1}
    table = run.audit(cutouts(), parameters=parameters, sigma=sigma, **TERMS)
    assert fitter.calls[0]["prior"].theta_E.mean == pytest.approx(1.1)
    assert table["status"][3] == "no_prior"  # the table has no such id
    with pytest.raises(ArgumentError, match="standard deviations"):
        run.audit(cutouts(), parameters=parameters, **TERMS)


def test_what_is_not_in_the_files_may_be_given(fitter):
    table = run.audit(cutouts()[:2], reading=Reading(pixel_scale=SCALE), **TERMS)
    assert list(table["verdict"]) == ["correct"] * 2


def test_the_terms_of_a_fit_reach_it(fitter, tmp_path):
    (tmp_path / "prior.yaml").write_text("x: {prior: constant, value: 0, unit: arcsec, source: a}")
    table = run.audit(
        cutouts()[:1],
        prior=tmp_path / "prior.yaml",
        fitting={"power_law": True, "light_profile": "sersic", "lens_light": "subtracted"},
        reading=Reading(rings=(0.3, 1.5)),
        rounds=0,
        **TERMS,
    )
    (call,) = fitter.calls
    assert call["power_law"]
    assert call["light_profile"] == "sersic"
    assert call["prior"].x.prior == "constant"
    assert call["mask"].sum() == pytest.approx(np.pi * (1.5**2 - 0.3**2) / SCALE**2, rel=0.05)
    for words in ("--power-law", "--light-profile sersic", "--rings 0.3,1.5", "--prior"):
        assert words in table.meta["command"]
    assert "slope" not in table.colnames, "the fitter has not fitted it"
    with pytest.raises(ArgumentError, match="rings"):
        run.audit(cutouts(), reading=Reading(rings=(2.0, 1.0)), **TERMS)
    with pytest.raises(ArgumentError, match="not both"):
        run.audit(cutouts(), prior=MassPrior(), parameters=Table(), **TERMS)


def test_a_slope_that_was_fitted_has_columns(monkeypatch):
    def steep(*args, **kwargs):
        found = fitted(1.0, MassPrior())
        object.__setattr__(found, "mass", found.mass.model_copy(update={"slope": 2.1}))
        error = replace(found.parameters["slope"], std=0.05)
        object.__setattr__(found, "parameters", found.parameters | {"slope": error})
        return found

    defaults = {"folder": None, "fit": steep, "watch": None}
    monkeypatch.setattr(loop.audit_lens, "__kwdefaults__", defaults)
    table = run.audit(cutouts()[:2], rounds=0, fitting={"power_law": True}, **TERMS)
    assert table["slope"][0] == 2.1
    assert table["slope_std"][0] == 0.05
    assert np.isnan(table["slope"][1])


def test_an_empty_run_has_all_columns(fitter):
    table = run.audit(iter([]), **TERMS)
    assert len(table) == 0
    assert {"verdict", "theta_E_std", "needs_a_person", "status"} <= set(table.colnames)
    assert table.meta["counts"] == {}


def test_bad_terms_are_refused_before_anything_is_fitted(fitter):
    for terms, error, match in (
        ({"rounds": -1}, SpecError, "rounds"),
        ({"fitting": {"speed": 1}}, SpecError, "speed"),
        ({"classifier": "nothing/there"}, PresetError, "lensfinder train"),
    ):
        with pytest.raises(error, match=match):
            run.audit(cutouts(), **{**TERMS, **terms})
    with pytest.raises(ArgumentError, match="paths or cutouts"):
        run.audit([np.zeros((4, 4))], **TERMS)
    assert fitter.calls == []
    assert lensfinder.audit is not None


# --- made elsewhere -------------------------------------------------------------------------------
def reconstruction(at, **terms):
    """One of our inversions as arrays."""
    result = inverted(at)
    source, scale, centre = rasterise(*result.mesh.nodes.T, result.source)
    known = dict(
        source=source,
        source_scale=scale,
        source_centre=centre,
        residual=result.residual,
        noise=lens().noise,
        pixel_scale=SCALE,
        image=lens().image,
        image_noise=lens().noise,
        mass=result.mass,
    )
    return Reconstruction(f"theta {at}", **{**known, **terms})


def test_reconstructions_of_others_are_called_and_restarted(tmp_path):
    given = [reconstruction(theta) for theta in (0.38, 1.0, 2.3)]
    table = audit_given(given, output=tmp_path / "given.ecsv", **TERMS)
    assert list(table["verdict"]) == ["under", "correct", "over"]
    assert list(table["action"]) == ["refit", "refine", "refit"]
    assert list(table["needs_a_person"]) == [True, False, True]
    assert np.all((table["restart_low"] < 1.0) & (table["restart_high"] > 1.0))
    places = Places.of(tmp_path / "given.ecsv")
    for row, low in enumerate(table["restart_low"]):
        prior = MassPrior.from_yaml(places.lens(row) / "prior.yaml")
        assert prior.theta_E.low == pytest.approx(low)
    page = (tmp_path / "given.report.html").read_text()
    assert page.count("data:image/png") == 3
    assert "over-magnified" in page


def test_without_a_radius_there_is_a_verdict_and_no_restart():
    def calm(images):
        return np.array([[0.0, 1.0, 0.0]])

    bare = reconstruction(1.0, mass=None, image=None)
    (row,) = audit_given([bare], classifier=calm, relation="maresca2021")
    assert row["verdict"] == "correct"
    assert row["opinion"] == ""
    assert np.isnan(row["restart_low"])
    assert "--theta-E" in row["message"]
    known = reconstruction(1.0, mass=None, image=None, theta_E=1.0)
    (row,) = audit_given([known], classifier=calm, relation="maresca2021")
    assert row["restart_high"] == pytest.approx(1.25)
    with pytest.raises(ArgumentError, match="read_images"):
        audit_given(["a.fits"], **TERMS)
