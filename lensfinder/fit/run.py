"""The verb: images in; a table with the fitted mass of each lens, and a page, out."""

import datetime
import hashlib
import os
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from lensfinder.data import Cutout, read_cutouts
from lensfinder.errors import (
    FIT_STATUS,
    ArgumentError,
    FitError,
    InputContractError,
    InversionError,
    MaskError,
    UnknownNameError,
)
from lensfinder.fit.inputs import check_rings, fit_input, ring_mask
from lensfinder.fit.priors import NoPriorError, priors_of
from lensfinder.fit.rows import Fitted, record, without_slope
from lensfinder.inversion.light import PROFILES
from lensfinder.inversion.one_lens import LENS_LIGHT, fit_lens
from lensfinder.inversion.parametric import METHODS
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.search import Progress
from lensfinder.predict.images import are_paths
from lensfinder.predict.run import command_line, page_path
from lensfinder.tables import (
    build_table,
    check_output,
    clean_message,
    refuse_existing,
    write_table,
)

PAGE = "lensfinder.report:FitPage"  # by name: the page lives a floor above


class FitWatcher(Protocol):
    """Something that follows the fits: a page, a line on the screen."""

    def progress(self, name: str, progress: Progress) -> None:
        """The fit of the lens of this name has improved."""

    def fitted(self, fitted: Fitted) -> None:
        """One lens is done, well or badly."""

    def finish(self, table) -> None:
        """The table is complete."""


def fit(
    images,
    *,
    output=None,
    method: str = "maximise",
    lens_light: str = "none",
    light_profile: str = "mge",
    prior: MassPrior | str | Path | None = None,
    parameters=None,
    sigma=None,
    shear: bool = False,
    power_law: bool = False,
    rings: tuple[float, float] | None = None,
    band: str | None = None,
    layout=None,
    psf_fwhm: float | None = None,
    exposure: float | None = None,
    assume_pixel_scale: float | None = None,
    seed: int = 0,
    state=None,
    report=True,
    overwrite: bool = False,
    watch=(),
):
    """Fit the mass of every lens by reconstructing its source.

    Parameters
    ----------
    images : path, sequence of paths, or iterable of Cutout
        Files, folders and globs of lenses, or cutouts. For arrays there is `fit_lens`.
    output : path or None
        Where to write the table: ``.ecsv``, ``.fits``, ``.parquet`` or ``.csv``.
    method : str
        ``maximise`` (errors from the curvature of the evidence) or ``nested`` (sampling).
    lens_light : str
        ``none``, ``subtracted`` or ``fitted``; see `fit_lens`.
    light_profile : str
        ``mge`` (Gaussians) or ``sersic``, where there is lens light.
    prior : MassPrior or path, optional
        Priors of every lens, or a YAML file of them; wide ones when absent.
    parameters : astropy.table.Table or path, optional
        What `lensfinder.model` wrote: each lens has the row of its id as its prior.
    sigma : mapping of str to float, optional
        Standard deviations of parameters for which that table has none.
    shear : bool
        Whether an external shear is fitted, too.
    power_law : bool
        Whether the slope of the mass is fitted, too; else it is 2, isothermal.
    rings : (float, float), optional
        Inner and outer radius [arcsec] of the annulus to fit, about the middle of the image. Found
        from the arcs when absent.
    band : str, optional
        Which band to fit, of images of several.
    layout : str, path or None
        Layout of the files, if they are not ours.
    psf_fwhm : float, optional
        Width of a Gaussian PSF [arcsec], for files without one.
    exposure : float, optional
        Exposure time [s] of images in electrons/s, for files without a noise map.
    assume_pixel_scale : float, optional
        Arcsec per pixel, for files that do not say.
    seed : int
        Of what is random in each fit.
    state : path, optional
        Folder with a folder per lens, where evaluations are kept: after an interruption the same
        call goes on from there, to the same result. With `overwrite` fits with other settings in it
        are replaced.
    report : bool or path
        Whether a page is written beside the table (``<table>.report.html``), or its own place.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of FitWatcher
        Who else follows the run.

    Returns
    -------
    astropy.table.Table
        One row per image, in their order: ``id``, the parameters of the best model with their
        ``_std _p16 _p50 _p84`` (``slope`` where it was fitted), ``magnification``, evidences,
        ``reduced_chi2``, ``n_pix``, ``evaluations``, ``noise_from``, ``psf_from``, ``status`` and
        ``message``. NaN where there is no fit; where the status is not ``ok`` beside numbers, it
        says why to doubt them.

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    ArgumentError, SpecError, UnknownNameError
        If an argument cannot be, or two of them contradict each other.
    CheckpointError
        If `state` holds fits of other images, settings or versions, and `overwrite` is off.
    """
    output = None if output is None else check_output(output, overwrite=overwrite)
    page = page_path(report, output)
    if page is not None:
        refuse_existing(page, overwrite)
    for kind, name, known in (
        ("method of fitting", method, METHODS),
        ("way with the lens light", lens_light, LENS_LIGHT),
        ("profile of the lens light", light_profile, PROFILES),
    ):
        if name not in known:
            raise UnknownNameError(kind, name, known)
    check_rings(rings)
    prior_of = priors_of(prior, parameters, sigma)
    following = [*watch, *([] if page is None else [pkgutil.resolve_name(PAGE)(page)])]

    def one(row, cutout):
        name = cutout.id
        known = prior_of(name)
        seen = fit_input(
            cutout,
            band=band,
            psf_fwhm=psf_fwhm,
            exposure=exposure,
            pixel_scale=assume_pixel_scale,
        )
        found = fit_lens(
            seen.image,
            np.where(seen.usable, seen.noise, 1e6 * seen.noise[seen.usable].max()),
            psf=seen.psf,
            pixel_scale=seen.pixel_scale,
            prior=known,
            shear=shear,
            power_law=power_law,
            mask=ring_mask(seen, rings),
            usable=seen.usable,
            method=method,
            lens_light=lens_light,
            light_profile=light_profile,
            seed=seed,
            folder=None if state is None else Path(state) / _folder(row, name),
            overwrite=overwrite,
            progress=lambda news: [
                watcher.progress(name, news) for watcher in following if watcher is not None
            ],
        )
        status = ",".join(found.status) or "ok"
        words = FIT_STATUS.explain(sum(FIT_STATUS[flag] for flag in found.status))
        remark = words if found.status else ""
        return Fitted(row, name, found, status, remark, seen.noise_from, seen.psf_from)

    rows = []
    for row, cutout in enumerate(_cutouts(images, layout)):
        fitted = _or_why_not(one, row, cutout)
        rows.append(record(fitted))
        for watcher in following:
            watcher.fitted(fitted)
    columns = without_slope({name: [entry[name] for entry in rows] for name in record(None)})
    options = {
        "method": method,
        "lens_light": lens_light,
        "light_profile": light_profile if light_profile != "mge" else None,
        "prior": prior if isinstance(prior, (str, os.PathLike)) else None,
        "parameters": parameters if isinstance(parameters, (str, os.PathLike)) else None,
        "sigma": sigma and ",".join(f"{key}={value}" for key, value in sigma.items()),
        "shear": shear,
        "power_law": power_law or None,
        "rings": rings and f"{rings[0]},{rings[1]}",
        "band": band,
        "layout": layout,
        "psf_fwhm": psf_fwhm,
        "exposure": exposure,
        "assume_pixel_scale": assume_pixel_scale,
        "seed": seed,
        "state": state,
        "output": output,
    }
    table = build_table(columns, _metadata(images, options, columns))
    if output is not None:
        write_table(table, output, overwrite=overwrite)
    for watcher in following:
        watcher.finish(table)
    return table


def _or_why_not(one, row, cutout) -> Fitted:
    """The fit of a row, or the flag and the words of what is in its way."""
    if cutout.status:
        return Fitted(row, cutout.id, None, "unreadable", clean_message(cutout.message))
    try:
        return one(row, cutout)
    except FitError as error:
        flag, words = "no_model", error
    except NoPriorError as error:
        flag, words = "no_prior", error
    except MaskError as error:
        flag, words = "no_arc", error
    except (InversionError, InputContractError) as error:
        flag, words = "bad_input", error
    return Fitted(row, cutout.id, None, flag, clean_message(str(words)))


def _cutouts(images, layout):
    if isinstance(images, (str, os.PathLike)) or are_paths(images):
        return read_cutouts(images, layout=layout)
    if isinstance(images, Iterable) and not isinstance(images, (np.ndarray, dict)):
        return _checked(images)
    raise ArgumentError(
        f"Images must be paths or cutouts. Received: {type(images).__name__}. "
        "Use `fit_lens` for arrays."
    )


def _checked(cutouts):
    for cutout in cutouts:
        if not isinstance(cutout, Cutout):
            raise ArgumentError(
                f"An iterable of images must hold Cutouts. Received: {type(cutout).__name__}."
            )
        yield cutout


def _folder(row, name):
    """Folder of a lens below the state: its number, and a name that no file system objects to."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "+-_.") else "-" for c in name)[:40]
    return f"{row:05d}-{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _metadata(images, options, columns):
    from lensfinder import __version__

    names, counts = np.unique(np.asarray(columns["status"], dtype="U"), return_counts=True)
    return {
        "verb": "fit",
        "version": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command_line("fit", images, options),
        "method": options["method"],
        "lens_light": options["lens_light"],
        "counts": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
    }
