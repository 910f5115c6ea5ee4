"""Random numbers: published answers, both implementations bit for bit, pinned, independent."""

import keras
import numpy as np
import pytest
from scipy import stats

from lensfinder.simulate.random import normals, object_keys, threefry, threefry_ops, uniforms

# Random123's kat_vectors, threefry2x32 with 20 rounds: (key, counter, result).
KNOWN = {
    "zeros": ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    "ones": ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    "pi": ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
}
N = 100_000

# Of seed 1. A change here changes every mock ever made: raise `simulator.DATA_VERSION` with it.
PINNED_UNIFORMS = [0.6054112719058462, 0.03862894810789702, 0.12585536672648617]
PINNED_KEYS = [[-1343088412, 1238531455], [1624139995, 1459002118], [-506290868, 198184718]]
PINNED_NORMALS = [
    [1.95184016, -0.87101865, -0.84558153],
    [-0.33687031, 0.91353917, 0.57762581],
    [-0.96878457, -0.11225041, 1.17889857],
]


def int32(words):
    return keras.ops.convert_to_tensor(np.asarray(words, np.uint32).view(np.int32))


@pytest.mark.parametrize("case", KNOWN)
def test_known_answers(case):
    key, counter, answer = KNOWN[case]
    assert tuple(int(word) for word in threefry(key, counter)) == answer


def test_the_device_gives_the_same_bits():
    k0, k1, x0, x1 = np.random.default_rng(3).integers(0, 2**32, (4, 5000), dtype=np.uint32)
    ours = threefry((k0, k1), (x0, x1))
    theirs = threefry_ops(int32(k0), int32(k1), int32(x0), int32(x1))
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, keras.ops.convert_to_numpy(b).view(np.uint32))


def test_the_first_uniforms_are_pinned():
    found = [uniforms(1, 0, 0, 0), uniforms(1, 1, 0, 0), uniforms(1, 0, 1, 7)]
    assert np.allclose(found, PINNED_UNIFORMS, rtol=0, atol=1e-10)


def test_the_first_normals_are_pinned():
    keys = object_keys(1, np.array([0, 1, 2**40]), 1)
    assert keys.tolist() == PINNED_KEYS
    found = keras.ops.convert_to_numpy(normals(keys, (3,), 0))
    assert np.allclose(found, PINNED_NORMALS, rtol=0, atol=2e-6)  # float32 logarithms


def test_uniforms_are_uniform():
    drawn = uniforms(5, np.arange(N), 0, 3)
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert stats.kstest(drawn**1.05, "uniform").pvalue < 1e-3  # negative control
    assert drawn.min() > 0
    assert drawn.max() < 1


def test_every_word_of_the_address_matters():
    """Seed (both halves), index (both halves), attempt and stream: all numbers differ."""
    addresses = [(seed, 0, 0, 0) for seed in (1, 2, 2**32, 2**62)]
    addresses += [(1, index, 0, 0) for index in (1, 2, 2**32, 2**33, 2**62)]
    addresses += [(1, 0, attempt, 0) for attempt in (1, 2, 4000, 0xFFFF)]
    addresses += [(1, 0, 0, stream) for stream in (1, 2, 0xFFFF)]
    found = [float(uniforms(*address)) for address in addresses]
    assert len(set(found)) == len(addresses)


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, 0, 0), (1, 0, 1)), ((1, 0, 0), (1, 1, 0)), ((1, 0, 0), (2, 0, 0))],
    ids=["streams", "attempts", "seeds"],
)
def test_neighbouring_numbers_are_independent(one, other):
    """Correlation within 4 sigma of 0 for N pairs; a tenth of one in the other is seen."""
    a, b = (uniforms(seed, np.arange(N), *place) for seed, *place in (one, other))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(N)
    assert abs(np.corrcoef(a, b + 0.1 * a)[0, 1]) > 4 / np.sqrt(N)
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 4 / np.sqrt(N)


def test_normals_have_mean_0_and_variance_1():
    """4 sigma of N = 100,000: sqrt(1/N) for the mean, sqrt(2/N) for the variance."""
    keys = object_keys(7, np.arange(10), 1)
    z = keras.ops.convert_to_numpy(normals(keys, (100, 100), 0)).astype(np.float64).ravel()
    assert abs(z.mean()) < 4 / np.sqrt(N)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / N)
    assert abs((1.02 * z).var() - 1) > 4 * np.sqrt(2 / N)  # 2 % wrong is seen
    assert abs(stats.skew(z)) < 4 * np.sqrt(6 / N)
    assert abs(stats.kurtosis(z)) < 4 * np.sqrt(24 / N)
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_normals_of_a_stream_do_not_depend_on_the_others():
    keys = object_keys(7, np.arange(4), 1)
    z = keras.ops.convert_to_numpy(normals(keys, (5000,), 0))
    alone = keras.ops.convert_to_numpy(normals(keys[2:3], (5000,), 0))
    # the bits are the same; logarithms may round otherwise at another place in the vector
    assert np.allclose(z[2:3], alone, rtol=0, atol=2e-6)
    other = keras.ops.convert_to_numpy(normals(keys, (5000,), 1))
    bound = 4 / np.sqrt(5000)
    assert abs(np.corrcoef(z[0], other[0])[0, 1]) < bound
    assert abs(np.corrcoef(z[0], z[1])[0, 1]) < bound
    assert abs(np.corrcoef(z[0, :2500], z[0, 2500:])[0, 1]) < 4 / np.sqrt(2500)


def test_an_odd_shape_is_filled():
    z = keras.ops.convert_to_numpy(normals(object_keys(1, np.arange(2), 1), (3, 5), 0))
    assert z.shape == (2, 3, 5)
    assert np.isfinite(z).all()
