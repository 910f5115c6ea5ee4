"""The priors of each lens of a run: of a file, or of what a modelling network said of it."""

import os
from collections.abc import Callable

from lensfinder.errors import ArgumentError, LensfinderError
from lensfinder.inversion.priors import MassPrior
from lensfinder.tables.lenses import open_table


class NoPriorError(LensfinderError, LookupError):
    """A table of priors has no usable row for an object."""


def priors_of(prior, parameters, sigma) -> Callable[[str], MassPrior | None]:
    """Where the priors of a lens are found by its id.

    Parameters
    ----------
    prior : MassPrior, path or None
        Priors of every lens, or a YAML file of them.
    parameters : astropy.table.Table, path or None
        What `lensfinder.model` wrote: each lens has the row of its id.
    sigma : mapping of str to float or None
        Standard deviations of parameters for which that table has none.

    Returns
    -------
    callable
        From an id to its priors; None for wide ones. It raises `NoPriorError` for an id of which
        the table has no usable row.

    Raises
    ------
    ArgumentError
        If arguments contradict each other, or the table has an id twice.
    SpecError
        If the file cannot be.
    """
    if parameters is None:
        if sigma is not None:
            raise ArgumentError("`sigma` goes with a table of parameters. Give one, or leave it.")
        if isinstance(prior, (str, os.PathLike)):
            prior = MassPrior.from_yaml(prior)
        return lambda name: prior
    if prior is not None:
        raise ArgumentError("Priors come from a file or from a table, not both. Leave one out.")
    table = open_table(parameters)
    found = MassPrior.from_table(table, sigma=sigma)
    names = [str(name) for name in table["id"]]
    by_id = dict(zip(names, found, strict=True))
    if len(by_id) != len(names):
        raise ArgumentError("The table of parameters has an id twice. Give each lens one row.")

    def of(name):
        if by_id.get(name) is None:
            raise NoPriorError(f"The table of parameters has no usable row of {name!r}.")
        return by_id[name]

    return of
