"""The search on made-up posteriors whose answers are known, and the memory that it resumes from."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from lensfinder.errors import CheckpointError, InversionError
from lensfinder.inversion import MassPrior, Memory
from lensfinder.inversion.memory import FILE, fingerprint
from lensfinder.inversion.parabolas import climb_parabolas
from lensfinder.inversion.search import Target, climb, local_maxima
from lensfinder.lensing.ellipticity import Ellipticity

PRIOR = MassPrior().uniform("theta_E", 0.2, 2.2)
TRUTH = np.array([1.13, 0.12, -0.05, 0.03, 0.01])  # theta_E, e1, e2, x, y
SIGMA = np.array([0.02, 0.03, 0.02, 0.01, 0.01])


def numbers(mass):
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    return np.array([mass.theta_E, shape.e1, shape.e2, mass.x, mass.y], dtype=float)


class Pretended:
    """An inverter of a lens whose evidence is a formula, with a strength as engines give it."""

    observation = range(100)

    def __init__(self, formula):
        self.formula, self.asked = formula, 0

    def evaluate(self, mass, *, start=None):
        self.asked += 1
        return SimpleNamespace(
            log_evidence=self.formula(mass), chi2=90.0, strength=2.0, strength_at_limit=False
        )


def bell(mass, *, correlation=0.8):
    """Gaussian in the parameters, theta_E and e1 correlated."""
    t = (numbers(mass) - TRUTH) / SIGMA
    r = correlation
    pair = (t[0] ** 2 - 2 * r * t[0] * t[1] + t[1] ** 2) / (1 - r**2)
    return -0.5 * (pair + t[2] ** 2 + t[3] ** 2 + t[4] ** 2)


def target_of(formula, **words):
    return Target(Pretended(formula), PRIOR, Memory(), grid="fine", **words)


@pytest.mark.parametrize("roughness", [0.0, 0.2])
def test_the_peak_and_its_width_are_found(roughness):
    def formula(mass):
        steps = np.sin(1e4 * mass.theta_E) + np.sin(1.3e4 * mass.x)
        return bell(mass) + roughness * steps

    target = target_of(formula)
    start = climb(target, np.zeros(5))[1]
    peak = climb_parabolas(target, start)
    assert peak.definite
    assert peak.settled
    rng = np.random.default_rng(1)
    drawn = PRIOR.values(rng.multivariate_normal(peak.z, peak.covariance, 20_000))
    drawn = np.stack([drawn[name] for name in PRIOR.free], axis=1)
    # The prior, 5 to 30 times as wide, moves the peak by up to 0.15 sigma and takes 3 % of the
    # width of e; 20,000 draws know a width to 0.5 %. With steps as rough as measured, 10 %.
    allowed = 0.06 if roughness == 0 else 0.15
    assert np.abs((drawn.mean(axis=0) - TRUTH) / SIGMA).max() < 0.3
    np.testing.assert_allclose(drawn.std(axis=0) / SIGMA, 1.0, atol=allowed)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(0.8, abs=0.08)
    if roughness:
        assert 0.05 < peak.roughness < 0.6


def test_the_integral_is_that_of_a_gaussian():
    # In z all is Gaussian when the priors are: evidence N(mean, sigma^2) times N(0, 1).
    prior = MassPrior().fixed(theta_E=1.0, e1=0.0, e2=0.0)
    mean, sigma = 0.05, 0.02

    def formula(mass):
        return -0.5 * ((mass.x - mean) ** 2 + (mass.y + mean) ** 2) / sigma**2

    target = Target(Pretended(formula), prior, Memory(), grid="fine")
    peak = climb_parabolas(target, np.array([0.4, -0.4]))
    laplace = peak.value + peak.log_volume
    total = sigma**2 + 0.1**2
    exact = np.log(sigma**2 / total) - mean**2 / total
    assert laplace == pytest.approx(exact, abs=1e-6)
    assert abs(laplace - (exact + 0.01)) > 1e-3


def test_data_that_say_nothing_give_back_the_prior():
    peak = climb_parabolas(target_of(lambda mass: 3.0), np.full(5, 0.3))
    assert peak.definite
    np.testing.assert_allclose(peak.covariance, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(peak.z, 0.0, atol=1e-6)
    assert peak.value == pytest.approx(3.0, abs=1e-6)


def test_every_local_maximum_of_the_radius_is_a_start():
    heights = {0.5: -40.0, 1.1: 0.0, 1.9: -20.0}

    def formula(mass):
        return max(h - 0.5 * ((mass.theta_E - r) / 0.04) ** 2 for r, h in heights.items())

    found = local_maxima(target_of(formula))
    radii = [PRIOR.mass(z).theta_E for _, z in found]
    assert len(found) == 3
    # 30 values over 2 arcsec: half a step.
    np.testing.assert_allclose(radii, [1.1, 1.9, 0.5], atol=0.034)


def test_a_narrow_peak_below_broad_ones_is_found():
    others = (0.3, 0.7, 1.5, 1.8, 2.1)  # each higher than what a scan sees of the right one
    width = np.array([0.05, 0.006, 0.006, 0.05, 0.05])

    def formula(mass):
        narrow = 300.0 - 0.5 * float((((numbers(mass) - TRUTH) / width) ** 2).sum())
        return max(narrow, *(150.0 - 0.5 * ((mass.theta_E - r) / 0.04) ** 2 for r in others))

    found = [PRIOR.mass(z).theta_E for _, z in local_maxima(target_of(formula))]
    assert found[0] == pytest.approx(TRUTH[0], abs=0.05)


def test_a_target_without_any_lens_has_no_maximum():
    def formula(mass):
        raise InversionError("never")

    assert local_maxima(target_of(formula)) == []


def test_a_fixed_radius_is_one_start():
    prior = PRIOR.fixed(theta_E=1.0)
    target = Target(Pretended(lambda mass: -abs(mass.q - 0.9)), prior, Memory(), grid="fine")
    assert len(local_maxima(target)) == 1


def test_a_saddle_is_not_called_a_peak():
    def formula(mass):
        t = (numbers(mass) - TRUTH) / SIGMA
        return bell(mass, correlation=0.0) + t[3] ** 2  # falls in x no more, but grows

    target = target_of(formula)
    peak = climb_parabolas(target, climb(target, np.zeros(5))[1])
    assert not (peak.definite and peak.settled and abs(peak.z[3]) < 2.0)


def test_progress_tells_what_is_better_only():
    news = []
    target = target_of(bell, progress=news.append)
    climb(target, np.zeros(5))
    told = [item.log_evidence for item in news]
    assert told == sorted(set(told))
    assert news[-1].chi2_per_pixel == pytest.approx(0.9)
    assert news[-1].evaluations <= target.evaluations


# --- memory ---------------------------------------------------------------------------------------
def test_what_is_remembered_is_not_asked_again(tmp_path):
    def climbed():
        memory = Memory(tmp_path, fingerprint="one")
        target = Target(Pretended(bell), PRIOR, memory, grid="fine")
        found = climb(target, np.zeros(5))
        memory.close()
        return target.inverter.asked, found

    asked, (value, z) = climbed()
    again, (same, there) = climbed()
    assert asked > 20
    assert again == 0
    assert value == same
    assert z.tolist() == there.tolist()


def test_a_line_that_was_cut_is_asked_again(tmp_path):
    memory = Memory(tmp_path, fingerprint="one")
    memory.keep(["fine", None, 0.5], [1.0, 2.0, None])
    memory.keep(["fine", None, 0.6], [3.0, 4.0, 5.0])
    memory.close()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-5])
    memory = Memory(tmp_path, fingerprint="one")
    assert memory.get(["fine", None, 0.5]) == [1.0, 2.0, None]
    assert memory.get(["fine", None, 0.6]) is None
    memory.keep(["fine", None, 0.6], [3.0, 4.0, 5.0])
    memory.close()
    assert [json.loads(line) for line in path.read_text().splitlines()][2] == [
        ["fine", None, 0.6],
        [3.0, 4.0, 5.0],
    ]


def test_another_fit_s_memory_is_refused(tmp_path):
    Memory(tmp_path, fingerprint="one").close()
    with pytest.raises(CheckpointError, match="another fit"):
        Memory(tmp_path, fingerprint="two")
    (tmp_path / FILE).write_bytes(b"\x00not json\n")
    with pytest.raises(CheckpointError, match="--overwrite"):
        Memory(tmp_path, fingerprint="one")


@pytest.mark.parametrize("head", ['["one", 1]', '["one"]'], ids=["older", "without a version"])
def test_the_memory_of_another_version_is_refused_or_replaced(tmp_path, head):
    (tmp_path / FILE).write_text(f'{head}\n[["fine", null, 0.5], [1.0, 2.0, null]]\n')
    with pytest.raises(CheckpointError, match="this is version 2.*--overwrite") as caught:
        Memory(tmp_path, fingerprint="one", version=2)
    assert (caught.value.found, caught.value.wanted) == (int("1" in head), 2)
    memory = Memory(tmp_path, fingerprint="one", version=2, replace=True)
    assert len(memory) == 0
    memory.keep(["fine", None, 0.5], [3.0, 4.0, None])
    memory.close()
    again = Memory(tmp_path, fingerprint="one", version=2, replace=True)
    assert again.get(["fine", None, 0.5]) == [3.0, 4.0, None], "the same fit is gone on with"
    again.close()


def test_a_fingerprint_sees_every_part():
    image = np.arange(6.0).reshape(2, 3)
    names = {
        fingerprint(image, "a"),
        fingerprint(image, "b"),
        fingerprint(image.T, "a"),
        fingerprint(image + 1e-12, "a"),
        fingerprint(None, "a"),
    }
    assert len(names) == 5
    assert fingerprint(image.copy(), "a") in names
