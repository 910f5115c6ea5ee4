"""Pipelines: contract of the elements, reproducible orders, and that rot does not get through."""

import numpy as np
import pytest
import tensorflow as tf

from lensfinder.data import dataset, from_arrays, write_shards
from lensfinder.data.pipeline import expect, load_arrays
from lensfinder.data.splits import select
from lensfinder.errors import DatasetSpecError, ShardError, UnknownNameError

COUNT = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory, survey, make_mocks):
    place = tmp_path_factory.mktemp("set")
    write_shards(place, make_mocks(COUNT, 30), survey=survey, rows_per_shard=17)
    return place


def ids_of(data):
    return [name.decode() for element in data for name in element[2].numpy()]


def open_ids(folder, **options):
    return dataset(folder, targets=("theta_E",), batch_size=8, with_ids=True, **options)


def test_elements(folder):
    data = dataset(folder, targets=("theta_E", "label"), batch_size=8)
    images, values = data.element_spec
    assert images["vis"].shape.as_list() == [None, 16, 16, 1]
    assert images["nir"].dtype == values.dtype == tf.float32
    assert values.shape.as_list() == [None, 2]
    assert data.cardinality().numpy() == len(list(data)) == 12
    dropped = dataset(folder, targets=("label",), batch_size=8, drop_remainder=True)
    assert len(list(dropped)) == 11


@pytest.mark.parametrize("cache", [False, True])
def test_everything_comes_once_in_every_order(folder, cache):
    plain = ids_of(open_ids(folder, cache_in_memory=cache))
    assert plain == [f"m{row:04d}" for row in range(COUNT)]
    orders = [
        ids_of(open_ids(folder, shuffle_seed=seed, epoch=epoch, cache_in_memory=cache))
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    assert all(sorted(order) == plain for order in orders)
    assert len({tuple(order) for order in [plain, *orders]}) == 4


@pytest.mark.parametrize("cache", [False, True])
def test_the_order_depends_on_seed_and_epoch_alone(folder, cache):
    options = {"shuffle_seed": 5, "cache_in_memory": cache}
    tf.random.set_seed(1)
    first = [ids_of(open_ids(folder, epoch=epoch, **options)) for epoch in (3, 4)]
    tf.random.set_seed(2)
    assert [ids_of(open_ids(folder, epoch=epoch, **options)) for epoch in (3, 4)] == first
    endless = open_ids(folder, epoch=3, repeat=True, **options)
    assert endless.cardinality().numpy() == tf.data.INFINITE_CARDINALITY
    assert ids_of(endless.take(24)) == first[0] + first[1]
    data = open_ids(folder, **options)
    assert ids_of(data) == ids_of(data)  # iterating again is the same epoch again


def test_an_iterator_can_be_saved_and_restored(folder, tmp_path):
    data = open_ids(folder, shuffle_seed=5, repeat=True)
    iterator = iter(data)
    for _ in range(15):
        next(iterator)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    path = checkpoint.save(str(tmp_path / "state"))
    rest = [next(iterator)[2].numpy().tolist() for _ in range(10)]
    other = iter(open_ids(folder, shuffle_seed=5, repeat=True))
    tf.train.Checkpoint(iterator=other).restore(path)
    assert [next(other)[2].numpy().tolist() for _ in range(10)] == rest


def test_shuffling_leaves_rows_together(folder, make_mocks):
    (mocks,) = make_mocks(COUNT, COUNT)
    row_of = {name: row for row, name in enumerate(mocks.truth["id"])}
    for images, values, names in open_ids(folder, shuffle_seed=9):
        rows = [row_of[name.decode()] for name in names.numpy()]
        np.testing.assert_array_equal(images["vis"], mocks.images["vis"][rows])
        np.testing.assert_array_equal(images["nir"], mocks.images["nir"][rows])
        np.testing.assert_array_equal(values[:, 0], mocks.truth["theta_E"][rows].astype(np.float32))


@pytest.mark.parametrize(
    "part",
    [
        {"split": "train"},
        {"split": "test"},
        {"split": "validation", "fold": 1, "folds": 3},
        {"split": "train", "fold": 1, "folds": 3},
    ],
)
def test_parts(folder, part):
    ids = np.array([f"m{row:04d}" for row in range(COUNT)])
    expected = ids[select(ids, **part)].tolist()
    assert 0 < len(expected) < COUNT
    assert ids_of(open_ids(folder, **part)) == expected
    shuffled = open_ids(folder, shuffle_seed=1, **part)
    assert sorted(ids_of(shuffled)) == expected
    assert shuffled.cardinality().numpy() == -(-len(expected) // 8)


def test_rot_stops_the_pipeline(tmp_path, survey, make_mocks):
    """Same length, one bit: found by the record's own checksum, and nothing is skipped."""
    write_shards(tmp_path, make_mocks(20, 20), survey=survey)
    path = tmp_path / "shard-00000.tfrecord"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(tf.errors.DataLossError):
        list(dataset(tmp_path, targets=("label",), batch_size=4))
    path.write_bytes(raw[:-100])
    with pytest.raises(ShardError):
        dataset(tmp_path, targets=("label",), batch_size=4)


def test_mistakes(folder):
    with pytest.raises(UnknownNameError, match="theta_E"):
        dataset(folder, targets=("theta",), batch_size=8)
    with pytest.raises(UnknownNameError):
        dataset(folder, targets=("kind",), batch_size=8)  # text
    with pytest.raises(DatasetSpecError, match="batch_size"):
        dataset(folder, targets=("label",), batch_size=0)
    with pytest.raises(ShardError):
        dataset(folder / "nowhere", targets=("label",), batch_size=8)
    arrays = {"vis": np.zeros((3, 4, 4, 1))}
    for values in (np.zeros((2, 1)), np.zeros(3)):
        with pytest.raises(DatasetSpecError, match="same N"):
            from_arrays(arrays, values, batch_size=2)
    with pytest.raises(DatasetSpecError, match="no object"):
        from_arrays({"vis": np.zeros((0, 4, 4, 1))}, np.zeros((0, 1)), batch_size=2)


def test_expect():
    data = tf.data.Dataset.from_tensors({"a": tf.zeros((2, 3))})
    spec = {"a": tf.TensorSpec((None, 3), tf.float32)}
    assert expect(data, spec) is data
    for wrong in ({"b": spec["a"]}, {"a": tf.TensorSpec((None, 4), tf.float32)}):
        with pytest.raises(DatasetSpecError, match="must yield"):
            expect(data, wrong)


def test_arrays_and_shards_give_the_same(folder):
    images, values, ids = load_arrays(folder, targets=("theta_E",))
    for ours, theirs in zip(
        from_arrays(images, values, batch_size=8, ids=ids), open_ids(folder), strict=True
    ):
        tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


def test_no_step_runs_python_and_nothing_is_skipped():
    """`py_function` cannot be restored, `ignore_errors` drops the rest of a shard."""
    import inspect

    from lensfinder.data import pipeline

    source = inspect.getsource(pipeline).split('"""', 2)[2]
    for banned in ("py_function", "numpy_function", "from_generator", "ignore_errors", ".cache("):
        assert banned not in source
