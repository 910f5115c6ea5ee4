"""Batches made ahead of time: in order, once each, and with their errors."""

import threading

import numpy as np
import pytest
from tiny_training import ForProcesses, Objects

from lensfinder.errors import DatasetSpecError
from lensfinder.training.feed import AHEAD, WorkerPool, feed
from lensfinder.training.sources import ArraySource


def ids(batches):
    return [batch.ids for batch in batches]


@pytest.mark.parametrize("workers", [0, 1])
def test_order_is_that_of_the_source(workers):
    with feed(Objects(), 2, 1, 4, workers=workers) as batches:
        found = ids(batches)
    assert found == ids(Objects().batches(2, 1, 4))
    assert found != ids(Objects().batches(1, 1, 4))


def test_a_thread_runs_ahead_but_not_far():
    source = Objects(steps_per_epoch=100)
    with feed(source, 0, 0, 100, workers=1) as batches:
        next(batches)
        for _ in range(200):
            if len(source.made) > AHEAD:
                break
            threading.Event().wait(0.01)
        threading.Event().wait(0.05)
        # one taken, AHEAD in the queue, one waiting to get in
        assert AHEAD < len(source.made) <= AHEAD + 2
    assert not [t for t in threading.enumerate() if t.name == "lensfinder-feed"]


def test_an_error_in_the_thread_is_raised_in_the_training():
    class Broken(Objects):
        def batch(self, indices):
            if indices[0] == 16:
                raise ZeroDivisionError("in the source")
            return super().batch(indices)

    with feed(Broken(), 0, 0, 4, workers=1) as batches:
        assert len([next(batches), next(batches)]) == 2
        with pytest.raises(ZeroDivisionError, match="in the source"):
            next(batches)


def test_leaving_early_stops_the_thread():
    with feed(Objects(steps_per_epoch=1000), 0, 0, 1000, workers=1) as batches:
        next(batches)
    assert not [t for t in threading.enumerate() if t.name == "lensfinder-feed"]


@pytest.mark.slow
def test_processes_keep_the_order():
    pool = WorkerPool(2)
    try:
        with feed(ForProcesses(), 1, 0, 5, workers=2, pool=pool) as batches:
            assert list(batches) == [105, 106, 107, 108, 109]
    finally:
        pool.close()


# --- arrays ---------------------------------------------------------------------------------------
def arrays(n=20, batch_size=4, **options):
    images = {"vis": np.arange(n, dtype="f4")[:, None, None, None] * np.ones((1, 4, 4, 1), "f4")}
    return ArraySource(images, np.arange(n, dtype="f4")[:, None], batch_size=batch_size, **options)


def test_arrays_are_shuffled_by_epoch_and_each_object_comes_once():
    source = arrays()
    first, again, second = (sum(ids(source.batches(epoch, 0, 5)), ()) for epoch in (0, 0, 1))
    assert first == again != second
    assert sorted(first) == sorted(second) == list(range(20))
    assert sum(ids(source.batches(0, 3, 5)), ()) == first[12:]
    for batch in source.batches(0, 0, 5):
        np.testing.assert_array_equal(batch.images["vis"][:, 0, 0, 0], batch.y[:, 0])


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(DatasetSpecError, match="steps_per_epoch"):
        list(arrays().batches(0, 0, 6))
    with pytest.raises(DatasetSpecError, match="one batch"):
        arrays(n=3)
    with pytest.raises(DatasetSpecError, match="same objects"):
        ArraySource({"vis": np.zeros((3, 4, 4, 1))}, np.zeros((4, 1)), batch_size=1)


def test_fingerprint_sees_one_pixel():
    one, two = arrays(), arrays()
    assert one.fingerprint() == two.fingerprint()
    two.images["vis"][3, 1, 1, 0] += 1e-3
    assert one.fingerprint() != two.fingerprint()


def test_bad_ids_names_the_rows():
    batch = next(arrays().batches(0, 0, 1))
    assert batch.bad_ids() == []
    batch.images["vis"][2, 3, 3, 0] = np.nan
    batch.y[0] = np.inf
    assert batch.bad_ids() == [batch.ids[0], batch.ids[2]]
