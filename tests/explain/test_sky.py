"""The sky: one grid for groups of different pixels, and regions that mean the same on all."""

import numpy as np
import pytest

from lensfinder.explain import Sky, segment
from lensfinder.explain.sky import overlap
from lensfinder.specs.contract import GroupContract, InputContract
from tests.explain import planted


def of(*groups):
    """A contract from (stamp, pixel scale)."""
    return InputContract(
        survey="toy",
        groups=tuple(
            GroupContract(name=f"g{i}", bands=(f"B{i}",), stamp=stamp, pixel_scale=scale)
            for i, (stamp, scale) in enumerate(groups)
        ),
    )


CASES = {
    "challenge": of((200, 0.1), (66, 0.3)),
    "coarse is wider": of((57, 0.1), (66, 0.3)),
    "other ratio": of((40, 0.25), (57, 0.17)),
    "one": of((57, 0.1)),
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def sky(request):
    return Sky.of(CASES[request.param])


def test_the_grid_covers_all_groups_and_lies_on_the_finest(sky):
    finest = min(sky.contract.groups, key=lambda g: g.pixel_scale)
    assert sky.scale == finest.pixel_scale
    assert (sky.side - finest.stamp) % 2 == 0
    # a hundredth of a thousandth of an arcsec: rounding of the widths
    assert sky.width >= max(g.width for g in sky.contract.groups) - 1e-5
    assert sky.width < max(g.width for g in sky.contract.groups) + 2 * sky.scale


def test_the_finest_group_goes_to_the_sky_and_back_unchanged(sky, rng):
    finest = min(sky.contract.groups, key=lambda g: g.pixel_scale)
    values = rng.normal(size=(finest.stamp, finest.stamp))
    back = sky.to_group(sky.from_group(values, finest.name), finest.name)
    np.testing.assert_allclose(back, values, rtol=0, atol=1e-10)  # sums of products of 0 and 1


def test_sums_survive_the_way_to_the_sky(sky, rng):
    for group in sky.contract.groups:
        values = rng.normal(size=(group.stamp, group.stamp))
        total = sky.from_group(values, group.name).sum()
        assert total == pytest.approx(values.sum(), abs=1e-8)  # 40,000 terms of 1e-16 each


def test_a_region_has_the_same_area_in_every_group(sky, rng):
    images = {
        g.name: rng.normal(size=(g.stamp, g.stamp, 1)).astype(np.float32)
        for g in sky.contract.groups
    }
    regions = segment(images, sky, regions=40)
    half = min(g.width for g in sky.contract.groups) / 2
    x, y = sky.coordinates
    inside = (np.abs(x) < half - 0.7) & (np.abs(y) < half - 0.7)  # two coarse pixels from the edge
    checked = 0
    for k in range(regions.count):
        if not inside[regions.labels == k + 1].all():
            continue
        checked += 1
        for group in sky.contract.groups:
            area = regions.coverage[group.name][:, k].sum() * group.pixel_scale**2
            # float32 fractions; no rounding to pixels, since pixels at the edge count in part
            assert area == pytest.approx(regions.areas[k], rel=1e-4)
    assert checked > 3


def test_every_pixel_of_every_group_is_covered_once(sky, rng):
    images = {g.name: rng.normal(size=(g.stamp, g.stamp, 1)) for g in sky.contract.groups}
    regions = segment(images, sky, regions=30)
    for parts in regions.coverage.values():
        np.testing.assert_allclose(parts.sum(axis=1), 1.0, atol=1e-5)  # float32 fractions
        assert parts.min() >= 0


def test_a_shifted_map_would_be_seen():
    # negative control: with the coarse grid half a coarse pixel off, areas at edges differ
    right = overlap((200, 0.1), (66, 0.3))
    wrong = overlap((200, 0.1), (65, 0.3))
    assert right.sum() == pytest.approx(19.8)
    assert np.ptp(right[right > 1e-9]) < 1e-9  # 0.3 arcsec holds three pixels, to the last
    assert np.ptp(wrong[wrong > 1e-9]) > 0.04


def test_regions_of_an_object_are_as_many_as_asked_and_compact():
    of_one = planted.contract()
    sky = Sky.of(of_one)
    regions = segment(planted.images(of_one), sky, regions=50)
    assert 30 <= regions.count <= 80
    assert regions.areas.sum() == pytest.approx(sky.width**2)
    assert regions.areas.max() < 0.1 * sky.width**2
    again = segment(planted.images(of_one), sky, regions=50)
    np.testing.assert_array_equal(regions.labels, again.labels)


def test_wide_stamps_have_small_regions_in_the_middle(rng):
    sky = Sky.of(CASES["challenge"])
    images = {g.name: rng.normal(size=(g.stamp, g.stamp, 1)) for g in sky.contract.groups}
    regions = segment(images, sky)
    near = np.hypot(*regions.centres.T) < 2.5
    assert 30 <= regions.count <= 80
    assert np.median(regions.areas[near]) < 1.5  # arcsec^2: an arc, not a galaxy
    assert np.median(regions.areas[~near]) > np.median(regions.areas[near])


def test_centres_are_where_the_regions_are():
    of_one = planted.contract()
    regions = segment(planted.images(of_one), Sky.of(of_one))
    k = planted.planted_region(regions)
    assert np.hypot(*(regions.centres[k] - planted.PLACE)) < 0.4  # a region is 0.6 arcsec wide
