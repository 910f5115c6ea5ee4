"""The lens-finding challenges, on tiny files in the layouts of their data packs."""

import csv

import numpy as np
import pytest
from astropy.io import fits

from lensfinder.data import (
    Assume,
    challenge_names,
    challenge_shards,
    labels_of,
    load_arrays,
    load_challenge,
    load_layout,
    read_catalogue,
    read_challenge,
    read_cutouts,
    verify_shards,
    write_submission,
)
from lensfinder.data.challenges import label_of_name
from lensfinder.errors import (
    STATUS,
    ArgumentError,
    DataFormatError,
    OutputExistsError,
    UnknownNameError,
)
from lensfinder.specs import load_survey
from tests.data import challenge_files as packs

LENS = {"n_source_im": 2, "mag_eff": 3.0, "n_pix_source": 60}
SECOND = [
    {"ID": 200000, **LENS},
    {"ID": 200001, **LENS, "n_pix_source": 20},
    {"ID": 200002, **LENS, "mag_eff": ""},
    {"ID": 200003, **LENS, "n_source_im": 0},
]
UNIT = {"assume": Assume(unit="electron/s")}


def by_id(stream):
    return {cutout.id: cutout for cutout in stream}


def test_the_table():
    assert len(challenge_names()) == 4
    for name in challenge_names():
        challenge = load_challenge(name)
        layout = load_layout(name)
        survey = load_survey(challenge.survey)
        bands = {band.name for group in survey.groups for band in group.bands}
        assert bands == set(layout.bands)
        assert layout.unit == (), "nobody states the unit, and we do not guess"
    with pytest.raises(UnknownNameError, match="no challenge named 'x'"):
        load_challenge("x")


def test_first_challenge_space(tmp_path, rng):
    arrays = packs.space(tmp_path, rng)
    key = packs.first_key(tmp_path / "key.csv", {100001: 1, 100002: 0})
    objects = by_id(read_challenge("lens-challenge-1-space", tmp_path, catalogue=key))
    assert list(objects) == ["100001", "100002", "100003"]
    for name, cutout in objects.items():
        assert cutout.status == 0
        np.testing.assert_array_equal(cutout.bands["VIS"], arrays[name])
        assert cutout.pixel_scales == {"VIS": 0.1}
        assert cutout.units == {"VIS": None}
    assert objects["100001"].meta["truth"]["label"] == 1
    assert objects["100001"].meta["truth"]["numb_pix_lensed_image"] == 50
    assert objects["100002"].meta["truth"]["label"] == 0
    assert objects["100003"].meta["truth"] is None


def test_first_challenge_ground(tmp_path, rng):
    arrays = packs.ground(tmp_path, rng)
    place = tmp_path / "Data_KiDS_Big.0" / "Public"
    masked = arrays["100001", "g"].copy()
    masked[3:5, 7] = 100
    fits.PrimaryHDU(masked).writeto(place / "Band3" / "imageSDSS_G-100001.fits", overwrite=True)
    (place / "Band4" / "imageSDSS_U-100002.fits").unlink()
    objects = by_id(read_challenge("lens-challenge-1-ground", tmp_path))
    assert list(objects) == ["100001", "100002"]
    first = objects["100001"]
    assert list(first.bands) == ["u", "g", "r", "i"]
    for band in "uri":
        np.testing.assert_array_equal(first.bands[band], arrays["100001", band])
    assert np.isnan(first.bands["g"]).sum() == 2
    assert np.isnan(first.bands["g"][3:5, 7]).all()
    assert set(first.pixel_scales.values()) == {0.2}
    assert set(objects["100002"].bands) == {"g", "r", "i"}


def test_second_challenge(tmp_path, rng):
    arrays = packs.second(tmp_path, rng)
    log = packs.second_log(tmp_path / "image_catalog2.0train.csv", SECOND)
    objects = by_id(read_challenge("lens-challenge-2", tmp_path, catalogue=log))
    assert list(objects) == [str(200000 + k) for k in range(4)]
    for name, cutout in objects.items():
        for band in ("VIS", "H", "J", "Y"):
            np.testing.assert_array_equal(cutout.bands[band], arrays[name, band])
        assert cutout.pixel_scales == {"VIS": 0.1, "H": 0.3, "J": 0.3, "Y": 0.3}
        assert cutout.bands["VIS"].shape == (200, 200)
        assert cutout.bands["J"].shape == (66, 66)
    # the criteria of Bom et al. 2022, section 2.2, and each of them missed by one object
    assert [objects[name].meta["truth"]["label"] for name in objects] == [1, 0, 0, 0]


def test_lsst_challenge(tmp_path, rng):
    arrays = packs.lsst(tmp_path / "slsim_lenses" / "slsim_lenses", rng, ["D1_L_00000001"])
    arrays |= packs.lsst(tmp_path / "hsc_nonlenses", rng, ["D2_N_00000007"])
    arrays |= packs.lsst(tmp_path / "hsc_lenses", rng, ["renamed"])
    arrays |= packs.lsst(tmp_path / "test_dataset", rng, ["object_3"])
    fits.PrimaryHDU().writeto(tmp_path / "slsim_lenses" / "parameters.fits")
    objects = by_id(read_challenge("lens-challenge-lsst", tmp_path))
    assert set(objects) == {"D1_L_00000001", "D2_N_00000007", "renamed", "object_3"}
    for name, cutout in objects.items():
        assert (cutout.status, list(cutout.bands)) == (0, list("grizy"))
        for band in "grizy":
            np.testing.assert_array_equal(cutout.bands[band], arrays[name, band])
            assert cutout.pixel_scales[band] == 0.2
    truths = {name: cutout.meta["truth"] for name, cutout in objects.items()}
    assert truths == {
        "D1_L_00000001": {"label": 1},
        "D2_N_00000007": {"label": 0},
        "renamed": {"label": 1},
        "object_3": None,
    }
    with pytest.raises(DataFormatError, match="has no catalogue"):
        read_challenge("lens-challenge-lsst", tmp_path, catalogue=tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        *[("slsim_lenses", 1), ("hsc_lenses", 1), ("lenses", 1), ("HSC-Lenses", 1)],
        *[("slsim_nonlenses", 0), ("hsc_nonlenses", 0), ("nonlenses", 0)],
        *[("non_lenses", 0), ("non-lenses", 0), ("hsc non lenses", 0), ("hsc_non__lenses", 0)],
        *[("lens_challenge_test", None), ("lenses_test", None), ("test_dataset", None)],
        *[("lens", None), ("microlenses", None)],
    ],
)
def test_a_folder_labels_only_what_it_says_exactly(tmp_path, folder, label):
    path = tmp_path / "images_of_lenses" / folder / "object_3_g.fits"
    assert label_of_name("object_3", path) == label
    assert label_of_name("D1_N_00000001", path) == 0, "the name of the object comes first"
    assert label_of_name("object_3") is None


def test_folders_label_what_is_read(tmp_path, rng):
    for folder, name in (("non_lenses", "a"), ("non-lenses", "b"), ("lens_challenge_test", "c")):
        packs.lsst(tmp_path / folder, rng, [name])
    objects = by_id(read_challenge("lens-challenge-lsst", tmp_path))
    truths = {name: cutout.meta["truth"] for name, cutout in objects.items()}
    assert truths == {"a": {"label": 0}, "b": {"label": 0}, "c": None}


# --- what is not as it should be ------------------------------------------------------------------
@pytest.mark.parametrize("damage", ["cut", "html", "empty", "two images", "no image", "two rows"])
def test_a_damaged_file_becomes_a_status(tmp_path, rng, damage):
    extra = [fits.Column("other", "9E", array=np.zeros((1, 9)))] if damage == "two images" else ()
    packs.lsst(tmp_path / "a_lenses", rng, ["D1_L_1", "D1_L_2"], extra=extra)
    path = tmp_path / "a_lenses" / "D1_L_1_i.fits"
    content = path.read_bytes()
    text = [fits.Column("id", "9A", array=["x"] * (2 if damage == "two rows" else 1))]
    wrong = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(text)])
    if damage in ("no image", "two rows"):
        wrong.writeto(path, overwrite=True)
    else:
        path.write_bytes(
            {"cut": content[:6000], "html": b"<html>", "empty": b""}.get(damage, content)
        )
    objects = by_id(read_challenge("lens-challenge-lsst", tmp_path))
    assert objects["D1_L_1"].status & (STATUS["unreadable"] | STATUS["truncated"])
    assert objects["D1_L_1"].message
    assert (objects["D1_L_2"].status == 0) == (damage != "two images")


def test_no_file_of_the_challenge_is_an_error(tmp_path, rng):
    packs.space(tmp_path, rng, ids=(1,))
    for name in ("lens-challenge-1-ground", "lens-challenge-2", "lens-challenge-lsst"):
        with pytest.raises(DataFormatError, match="no file that matches the layout"):
            list(read_challenge(name, tmp_path))


TEXTS = {
    "no column": ("ID,lens\n1,1\n", "no column is_lens"),
    "no header": ("1,1\n2,0\n", "no column ID"),
    "ragged": ("ID,is_lens\n1,1,3\n", "Row 1 of .* has 3 columns"),
    "words": ("ID,is_lens\n1,yes\n", "Row 1 of .*could not convert"),
    "twice": ("ID,is_lens\n1,1\n1,0\n", "holds a number twice"),
    "no id": ("ID,is_lens\n,1\n", "whole numbers"),
    "fraction": ("ID,is_lens\n1.5,1\n", "whole numbers"),
    "infinite": ("ID,is_lens\ninf,1\n", "whole numbers"),
    "same names": ("ID,is_lens,a,a\n1,1,2,3\n", "each column once"),
    "our names": ("ID,is_lens,label\n1,1,2\n", "each column once"),
    "comments": ("# a\n# b\n\n", "holds no line"),
    "empty": ("", "is empty"),
    "not text": (b"\xff\xfe\x00\x01", "not comma-separated text"),
    "nul": (b"ID,is_lens\n1,\x00\n", "cannot be read|comma-separated|Row 1"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_wrong_catalogue_is_an_error_that_says_where(tmp_path, kind):
    text, words = TEXTS[kind]
    path = tmp_path / "key.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataFormatError, match=words):
        read_catalogue("lens-challenge-1-space", path)
    with pytest.raises(DataFormatError):
        read_catalogue("lens-challenge-1-space", tmp_path / "none.csv")


def test_catalogues(tmp_path):
    table = read_catalogue("lens-challenge-2", packs.second_log(tmp_path / "log.csv", SECOND))
    assert table.colnames[:2] == ["id", "label"]
    assert "" not in table.colnames
    assert len(table.colnames) == 27  # id and label; without ID and the unnamed one
    assert table["label"].tolist() == [1, 0, 0, 0]
    assert np.isnan(table["mag_eff"][2])
    assert table["z_lens"].tolist() == [0.5] * 4


# --- shards ---------------------------------------------------------------------------------------
def test_shards_of_the_second_challenge(tmp_path, rng):
    arrays = packs.second(tmp_path / "data", rng)
    (tmp_path / "data" / "Public" / "EUC_J" / "imageEUC_J-200003.fits").unlink()
    log = packs.second_log(tmp_path / "log.csv", [*SECOND[:2], SECOND[3], {"ID": 200009, **LENS}])
    manifest, rejected = challenge_shards(
        "lens-challenge-2", tmp_path / "data", tmp_path / "out", catalogue=log, fitting=UNIT
    )
    assert manifest.rows == 2
    assert rejected["id"].tolist() == ["200002", "200003", "200009"]
    assert rejected["reason"][0] == "nothing says whether it is a lens"
    assert rejected["reason"][1].startswith("missing_band: band J is missing")
    assert rejected["reason"][2] == "no image"
    with (tmp_path / "out" / "rejected.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == ["id", "reason"]
    assert [row[0] for row in written[1:]] == rejected["id"].tolist()
    assert written[2][1].startswith("missing_band")
    verify_shards(tmp_path / "out")
    images, y, ids = load_arrays(tmp_path / "out", targets=("label", "mag_eff"))
    names = [i.decode() if isinstance(i, bytes) else str(i) for i in ids]
    assert names == ["200000", "200001"]
    np.testing.assert_array_equal(y, np.array([[1, 3], [0, 3]], np.float32))
    np.testing.assert_array_equal(images["vis"][1, :, :, 0], arrays["200001", "VIS"])
    np.testing.assert_array_equal(images["nisp"][0, :, :, 2], arrays["200000", "Y"])


def test_stamps_are_cut_to_the_survey(tmp_path, rng):
    arrays = packs.space(tmp_path / "data", rng)
    key = packs.first_key(tmp_path / "key.csv", {100001: 1, 100002: 0, 100003: 0})
    manifest, rejected = challenge_shards(
        "lens-challenge-1-space",
        tmp_path / "data",
        tmp_path / "out",
        catalogue=key,
        resample=True,
        fitting=UNIT,
    )
    assert (manifest.rows, len(rejected)) == (3, 0)
    images, _, _ = load_arrays(tmp_path / "out", targets=("label",))
    np.testing.assert_array_equal(images["vis"][0, :, :, 0], arrays["100001"][22:79, 22:79])


def test_nothing_usable_is_an_error_and_writes_nothing(tmp_path, rng):
    packs.lsst(tmp_path / "data_lenses", rng, ["D1_L_1", "D1_N_2"])
    with pytest.raises(DataFormatError, match="None of the 2 objects.*wrong_unit.*unstated unit"):
        challenge_shards("lens-challenge-lsst", tmp_path / "data_lenses", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    manifest, _ = challenge_shards(
        "lens-challenge-lsst", tmp_path / "data_lenses", tmp_path / "out", fitting=UNIT
    )
    assert manifest.rows == 2
    with pytest.raises(OutputExistsError):
        challenge_shards(
            "lens-challenge-lsst", tmp_path / "data_lenses", tmp_path / "out", fitting=UNIT
        )
    with pytest.raises(DataFormatError, match="needs its catalogue"):
        challenge_shards("lens-challenge-2", tmp_path, tmp_path / "other")


# --- entries --------------------------------------------------------------------------------------
def test_an_entry_of_the_first_two_challenges(tmp_path):
    path = write_submission(
        "lens-challenge-2", tmp_path / "entry.csv", ["200001", "200000"], [0.25, 1 / 3]
    )
    assert path.read_text() == "200001,0.25\n200000,0.33333333\n"
    with pytest.raises(OutputExistsError):
        write_submission("lens-challenge-2", path, ["1"], [0.5])
    write_submission(
        "lens-challenge-2", path, ["1", "2"], [0.5, np.nan], unscored=0, overwrite=True
    )
    assert path.read_text() == "1,0.5\n2,0\n"


def test_an_entry_of_the_lsst_challenge(tmp_path):
    path = write_submission(
        "lens-challenge-lsst",
        tmp_path / "e.csv",
        ["object_1", "object_2"],
        [0.4, 0.6],
        threshold=0.6,
    )
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["id", "preds", "RA", "Dec", "zlens"]
    assert len(rows[0]) == 32
    assert [(row["id"], row["preds"]) for row in rows] == [("object_1", "0"), ("object_2", "1")]
    assert {row["Rein"] for row in rows} == {"-99"}


@pytest.mark.parametrize(
    ("ids", "scores", "options", "words"),
    [
        (["1", "2"], [0.5], {}, "2 ids need as many scores"),
        ([], [], {}, "0 ids"),
        (["1", "1"], [0.5, 0.5], {}, "stands twice"),
        (["1"], [1.5], {}, "probabilities, 0 to 1"),
        (["1"], [-0.1], {}, "probabilities, 0 to 1"),
        (["1"], [np.inf], {}, "probabilities, 0 to 1"),
        (["1"], [np.nan], {}, "1 of 1 objects have no score"),
        (["1"], [np.nan], {"unscored": 2}, "A score is a probability"),
        (["1"], [0.5], {"threshold": np.nan}, "A score is a probability"),
        (["a,b"], [0.5], {}, "not the name"),
        (["=1+1"], [0.5], {}, "not the name"),
        (["VIS-1"], [0.5], {}, "not the name"),
    ],
)
def test_a_wrong_entry_is_not_written(tmp_path, ids, scores, options, words):
    with pytest.raises(ArgumentError, match=words):
        write_submission("lens-challenge-2", tmp_path / "e.csv", ids, scores, **options)
    with pytest.raises(ArgumentError, match="is a .csv or .txt"):
        write_submission("lens-challenge-2", tmp_path / "e.fits", ["1"], [0.5])
    assert list(tmp_path.iterdir()) == []


def test_labels_of_a_scored_list(tmp_path):
    key = packs.first_key(tmp_path / "key.csv", {1: 1, 2: 0})
    found = labels_of("lens-challenge-1-space", ["2", "1", "3"], catalogue=key)
    np.testing.assert_array_equal(found, [0, 1, np.nan])
    found = labels_of("lens-challenge-lsst", ["D1_L_1", "D2_N_1", "object_1"])
    np.testing.assert_array_equal(found, [1, 0, np.nan])
    paths = [tmp_path / folder / "x_g.fits" for folder in ("non_lenses", "hsc_lenses", "x_lenses")]
    found = labels_of("lens-challenge-lsst", ["object_1", "object_2", "D2_N_1"], paths=paths)
    np.testing.assert_array_equal(found, [0, 1, 0])
    with pytest.raises(ArgumentError, match="2 ids need as many paths"):
        labels_of("lens-challenge-lsst", ["object_1", "object_2"], paths=paths)
    with pytest.raises(DataFormatError, match="has no catalogue.*Leave it out"):
        labels_of("lens-challenge-lsst", ["D1_L_1"], catalogue=key)
    with pytest.raises(DataFormatError, match="needs its catalogue"):
        labels_of("lens-challenge-2", ["1"])


def test_cells_of_tables_are_read_by_layouts_only(tmp_path, rng):
    packs.lsst(tmp_path, rng, ["D1_L_1"])
    (cutout,) = read_cutouts(tmp_path / "D1_L_1_g.fits")
    assert cutout.status == STATUS["unreadable"]
