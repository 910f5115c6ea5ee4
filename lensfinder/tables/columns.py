"""The registry of columns: name, unit and meaning, in truth and prediction tables alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Table

from lensfinder.errors import UnknownNameError

MESSAGE_LENGTH = 200  # characters; numpy strings are as wide as the widest, for every row


@dataclass(frozen=True)
class ColumnSpec:
    """What a column means, wherever it stands.

    Attributes
    ----------
    unit : str
        Unit as astropy writes it; empty for plain numbers and for text.
    words : str
        Description.
    form : str
        How the numbers are printed in text files; empty for full precision.
    """

    unit: str
    words: str
    form: str = ""


COLUMNS: dict[str, ColumnSpec] = {
    "id": ColumnSpec("", "name of the object, as given"),
    "file": ColumnSpec("", "name of the cleaned image; empty where there is none"),
    "status": ColumnSpec("", "ok, or the names of what is wrong with the images"),
    "message": ColumnSpec("", "what is wrong, in words"),
    "p_lens": ColumnSpec("", "probability that the object is a strong lens", ".9g"),
    "rank": ColumnSpec("", "1 for the highest p_lens; 0 for rows without a score"),
    "model_status": ColumnSpec("", "status of the modelling step; empty where it was not asked"),
    "theta_E": ColumnSpec("arcsec", "Einstein radius on the intermediate axis", ".9g"),
    "e1": ColumnSpec("", "ellipticity, (1-q^2)/(1+q^2) cos 2 phi", ".9g"),
    "e2": ColumnSpec("", "ellipticity, (1-q^2)/(1+q^2) sin 2 phi", ".9g"),
    "q": ColumnSpec("", "axis ratio of the mass, minor over major", ".9g"),
    "phi": ColumnSpec("rad", "position angle of the major axis, from +x towards +y", ".9g"),
    "unsure": ColumnSpec("", "1 where a spread is as large as of 1 lens in 100, or no lens likely"),
    "p_no_lens": ColumnSpec("", "probability of no lens, were half the images lenses", ".9g"),
    "x_lens": ColumnSpec("arcsec", "lens centre from the stamp centre, along +x", ".9g"),
    "y_lens": ColumnSpec("arcsec", "lens centre from the stamp centre, along +y", ".9g"),
    "gamma1": ColumnSpec("", "external shear, first component", ".9g"),
    "gamma2": ColumnSpec("", "external shear, second component", ".9g"),
    "slope": ColumnSpec("", "slope of the density of the mass; 2 is isothermal", ".9g"),
    "x_src": ColumnSpec("arcsec", "source centre from the stamp centre, along +x", ".9g"),
    "y_src": ColumnSpec("arcsec", "source centre from the stamp centre, along +y", ".9g"),
    "magnification": ColumnSpec("", "total magnification of the source", ".9g"),
    "n_images": ColumnSpec("", "number of lensed images"),
    "snr": ColumnSpec("", "signal to noise of the lensed source", ".9g"),
    "n_pix": ColumnSpec("", "pixels of the lensed source above the noise"),
    "z_lens": ColumnSpec("", "redshift of the lens", ".9g"),
    "z_src": ColumnSpec("", "redshift of the source", ".9g"),
    "sigma_v": ColumnSpec("km / s", "velocity dispersion of the lens", ".9g"),
    "label": ColumnSpec("", "1 for a lens, 0 for a non-lens"),
    "class": ColumnSpec("", "what was simulated: lens, look_alike, no_source, unlensed_source"),
    "n_groups": ColumnSpec("", "groups of pixels of the lensed source above the noise"),
    "src_mag": ColumnSpec("mag", "AB magnitude of the source without magnification", ".9g"),
    "image": ColumnSpec("", "name of the lensed image: A is the first to arrive"),
    "kind": ColumnSpec("", "minimum or saddle (point) of the arrival time"),
    "seen": ColumnSpec("", "whether the source was found from this image's observed position"),
    "x_image": ColumnSpec("arcsec", "lensed image from the stamp centre, along +x", ".9g"),
    "y_image": ColumnSpec("arcsec", "lensed image from the stamp centre, along +y", ".9g"),
    "east": ColumnSpec("arcsec", "lensed image from the lens, to the east", ".9g"),
    "north": ColumnSpec("arcsec", "lensed image from the lens, to the north", ".9g"),
    "mu": ColumnSpec("", "magnification of the image, negative for a saddle point", ".9g"),
    "delay": ColumnSpec("d", "arrival after the reference image, or the first", ".9g"),
    "date": ColumnSpec("", "expected arrival (UTC)"),
    "p_1": ColumnSpec("", "probability of 1 image", ".9g"),
    "p_2": ColumnSpec("", "probability of 2 images", ".9g"),
    "p_3": ColumnSpec("", "probability of 3 images", ".9g"),
    "p_4": ColumnSpec("", "probability of 4 images or more", ".9g"),
    "x_obs": ColumnSpec("arcsec", "observed image from the stamp centre, along +x", ".9g"),
    "y_obs": ColumnSpec("arcsec", "observed image from the stamp centre, along +y", ".9g"),
    "date_obs": ColumnSpec("", "when the observed image was seen (ISO)"),
    "dx": ColumnSpec("arcsec", "predicted minus true image position, along +x", ".9g"),
    "dy": ColumnSpec("arcsec", "predicted minus true image position, along +y", ".9g"),
    "delay_true": ColumnSpec("d", "true delay after the first image", ".9g"),
    "d_delay": ColumnSpec("d", "predicted minus true delay", ".9g"),
    "f_delay": ColumnSpec("", "(predicted - true) / |true delay|", ".9g"),
    "theta_E_true": ColumnSpec("arcsec", "true Einstein radius", ".9g"),
    "d_theta_E": ColumnSpec("arcsec", "predicted minus true Einstein radius", ".9g"),
    "log_brightness": ColumnSpec("", "log10 of arc over lens brightness, log10(I_s/I_l)", ".9g"),
    "n_images_true": ColumnSpec("", "true number of lensed images"),
}

# Fits by source inversion
COLUMNS |= {
    "log_marginal": ColumnSpec("", "log evidence integrated over the priors of the mass", ".9g"),
    "noise_from": ColumnSpec("", "where the noise is from: file, border, border+photons"),
    "psf_from": ColumnSpec("", "where the PSF is from: file, fwhm (a Gaussian)"),
}

# What lies before a finder: a mask, a second scale; and cleaned tiles
COLUMNS |= {
    "entropy": ColumnSpec("", "of p_lens, nats: 0 decided, 0.69 undecided; of bottlenecks", ".9g"),
    "log_joint": ColumnSpec("", "log of r(z) q(y|z): how usual an image's code, how sure", ".9g"),
    "masked": ColumnSpec("", "share of the pixels of a cleaned tile without an answer", ".9g"),
    "front_status": ColumnSpec("", "ok, or what is doubtful about mask, scales, image; or empty"),
    "mask_radius": ColumnSpec("arcsec", "radius of the circle around the source", ".9g"),
    "p_lens_stamp": ColumnSpec("", "p_lens of the image itself", ".9g"),
    "p_lens_zoom": ColumnSpec("", "p_lens of its centre, enlarged", ".9g"),
    "scale_agreement": ColumnSpec("", "1 minus the difference of the two", ".9g"),
}

# Explanations: the most important regions, each with its number, weight, area and place
COLUMNS |= {
    "n_regions": ColumnSpec("", "number of regions that the sky was divided into"),
    "stability_lens": ColumnSpec("", "agreement over the seeds of the regions for a lens", ".9g"),
    "stability_against": ColumnSpec("", "the same of the regions against a lens", ".9g"),
    "fit_r2": ColumnSpec("", "R^2 of the local linear model, mean over the seeds", ".9g"),
    "completeness": ColumnSpec("", "sum of integrated gradients minus change of p_lens", ".9g"),
}
for _side, _words in (("lens", "for a lens"), ("against", "against a lens")):
    for _place in (1, 2):
        _name, _of = f"{_side}{_place}", f"region no. {_place} {_words}"
        COLUMNS |= {
            _name: ColumnSpec("", f"number of {_of}; 0 where there is none"),
            f"{_name}_weight": ColumnSpec("", f"change of p_lens by {_of}", ".9g"),
            f"{_name}_area": ColumnSpec("arcsec2", f"area of {_of}", ".9g"),
            f"{_name}_x": ColumnSpec("arcsec", f"centre of {_of} from the stamp's, on +x", ".9g"),
            f"{_name}_y": ColumnSpec("arcsec", f"centre of {_of} from the stamp's, on +y", ".9g"),
        }
for _name in ("lime", "occlusion", "gradients"):
    COLUMNS |= {
        f"rank_{_name}": ColumnSpec("", f"rank correlation of the weights with {_name}", ".9g"),
        f"shared_{_name}": ColumnSpec("", f"shared area of the top regions with {_name}", ".9g"),
    }

# Columns that stand once per band: ``flux_in_g``
PER_BAND: dict[str, ColumnSpec] = {
    "flux_in": ColumnSpec("electron / s", "sum of the stamp as given", ".9g"),
    "flux_denoised": ColumnSpec("electron / s", "sum of the denoised stamp", ".9g"),
    "flux_out": ColumnSpec("electron / s", "sum of the cleaned stamp", ".9g"),
}

# Audits: what a reconstruction was called, and where to fit again
COLUMNS |= {
    "verdict": ColumnSpec("", "under, correct or over: the likeliest solution"),
    "p_under": ColumnSpec("", "probability of the under-magnified solution", ".9g"),
    "p_correct": ColumnSpec("", "probability of the correct solution", ".9g"),
    "p_over": ColumnSpec("", "probability of the over-magnified solution", ".9g"),
    "opinion": ColumnSpec("", "second opinion, by where the light is traced to; empty for none"),
    "copy_scale": ColumnSpec("", "scale of the source as a copy of the image", ".9g"),
    "needs_a_person": ColumnSpec("", "whether somebody should look; message says why"),
    "fits": ColumnSpec("", "fits of this lens, the first included"),
    "round": ColumnSpec("", "0 for the first fit"),
    "prior_low": ColumnSpec("arcsec", "0.1 % quantile of the prior in theta_E", ".9g"),
    "prior_high": ColumnSpec("arcsec", "99.9 % quantile of the prior in theta_E", ".9g"),
    "action": ColumnSpec("", "what follows: refit, refine, done or person"),
    "restart_low": ColumnSpec("arcsec", "lower edge of the next prior in theta_E", ".9g"),
    "restart_high": ColumnSpec("arcsec", "upper edge of the next prior in theta_E", ".9g"),
}
for _name, _spec in {
    "log_evidence": ColumnSpec("", "natural logarithm of the evidence", ".9g"),
    "reduced_chi2": ColumnSpec("", "chi^2 per degree of freedom", ".9g"),
    "evaluations": ColumnSpec("", "mass models inverted"),
    "seconds": ColumnSpec("s", "wall time of the fits", ".9g"),
}.items():
    COLUMNS.setdefault(_name, _spec)

UNCERTAINTIES: dict[str, str] = {
    "_std": "standard deviation of the prediction",
    "_p16": "16th percentile of the prediction",
    "_p50": "median of the prediction",
    "_p84": "84th percentile of the prediction",
}


def column_spec(name: str) -> ColumnSpec:
    """What a column means.

    Parameters
    ----------
    name : str
        A column of the registry, one with an uncertainty's ending (``theta_E_std``), or one of a
        band (``flux_out_g``).

    Returns
    -------
    ColumnSpec
        Unit, description and print format.

    Raises
    ------
    UnknownNameError
        If the registry has no such column.
    """
    if name in COLUMNS:
        return COLUMNS[name]
    for start, spec in PER_BAND.items():
        if name.startswith(f"{start}_"):
            words = f"{spec.words}, band {name.removeprefix(f'{start}_')}"
            return ColumnSpec(spec.unit, words, spec.form)
    for ending, words in UNCERTAINTIES.items():
        base = COLUMNS.get(name.removesuffix(ending))
        if name.endswith(ending) and base is not None:
            return ColumnSpec(base.unit, f"{words}: {base.words}", base.form)
    raise UnknownNameError("column", name, COLUMNS)


def build_table(columns: Mapping[str, Sequence], meta: Mapping | None = None) -> Table:
    """A table whose columns carry the units and descriptions of the registry.

    Parameters
    ----------
    columns : mapping of str to sequence of length N
        Values, in the order in which the columns shall stand.
    meta : mapping or None
        Metadata, of plain values only (numbers, text, lists, dictionaries).

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    UnknownNameError
        If a column is not in the registry.
    """
    table = Table(meta=dict(meta or {}))
    for name, values in columns.items():
        spec = column_spec(name)
        array = np.asarray(values)
        if array.size == 0 and name in ("id", "status", "message", "model_status"):
            array = array.astype("U1")  # an empty list has no type of its own
        table[name] = array
        table[name].description = spec.words
        if spec.unit:
            table[name].unit = u.Unit(spec.unit)
    return table


def clean_message(message: str) -> str:
    """One line of printable text, short enough for a table.

    Parameters
    ----------
    message : str
        Any text, for example of an exception.

    Returns
    -------
    str
        The text without line breaks and control characters, at most 200 characters.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in str(message)).split())
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def name_known(name: str) -> bool:
    """Whether the registry knows a column, with or without an uncertainty's ending.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    bool
        True if `column_spec` would answer.
    """
    return name in COLUMNS or any(
        name.endswith(ending) and name.removesuffix(ending) in COLUMNS for ending in UNCERTAINTIES
    )
