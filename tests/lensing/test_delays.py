"""Kinds, parities, delays and pairing of images; strict checks that need no other code."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.errors import ArgumentError, SpecError
from lensfinder.lensing.critical import cut
from lensfinder.lensing.delays import (
    arrival_delays,
    image_kinds,
    match_images,
    source_of_images,
)
from lensfinder.lensing.lens_equation import lens_jacobian, source_position
from lensfinder.lensing.multiplicity import image_positions, winding_number


@pytest.fixture
def systems(lenses, rng):
    """Function that draws N lenses and sources close to them."""

    def draw(count, **options):
        lens = lenses(count, **options)
        x0, y0 = lens["x0"], lens["y0"]
        offset = 0.4 * lens["theta_E"] * rng.normal(size=(2, count))
        shear_x = lens["gamma1"] * x0 + lens["gamma2"] * y0
        shear_y = lens["gamma2"] * x0 - lens["gamma1"] * y0
        return lens, x0 - shear_x + offset[0], y0 - shear_y + offset[1]

    return draw


def columns(lens):
    """Parameters that broadcast with (N, images)."""
    return {name: values[:, None] for name, values in lens.items()}


# --- the solver, without another code -------------------------------------------------------------
def test_every_image_is_where_the_equation_says_to_1e_10(systems):
    lens, x_src, y_src = systems(5000, shear=0.2)
    images = image_positions(x_src, y_src, **lens)
    back = source_position(images.x, images.y, **columns(lens))
    residual = np.hypot(back[0] - x_src[:, None], back[1] - y_src[:, None])
    assert np.nanmax(residual) < 1e-10  # arcsec; measured 1e-13
    moved = source_position(images.x + 1e-9, images.y, **columns(lens))
    assert np.nanmax(np.abs(moved[0] - x_src[:, None])) > 1e-10  # the test can see 1e-9


def test_parities_add_up_to_what_the_caustics_say(systems):
    lens, x_src, y_src = systems(1000, shear=0.2)
    images = image_positions(x_src, y_src, **lens)
    kinds = image_kinds(images.magnification)
    minima, saddles = (kinds == "minimum").sum(axis=1), (kinds == "saddle").sum(axis=1)
    assert np.array_equal(minima + saddles, images.count)
    # The index of a regular lens is 1. A singular one swallows a maximum where the cut winds.
    inside = winding_number(cut(**lens, n_points=2048), x_src, y_src)
    wrong = minima - saddles + inside != 1
    assert not wrong.any()
    # and with the central maximum counted, the number of images is odd
    assert np.all((images.count + inside) % 2 == 1)
    assert set(np.unique(inside)) == {0, 1}
    assert np.any(minima - saddles + np.roll(inside, 1) != 1)  # negative control


def test_a_minimum_is_a_minimum_and_a_saddle_point_is_none(systems):
    lens, x_src, y_src = systems(500)
    images = image_positions(x_src, y_src, **lens)
    a, b, d = lens_jacobian(images.x, images.y, **columns(lens))
    smallest = 0.5 * (a + d) - np.sqrt(0.25 * (a - d) ** 2 + b * b)
    largest = a + d - smallest
    kinds = image_kinds(images.magnification)
    assert np.all(smallest[kinds == "minimum"] > 0)
    assert np.all(smallest[kinds == "saddle"] < 0)
    assert np.all(largest[kinds != ""] > 0)  # a shear smaller than 1 makes no maxima
    assert np.array_equal(kinds == "", np.isnan(images.x))
    assert np.all(kinds[:, 0] == "minimum")


@pytest.mark.parametrize(("x_src", "y_src"), [(0.05, -0.08), (0.5, 0.1), (1.4, 0.9)])
def test_magnification_is_the_area_that_rays_find(x_src, y_src):
    lens = dict(theta_E=1.1, q=0.6, phi=0.4, x0=0.05, y0=-0.1, gamma1=0.06, gamma2=-0.03)
    radius, side = 0.03, 2000
    axis = (np.arange(side) + 0.5) / side * 6.0 - 3.0  # pixels of 3 mas
    hits = 0
    for rows in np.array_split(axis, 10):
        x, y = source_position(axis[None], rows[:, None], **lens)
        hits += int(((x - x_src) ** 2 + (y - y_src) ** 2 < radius**2).sum())
    area = hits * (6.0 / side) ** 2 / (np.pi * radius**2)
    images = image_positions(x_src, y_src, **lens)
    total = np.nansum(np.abs(images.magnification))
    # A disk of 0.03 arcsec is not a point (1 % here), and the edge of its images has noise.
    assert_allclose(total, area, rtol=0.02)
    assert abs(total - abs(images.magnification[0]) - area) > 0.05 * area  # one image less shows


# --- delays ---------------------------------------------------------------------------------------
def test_delays_of_a_sphere_in_closed_form():
    images = image_positions(0.3, 0.0, theta_E=1.0, q=1.0, phi=0.0)
    days = arrival_delays(images, 0.5, 1.5, "schuldt2021")
    # 2 theta_E beta D_dt / c; D_dt from astropy
    from astropy import units as u
    from astropy.constants import c

    from lensfinder.lensing.cosmology import named_cosmology

    cosmology = named_cosmology("schuldt2021")
    near, far = (cosmology.comoving_distance(z) for z in (0.5, 1.5))
    ratio = 1.5 * (near / 1.5) * (far / 2.5) / ((far - near) / 2.5)  # (1 + z_d) D_d D_s / D_ds
    expected = (2 * 0.3 * u.arcsec**2).to_value(u.rad**2) * ratio / c
    assert_allclose(days[1], expected.to_value("day"), rtol=1e-6)  # interpolated distances: 1e-8
    assert days[0] == 0
    assert np.isnan(days[2:]).all()


def test_delays_count_from_the_image_asked_for(systems):
    lens, x_src, y_src = systems(200)
    images = image_positions(x_src, y_src, **lens)
    z = np.full(200, 0.4), np.full(200, 2.0)
    first = arrival_delays(images, *z)
    assert np.all(first[:, 0] == 0)
    last = images.count - 1
    other = arrival_delays(images, *z, reference=last)
    assert_allclose(other, first - np.take_along_axis(first, last[:, None], 1), atol=1e-9)
    assert np.nanmax(other) <= 0
    with pytest.raises(SpecError, match="behind its lens"):
        arrival_delays(images, z[1], z[0])


def test_delays_are_those_of_lenstronomy(systems):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    from lensfinder.lensing.cosmology import named_cosmology
    from lensfinder.lensing.ellipticity import Ellipticity

    lens, x_src, y_src = systems(30)
    images = image_positions(x_src, y_src, **lens)
    days = arrival_delays(images, np.full(30, 0.6), np.full(30, 1.8), "schuldt2021")
    model = lens_model.LensModel(
        ["SIE", "SHEAR"], z_lens=0.6, z_source=1.8, cosmo=named_cosmology("schuldt2021")
    )
    for i in range(30):
        p = {name: values[i] for name, values in lens.items()}
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        kwargs = [
            dict(theta_E=p["theta_E"], e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"]),
            dict(gamma1=p["gamma1"], gamma2=p["gamma2"]),
        ]
        n = images.count[i]
        theirs = model.arrival_time(
            images.x[i, :n], images.y[i, :n], kwargs, x_source=x_src[i], y_source=y_src[i]
        )
        assert_allclose(days[i, :n], theirs - theirs[0], rtol=1e-6, atol=1e-7)


# --- from images back to the source ---------------------------------------------------------------
def test_the_source_is_found_from_one_image_or_from_all(systems):
    lens, x_src, y_src = systems(500)
    images = image_positions(x_src, y_src, **lens)
    for x, y in ((images.x[:, :1], images.y[:, :1]), (images.x, images.y)):
        found = source_of_images(x, y, **lens)
        # images on the critical curve carry weights of 1e8, whose rounding is what is left
        assert_allclose(found[0], x_src, atol=1e-6)
        assert_allclose(found[1], y_src, atol=1e-6)
    nothing = source_of_images(np.full((3, 2), np.nan), np.zeros((3, 2)), theta_E=1, q=0.5, phi=0)
    assert np.isnan(nothing).all()


def test_weights_make_the_most_of_noisy_positions(systems, rng):
    lens, x_src, y_src = systems(4000, q_min=0.6, shear=0.05)
    images = image_positions(x_src, y_src, **lens)
    mild = (images.count >= 2) & (np.nanmax(np.abs(images.magnification), axis=1) < 10)
    noise = rng.normal(0, 1e-3, (2, *images.x.shape))  # arcsec: to first order in the mapping
    x, y = images.x + noise[0], images.y + noise[1]
    weighted = source_of_images(x, y, **lens)
    back = source_position(x, y, **columns(lens))
    plain = np.nanmean(back[0], axis=1), np.nanmean(back[1], axis=1)
    errors = [
        np.hypot(bx - x_src, by - y_src)[mild].std() for bx, by in (weighted, plain)
    ]  # fmt: skip
    assert errors[0] < 0.8 * errors[1]


# --- which is which -------------------------------------------------------------------------------
def slow_match(a, b, i):
    """The cheapest pairing of kind with kind, by trying all."""
    best = (np.inf, None)
    for order in itertools.permutations(range(a.count[i])):
        kind = np.sign(a.magnification[i, list(order)]) == np.sign(b.magnification[i, : b.count[i]])
        gap = (a.x[i, list(order)] - b.x[i, : b.count[i]]) ** 2
        gap = gap + (a.y[i, list(order)] - b.y[i, : b.count[i]]) ** 2
        if kind.all() and gap.sum() < best[0]:
            best = gap.sum(), order
    return best[1]


def test_images_are_matched_by_position_or_by_arrival(systems, rng):
    lens, x_src, y_src = systems(600)
    moved = lens | {"phi": lens["phi"] + rng.normal(0, 0.3, 600)}
    a, b = image_positions(x_src, y_src, **lens), image_positions(x_src, y_src, **moved)
    by_position, by_arrival = match_images(a, b), match_images(a, b, by="arrival")
    same = a.count == b.count
    assert np.all(by_position[~same] == -1)
    assert np.all(by_arrival[~same] == -1)
    for i in np.flatnonzero(same):
        assert tuple(by_position[i, : a.count[i]]) == slow_match(a, b, i)
        assert np.all(by_position[i, a.count[i] :] == -1)
        assert by_arrival[i, : a.count[i]].tolist() == list(range(a.count[i]))
    assert np.any(by_position != by_arrival)
    assert np.array_equal(match_images(a, a), match_images(a, a, by="arrival"))


def test_matching_refuses_what_it_cannot_do():
    images = image_positions(0.1, 0.0, theta_E=1.0, q=0.7, phi=0.0)
    with pytest.raises(ArgumentError, match="'position' or 'arrival'.*'name'"):
        match_images(images, images, by="name")
    many = images._replace(**{k: np.ones(7) for k in ("x", "y", "magnification", "fermat")})
    many = many._replace(count=np.array(7))
    with pytest.raises(ArgumentError, match="up to 6"):
        match_images(many, many)
