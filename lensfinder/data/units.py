"""Pixel units: their names, and the AB zero point each implies."""

import math

from lensfinder.errors import UnitError

AB_JANSKY = 3631.0
"""Flux density of magnitude 0 in Jy: the definition of AB magnitudes (Oke & Gunn 1983)."""

_SPELLINGS = {
    "electron/s": ("electron/s", "electrons/s", "e-/s", "e/s", "electrons/sec", "electron s-1"),
    "adu/s": ("adu/s", "counts/s", "count/s", "cps", "dn/s", "ct/s"),
    "electron": ("electron", "electrons", "e-"),
    "adu": ("adu", "counts", "count", "dn", "ct"),
    "maggy": ("maggy", "maggies", "mgy"),
    "nanomaggy": ("nanomaggy", "nanomaggies", "nmgy"),
    "Jy": ("jy",),
    "mJy": ("mjy",),
    "uJy": ("ujy", "microjy", "µjy"),
    "nJy": ("njy", "nanojy"),
    "MJy/sr": ("mjy/sr",),
}
_CANONICAL = {spelling: unit for unit, names in _SPELLINGS.items() for spelling in names}
_FLUX_IN_JANSKY = {
    "maggy": AB_JANSKY,
    "nanomaggy": 1e-9 * AB_JANSKY,
    "Jy": 1.0,
    "mJy": 1e-3,
    "uJy": 1e-6,
    "nJy": 1e-9,
}
UNITS = tuple(_SPELLINGS)


def canonical_unit(text) -> str | None:
    """The one spelling we use for a unit; an unknown unit is returned as it is.

    Parameters
    ----------
    text : str or None
        A unit as a header spells it, e.g. ``"ELECTRONS/S"``.

    Returns
    -------
    str or None
        E.g. ``"electron/s"``; None for None or an empty text.
    """
    text = str(text).strip() if text is not None else ""
    if not text:
        return None
    if text in ("mJy", "MJy"):  # the only pair that differs in case alone
        return text
    return _CANONICAL.get(text.lower(), text)


def zero_point_of(unit, zero_point=None, pixel_scale=None) -> float | None:
    """AB magnitude of a pixel that holds one unit.

    Parameters
    ----------
    unit : str or None
        A unit in its canonical spelling.
    zero_point : float or None
        Zero point the file states. A flux unit (maggy, Jy and fractions) needs none; if the file
        states one all the same, the definition of the unit wins.
    pixel_scale : float or None
        Arcsec per pixel; needed by ``MJy/sr``, a surface brightness.

    Returns
    -------
    float or None
        The zero point, or None where it is not known.
    """
    if unit in _FLUX_IN_JANSKY:
        return -2.5 * math.log10(_FLUX_IN_JANSKY[unit] / AB_JANSKY)
    if unit == "MJy/sr":
        if pixel_scale is None:
            return None
        steradian = math.radians(pixel_scale / 3600.0) ** 2
        return -2.5 * math.log10(1e6 * steradian / AB_JANSKY)
    return zero_point


def scale_between(zero_point, target_zero_point) -> float:
    """Factor from counts with one AB zero point to counts with another.

    The magnitude m = ZP - 2.5 log10(counts) is the same before and after, hence
    counts' = counts 10^(0.4 (ZP' - ZP)).

    Parameters
    ----------
    zero_point, target_zero_point : float
        AB magnitudes of one count.

    Returns
    -------
    float
        The factor.

    Raises
    ------
    UnitError
        If one of them is not finite.
    """
    if not (math.isfinite(zero_point) and math.isfinite(target_zero_point)):
        raise UnitError(
            f"Zero points must be finite. Received: {zero_point} and {target_zero_point}."
        )
    return 10.0 ** (0.4 * (target_zero_point - zero_point))
