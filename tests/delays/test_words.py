"""What an observer reads."""

import numpy as np
from astropy.table import Table

from lensfinder.delays import delays, describe
from lensfinder.lensing import Orientation

Z = dict(z_lens=0.5, z_src=1.5)


def one(**columns):
    lens = {"id": ["j1"], "theta_E": [1.2], "q": [0.75], "phi": [0.3]}
    return Table(lens | {"x_obs": [1.3], "y_obs": [0.5]} | columns)


def test_the_next_image_has_a_time_and_a_place():
    found = delays(
        one(theta_E_std=[0.05]), **Z, date="2026-03-01", orientation=Orientation(), seed=1
    )
    (text,) = describe(found)
    assert text.startswith("j1: 2 images (probability ")
    assert "A (minimum): the observed one, 2026-03-01; 1.30″ west, 0.50″ north of the lens;" in text
    assert "B (saddle): " in text
    assert "d after A (68 %: " in text
    assert f"expected {found['date'][1][:10]}" in text
    assert f"Next: image B, {found['delay'][1]:.0f} d later on {found['date'][1][:10]}." in text
    assert "nan" not in text


def test_without_an_orientation_nothing_is_said_of_east():
    (text,) = describe(delays(one(), **Z))
    assert "1.30″ along +x, 0.50″ along +y of the lens" in text
    assert "east" not in text
    assert "probability" not in text
    assert "±" not in text


def test_images_that_came_before_the_observed_one_are_looked_for_in_old_data():
    late = delays(one(x_obs=[-0.7], y_obs=[-0.2]), **Z, date="2026-03-01")
    (text,) = describe(late)
    assert "was due " in text
    assert "No further image is expected" in text
    middle = delays(one(x_obs=[1.1], y_obs=[0.3]), **Z)
    before = int(np.sum(middle["delay"] < 0))
    assert (middle["n_images"][0], before) == (4, 2)
    assert "later. 2 came before the observed one: look in older data." in describe(middle)[0]


def test_a_bad_row_says_why():
    texts = describe(delays(one(theta_E=[-1.0]), **Z))
    assert texts == ["j1: no answer (bad_theta_E): the Einstein radius is not positive."]
    (text,) = describe(delays(one(z_lens=[2.0], z_src=[1.0])))
    assert "Note: the source is not behind the lens" in text
    assert "delay unknown" in text
    (text,) = describe(delays(one(x_obs=[9.0]), **Z))
    assert "Note: the source has one image only" in text


def test_a_table_without_lenses_has_no_words():
    assert describe(delays(one()[:0], **Z)) == []


def test_short_delays_are_in_hours():
    quad = Table({"theta_E": [1.0], "q": [0.7], "phi": [0.0], "x_src": [0.01], "y_src": [0.0]})
    (text,) = describe(delays(quad, **Z))
    assert " h after A" in text
    assert "the first to arrive" in text
    assert text.count("\n") == 4
