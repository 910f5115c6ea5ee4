"""Candidates: scatter about the light, Einstein radii, places of the source, repeatability."""

import numpy as np
import pytest
from scipy.special import ndtr

from lensfinder.errors import SimulationError, UnknownNameError
from lensfinder.lensing import image_positions, theta_E_sis, theta_E_to_barkana
from lensfinder.paint import Settings, fallback
from lensfinder.paint.candidates import draw_candidates, galaxy_of, place_sources
from lensfinder.simulate.placing import lens_of


def drawn(small, galaxies, sources, numbers, **options):
    return draw_candidates(small, galaxies, sources, Settings(**options), 3, numbers)


@pytest.fixture(scope="module")
def many(small, galaxies, sources):
    """4,000 candidates."""
    return drawn(small, galaxies, sources, np.arange(4000))


def test_a_candidate_depends_on_seed_and_number_alone(small, galaxies, sources, many):
    columns, reason = many
    numbers = np.array([3999, 17, 512])
    some, why = drawn(small, galaxies, sources, numbers)
    for name, values in some.items():
        np.testing.assert_array_equal(values, columns[name][numbers])
    np.testing.assert_array_equal(why, reason[numbers])
    other, _ = draw_candidates(small, galaxies, sources, Settings(), 4, numbers)
    assert (other["q"] != some["q"]).all()


def test_each_galaxy_comes_once_in_each_pass_and_turned_after_each():
    galaxy, passes = galaxy_of(3, np.arange(50), 10)
    for number in range(5):
        assert sorted(galaxy[passes == number]) == list(range(10))
    assert list(galaxy[:10]) != list(galaxy[10:20])


def test_the_mass_scatters_about_the_light_as_the_paper_says(many):
    columns, _ = many
    n = len(columns["q"])
    for axis in "xy":
        off = columns[f"{axis}_lens"] - columns[f"{axis}_light"]
        # the error of a standard deviation is sigma / sqrt(2 n)
        assert off.std() == pytest.approx(0.05, abs=5 * 0.05 / np.sqrt(2 * n))
    turn = columns["phi"] - columns["phi_light"]
    turn = (turn + np.pi / 2) % np.pi - np.pi / 2
    assert turn.std() == pytest.approx(np.radians(10), rel=5 / np.sqrt(2 * n))
    low = columns["q_light"] < 0.8  # far from 1, where nothing is cut
    off = (columns["q"] - columns["q_light"])[low]
    assert off.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * low.sum()))
    assert columns["q"].max() <= 1


def test_an_axis_ratio_above_one_is_drawn_once_more_and_then_set_to_one(small, galaxies, sources):
    columns, _ = drawn(small, galaxies, sources, np.arange(4000), q_scatter=0.3)
    light = columns["q_light"]
    above = ndtr((light - 1) / 0.3)
    # exactly one where both numbers are above
    expected, got = (above**2).mean(), (columns["q"] == 1).mean()
    assert got == pytest.approx(expected, abs=5 * np.sqrt(expected / 4000))
    assert abs(got - above.mean()) > 0.05  # and not where the first one is


def test_einstein_radii_are_those_of_equation_3_in_our_convention(many):
    columns, reason = many
    sphere = theta_E_sis(columns["sigma_v"], columns["z_lens"], columns["z_src"])
    np.testing.assert_allclose(theta_E_to_barkana(columns["theta_E"], columns["q"]), sphere)
    assert set(reason) <= {"", "theta_E_small", "theta_E_large"}
    kept = columns["theta_E"][reason == ""]
    assert kept.min() >= 0.5


def test_limits_are_reasons(small, galaxies, sources):
    _, reason = drawn(small, galaxies, sources, np.arange(200), min_theta_E=1.0, max_theta_E=1.3)
    assert {"theta_E_small", "theta_E_large", ""} == set(reason)


@pytest.mark.parametrize(("kind", "counts"), [("both", {2, 4}), ("doubles", {2}), ("quads", {4})])
def test_sources_are_placed_until_they_are_lensed_as_asked(many, kind, counts):
    columns, reason = many
    rows = np.flatnonzero(reason == "")[:150]
    some = {name: values[rows] for name, values in columns.items()}
    placed, why = place_sources(Settings(kind=kind), 3, some)
    good = why == ""
    assert good.mean() > 0.8
    images = image_positions(placed["x_src"], placed["y_src"], **lens_of(some))
    assert set(images.count[good]) == counts
    np.testing.assert_array_equal(images.count[good], placed["n_images"][good])
    assert set(why) <= {"", "not_lensed"}


def test_mass_that_does_not_follow_the_light(small, galaxies, sources):
    columns, _ = drawn(small, galaxies, sources, np.arange(4000), independent_share=0.5)
    free = columns["follows_light"] == 0
    assert free.mean() == pytest.approx(0.5, abs=0.04)  # 5 sigma
    turn = columns["phi"] - columns["phi_light"]
    # mean of cos 2 dphi: exp(-2 sigma^2) = 0.94 where it follows, 0 +- 0.016 where it does not
    assert np.cos(2 * turn[~free]).mean() == pytest.approx(0.94, abs=0.02)
    assert abs(np.cos(2 * turn[free]).mean()) < 0.08


def test_what_the_catalogue_lacks_is_drawn_and_marked(small, sources):
    from dataclasses import replace

    import skies

    from lensfinder.paint import read_galaxies

    table = skies.catalogue(3)
    table["sigma_v"][1] = table["z_lens"][1] = np.nan
    lacking = read_galaxies([skies.galaxy(k) for k in range(3)], small, Settings(), catalogue=table)
    unknown = replace(sources, z_src=np.full(3, np.nan))
    columns, _ = drawn(small, lacking, unknown, np.arange(300))
    for name, word in (("z_lens", "drawn"), ("sigma_v", "brightness")):
        marked = columns[f"{name}_from"] == word
        np.testing.assert_array_equal(marked, columns["galaxy"] == 1)
        assert len(set(columns[name][marked])) > 90  # drawn anew for each candidate
    assert (columns["z_src_from"] == "drawn").all()


def test_the_fallbacks_are_what_they_say():
    u = (np.arange(2000) + 0.5) / 2000
    z = fallback.lens_redshift(u)
    assert (np.median(z), z.std()) == pytest.approx((0.5, 0.149), abs=3e-3)
    assert 0.1 < z.min() < z.max() < 1.0
    assert np.median(fallback.source_redshift(u)) == pytest.approx(1.41 * 1.06, abs=0.02)
    # i = 19 at z = 0.5 is a massive elliptical; 2 mag fainter a smaller one
    bright, faint = (
        fallback.velocity_dispersion(m, 773.0, 0.5, 0.5, "planck18") for m in (19.0, 21.0)
    )
    assert 230 < bright < 330
    assert faint < 0.8 * bright
    spread = np.log10(fallback.velocity_dispersion(20.0, 773.0, 0.5, u, "planck18")).std()
    assert spread == pytest.approx(0.07, abs=2e-3)


def test_settings_that_cannot_be_are_refused_by_name(small):
    with pytest.raises(SimulationError, match=r"kind: .*Known options"):
        Settings.of(kind="triples")
    with pytest.raises(SimulationError, match="min_theta_E must be below"):
        Settings.of(min_theta_E=2, max_theta_E=1)
    with pytest.raises(SimulationError, match="Extra inputs"):
        Settings.of(theta=3)
    with pytest.raises(UnknownNameError, match="band"):
        Settings(band="VIS").reference(small)
    assert Settings().reference(small).name == "i"
