"""What a painted data set is, in a few lines: the sample, what was refused, what was drawn."""

from pathlib import Path

import numpy as np

from lensfinder.data.manifest import TRUTH as SHARDS_TRUTH
from lensfinder.paint.run import LENSES
from lensfinder.paint.selection import statistics
from lensfinder.simulate.run import TRUTH
from lensfinder.tables import read_table

_DRAWN = {
    "z_lens_from": ("drawn", "a redshift of the lens that was drawn, not measured"),
    "sigma_v_from": ("brightness", "a velocity dispersion guessed from the brightness"),
    "z_src_from": ("drawn", "a redshift of the source that was drawn, not measured"),
    "psf_from": ("survey", "the PSF of the survey in place of their own"),
}


def drawn(truth) -> list[str]:
    """Sentences on what no catalogue gave.

    Parameters
    ----------
    truth : astropy.table.Table
        A truth table of painted mocks.

    Returns
    -------
    list of str
        One per column that has such values.
    """
    found = []
    for name, (value, words) in _DRAWN.items():
        count = int((np.asarray(truth[name], "U") == value).sum())
        if count:
            found.append(f"{count:,} of {len(truth):,} objects have {words} (column {name})")
    return found


def summary(folder) -> list[str]:
    """Lines on a painted data set.

    Parameters
    ----------
    folder : path-like
        What `lensfinder.paint` wrote.

    Returns
    -------
    list of str
        For the command line.
    """
    folder = Path(folder)
    path = next(folder / name for name in (SHARDS_TRUTH, TRUTH) if (folder / name).is_file())
    truth, inputs = read_table(path), read_table(folder / LENSES)
    lines = []
    for name, words in (("theta_E", "theta_E"), ("log_brightness", "log10(I_s/I_l)")):
        found = statistics(truth).get(name)
        if found:
            lines.append(
                f"{words}: median {found['median']:.2f}, 16-84 % {found['p16']:.2f} to "
                f"{found['p84']:.2f}"
            )
    reasons = {name: int(np.sum(inputs[name])) for name in inputs.meta["reasons"]}
    given = ", ".join(f"{count:,} {name}" for name, count in reasons.items() if count)
    lines.append(f"{inputs.meta['candidates']:,} candidates; refused: {given or 'none'}")
    bad = int((np.asarray(inputs["status"], "U") != "ok").sum())
    if bad:
        lines.append(f"{bad:,} of {len(inputs):,} galaxies could not be used")
    return lines + drawn(truth)
