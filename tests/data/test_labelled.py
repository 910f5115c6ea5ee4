"""Images and what is true of them: shards, folders with a table, and what is wrong with them."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensfinder.data import Labelled, contract_of, read_labelled, write_cutouts, write_shards
from lensfinder.data.labelled import check_labels, read_labels
from lensfinder.errors import InputContractError, LabelError, MissingBandError
from lensfinder.specs import InputContract, load_survey
from lensfinder.tables import write_table

COUNT = 6
SURVEY = load_survey("kids-ugri")


def images(seed=0):
    rng = np.random.default_rng(seed)
    return {"kids": rng.normal(size=(COUNT, 101, 101, 4)).astype(np.float32)}


def names():
    return [f"{i:03d}" for i in range(COUNT)]  # ids that look like numbers, and are none


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("labelled")
    write_cutouts(place, names(), images(), SURVEY)
    rows = [f"{name},{i % 2}" for i, name in enumerate(names())]
    (place / "labels.csv").write_text("\n".join(["id,label", *reversed(rows)]) + "\n")
    return place


def test_a_folder_says_what_it_is_and_is_read_by_id(folder):
    contract = contract_of(folder)
    assert contract == InputContract.from_survey(SURVEY)  # the files name their survey
    found = read_labelled(folder, contract.select({"kids": ["r", "u"]}))
    assert found.ids == tuple(names())
    np.testing.assert_array_equal(found.y[:, 0], np.arange(COUNT) % 2)
    np.testing.assert_array_equal(found.images["kids"], images()["kids"][..., [2, 0]])


def test_shards_hold_their_own(tmp_path):
    truth = Table({"id": names(), "label": np.arange(COUNT) % 2, "theta_E": np.ones(COUNT)})
    batch = SimpleNamespace(images=images(), truth=truth)
    write_shards(tmp_path / "set", [batch], survey=SURVEY)
    contract = contract_of(tmp_path / "set").select({"kids": ["g"]})
    found = read_labelled(tmp_path / "set", contract)
    np.testing.assert_array_equal(found.images["kids"], images()["kids"][..., [1]])
    np.testing.assert_array_equal(found.y[:, 0], np.arange(COUNT) % 2)
    both = read_labelled(str(tmp_path / "set"), contract, targets=("theta_E", "label"))
    assert both.y.shape == (COUNT, 2)
    with pytest.raises(LabelError, match="their own labels"):
        read_labelled(tmp_path / "set", contract, labels="x.csv")


def test_files_of_an_unknown_survey_are_described_by_themselves(tmp_path):
    write_cutouts(tmp_path, names(), images(), SURVEY, header={"SURVEY": "mine"}, overwrite=True)
    found = contract_of(tmp_path)
    assert [g.model_dump() for g in found.groups] == [
        {"name": "grid1", "bands": tuple("ugri"), "stamp": 101, "pixel_scale": 0.2}
    ]
    assert contract_of(tmp_path, "kids-ugri").survey == "kids-ugri"


def test_files_that_do_not_say_what_they_are_need_a_survey(tmp_path):
    fits.PrimaryHDU(np.eye(20, dtype=np.float32)).writeto(tmp_path / "a.fits")
    with pytest.raises(InputContractError, match="survey"):
        contract_of(tmp_path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["id,lens", "000,1"], "no column 'label'"),
        (["id,label", "000,1", "000,0"], "more than one row"),
        (["id,label", "000,1", "001,0"], "no label"),
        (["id,label", *(f"{i:03d},{i % 2}" for i in range(9))], "no image"),
        (["id,label", *(f"{i:03d},nan" for i in range(COUNT))], "not finite"),
        (["id,label", *(f"{i:03d}," for i in range(COUNT))], "not finite"),
        (["id,label", *(f"{i:03d},yes" for i in range(COUNT))], "numbers"),
        (["id,label", *(f"{i:03d},1" for i in range(COUNT))], "other kind"),
        (["id,label", *(f"{i:03d},{i}" for i in range(COUNT))], "0 or 1"),
    ],
)
def test_bad_tables_are_named(folder, tmp_path, lines, words):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LabelError, match=words):
        read_labelled(folder, contract_of(folder), labels=path)


def test_a_missing_table_says_what_it_should_hold(folder, tmp_path):
    with pytest.raises(LabelError, match="id, label"):
        read_labelled(folder, contract_of(folder), labels=tmp_path / "absent.csv")
    with pytest.raises(LabelError, match="--labels"):
        read_labelled([str(folder / "000.fits")], contract_of(folder))


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_tables_in_every_format(ending, tmp_path):
    path = tmp_path / f"labels.{ending}"
    write_table(Table({"id": names(), "label": np.arange(COUNT) % 2}), path)
    assert list(read_labels(path, ["label"])) == names()


def test_images_that_cannot_be_used_are_named(tmp_path):
    bad = images()
    bad["kids"][3, 50, 50, 2] = np.nan
    write_cutouts(tmp_path, names(), bad, SURVEY)
    (tmp_path / "labels.csv").write_text(
        "id,label\n" + "".join(f"{name},{i % 2}\n" for i, name in enumerate(names()))
    )
    contract = contract_of(tmp_path)
    with pytest.raises(LabelError, match="003"):
        read_labelled(tmp_path, contract)
    assert len(read_labelled(tmp_path, contract, max_bad_fraction=0.01)) == COUNT


def test_objects_in_memory_are_checked_alike():
    contract = InputContract.from_survey(SURVEY)
    y = (np.arange(COUNT) % 2).astype(np.float32)[:, None]
    good = Labelled(contract, tuple(names()), images(), y)
    assert check_labels(good, ("label",)) is good
    assert good.take([3, 1]).ids == ("003", "001")
    assert good.select({"kids": ["i"]}).images["kids"].shape == (COUNT, 101, 101, 1)
    with pytest.raises(MissingBandError):
        good.select({"kids": ["z"]})
    dark = images()
    dark["kids"][2, 0, 0, 0] = np.inf
    for wrong, words in (
        (Labelled(contract, ("a",) * COUNT, images(), y), "more than one row"),
        (Labelled(contract, tuple(names()), dark, y), "002"),
        (Labelled(contract, tuple(names()), images(), y[:, 0]), "1 values"),
    ):
        with pytest.raises(LabelError, match=words):
            check_labels(wrong, ("label",))
