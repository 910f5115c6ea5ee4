"""DenseFlipout: its distribution, its divergence, its gradients; against TensorFlow Probability."""

import warnings

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder import zoo
from lensfinder.errors import ArchitectureError, UnscaledDivergenceError
from lensfinder.zoo.layers import DenseFlipout
from lensfinder.zoo.layers.dense_flipout import std_of

INPUTS, UNITS = 6, 3


def numpy(tensor):
    return keras.ops.convert_to_numpy(keras.ops.copy(tensor))


def many(function, batch, count):
    """Outputs (count, N, units) of repeated calls; compiled, because thousands are needed."""
    import tensorflow as tf

    compiled = tf.function(lambda x: keras.ops.convert_to_tensor(function(x)))
    batch = tf.constant(batch, tf.float32)
    return np.stack([compiled(batch).numpy() for _ in range(count)])


def trained(layer):
    return lambda x: layer(x, training=True)


def made(rng, *, inputs=INPUTS, **options):
    """A layer whose posterior is no special case: means and spreads all differ."""
    layer = DenseFlipout(UNITS, seed=7, **options)
    layer.build((None, inputs))
    for variable in layer.trainable_weights:
        low, high = (-2.0, 0.0) if "spread" in variable.name else (-1.0, 1.0)
        variable.assign(rng.uniform(low, high, variable.shape))
    layer.set_training_objects(100)
    return layer


def calls(function, x, count, repeat):
    """Outputs (count, repeat, N, units) of calls on the rows of x, each repeated."""
    outputs = many(function, np.tile(x, (repeat, 1)), count)
    return outputs.reshape(count, repeat, len(x), -1)


def moments(outputs):
    """Mean and variance over calls and rows, each with its standard error over calls."""
    middle = outputs.mean(axis=(0, 1))
    per_call = np.stack([outputs.mean(axis=1), ((outputs - middle) ** 2).mean(axis=1)])
    return per_call.mean(axis=1), per_call.std(axis=1, ddof=1) / np.sqrt(len(outputs))


def exact_moments(layer, x):
    variance = x**2 @ numpy(std_of(layer.kernel_spread)) ** 2
    variance += numpy(std_of(layer.bias_spread)) ** 2
    return np.stack([x @ numpy(layer.kernel_mean) + numpy(layer.bias_mean), variance])


def test_outputs_have_the_mean_and_variance_of_the_posterior(rng):
    layer, x = made(rng), rng.normal(size=(2, INPUTS)).astype(np.float32)
    found, error = moments(calls(trained(layer), x, 400, 16))
    want = exact_moments(layer, x)
    assert (np.abs(found - want) < 5 * error).all()
    assert (np.abs(found[1] - 1.6 * want[1]) > 5 * error[1]).all()  # it can see 60 % of variance


@pytest.fixture
def theirs(rng):
    """Our layer and tfp's with the same posterior."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf_keras and tfp at import
        tfp = pytest.importorskip("tensorflow_probability")
        ours = made(rng)
        layer = tfp.layers.DenseFlipout(
            UNITS,
            bias_posterior_fn=tfp.layers.default_mean_field_normal_fn(),
            bias_prior_fn=tfp.layers.default_multivariate_normal_fn,
            seed=3,
        )
        layer.build((None, INPUTS))
    names = ("kernel_mean", "kernel_spread", "bias_mean", "bias_spread")
    for variable, name in zip(layer.trainable_variables, names, strict=True):
        assert ("scale" in variable.name) == ("spread" in name)
        variable.assign(numpy(getattr(ours, name)))
    return ours, layer


def test_the_divergence_is_that_of_tfp(theirs):
    ours, layer = theirs
    layer(np.zeros((1, INPUTS), np.float32))
    expected = sum(float(loss) for loss in layer.losses)
    # sums of 21 float32 terms of order 1
    assert_allclose(float(ours.divergence()), expected, rtol=1e-5)


def test_the_forward_distribution_is_that_of_tfp(theirs, rng):
    ours, layer = theirs
    x = rng.normal(size=(2, INPUTS)).astype(np.float32)
    # tfp shares the draw of its biases among the objects of a call: more calls, fewer rows
    one, one_error = moments(calls(trained(ours), x, 300, 8))
    two, two_error = moments(calls(layer, x, 300, 8))
    error = np.hypot(one_error, two_error)
    assert (np.abs(one - two) < 5 * error).all()
    assert (np.abs(one - two) > 0).all()  # two codes, two streams of random numbers


def gradients(outputs, x, truth):
    """Of the mean squared error of a batch with respect to the mean kernel, per draw."""
    # an output depends on the mean kernel through x alone, so the chain rule is one product
    return np.einsum("ni,snu->siu", x, 2 * (outputs - truth)) / len(x)


@pytest.mark.parametrize(("batch", "gain"), [(32, True), (1, False)])
def test_gradients_vary_less_than_with_one_draw_for_the_batch(rng, batch, gain):
    layer = made(rng, bias="none")
    x = rng.normal(1.0, 0.3, (batch, INPUTS)).astype(np.float32)
    truth = rng.normal(size=(batch, UNITS))
    flipout = many(trained(layer), x, 400)
    shared = numpy(layer.apply_draws(x, *layer.draw(400, seed=2)))
    spread = [gradients(y, x, truth).var(axis=0).sum() for y in (flipout, shared)]
    # one object alone has nothing to be decorrelated from: the control. 400 draws: +- 10 %
    assert spread[0] < 0.5 * spread[1] if gain else 0.6 < spread[0] / spread[1] < 1.6


def test_the_objects_of_a_batch_see_independent_weights(rng):
    layer = made(rng, bias="none")
    x = np.tile(rng.normal(size=INPUTS).astype(np.float32), (2, 1))
    drawn = many(trained(layer), x, 400)[:, :, 0]
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.25  # 5 sigma
    shared = numpy(layer.apply_draws(x, *layer.draw(400, seed=2)))[:, :, 0]
    assert np.corrcoef(shared.T)[0, 1] > 0.99


def test_it_answers_with_the_mean_weights_unless_it_is_trained(rng):
    layer, x = made(rng, activation="relu"), rng.normal(size=(4, INPUTS)).astype(np.float32)
    want = np.maximum(x @ numpy(layer.kernel_mean) + numpy(layer.bias_mean), 0)
    assert_allclose(numpy(layer(x)), want, atol=1e-5)
    assert_allclose(numpy(layer(x, training=False)), want, atol=1e-5)
    assert np.abs(numpy(layer(x, training=True)) - want).max() > 0.01


def test_draws_have_the_posteriors_moments_and_repeat_with_their_seed(rng):
    layer, x = made(rng), rng.normal(size=(2, INPUTS)).astype(np.float32)
    outputs = numpy(layer.apply_draws(x, *layer.draw(4000, seed=5)))
    assert outputs.shape == (4000, 2, UNITS)
    mean, variance = exact_moments(layer, x)
    assert (np.abs(outputs.mean(axis=0) - mean) < 5 * np.sqrt(variance / 4000)).all()
    # the variance of a variance of Gaussians is 2 / n of its square
    assert (np.abs(outputs.var(axis=0) / variance - 1) < 5 * np.sqrt(2 / 4000)).all()
    again = numpy(layer.apply_draws(x, *layer.draw(4000, seed=5)))
    np.testing.assert_array_equal(outputs, again)
    assert np.abs(outputs - numpy(layer.apply_draws(x, *layer.draw(4000, seed=6)))).max() > 0.1


class Silent(keras.losses.Loss):
    """A loss that says nothing, so that the divergence is all that is left."""

    def call(self, y_true, y_pred):
        return 0.0 * keras.ops.mean(y_pred, axis=-1)


def silent_model(**options):
    layer = DenseFlipout(UNITS, name="last", **options)
    inputs = keras.Input((INPUTS,), name="x")
    return keras.Model(inputs, layer(inputs)), layer


def test_an_epoch_counts_the_divergence_once(rng):
    model, layer = silent_model(temperature=0.5)
    assert zoo.set_training_objects(model, 24) == 1
    model.compile(keras.optimizers.SGD(0.0), loss=Silent())
    x = rng.normal(size=(24, INPUTS)).astype(np.float32)
    y = np.zeros((24, UNITS), np.float32)
    # the loss is a mean over objects: over an epoch, it stands for the sum over all of them
    epoch = sum(8 * float(model.train_on_batch(x[k : k + 8], y[:8])) for k in (0, 8, 16))
    assert_allclose(epoch, 0.5 * float(layer.divergence()), rtol=1e-5)
    assert float(model.evaluate(x, y, verbose=0)) == 0  # only training pays it


def test_without_the_number_of_objects_it_refuses_to_be_trained(rng):
    model, layer = silent_model()
    model.compile(keras.optimizers.SGD(0.0), loss=Silent())
    x = np.zeros((4, INPUTS), np.float32)
    with pytest.raises(UnscaledDivergenceError, match="set_training_objects"):
        model.train_on_batch(x, np.zeros((4, UNITS), np.float32))
    layer.set_training_objects(4)
    # a number of one training is none of the next: it is not saved with the layer
    assert DenseFlipout.from_config(layer.get_config()).training_objects is None
    for wrong in (0, 2.5):
        with pytest.raises(ArchitectureError, match="whole number"):
            layer.set_training_objects(wrong)


def test_it_learns_how_sure_it_can_be(rng):
    """Of a line through noise: the posterior of the slope has the width of the exact one."""
    noise, count = 0.7, 200
    x = rng.normal(size=(count, 1)).astype(np.float32)
    y = (1.5 * x + rng.normal(0, noise, (count, 1))).astype(np.float32)
    layer = DenseFlipout(1, bias="none", initial_std=0.1, temperature=2 * noise**2, name="last")
    inputs = keras.Input((1,), name="x")
    model = keras.Model(inputs, layer(inputs))
    zoo.set_training_objects(model, count)
    model.compile(keras.optimizers.Adam(0.05), loss="mse", jit_compile=False)
    for _ in range(200):
        model.train_on_batch(x, y)
    precision = 1 + (x**2).sum() / noise**2  # prior and data
    assert_allclose(
        numpy(layer.kernel_mean).item(), (x * y).sum() / noise**2 / precision, atol=0.03
    )
    # Adam's last steps leave 10 % of noise
    assert_allclose(numpy(std_of(layer.kernel_spread)).item(), precision**-0.5, rtol=0.25)


def test_the_prior_and_the_kinds_of_bias_are_options(rng):
    layer = made(rng, bias="point", prior_mean=0.5, prior_std=2.0)
    mean, std = numpy(layer.kernel_mean), numpy(std_of(layer.kernel_spread))
    ratio = (std / 2) ** 2
    want = 0.5 * (ratio + ((mean - 0.5) / 2) ** 2 - 1 - np.log(ratio)).sum()
    assert_allclose(float(layer.divergence()), want, rtol=1e-5)
    assert {w.name for w in layer.trainable_weights} == {
        "kernel_mean",
        "kernel_spread",
        "bias_mean",
    }
    twin = DenseFlipout.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.bias_kind, twin.prior_mean, twin.prior_std) == ("point", 0.5, 2.0)
    for wrong in ({"bias": "flat"}, {"prior_std": 0}, {"initial_std": -1}, {"units": 0}):
        with pytest.raises(ArchitectureError):
            DenseFlipout(**{"units": 2, **wrong})
