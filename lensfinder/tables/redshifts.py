"""Redshifts of lens and source: which can be."""

import numpy as np

from lensfinder.errors import ArgumentError

FARTHEST = 20.0


def redshifts_fit(z_lens, z_src):
    """Whether a source can be behind a lens.

    Parameters
    ----------
    z_lens, z_src : array
        Redshifts.

    Returns
    -------
    array of bool
        NaN counts as no.
    """
    with np.errstate(invalid="ignore"):
        return (z_lens > 0) & (z_lens < z_src) & (z_src <= FARTHEST)


def one_for_all(z_lens, z_src) -> dict[str, float]:
    """Redshifts that are given for every row of a table, checked: a mistake is the caller's.

    Parameters
    ----------
    z_lens, z_src : float or None
        Redshifts; None where the table has its own.

    Returns
    -------
    dict of str to float
        Those that are given, by name.

    Raises
    ------
    ArgumentError
        If one is not above 0 and up to 20, or the source is not behind the lens.
    """
    given = {"z_lens": z_lens, "z_src": z_src}
    given = {name: float(redshift) for name, redshift in given.items() if redshift is not None}
    for name, redshift in given.items():
        if not 0.0 < redshift <= FARTHEST:
            raise ArgumentError(
                f"{name} is a redshift above 0, and {FARTHEST:g} at most. Received: {redshift:g}."
            )
    if len(given) == 2 and given["z_lens"] >= given["z_src"]:
        raise ArgumentError(
            "The source lies behind the lens: z_src is larger than z_lens. Received: "
            f"z_lens={given['z_lens']:g}, z_src={given['z_src']:g}."
        )
    return given
