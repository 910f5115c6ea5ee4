"""The bottleneck: a flow that is a density, its divergence, and what can be read of its codes."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from toys import ONE, contract, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.zoo.layers import FactorialFlow, GaussianLatent
from lensfinder.zoo.layers.factorial_flow import normal_log_density
from lensfinder.zoo.vib import entropy, joint_likelihood, latent_codes, predict_draws

SMALL = {"filters": (4,) * 5, "units": 8, "latent": 3, "flow_steps": 4}
STAMP = contract(vis=("V", 16))


@pytest.fixture(scope="module")
def tfp():
    """TensorFlow Probability, the oracle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of distutils and others, at its import
        return pytest.importorskip("tensorflow_probability")


def flow(steps=32, dim=3, spread=1.5, seed=0):
    """A flow far from the standard normal."""
    layer = FactorialFlow(steps, seed=1)
    layer.build((None, dim))
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(0, spread, weight.shape))
    return layer


def latent(**options):
    layer = GaussianLatent(seed=1, **options)
    layer.build((None, 6))
    return layer


def numbers(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)


# --- the flow -------------------------------------------------------------------------------------
@pytest.mark.parametrize("spread", [0.02, 0.5, 1.0])
def test_the_density_of_a_flow_integrates_to_one(spread):
    layer = flow(spread=spread)
    # nodes where the light is: 0.006 apart as the normal distribution sees them
    normal = np.linspace(-6, 6, 2001, dtype=np.float32)[:, None].repeat(3, axis=1)
    z = numbers(layer.inverse(normal))
    density = np.exp(numbers(layer(z.astype(np.float32))))
    # trapezoids of 0.006, and z to the last digit of float32
    np.testing.assert_allclose(np.trapezoid(density, z, axis=0), 1, rtol=0, atol=2e-3)
    # negative control: a step that folds, as weights without the constraint allow, counts twice
    step = 1 / 256
    z = np.arange(-40, 40, step)
    folded = np.exp(-0.5 * (z - 3 * np.tanh(z)) ** 2) / np.sqrt(2 * np.pi)
    folded = folded * np.abs(1 - 3 / np.cosh(np.clip(z, -20, 20)) ** 2)
    assert abs(folded.sum() * step - 1) > 0.1


def test_every_step_rises_and_can_be_undone():
    layer = flow()
    z = np.linspace(-20, 20, 4001, dtype=np.float32)[:, None].repeat(3, axis=1)
    x, log_slope = map(numbers, layer.forward(z))
    assert np.all(np.diff(x, axis=0) >= 0)
    assert np.isfinite(log_slope).all()
    normal = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    # where a flow is flat, digits of z do not show in x; measured 6e-5
    np.testing.assert_allclose(layer.forward(layer.inverse(normal))[0], normal, rtol=0, atol=1e-3)


def test_a_flow_starts_as_the_standard_normal():
    layer = FactorialFlow(32, seed=1)
    z = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    # 32 steps of weights N(0, 0.02): each changes the log density by at most 0.02 or so
    np.testing.assert_allclose(layer(z), normal_log_density(z, 0.0, 0.0), rtol=0, atol=0.8)


def test_a_flow_is_the_transformed_distribution_of_tensorflow_probability(tfp):
    """The oracle gets the map from us, and derives the density by itself: by its own gradient."""
    import tensorflow as tf

    layer = flow(steps=5, spread=0.7)
    z = tf.constant(np.random.default_rng(3).normal(size=(50, 3)), tf.float32)

    class Back(tfp.bijectors.Bijector):
        def __init__(self):
            super().__init__(forward_min_event_ndims=0, is_constant_jacobian=False)

        def _inverse(self, y):
            return layer.forward(y)[0]

        def _inverse_log_det_jacobian(self, y):
            with tf.GradientTape() as tape:
                tape.watch(y)
                x = layer.forward(y)[0]
            return tf.math.log(tape.gradient(x, y))

    oracle = tfp.distributions.TransformedDistribution(tfp.distributions.Normal(0.0, 1.0), Back())
    np.testing.assert_allclose(layer(z), oracle.log_prob(z), rtol=0, atol=1e-4)  # measured 2e-6


def test_a_flow_learns_two_peaks():
    """What a standard normal prior cannot: the classes of a finder are two clusters."""
    rng = np.random.default_rng(4)
    data = (rng.choice([-2.0, 2.0], 512) + rng.normal(0, 0.3, 512)).astype(np.float32)[:, None]
    layer = FactorialFlow(8, seed=2)
    z = keras.Input((1,))
    model = keras.Model(z, layer(z))
    model.compile(keras.optimizers.Adam(0.05), loss=lambda y, log_density: -ops.mean(log_density))
    losses = [float(model.train_on_batch(data, data)) for _ in range(150)]
    best_normal = 0.5 * np.log(2 * np.pi * data.var()) + 0.5
    assert losses[-1] < best_normal - 0.4  # a normal of the best width; two peaks: 0.90 nats
    peaks = numbers(layer(np.float32([[-2], [0], [2]])))[:, 0]
    assert min(peaks[0], peaks[2]) > peaks[1] + 2


# --- the divergence -------------------------------------------------------------------------------
def test_the_divergence_of_equal_distributions_is_zero_within_its_error():
    layer = latent(steps=0)
    same, apart = np.zeros((20_000, 6), np.float32), np.full((20_000, 6), 0.1, np.float32)
    for inputs, expected in ((same, 0.0), (apart, None)):
        cost = numbers(layer.divergence(inputs, layer.draw(inputs)))
        error = cost.std() / np.sqrt(cost.size)
        if expected is None:
            # the test can see a shift of 0.1 sigma: 3 (0.1^2 + e^0.2 - 1 - 0.2) / 2
            expected = 3 * 0.5 * (0.01 + np.exp(0.2) - 1.2)
            assert abs(cost.mean()) > 5 * error
        assert abs(cost.mean() - expected) <= 5 * error + 1e-6


def test_the_divergence_is_that_of_tensorflow_probability(tfp):
    layer = latent(steps=0)
    mean, log_std = np.float32([0.5, -1, 2]), np.float32([-1, 0.2, 0.5])
    inputs = np.tile(np.concatenate([mean, log_std]), (40_000, 1))
    cost = numbers(layer.divergence(inputs, layer.draw(inputs)))
    encoder = tfp.distributions.MultivariateNormalDiag(mean, np.exp(log_std))
    exact = float(encoder.kl_divergence(tfp.distributions.MultivariateNormalDiag(np.zeros(3, "f"))))
    error = cost.std() / np.sqrt(cost.size)
    assert abs(cost.mean() - exact) < 5 * error
    assert abs(cost.mean() - 1.1 * exact) > 5 * error  # the test can see 10 %


def test_gradients_are_those_of_finite_differences():
    import tensorflow as tf

    layer = latent(steps=3, dataset_size=100)
    rng = np.random.default_rng(5)
    for weight in layer.prior.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    start = rng.normal(0, 0.5, (4, 6)).astype(np.float32)
    noise = rng.normal(size=(4, 3)).astype(np.float32)

    def loss(inputs):
        return ops.sum(layer.penalty(inputs, inputs[:, :3] + ops.exp(inputs[:, 3:]) * noise))

    with tf.GradientTape() as tape:
        inputs = tf.Variable(start)
        value = loss(inputs)
    slope = numbers(tape.gradient(value, inputs))
    h = 1e-2  # float32: the rounding of a loss of about 30, over h, is 2e-4; the cubic term 1e-4
    for place in np.ndindex(start.shape):
        up, down = start.copy(), start.copy()
        up[place] += h
        down[place] -= h
        numeric = (float(loss(up)) - float(loss(down))) / (2 * h)
        np.testing.assert_allclose(slope[place], numeric, rtol=0.02, atol=5e-3)
    assert np.abs(slope).min() > 0


def test_minibatch_weights_split_the_divergence_without_a_rest():
    """Chen et al. 2018, equation 2: at beta = 1 the three parts are the divergence again."""
    inputs = np.random.default_rng(6).normal(0, 0.5, (32, 6)).astype(np.float32)
    plain, split = latent(beta=1.0, steps=3), latent(beta=1.0, steps=3, dataset_size=1000)
    z = plain.draw(inputs)
    np.testing.assert_allclose(split.penalty(inputs, z), plain.penalty(inputs, z), atol=1e-4)
    heavier = latent(beta=4.0, steps=3, dataset_size=1000)
    assert not np.allclose(heavier.penalty(inputs, z), plain.penalty(inputs, z), atol=1e-2)


def test_minibatch_weights_estimate_the_aggregate(tfp):
    """log q(z) of a batch that is the whole data set, against the mixture itself."""
    inputs = np.random.default_rng(7).normal(0, 0.5, (32, 6)).astype(np.float32)
    layer = latent(beta=0.0, steps=0, dataset_size=32)
    z = numbers(layer.draw(inputs)).astype(np.float32)
    mixture = tfp.distributions.MixtureSameFamily(
        tfp.distributions.Categorical(logits=np.zeros(32, np.float32)),
        tfp.distributions.MultivariateNormalDiag(inputs[:, :3], np.exp(inputs[:, 3:])),
    )
    own = numbers(ops.sum(normal_log_density(z, inputs[:, :3], inputs[:, 3:]), axis=-1))
    # equation S3 divides by N M, not by M: its estimate lies log N = log 32 below the mixture's
    joint = numbers(mixture.log_prob(z)) - np.log(32)
    each = normal_log_density(z[:, None], inputs[None, :, :3], inputs[None, :, 3:])
    marginal = numbers(ops.sum(ops.logsumexp(each, axis=1), axis=-1)) - 3 * np.log(32 * 32)
    expected = own - joint + marginal - numbers(layer.log_prior(z))
    np.testing.assert_allclose(layer.penalty(inputs, z), expected, rtol=0, atol=1e-4)


def test_impossible_bottlenecks_are_refused():
    for options in ({"beta": -1}, {"beta": np.inf}, {"dataset_size": 0}):
        with pytest.raises(ArchitectureError, match="beta >= 0"):
            GaussianLatent(**options)
    with pytest.raises(ArchitectureError, match="at least one step"):
        FactorialFlow(0)
    with pytest.raises(ArchitectureError, match="come in pairs"):
        GaussianLatent().build((None, 5))


# --- the network ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def finder():
    keras.utils.set_random_seed(1)
    return zoo.build("vib", STAMP, "finder", **SMALL)


def test_the_size_of_the_paper():
    """Six convolutions to 2 x 10, four dense layers, 32 steps in each of 10 dimensions."""
    model = zoo.build("vib", contract(lsst=("gri", 111)), "modeller", units=1200)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("Conv2D"), kinds.count("Dense")) == (6, 4)
    assert kinds.count("BatchNormalization") == 5
    assert model.get_layer("encoding").output.shape == (None, 20)
    assert model.get_layer("latent").prior.shift.shape == (32, 10)


def test_training_pays_for_the_code_and_answers_repeat(finder):
    shown, label = images(STAMP, rows=8), np.tile([[0.0], [1.0]], (4, 1))
    np.testing.assert_array_equal(finder(shown), finder(shown))
    first, second = finder(shown, training=True), finder(shown, training=True)
    assert not np.allclose(first, second), "codes are drawn in training"
    model = keras.models.clone_model(finder)
    model.compile("sgd", loss="binary_crossentropy", metrics=["binary_crossentropy"])
    logs = model.train_on_batch(shown, label, return_dict=True)
    assert float(logs["loss"]) > float(logs["binary_crossentropy"]) + 1e-3, "the divergence counts"


def test_codes_and_draws(finder):
    shown = images(STAMP, rows=5)
    mean, std = latent_codes(finder, shown, batch_size=2)
    assert mean.shape == std.shape == (5, 3)
    assert np.all(std > 0)
    draws = predict_draws(finder, shown, draws=40, seed=2)
    assert draws.shape == (40, 5, 1)
    np.testing.assert_array_equal(draws, predict_draws(finder, shown, draws=40, seed=2))
    assert draws.std(axis=0).min() > 0
    with pytest.raises(ArchitectureError, match="has no bottleneck"):
        latent_codes(zoo.build("compact_finder", STAMP, "finder"), shown)


def test_entropy_is_largest_where_undecided(tfp):
    p = np.array([0.0, 1.0, 0.5, 0.1])
    expected = [0.0, 0.0, np.log(2), float(tfp.distributions.Bernoulli(probs=0.1).entropy())]
    np.testing.assert_allclose(entropy(p), expected, rtol=1e-6, atol=0)


def test_the_joint_likelihood_is_prior_times_decoder(finder, tfp):
    shown = images(STAMP, rows=5)
    mean, _ = latent_codes(finder, shown)
    prior = numbers(finder.get_layer("latent").log_prior(mean))
    p = numbers(finder(shown))[:, 0]
    for label in (0, 1):
        q = tfp.distributions.Bernoulli(probs=p).log_prob(np.full(5, label))
        found = joint_likelihood(finder, shown, np.full((5, 1), label))
        np.testing.assert_allclose(found, prior + numbers(q), rtol=0, atol=1e-4)
    both = [joint_likelihood(finder, shown, np.full((5, 1), label)) for label in (0, 1)]
    np.testing.assert_allclose(joint_likelihood(finder, shown), np.max(both, axis=0), atol=1e-6)


def test_the_joint_likelihood_of_parameters(tfp):
    keras.utils.set_random_seed(2)
    model = zoo.build("vib", STAMP, "modeller", **SMALL)
    shown, noise = images(STAMP, rows=5), np.array([0.1, 0.05, 0.05])
    answer = numbers(model(shown))
    prior = numbers(model.get_layer("latent").log_prior(latent_codes(model, shown)[0]))
    q = tfp.distributions.Normal(answer, noise).log_prob(answer + 0.1)
    found = joint_likelihood(model, shown, answer + 0.1, noise=noise)
    np.testing.assert_allclose(found, prior + numbers(q).sum(axis=1), rtol=1e-5, atol=1e-3)
    assert np.all(joint_likelihood(model, shown, noise=noise) > found)
    with pytest.raises(ArchitectureError, match="Give `noise`"):
        joint_likelihood(model, shown)


def test_negative_pixels_are_dark_if_asked():
    shown = {name: np.abs(x) for name, x in images(ONE).items()}
    holes = {name: np.where(x < 0.2, -5.0, x).astype("f4") for name, x in shown.items()}
    filled = {name: np.where(x < 0.2, 0.0, x).astype("f4") for name, x in shown.items()}
    answers = {}
    for positive in (True, False):
        keras.utils.set_random_seed(3)
        words = {"filters": (4, 4, 4, 4, 8), "units": 8, "scaling": "image"}
        model = zoo.build("vib", ONE, "finder", positive=positive, **words)
        answers[positive] = [np.asarray(model(x, training=False)) for x in (shown, holes, filled)]
    np.testing.assert_allclose(answers[True][0], answers[False][0], rtol=1e-6)
    np.testing.assert_allclose(answers[True][1], answers[True][2], rtol=1e-6)
    assert np.abs(answers[False][1] - answers[False][2]).max() > 1e-4
