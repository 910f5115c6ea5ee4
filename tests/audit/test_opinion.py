"""Where the light is traced to, against the three solutions."""

import numpy as np
import pytest

from lensfinder.audit import parity_opinion
from lensfinder.audit.opinion import Opinion, weighed
from lensfinder.errors import ArgumentError
from lensfinder.inversion import MassModel
from lensfinder.inversion.pixels import pixel_centres
from tests.audit.lenses import TRUTH, inverter, lens


def opinion_of(theta_E):
    """On the lens of these tests, with some radius."""
    seen = inverter().observation
    mass = TRUTH.model_copy(update={"theta_E": theta_E})
    return parity_opinion(mass, seen.x, seen.y, image=seen.data, noise=seen.noise)


@pytest.mark.parametrize(
    ("theta_E", "verdict"), [(0.38, "under"), (1.0, "correct"), (2.3, "over")], ids=str
)
def test_each_solution_is_told(theta_E, verdict):
    opinion = opinion_of(theta_E)
    assert opinion.verdict == verdict
    assert opinion.probabilities.tolist() == [
        float(kind == verdict) for kind in ("under", "correct", "over")
    ]


def test_the_copy_shrinks_and_turns_as_the_radius_grows():
    scales = [opinion_of(theta).copy_scale for theta in np.linspace(0.3, 2.5, 12)]
    assert np.all(np.diff(scales) < 0)
    assert scales[0] > 0.5
    assert scales[-1] < -1.0


def test_the_scale_of_a_ring_is_known():
    x, y = (np.broadcast_to(a, (200, 200)) for a in pixel_centres((200, 200), 0.02))
    r = np.hypot(x, y)
    ring = np.where((r > 0.98) & (r < 1.02), 1.0, 0.0)
    for theta_E in (0.4, 1.0, 2.2):
        mass = MassModel(theta_E=theta_E)
        found = parity_opinion(mass, x, y, image=ring, noise=np.full(r.shape, 0.1))
        # beta = theta (1 - theta_E / r) on a ring of radius 1 and width 0.04
        assert found.copy_scale == pytest.approx(1 - theta_E, abs=0.005)


def test_the_lens_need_not_be_in_the_middle():
    x, y = (np.broadcast_to(a, (100, 100)) for a in pixel_centres((100, 100), 0.05))
    ring = np.where(np.abs(np.hypot(x - 0.3, y + 0.2) - 1.0) < 0.1, 1.0, 0.0)
    mass = MassModel(theta_E=1.0, x=0.3, y=-0.2)
    found = parity_opinion(mass, x, y, image=ring, noise=np.full(ring.shape, 0.1))
    assert found.copy_scale == pytest.approx(0.0, abs=0.01)


def test_without_light_there_is_no_opinion():
    with pytest.raises(ArgumentError, match="times the noise"):
        parity_opinion(MassModel(theta_E=1.0), [0.0], [1.0], image=[1.0], noise=[1.0])
    assert lens().image.max() > 3 * lens().noise


def test_an_unsure_network_is_overruled_a_sure_one_that_agrees_made_surer():
    correct, under = Opinion("correct", 0.2), Opinion("under", 0.8)
    assert np.argmax(weighed([0.6, 0.4, 0.0], correct)) == 1
    assert np.argmax(weighed([0.6, 0.4, 0.0], under)) == 0
    assert weighed([0.7, 0.2, 0.1], under)[0] > 0.9
    for opinion in (correct, under):
        answer = weighed([0.2, 0.5, 0.3], opinion)
        assert answer.sum() == pytest.approx(1.0)
        assert (answer > 0).all()
    # equal chances before: what is left is how often the parity says so of each
    even = weighed(np.full(3, 1 / 3), under)
    assert even == pytest.approx(np.array([0.92, 0.05, 0.01]) / 0.98)
    assert weighed([0.0, 0.0, 1.0], correct).max() < 0.9, "the network alone is not enough"
