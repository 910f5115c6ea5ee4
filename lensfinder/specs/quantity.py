"""Physical quantities in configuration files: a value, its unit, and where it comes from."""

import math
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo


@lru_cache(maxsize=256)
def _factor(unit: str, target: str) -> float:
    """How many `target` one `unit` is."""
    from astropy import units

    with units.add_enabled_aliases({"e-": units.electron, "e": units.electron}):
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
    try:
        return float(value) * _factor(str(unit), target)
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
            unknown = set(given) - {"value", "unit", "source"}
            missing = {"value", "unit", "source"} - set(given)
            if unknown or missing:
                raise ValueError(
                    f"a quantity has the keys value, unit and source; missing {sorted(missing)}, "
                    f"unknown {sorted(unknown)}."
                )
            number = _number(given["value"])
            number = convert(number, given["unit"], target)
        else:
            if info.context and info.context.get("strict_units"):
                raise ValueError(
                    f"write {{value: ..., unit: {target}, source: ...}}, not a bare number."
                )
            number = _number(given)
        if not low <= number <= high:
            raise ValueError(f"must lie between {low:g} and {high:g} {target}.")
        return number

    return Annotated[float, BeforeValidator(read)]


def _number(given) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("the value must be a number.")
    if not math.isfinite(given):
        raise ValueError("the value must be finite.")
    return float(given)
