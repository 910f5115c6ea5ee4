"""Predictions that turn with the image."""

import keras
import numpy as np
import pytest
from toys import ONE, TWO, images

from lensfinder import zoo
from lensfinder.errors import ArchitectureError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.zoo.cost import multiply_adds
from lensfinder.zoo.layers import DihedralMean
from lensfinder.zoo.layers.dihedral import VIEWS, turned_back, view

TARGETS = ("theta_E", "e1", "e2", "x_lens", "y_lens", "gamma1", "gamma2")
SIDE, SCALE = 33, 0.1


def ellipse(q, phi, x0, y0):
    """An elliptical Gaussian by the project's conventions: row 0 at the bottom, phi from +x."""
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    x, y = np.meshgrid(axis, axis)
    u = np.cos(phi) * (x - x0) + np.sin(phi) * (y - y0)
    v = np.cos(phi) * (y - y0) - np.sin(phi) * (x - x0)
    return np.exp(-(q * u**2 + v**2 / q) / 0.12)[None, :, :, None].astype(np.float32)


def moments(image):
    """Centre and ellipticity of an image, measured."""
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    x, y = np.meshgrid(axis, axis)
    light = image[0, :, :, 0] / image.sum()
    x0, y0 = (light * x).sum(), (light * y).sum()
    xx, yy, xy = (
        (light * (x - x0) ** 2).sum(),
        (light * (y - y0) ** 2).sum(),
        (light * (x - x0) * (y - y0)).sum(),
    )
    return np.array([(xx - yy) / (xx + yy), 2 * xy / (xx + yy), x0, y0])


@pytest.mark.parametrize(("turns", "mirrored"), VIEWS)
def test_parameters_of_a_view_are_turned_back_to_those_of_the_image(turns, mirrored):
    image = ellipse(0.5, 0.4, 0.3, -0.2)
    seen = moments(np.asarray(view(image, turns, mirrored)))
    back = turned_back(("e1", "e2", "x_lens", "y_lens"), turns, mirrored) @ seen
    np.testing.assert_allclose(back, moments(image), atol=1e-6, rtol=0)  # float32 pixels
    if (turns, mirrored) != (0, False):
        assert np.abs(seen - moments(image)).max() > 0.1  # the view is another image


def test_the_measured_ellipticity_is_the_projects_own():
    shape = Ellipticity.from_axis_ratio(0.5, 0.4)
    # second moments of exp(-(q u^2 + v^2 / q)) give (1 - q^2) / (1 + q^2); the stamp cuts little
    np.testing.assert_allclose(
        moments(ellipse(0.5, 0.4, 0, 0))[:2], [shape.e1, shape.e2], atol=2e-3
    )


def test_a_symmetric_modeller_turns_with_the_image_and_a_plain_one_does_not():
    keras.utils.set_random_seed(1)
    image = ellipse(0.6, 0.7, 0.1, 0.2)
    of = ONE.model_copy(update={"groups": (ONE.groups[0].model_copy(update={"stamp": SIDE}),)})
    options = {"targets": TARGETS, "widths": (8, 8), "units": 8, "stretch": "none"}
    for symmetric, largest in ((True, 2e-6), (False, None)):  # float32 sums in another order
        model = zoo.build("compact_modeller", of, "modeller", symmetric=symmetric, **options)
        answers = [
            turned_back(TARGETS, *which) @ np.asarray(model({"vis": view(image, *which)}))[0]
            for which in VIEWS
        ]
        spread = np.ptp(answers, axis=0).max()
        assert spread < largest if symmetric else spread > 2e-3


def test_it_is_the_mean_over_views_of_the_same_weights_and_free_in_training():
    keras.utils.set_random_seed(2)
    x = images(TWO)
    for name, task in (("compact_finder", "finder"), ("compact_modeller", "modeller")):
        options = {"widths": (8,), "units": 8, "stretch": "none"}
        if task == "modeller":
            options["targets"] = ("theta_E", "e1", "e2")
        plain = zoo.build(name, TWO, task, **options)
        both = zoo.build(name, TWO, task, symmetric=True, **options)
        both.set_weights(plain.get_weights())
        np.testing.assert_array_equal(both(x, training=True), plain(x, training=True))
        assert multiply_adds(both) == len(VIEWS) * multiply_adds(plain)
        views = [
            np.asarray(plain({g: view(image, *which) for g, image in x.items()})) for which in VIEWS
        ]
        if task == "finder":
            views = np.log(views) - np.log1p(-np.asarray(views))
            expected = 1 / (1 + np.exp(-views.mean(axis=0)))
        else:
            back = [turned_back(options["targets"], *which) for which in VIEWS]
            expected = np.mean([v @ m.T for v, m in zip(views, back, strict=True)], axis=0)
        np.testing.assert_allclose(both(x), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("targets", [("theta_E", "phi"), ("theta_E", "x_lens"), ("colour",)])
def test_what_cannot_be_turned_is_refused(targets):
    with pytest.raises(ArchitectureError, match=r"Predict both|symmetric=False"):
        DihedralMean(targets)
