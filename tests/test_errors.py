"""The error policy: classes, sentences, pickling; and the registry of row flags."""

import inspect
import pickle

import pytest

from lensfinder import errors
from lensfinder.errors import STATUS, Flag, FlagSet, LensfinderError, UnknownNameError

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, LensfinderError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_says_what_it_is_and_ends_in_error(kind):
    assert kind.__name__.endswith("Error")
    assert kind.__dict__.get("__doc__"), "its own sentence, not its parent's"


@pytest.mark.parametrize(
    "kind", [k for k in CLASSES if k is not LensfinderError], ids=lambda kind: kind.__name__
)
def test_every_class_is_also_the_builtin_that_a_caller_would_guess(kind):
    builtins = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert builtins[0] not in (Exception, BaseException, object)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_back_from_a_worker(kind):
    if kind is UnknownNameError:
        error = kind("survey", "euclid", ["euclid-vis", "lsst-r"])
    else:
        error = kind("Expected 3. Received: 4.", expected=3, received=4)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_values_are_attributes():
    error = errors.StampShapeError("Stamps.", expected=(57, 57, 1), received=(64, 64, 1))
    assert (error.expected, error.received) == ((57, 57, 1), (64, 64, 1))


def test_an_unknown_name_lists_the_known_ones_and_reads_as_a_sentence():
    error = UnknownNameError("survey", "euclid", ["lsst-r", "euclid-vis"])
    assert str(error) == "There is no survey named 'euclid'. Known: euclid-vis, lsst-r."
    assert (error.kind, error.name, error.known) == ("survey", "euclid", ("euclid-vis", "lsst-r"))
    assert isinstance(error, KeyError)
    assert str(UnknownNameError("preset", "x", [])).endswith("Known: (none).")


def test_status_bits_never_change():
    # Published tables hold these names; a new flag takes the next bit.
    published = {
        "nan_pixels": 1,
        "wrong_shape": 2,
        "missing_band": 4,
        "wrong_pixel_scale": 8,
        "constant_image": 16,
        "unreadable": 32,
        "truncated": 64,
        "wrong_unit": 128,
        "edge": 256,
        "extreme_pixels": 512,
        "no_score": 1024,
        "saturated": 2048,
        "invented_light": 4096,
        "not_cleaned": 8192,
        "nothing_left": 16384,
        "already_cleaned": 32768,
    }
    assert STATUS.as_dict() == published


def test_bits_of_systems_never_change():
    published = {
        "bad_input": 1,
        "missing_value": 2,
        "bad_theta_E": 4,
        "bad_ellipticity": 8,
        "bad_shear": 16,
        "bad_redshift": 32,
        "no_source": 64,
        "single_image": 128,
        "no_posterior": 256,
        "count_differs": 512,
        "no_partner": 1024,
        "bad_slope": 2048,
        "not_an_image": 4096,
    }
    assert errors.SYSTEM_STATUS.as_dict() == published


def test_bits_of_the_front_end_never_change():
    published = {
        "no_blob": 1,
        "arc_cut": 2,
        "more_sources": 4,
        "scales_disagree": 8,
        "unlike_training": 16,
        "no_second_look": 32,
    }
    assert errors.FRONT_STATUS.as_dict() == published


def test_a_status_decodes_into_names_and_words():
    value = STATUS["nan_pixels"] | STATUS["edge"]
    assert STATUS.decode(0) == "ok"
    assert STATUS.decode(value) == "nan_pixels,edge"
    assert STATUS.explain(0) == "no problem"
    assert "NaN" in STATUS.explain(value)
    assert "edge" in STATUS.explain(value)
    with pytest.raises(UnknownNameError, match="no status flag named 'nan'"):
        STATUS["nan"]


@pytest.mark.parametrize(
    "flags",
    [
        (Flag(1, "a", "x"), Flag(1, "b", "x")),
        (Flag(1, "a", "x"), Flag(2, "a", "x")),
        (Flag(3, "a", "x"),),
        (Flag(0, "a", "x"),),
    ],
    ids=["same bit", "same name", "two bits", "no bit"],
)
def test_a_flag_set_refuses_what_could_not_be_decoded(flags):
    with pytest.raises(ValueError, match="must"):
        FlagSet("test", flags)
