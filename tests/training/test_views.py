"""A turned image and what is true of it still belong together."""

import numpy as np
import pytest

from lensfinder.errors import ArchitectureError
from lensfinder.training.views import Views

TARGETS = ("theta_E", "x_src", "y_src", "e1", "e2")
COUNT, SIDE = 64, 33


def blobs(rng):
    """Gaussians that lie off the centre, long along some direction, and their true parameters."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images, truth = [], []
    for _ in range(COUNT):
        x0, y0 = rng.uniform(-3, 3, 2)
        phi, q = rng.uniform(0, np.pi), rng.uniform(0.4, 0.9)
        major = (x - x0) * np.cos(phi) + (y - y0) * np.sin(phi)
        minor = (y - y0) * np.cos(phi) - (x - x0) * np.sin(phi)
        images.append(np.exp(-0.5 * (q * major**2 + minor**2 / q) / 2.2**2))
        e = (1 - q**2) / (1 + q**2)
        truth.append((1.0, x0, y0, e * np.cos(2 * phi), e * np.sin(2 * phi)))
    return np.array(images)[..., None], np.array(truth)


def moments(images):
    """Centre and ellipticity of each image, from its pixels alone."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = images[..., 0] / images.sum(axis=(1, 2, 3))[:, None, None]
    x0, y0 = (light * x).sum(axis=(1, 2)), (light * y).sum(axis=(1, 2))
    dx, dy = x - x0[:, None, None], y - y0[:, None, None]
    xx, yy, xy = ((light * part).sum(axis=(1, 2)) for part in (dx * dx, dy * dy, dx * dy))
    return np.stack([x0, y0, (xx - yy) / (xx + yy), 2 * xy / (xx + yy)], axis=1)


def test_parameters_turn_as_the_image_does(rng):
    images, truth = blobs(rng)
    # the light that the edge cuts off, and pixels of a finite width: a few 1e-4
    np.testing.assert_allclose(moments(images), truth[:, 1:], atol=5e-3)
    seen, told = Views(TARGETS)({"vis": images}, truth, np.random.default_rng(3))
    np.testing.assert_allclose(moments(seen["vis"]), told[:, 1:], atol=5e-3)
    np.testing.assert_array_equal(told[:, 0], 1)
    # the control: most objects were turned, and their old parameters are wrong now
    assert (np.abs(moments(seen["vis"]) - truth[:, 1:]).max(axis=1) > 0.05).mean() > 0.6


def test_groups_turn_together_and_a_label_stays(rng):
    images = {"vis": rng.normal(size=(COUNT, 6, 6, 1)), "nisp": rng.normal(size=(COUNT, 3, 3, 2))}
    images["nisp"][..., 0] = images["vis"][:, ::2, ::2, 0]  # coarser pixels of the same sky
    images["vis"][:, 1::2, :] = images["vis"][:, ::2, :]
    images["vis"][:, :, 1::2] = images["vis"][:, :, ::2]
    label = (np.arange(COUNT) % 2)[:, None].astype(np.float32)
    views = Views(("p_lens",))
    seen, told = views(images, label, np.random.default_rng(4))
    np.testing.assert_array_equal(told, label)
    np.testing.assert_array_equal(seen["vis"][:, ::2, ::2, 0], seen["nisp"][..., 0])
    kinds = {
        tuple(turned.ravel().argsort()[np.argsort(image.ravel().argsort())].tolist())
        for turned, image in zip(seen["nisp"][..., 1], images["nisp"][..., 1], strict=True)
    }
    assert len(kinds) == 8, "every view, and no other permutation of the pixels"
    again, _ = views(images, label, np.random.default_rng(4))
    np.testing.assert_array_equal(again["vis"], seen["vis"])


def test_a_target_that_nobody_knows_how_to_turn_is_an_error():
    with pytest.raises(ArchitectureError, match="phi"):
        Views(("theta_E", "phi"))
