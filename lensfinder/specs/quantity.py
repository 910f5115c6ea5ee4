"""Physical quantities in configuration files: a value, its unit, and where it comes from."""

import math
import re
import sys
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

# Products and quotients of names with one-digit powers. Anything more is refused before astropy
# sees it: it would compute the number in "10**99999999 m".
_ATOM = r"[A-Za-z]+(?:(?:\^|\*\*)?-?[1-9])?"
_UNIT = re.compile(rf"(?:{_ATOM}(?: ?[ */.] ?{_ATOM})*)?")
_LONGEST = 40


@lru_cache(maxsize=256)
def _factor(unit: str, target: str) -> float:
    """How many `target` one `unit` is."""
    from astropy import units

    with units.add_enabled_aliases({"e": units.electron}):
        return float(units.Unit(unit).to(units.Unit(target)))


def convert(value: float, unit: str, target: str) -> float:
    """Convert a number from one unit to another.

    Parameters
    ----------
    value : float
        The number, in `unit`.
    unit, target : str
        Units as astropy writes them, e.g. ``arcsec`` or ``electron/s``.

    Returns
    -------
    float
        The number in `target`.

    Raises
    ------
    ValueError
        If `unit` is unknown or measures another kind of thing.
    """
    if unit == target:
        return float(value)
    if not isinstance(unit, str) or len(unit) > _LONGEST or not _UNIT.fullmatch(unit):
        raise ValueError(f"the unit {str(unit)[:_LONGEST]!r} is not a unit of {target}")
    try:
        return float(value) * _factor(unit, target)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the unit {unit!r} is not a unit of {target} ({error})") from error


def quantity(target: str, *, low: float = -math.inf, high: float = math.inf):
    """An annotated float in unit `target`, read from ``{value: , unit: , source: }``.

    A plain number is taken to be in `target` already, but not when a file is read: a file must
    state the unit and the source of each of its values.

    Parameters
    ----------
    target : str
        The unit in which the number is kept.
    low, high : float
        Allowed closed range in that unit.

    Returns
    -------
    type
        An annotation for a pydantic field.
    """

    def read(given, info: ValidationInfo):
        if given is None:
            return None
        if isinstance(given, dict):
            return stated(given, target, low=low, high=high)
        if info.context and info.context.get("strict_units"):
            raise ValueError(
                f"write {{value: ..., unit: {target}, source: ...}}, not a bare number."
            )
        return _within(_number(given), target, low, high)

    return Annotated[float, BeforeValidator(read)]


def stated(given: dict, target: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    """Read ``{value: , unit: , source: }``.

    Parameters
    ----------
    given : dict
        As in a file.
    target : str
        The unit of the result.
    low, high : float
        Allowed closed range in that unit.

    Returns
    -------
    float
        The number in `target`.

    Raises
    ------
    ValueError
        If a key is missing or unknown, the source is empty, the unit does not fit, or the number is
        not finite or out of range.
    """
    keys = {"value", "unit", "source"}
    if not isinstance(given, dict) or set(given) != keys:
        found = set(given) if isinstance(given, dict) else set()
        raise ValueError(
            f"a quantity has the keys value, unit and source; missing {sorted(keys - found)}, "
            f"unknown {sorted(found - keys)}. Write all three; where a file is based on another, "
            "the unit of a number that it changes may be left out."
        )
    if not isinstance(given["source"], str) or not given["source"].strip():
        raise ValueError("say where the number comes from in its source.")
    return _within(convert(_number(given["value"]), given["unit"], target), target, low, high)


def _within(number, target, low, high):
    if not low <= number <= high:
        raise ValueError(f"must lie between {low:g} and {high:g} {target}.")
    return number


def _number(given) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("the value must be a number.")
    if not abs(given) <= sys.float_info.max:  # a whole number may be longer than any float
        raise ValueError("the value must be finite.")
    return float(given)
