"""A schedule fitted to minutes: how many epochs, when it is frozen, and that it changes no bit."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_training import Objects, recipe

from lensfinder.errors import CheckpointError, RecipeError
from lensfinder.training.checkpoint import newest_checkpoint
from lensfinder.training.loop import train
from lensfinder.training.pacing import (
    KEY,
    SHARE,
    SKIPPED,
    TIMED_STEPS,
    Pace,
    _seconds_per_step,
    digest_of,
    fit_schedule,
    fitted,
    kept_schedule,
    schedule_for,
)

PACE = Pace(seconds_per_step=0.5, seconds_per_epoch=4.0, seconds_before=30.0)
LONG = {"steps_per_epoch": 100, "epochs": 60}  # 54 s per epoch at this pace


def given(folder, **changes):
    return recipe(folder, **{**LONG, **changes})


def schedule(folder, minutes, **changes):
    return schedule_for(given(folder, **changes), PACE, minutes=minutes)


class Ticks:
    """A clock: every look takes a second, the first `slow` of them a minute."""

    def __init__(self, slow=0):
        self.now, self.slow = 0.0, slow

    def __call__(self):
        self.now += 60.0 if self.slow > 0 else 1.0
        self.slow -= 1
        return self.now


def data():
    return {"source": Objects(), "validation": Objects(seed=2).batch(range(32))}


def test_epochs_fill_the_time_that_is_left(tmp_path):
    found = schedule(tmp_path, 60)
    assert found.epochs == int((SHARE * 3600 - 30) / 54) == 62
    assert found.steps == 6200
    later = schedule_for(given(tmp_path), PACE, minutes=60, spent=600)
    assert later.epochs == found.epochs - 11  # ten minutes are eleven epochs
    wanted = later.epochs * 54 + 630
    assert SHARE * 3600 - 54 < wanted <= SHARE * 3600


def test_warm_up_is_the_recipes_but_no_more_than_a_tenth(tmp_path):
    cosine = {"kind": "cosine", "peak": 0.01, "warmup_steps": 200}
    assert schedule(tmp_path, 60, schedule=cosine).warmup_steps == 200
    short = schedule(tmp_path, 5, schedule=cosine)
    assert (short.epochs, short.warmup_steps) == (4, 40)
    changed = fitted(given(tmp_path, schedule=cosine), short)
    assert (changed.epochs, changed.schedule.warmup_steps, changed.total_steps) == (4, 40, 400)


def test_other_schedules_keep_their_form(tmp_path):
    steps = {"kind": "step", "peak": 0.1, "factor": 0.1, "boundaries": [3000, 4500]}
    stepped = given(tmp_path, schedule=steps)
    half = schedule(tmp_path, 30)
    changed = fitted(stepped, half.model_copy(update={"epochs": 30}))
    assert changed.schedule.boundaries == (1500, 2250)
    constant = given(tmp_path, schedule={"kind": "constant", "learning_rate": 0.1})
    assert fitted(constant, half) == constant.model_copy(update={"epochs": half.epochs})


def test_less_than_an_epoch_is_refused_with_what_it_needs(tmp_path):
    with pytest.raises(RecipeError, match=r"needs 1.5 minutes here"):
        schedule(tmp_path, 1)
    stops = given(tmp_path, stop_after=3)
    with pytest.raises(RecipeError, match="nothing to fit"):
        fit_schedule(stops, tmp_path / "run", minutes=60)


def test_a_longer_training_must_not_run_into_the_test_objects(tmp_path):
    held = {"population": "pearson2019-test", "seed": 2, "size": 10}
    mocks = {"kind": "simulator", "population": "pearson2019-train", "seed": 1}
    after = {**held, "seed": 1, "start": 60 * 100 * 8}  # the first object after the recipe's own
    near = given(tmp_path, data=mocks, validation=held, test=after)
    with pytest.raises(RecipeError, match=r"share objects.*Give other minutes"):
        fitted(near, schedule(tmp_path, 60))
    fitted(near, schedule(tmp_path, 50))


def test_the_pace_is_that_of_the_steps_after_the_first(tmp_path):
    trained = []
    network = SimpleNamespace(train_on_batch=lambda images, y: trained.append(len(y)))

    def rate(clock, **changes):
        trained.clear()
        return _seconds_per_step(network, recipe(tmp_path, **changes), Objects(), 0, clock)

    assert rate(Ticks(), epochs=20) == (1.0, SKIPPED + 1)
    assert len(trained) == SKIPPED + TIMED_STEPS, "and no longer, though there are eighty steps"
    # while the first steps compile, each look at the clock costs a minute: none of it counts
    assert rate(Ticks(slow=SKIPPED), epochs=20) == (1.0, 60 * SKIPPED + 1)
    # the control: a step that is slow afterwards counts
    assert rate(Ticks(slow=SKIPPED + 2), epochs=20)[0] > 2
    # of a training shorter than all that there is still a rate
    constant = {"kind": "constant", "learning_rate": 0.01}
    assert rate(Ticks(), steps_per_epoch=1, epochs=1, schedule=constant)[0] == 1.0


def test_fitted_once_it_is_an_ordinary_training_and_every_later_call_keeps_it(tmp_path):
    asked = recipe(tmp_path, epochs=50)
    # a step takes a second, of 12 seconds before: 5 + 4 n + 1 n within 0.95 minutes
    found = fit_schedule(asked, tmp_path / "run", minutes=1, clock=Ticks(), **data())
    frozen = kept_schedule(tmp_path / "run")
    assert found.epochs == frozen.epochs < 10
    assert json.loads((tmp_path / "run" / "schedule.json").read_text())["minutes"] == 1
    # other minutes, another machine: the same schedule
    again = fit_schedule(asked, tmp_path / "run", minutes=7, clock=Ticks(slow=5), **data())
    assert again == found
    assert train(again, tmp_path / "run", **data()).finished
    # bit for bit what the same number of epochs gives without any fitting
    plain = recipe(tmp_path, epochs=found.epochs, schedule=found.schedule.model_dump())
    assert train(plain, tmp_path / "plain", **data()).finished
    one, two = (newest_checkpoint(tmp_path / name / "checkpoints") for name in ("run", "plain"))
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])


def test_a_training_that_has_begun_is_not_fitted_any_more(tmp_path):
    asked = recipe(tmp_path, epochs=1)
    train(asked, tmp_path / "run", **data())
    with pytest.raises(CheckpointError, match="Go on without"):
        fit_schedule(asked, tmp_path / "run", minutes=1, **data())
    (tmp_path / "run" / "schedule.json").write_text('{"epochs": 3')
    with pytest.raises(CheckpointError, match="damaged"):
        kept_schedule(tmp_path / "run")


def test_a_schedule_is_of_the_recipe_that_it_was_fitted_to(tmp_path):
    asked = given(tmp_path)
    file = tmp_path / "schedule.json"
    plain = schedule(tmp_path, 60).model_dump(mode="json")
    file.write_text(json.dumps(plain))
    assert kept_schedule(tmp_path, asked) == kept_schedule(tmp_path) == schedule(tmp_path, 60)
    other = given(tmp_path, seed=6)
    for call in (kept_schedule, lambda out, recipe: fit_schedule(recipe, out, minutes=60)):
        with pytest.raises(CheckpointError, match=r"another recipe.*another folder \(--out\)"):
            call(tmp_path, other)
    # one from before it was written down: not to be told, so whoever knows has to say it
    del plain[KEY]
    file.write_text(json.dumps(plain))
    with pytest.raises(CheckpointError, match=f'does not say which.*"{KEY}": "{digest_of(asked)}"'):
        kept_schedule(tmp_path, asked)
    with pytest.raises(CheckpointError, match="does not say which"):
        kept_schedule(tmp_path)
