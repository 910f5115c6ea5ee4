import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from toys import TWO, contract, images

from lensfinder import zoo
from lensfinder.errors import ArgumentError, MissingBandError, StampShapeError


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return zoo.build("compact_finder", TWO, "finder", augment="any", dropout=0.3)


def test_scores_do_not_depend_on_the_batch(model):
    x = images(TWO, rows=37)
    scores = {size: zoo.fixed_predict(model, batch_size=size)(x) for size in (1, 3, 16, 64)}
    for size, values in scores.items():
        assert values.shape == (37, 1)
        assert values.dtype == np.float32
        # sums in another order, measured 1e-7
        assert_allclose(values, scores[64], atol=1e-6, err_msg=str(size))
    assert scores[64].std() > 1e-5  # the scores do differ between objects


def test_rows_keep_their_order_and_their_neighbours_do_not_matter(model):
    function = zoo.fixed_predict(model, batch_size=8)
    x = images(TWO, rows=11)
    whole = function(x)
    spoiled = {name: array.copy() for name, array in x.items()}
    for array in spoiled.values():
        array[4] = np.nan
    mixed = function(spoiled)
    keep = np.arange(11) != 4
    assert_array_equal(mixed[keep], whole[keep])
    assert_array_equal(function({name: array[::-1] for name, array in x.items()})[::-1], whole)


def test_agrees_with_the_model_itself(model):
    x = images(TWO, rows=5)
    expected = np.asarray(model(x, training=False))
    assert_allclose(zoo.fixed_predict(model, batch_size=4)(x), expected, atol=1e-6)


def test_no_objects_give_no_rows(model):
    empty = zoo.fixed_predict(model, batch_size=4)(images(TWO, rows=0))
    assert empty.shape == (0, 1)


def test_one_trace_serves_all_sizes():
    traced = []

    class Counter(keras.layers.Layer):
        def call(self, x):
            traced.append(1)
            return x

    inputs = {"vis": keras.Input((8, 8, 1), name="vis")}
    x = keras.layers.GlobalAveragePooling2D()(Counter()(inputs["vis"]))
    small = keras.Model(inputs, x)
    function = zoo.fixed_predict(small, batch_size=16)
    traced.clear()
    for rows in range(1, 41):
        function(images(contract(vis=("V", 8)), rows=rows))
    assert 1 <= len(traced) <= 2


def test_the_callers_model_is_left_as_it_was(model):
    model.compile("sgd", "mse", jit_compile=True)
    function = zoo.fixed_predict(model, batch_size=4)
    assert function.jit_compile is False
    assert model.jit_compile is True
    function(images(TWO))


def test_bad_input_is_a_typed_error(model):
    function = zoo.fixed_predict(model, batch_size=4)
    x = images(TWO)
    with pytest.raises(MissingBandError, match="needs the groups"):
        function({"vis": x["vis"]})
    with pytest.raises(MissingBandError):
        function(x["vis"])
    with pytest.raises(StampShapeError, match="must have shape"):
        function({**x, "vis": x["vis"][:, :-1]})
    with pytest.raises(StampShapeError):
        function({**x, "vis": x["vis"][:2]})
    with pytest.raises(ArgumentError, match="whole number"):
        zoo.fixed_predict(model, batch_size=0)
