"""The ellipticity type: round trips, and each foreign convention against its definition."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing.ellipticity import Ellipticity


def shapes(rng, count=500):
    return rng.uniform(0.05, 0.999, count), rng.uniform(-np.pi / 2, np.pi / 2, count)


def same_ellipse(ours, theirs, atol=1e-12):
    assert_allclose([ours.e1, ours.e2], [theirs.e1, theirs.e2], rtol=0, atol=atol)


def test_axis_ratio_and_angle_survive_the_round_trip(rng):
    q, phi = shapes(rng)
    shape = Ellipticity.from_axis_ratio(q, phi)
    assert_allclose(shape.axis_ratio(), q, rtol=1e-12)
    assert_allclose(shape.position_angle(), phi, rtol=0, atol=1e-10)  # 1e-13 / (1 - q)
    assert_allclose(shape.magnitude(), (1 - q**2) / (1 + q**2), rtol=1e-12)


def test_a_circle_has_q_1_and_phi_0(tensor):
    for zero in (0.0, np.zeros(3), tensor([0.0, 0.0])):
        circle = Ellipticity(zero, zero)
        assert np.all(np.asarray(circle.axis_ratio()) == 1.0)
        assert np.all(np.asarray(circle.position_angle()) == 0.0)
        assert np.all(np.asarray(circle.to_lenstronomy()) == 0.0)
        assert np.all(np.asarray(circle.to_coolest()[0]) == 1.0)


def test_tensors_keep_their_precision(rng, tensor):
    q, phi = shapes(rng)
    shape = Ellipticity.from_axis_ratio(tensor(q), tensor(phi))
    # At q = 0.05, 1 - e is 0.005: its rounding of 6e-8 is 1e-5 of it, half of that in q.
    assert_allclose(np.asarray(shape.axis_ratio()), q, rtol=1e-5, atol=1e-6)


def test_values_no_ellipse_has_give_q_0():
    assert Ellipticity(1.2, 0.5).axis_ratio() == 0.0
    assert np.all(np.isfinite(Ellipticity(1.2, 0.5).to_lenstronomy()))


def test_lenstronomy_convention(rng):
    q, phi = shapes(rng)
    e1, e2 = Ellipticity.from_axis_ratio(q, phi).to_lenstronomy()
    g = (1 - q) / (1 + q)
    assert_allclose([e1, e2], [g * np.cos(2 * phi), g * np.sin(2 * phi)], rtol=0, atol=1e-12)
    same_ellipse(Ellipticity.from_lenstronomy(e1, e2), Ellipticity.from_axis_ratio(q, phi))
    param_util = pytest.importorskip("lenstronomy.Util.param_util")
    assert_allclose([e1, e2], param_util.phi_q2_ellipticity(phi, q), rtol=0, atol=1e-12)


def test_coolest_convention(rng):
    # Degrees counter-clockwise from +y: an ellipse along x is at 90, along y at 0.
    assert_allclose(Ellipticity.from_coolest(0.5, 90.0).position_angle(), 0.0, atol=1e-15)
    assert_allclose(Ellipticity.from_axis_ratio(0.5, 0.0).to_coolest(), (0.5, 90.0))
    assert_allclose(
        Ellipticity.from_axis_ratio(0.5, np.pi / 2).to_coolest(), (0.5, 0.0), atol=1e-12
    )
    assert_allclose(Ellipticity.from_axis_ratio(0.5, 2.0).to_coolest()[1], np.degrees(2.0) - 90)
    q, angle = rng.uniform(0.05, 0.99, 300), rng.uniform(-90, 90, 300)
    assert_allclose(Ellipticity.from_coolest(q, angle).to_coolest(), (q, angle), atol=1e-9)


def test_position_angle_on_the_sky(rng):
    q, angle = rng.uniform(0.05, 0.99, 300), rng.uniform(-90, 90, 300)
    up = Ellipticity.from_east_of_north(q, angle)
    same_ellipse(up, Ellipticity.from_coolest(q, angle))
    # North to the right and east up: the sky turned clockwise by 90 degrees.
    right = Ellipticity.from_east_of_north(0.5, 30.0, north=0.0)
    assert_allclose(right.position_angle(), np.radians(30.0))
    # North up but east right, a mirror image: 30 degrees towards east is towards +x.
    mirrored = Ellipticity.from_east_of_north(0.5, 30.0, east_left=False)
    assert_allclose(mirrored.position_angle(), np.radians(60.0))
    for frame in (dict(north=0.3), dict(north=-2.0, east_left=False)):
        back = Ellipticity.from_east_of_north(q, angle, **frame).east_of_north(**frame)
        assert_allclose(back, angle, rtol=0, atol=1e-9)
    assert (
        np.abs(np.subtract(up.e2, Ellipticity.from_east_of_north(q, angle, north=0).e2)).max() > 1
    )


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ellipticity(0.1, 0.2).e1 = 0.3
