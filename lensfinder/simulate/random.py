"""Counter-based random numbers: the n-th number of a stream, without the n-1 before it.

Threefry-2x32 with 20 rounds (Salmon et al. 2011, SC'11, "Parallel random numbers: as easy as 1, 2,
3"). A number is a pure function of (seed, object, attempt or plane, position), so an object is the
same in any batch, on any number of workers and on any backend. The same rounds run in NumPy (for
parameters, float64) and on `keras.ops` in int32 (for noise, on the device), where additions wrap
around as they do for unsigned numbers.
"""

import math

import numpy as np
from keras import ops

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(key, counter):
    """The Threefry-2x32-20 block cipher in NumPy.

    Parameters
    ----------
    key, counter : pair of arrays of uint32
        Shapes that broadcast.

    Returns
    -------
    pair of arrays of uint32
        Two random words per counter.
    """
    with np.errstate(over="ignore"):
        k0, k1 = (np.asarray(word, dtype=np.uint32) for word in key)
        keys = (k0, k1, k0 ^ k1 ^ np.uint32(_PARITY))
        x0, x1 = (np.asarray(word, dtype=np.uint32) for word in counter)
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for block in range(5):
            for turn in _ROTATIONS[block % 2]:
                x0 = x0 + x1
                x1 = ((x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))) ^ x0
            x0 = x0 + keys[(block + 1) % 3]
            x1 = x1 + keys[(block + 2) % 3] + np.uint32(block + 1)
    return x0, x1


def uniforms(seed: int, index, attempt, stream):
    """Uniform numbers in (0, 1) in NumPy, 53 bits each.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 to 2^63.
    index, attempt : array of int
        Number of the object, and how often it has been drawn before.
    stream : array of int
        Which number of the object; below 2^16.

    Returns
    -------
    array of float64
        Broadcast shape; never exactly 0 or 1.
    """
    index = np.asarray(index, dtype=np.uint64)
    # (seed, high half of the index) make the key of a second level: an index may need 64 bits
    key = threefry(
        (np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF)),
        ((index >> np.uint64(32)).astype(np.uint32), np.uint32(0x5EED)),
    )
    low = (index & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    place = (np.asarray(attempt, np.uint32) << np.uint32(16)) | np.asarray(stream, np.uint32)
    a, b = threefry(key, (low, place))
    words = (a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64)) >> np.uint64(11)
    return (words.astype(np.float64) + 0.5) * 2.0**-53


def object_keys(seed: int, index, purpose: int):
    """Two int32 words per object that start its own streams on the device.

    Parameters
    ----------
    seed : int
        Seed of the run.
    index : array of int (N,)
        Numbers of the objects.
    purpose : int
        Keeps streams for different uses apart; below 2^16.

    Returns
    -------
    array of int32 (N, 2)
        Keys for `normals`.
    """
    a = uniforms(seed, index, 0xFFFF, purpose)
    words = np.floor(a * 2.0**53).astype(np.uint64)
    pair = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(21)], axis=-1)
    return (pair & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32)


def _rotate(x, turn):
    low = ops.bitwise_and(ops.right_shift(x, 32 - turn), (1 << turn) - 1)  # >> copies the sign
    return ops.bitwise_or(ops.left_shift(x, turn), low)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def threefry_ops(key0, key1, x0, x1):
    """The same cipher on int32 tensors; shapes broadcast.

    Parameters
    ----------
    key0, key1, x0, x1 : int32 tensors
        Key and counter.

    Returns
    -------
    pair of int32 tensors
        Two random words per counter, bit for bit those of `threefry`.
    """
    parity = ops.convert_to_tensor(_signed(_PARITY), dtype="int32")
    keys = (key0, key1, ops.bitwise_xor(ops.bitwise_xor(key0, key1), parity))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for block in range(5):
        for turn in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = ops.bitwise_xor(_rotate(x1, turn), x0)
        x0 = x0 + keys[(block + 1) % 3]
        x1 = x1 + keys[(block + 2) % 3] + (block + 1)
    return x0, x1


def _unit(word):
    """24 bits of a word as a float32 in (0, 1)."""
    bits = ops.bitwise_and(ops.right_shift(word, 8), 0xFFFFFF)
    return (ops.cast(bits, "float32") + 0.5) * (2.0**-24)


def normals(keys, shape, stream: int):
    """Standard normal numbers on the device (Box-Muller).

    Parameters
    ----------
    keys : int32 tensor (N, 2)
        From `object_keys`.
    shape : tuple of int
        Shape per object.
    stream : int
        Keeps several uses of one key apart.

    Returns
    -------
    float32 tensor (N, *shape)
        Number k of object i depends on its key, `stream` and k only.
    """
    size = math.prod(shape)
    pairs = (size + 1) // 2
    counter = ops.reshape(ops.arange(pairs, dtype="int32"), (1, pairs))
    a, b = threefry_ops(keys[:, :1], keys[:, 1:], counter, ops.full_like(counter, stream))
    radius = ops.sqrt(-2.0 * ops.log(_unit(a)))
    angle = (2.0 * math.pi) * _unit(b)
    both = ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)], axis=1)
    return ops.reshape(both[:, :size], (-1, *shape))
