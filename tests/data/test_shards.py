"""Shards: the same objects give the same bytes, and any damage is noticed."""

import pickle

import numpy as np
import pytest

from lensfinder.data import read_manifest, verify_shards, write_shards
from lensfinder.data.manifest import MANIFEST, TRUTH, count_records, read_truth
from lensfinder.data.pipeline import load_arrays
from lensfinder.data.shards import commit, prepare, write_shard
from lensfinder.errors import DatasetSpecError, OutputExistsError, ShardError


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path, survey, make_mocks):
    write_shards(tmp_path / "set", make_mocks(50, 20), survey=survey, seed=3, rows_per_shard=20)
    return tmp_path / "set"


def test_what_is_written(folder, survey, make_mocks):
    manifest = verify_shards(folder)
    assert manifest == read_manifest(folder)
    assert [shard.rows for shard in manifest.shards] == [20, 20, 10]
    assert manifest.groups["nir"].shape == (8, 8, 2)
    assert manifest.planes == {"S2": ("vis",)}
    assert manifest.numbers == ("label", "theta_E")
    assert manifest.truth["theta_E"].unit == "arcsec"
    assert manifest.seed == 3
    assert manifest.survey["name"] == "tiny"
    assert manifest.versions["tensorflow"]
    images, values, ids = load_arrays(folder, targets=("theta_E", "label"))
    (mocks,) = make_mocks(50, 50)
    assert ids == list(mocks.truth["id"])
    for name, array in mocks.images.items():
        np.testing.assert_array_equal(images[name], array)
    np.testing.assert_array_equal(values[:, 0], mocks.truth["theta_E"].astype(np.float32))
    truth = read_truth(folder)
    assert truth.colnames == mocks.truth.colnames
    assert truth["theta_E"].unit == "arcsec"
    np.testing.assert_array_equal(truth["theta_E"], mocks.truth["theta_E"])
    assert list(truth["kind"]) == list(mocks.truth["kind"])


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_batches_make_no_difference(tmp_path, folder, survey, make_mocks, batch):
    write_shards(
        tmp_path / "other", make_mocks(50, batch), survey=survey, seed=3, rows_per_shard=20
    )
    assert contents(tmp_path / "other") == contents(folder)


def test_processes_may_write_one_shard_each(tmp_path, folder, survey, make_mocks):
    other = prepare(tmp_path / "other")
    batches = list(make_mocks(50, 20))
    parts = [write_shard(other, number, [batches[number]]) for number in (2, 0, 1)]
    parts = pickle.loads(pickle.dumps(parts))
    commit(other, parts, survey=survey, seed=3)
    assert contents(other) == contents(folder)
    with pytest.raises(ShardError, match="numbered"):
        commit(other, parts[:2], survey=survey)


def test_every_flipped_bit_is_noticed(folder, rng):
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST:
            continue
        raw = path.read_bytes()
        for position in rng.integers(len(raw), size=12):
            damaged = bytearray(raw)
            damaged[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(ShardError):
                verify_shards(folder)
        path.write_bytes(raw)
    verify_shards(folder)  # the control: undamaged, it passes


def test_a_cut_at_every_record_boundary_is_noticed(folder):
    """TensorFlow reads such a file without an error; so lengths are checked before."""
    path = folder / "shard-00000.tfrecord"
    raw, ends, position = path.read_bytes(), [], 0
    while position < len(raw):
        position += 16 + int.from_bytes(raw[position : position + 8], "little")
        ends.append(position)
    assert len(ends) == 20
    for rows, end in enumerate(ends[:-1], start=1):
        path.write_bytes(raw[:end])
        assert count_records(path) == rows
        with pytest.raises(ShardError, match=f"with {rows} whole records of 20"):
            verify_shards(folder, hashes=False)
    path.write_bytes(raw[:-1])
    with pytest.raises(ShardError, match="a record that is cut"):
        verify_shards(folder, hashes=False)


def test_missing_files(folder):
    for name in ("shard-00001.tfrecord", TRUTH, MANIFEST):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(ShardError, match=name):
            verify_shards(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        ('"rows": 50', '"rows": 51'),
        ('"shard-00000.tfrecord"', '"../shard-00000.tfrecord"'),
        ('"unit": "electron/s"', '"unknown": 1'),
        ("{", "["),
    ],
)
def test_a_manifest_that_is_none(folder, change):
    path = folder / MANIFEST
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(ShardError, match="not a valid manifest"):
        read_manifest(folder)


def test_a_writer_that_fails_leaves_no_data_set(tmp_path, survey, make_mocks):
    def stream():
        yield next(make_mocks(4, 4))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_shards(tmp_path, stream(), survey=survey, rows_per_shard=2)
    assert len(list(tmp_path.glob("shard-*.tfrecord"))) == 2
    with pytest.raises(ShardError, match="did not finish"):
        read_manifest(tmp_path)


def test_overwriting(tmp_path, folder, survey, make_mocks):
    with pytest.raises(OutputExistsError):
        write_shards(folder, make_mocks(5, 5), survey=survey)
    write_shards(folder, make_mocks(5, 5), survey=survey, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        MANIFEST,
        "shard-00000.tfrecord",
        TRUTH,
    ]
    assert verify_shards(folder).rows == 5


def test_half_precision(tmp_path, survey, make_mocks):
    write_shards(tmp_path, make_mocks(4, 4), survey=survey, dtype="float16")
    images, _, _ = load_arrays(tmp_path, targets=("label",))
    (mocks,) = make_mocks(4, 4)
    assert images["vis"].dtype == np.float32
    # half precision keeps 11 bits: relative error up to 2^-11, absolute 2^-25 near zero
    np.testing.assert_allclose(images["vis"], mocks.images["vis"], rtol=2**-11, atol=2**-25)


def test_batches_that_do_not_fit(tmp_path, survey, make_mocks):
    (mocks,) = make_mocks(4, 4)
    mocks.images = {"vis": mocks.images["vis"]}
    with pytest.raises(DatasetSpecError, match="shapes"):
        write_shards(tmp_path / "a", [mocks], survey=survey)
    (mocks,) = make_mocks(4, 4)
    mocks.truth = mocks.truth[:3]
    with pytest.raises(DatasetSpecError, match="rows"):
        write_shards(tmp_path / "b", [mocks], survey=survey)
    (mocks,) = make_mocks(4, 4)
    mocks.truth["wide"] = np.zeros((4, 2))
    with pytest.raises(DatasetSpecError, match="wide"):
        write_shards(tmp_path / "c", [mocks], survey=survey)
    with pytest.raises(ShardError):
        write_shards(tmp_path / "d", [], survey=survey)
