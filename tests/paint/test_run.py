"""`paint`: a data set with its truth, the same whatever the run; a network trains on it."""

import numpy as np
import pytest
import skies
from astropy.table import Table

from lensfinder.data import read_cutouts, verify_shards
from lensfinder.errors import MissingBandError, OutputExistsError, SimulationError, UnknownNameError
from lensfinder.lensing import theta_E_sis
from lensfinder.paint import Settings, paint
from lensfinder.paint.words import summary
from lensfinder.tables import read_table


def run(folder, small, n=12, **options):
    """A run on six galaxies and three sources."""
    given = {
        "catalogue": skies.catalogue(6),
        "source_catalogue": skies.source_catalogue(3),
        "report": False,
        "seed": 5,
    } | options
    lenses, sources = ([make(k) for k in range(count)] for make, count in (
        (skies.galaxy, 6), (skies.source, 3)))  # fmt: skip
    return paint(lenses, sources, output=folder, survey=small, n=n, **given)


@pytest.fixture(scope="module")
def painted(tmp_path_factory, small):
    """36 objects, a third of them without arcs, with all planes and a page."""
    return run(
        tmp_path_factory.mktemp("painted"),
        small,
        n=36,
        planes=("S1", "S3", "LENS", "MU"),
        settings=Settings(non_lenses=0.34),
        report=True,
        overwrite=True,
    )


def test_the_shards_are_a_data_set_with_a_truth_that_is_told(painted, small):
    manifest = verify_shards(painted)
    assert manifest.rows == 36
    assert manifest.planes == dict.fromkeys(("S1", "S3", "LENS", "MU"), ("cam",))
    assert manifest.population["name"] == "painted"
    assert manifest.population["non_lenses"] == 0.34
    truth = read_table(painted / "truth.parquet")
    assert str(truth["theta_E"].unit) == "arcsec"
    assert all(truth[name].description for name in truth.colnames)
    assert set(truth["z_lens_from"]) == set(truth["z_src_from"]) == {"catalogue"}
    assert set(truth["psf_from"]) == {"survey"}
    lens = truth[truth["label"] == 1]
    sphere = theta_E_sis(lens["sigma_v"], lens["z_lens"], lens["z_src"])
    np.testing.assert_allclose(lens["theta_E_barkana"], sphere, rtol=1e-9)
    assert (lens["arcs_peak"] > lens["background_rms"]).all()
    assert set(lens["configuration"]) <= {"double", "quad"}
    assert (lens["n_images"] >= 2).all()


def test_galaxies_without_arcs_are_of_both_kinds(painted):
    truth = read_table(painted / "truth.parquet")
    other = truth[truth["label"] == 0]
    assert set(other["class"]) == {"no_source", "unlensed_source"}
    assert (other["theta_E"] == 0).all()
    assert np.isnan(other["log_brightness"][other["class"] == "no_source"]).all()
    # an unlensed source is as bright as it is, less what lies outside of the stamp
    shown = other["magnification"][other["class"] == "unlensed_source"]
    assert (shown < 1.01).all()
    assert shown.max() > 0.9


def test_what_became_of_every_input_is_written(painted):
    inputs, sources = read_table(painted / "lenses.ecsv"), read_table(painted / "sources.ecsv")
    reasons = list(inputs.meta["reasons"])
    total = sum(int(inputs[name].sum()) for name in ("painted", *reasons))
    assert total == inputs.meta["candidates"]
    assert inputs["painted"].sum() == sources["painted"].sum() == 36
    page = (painted / "report.html").read_text()
    assert page.count("data:image/png") == 24
    assert "the arcs do not rise above the background" in page
    assert any("of 36 objects have the PSF of the survey" in line for line in summary(painted))


def test_the_kth_object_is_the_same_in_a_shorter_run_and_another_format(painted, small, tmp_path):
    folder = run(tmp_path, small, n=7, settings=Settings(non_lenses=0.34), format="npz")
    whole, short = read_table(painted / "truth.parquet"), read_table(folder / "truth.ecsv")
    for name in ("id", "theta_E", "x_src", "lens_id", "label", "magnification"):
        np.testing.assert_array_equal(np.asarray(whole[name][:7]), np.asarray(short[name]))
    cutouts = list(read_cutouts(folder / "S1"))
    assert [cutout.id for cutout in cutouts] == list(short["id"])
    assert short.meta["survey_spec"]["name"] == "small"
    with pytest.raises(OutputExistsError):
        run(tmp_path, small, n=7, format="npz")


@pytest.mark.slow
def test_workers_change_nothing(small, tmp_path):
    settings = Settings(theta_E="flat", per_bin=6)
    one, two = (run(tmp_path / str(k), small, n=40, settings=settings, workers=k) for k in (1, 2))
    for name in ("shard-00000.tfrecord", "lenses.ecsv", "sources.ecsv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_another_format_leaves_nothing_of_the_run_before(small, tmp_path):
    marks = {"tfrecord": ("manifest.json", "truth.parquet"), "fits": ("truth.ecsv",)}
    names = {"tfrecord": "shard-*", "fits": "S1/*.fits", "npz": "S1/*.npz"}
    (tmp_path / "report.html").write_text("of an earlier run")
    for k, format in enumerate(("npz", "tfrecord", "fits")):
        if k:  # the run before is protected, whatever its format was
            with pytest.raises(OutputExistsError):
                run(tmp_path, small, n=2, format=format)
        run(tmp_path, small, n=2, format=format, overwrite=True)
        kept = marks["tfrecord" if format == "tfrecord" else "fits"]
        for name in {name for group in marks.values() for name in group}:
            assert (tmp_path / name).exists() == (name in kept), (format, name)
        for other, pattern in names.items():
            assert bool(list(tmp_path.glob(pattern))) == (other == format), (format, other)
        assert not (tmp_path / "report.html").exists()


def test_fits_files_of_painted_mocks_say_what_they_are(small, tmp_path):
    folder = run(tmp_path, small, n=2, format="fits", planes=("S1", "LENS"))
    (cutout, _) = read_cutouts(folder / "S1")
    assert cutout.meta["kind"] == "painted"
    assert (folder / "LENS" / f"{cutout.id}.fits").is_file()


def test_a_recipe_trains_on_painted_shards(painted, small, tmp_path):
    from lensfinder.training.loop import train
    from tests.training import tiny_training

    path = tmp_path / "small.yaml"
    path.write_text(skies.SURVEY)
    recipe = tiny_training.recipe(
        tmp_path,
        task="finder",
        survey=str(path),
        data={"kind": "shards", "folder": str(painted)},
        adapt_size=8,
        batch_size=4,
        steps_per_epoch=4,
        epochs=1,
    )
    assert train(recipe, tmp_path / "run").finished


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n": 0}, SimulationError, "at least 1"),
        ({"format": "hdf"}, UnknownNameError, "format"),
        ({"planes": ("S3",)}, SimulationError, "Add S1"),
        ({"source_reading": {"band_map": {"i": "F814W"}}}, MissingBandError, "F814W for band i"),
        ({"source_reading": {"band_map": {"F814W": "i"}}}, UnknownNameError, "band named 'F814W'"),
        ({"reading": {"band_map": {"F814W": "i"}}}, UnknownNameError, "band named 'F814W'"),
    ],
    ids=["n", "format", "planes", "band", "sources' other band", "galaxies' other band"],
)
def test_a_run_that_cannot_be_writes_nothing(small, tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        run(tmp_path / "run", small, **options)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_catalogue_without_ids_is_refused(small, tmp_path):
    from lensfinder.errors import ArgumentError

    with pytest.raises(ArgumentError, match="column id"):
        run(tmp_path / "run", small, catalogue=Table({"z_lens": [0.3]}))
