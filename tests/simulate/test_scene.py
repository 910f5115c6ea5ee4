"""Scenes as arrays: packing, padding and taking lose nothing."""

import keras
import numpy as np
from scenes import random_lenses

from lensfinder.simulate import Scene
from lensfinder.simulate.scene import LIGHT, MASS, STAMP, STRUCTURE, unpack


def filled(n):
    rng = np.random.default_rng(1)
    scene = Scene.empty(n, 2, lens=1, source=2, field=3, structure=1, stamp=(5, 2))
    for name, array in vars(scene).items():
        setattr(scene, name, rng.normal(size=array.shape).astype(np.float32))
    return scene


def test_packing_is_undone():
    scene = filled(3)
    packed = scene.packed()
    assert packed.shape == (3, sum(a[0].size for a in scene.arrays().values()))
    arrays = unpack(keras.ops.convert_to_tensor(packed), scene.shapes())
    assert set(arrays) == set(vars(scene))
    for name, array in scene.arrays().items():
        assert np.array_equal(keras.ops.convert_to_numpy(arrays[name]), array), name


def test_empty_parts_survive_packing():
    scene = random_lenses(np.random.default_rng(1), 2)
    arrays = unpack(keras.ops.convert_to_tensor(scene.packed()), scene.shapes())
    assert arrays["field"].shape == (2, 0, len(LIGHT))
    assert arrays["stamp_image"].shape == (2, 0, 0, 0)


def test_the_names_are_as_many_as_the_numbers():
    shapes = Scene.empty(1, 1, lens=1, structure=1).shapes()
    assert shapes["mass"] == (len(MASS),)
    assert shapes["lens"] == (1, len(LIGHT))
    assert shapes["structure"] == (1, len(STRUCTURE))
    assert shapes["stamp"] == (len(STAMP),)


def test_padding_repeats_the_last_object():
    scene = filled(3)
    padded = scene.padded(5)
    assert len(padded) == 5
    for name, array in vars(padded).items():
        assert np.array_equal(array[:3], getattr(scene, name))
        assert np.array_equal(array[3], array[2])
        assert np.array_equal(array[4], array[2])


def test_taking_keeps_order():
    scene = filled(4)
    some = scene.take([2, 0])
    assert np.array_equal(some.mass, scene.mass[[2, 0]])
    assert np.array_equal(some.stamp_image, scene.stamp_image[[2, 0]])
