"""Numbers with units: converted, bounded, and refused where the unit cannot be."""

import time

import pytest
from pydantic import BaseModel, ValidationError

from lensfinder.specs.quantity import convert, quantity, stated


class Width(BaseModel):
    value: quantity("arcsec", low=0, high=10)


def test_units_are_converted():
    assert convert(1.0, "arcmin", "arcsec") == pytest.approx(60)
    assert convert(180.0, "deg", "rad") == pytest.approx(3.141592653589793, rel=1e-12)
    assert convert(1.0, "e / ks", "electron/s") == pytest.approx(1e-3)
    assert convert(2.0, "", "") == 2.0
    assert convert(1.0, "m^2", "cm**2") == pytest.approx(1e4)
    given = {"value": 0.1, "unit": "arcmin", "source": "x"}
    assert stated(given, "arcsec") == pytest.approx(6.0)


NO_UNITS = ["s", "", "arcsecs", "1e400 arcsec", "10**99999999 m", "9**9**9 arcsec", "\0"]
NO_UNITS += ["(" * 30, "a" * 39 + "!", "a" * 5000, "arcsec " * 5 + "!"]


@pytest.mark.parametrize("unit", [*NO_UNITS, None, 5, ["arcsec"]], ids=lambda u: repr(u)[:16])
def test_what_is_no_unit_is_refused_at_once(unit):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="is not a unit of arcsec"):
        convert(1.0, unit, "arcsec")
    assert time.perf_counter() - start < 1


def test_code_may_give_a_plain_number_and_a_file_may_not():
    assert Width(value=2).value == 2.0
    with pytest.raises(ValidationError, match="not a bare number"):
        Width.model_validate({"value": 2}, context={"strict_units": True})


WRONG = [-1, 11, float("nan"), float("inf"), True, "2", [2], 10**400]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:5])
def test_numbers_that_cannot_be_are_refused(value):
    with pytest.raises(ValidationError):
        Width(value=value)
    with pytest.raises(ValidationError):
        Width(value={"value": value, "unit": "arcsec", "source": "x"})
