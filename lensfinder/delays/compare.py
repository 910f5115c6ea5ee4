"""What errors of the lens parameters do to images and delays: Schuldt et al. (2021), section 6.

The true lens and source give the true images. An observer sees the first of them. It is traced back
through the *predicted* lens; the source found there has other images, at other times, and these are
compared with the true ones, wherever their numbers agree. The central image is never counted.
"""

import numpy as np

from lensfinder.delays.solve import nearest_image
from lensfinder.errors import SYSTEM_STATUS, ArgumentError
from lensfinder.lensing.cosmology import distances
from lensfinder.lensing.delays import arrival_delays, match_images
from lensfinder.lensing.lens_equation import source_position
from lensfinder.lensing.multiplicity import ImagePositions, image_positions
from lensfinder.tables import build_table
from lensfinder.tables.lenses import open_table, read_lenses

_FATAL = ("bad_input", "missing_value", "bad_theta_E", "bad_ellipticity", "bad_shear")
_MEASURED = ("dx", "dy", "d_delay", "f_delay")


def compare_delays(truth, predicted, *, cosmology="schuldt2021", match="position"):
    """Images and delays of predicted lenses beside those of the true ones.

    Parameters
    ----------
    truth : astropy.table.Table or path
        True lens parameters with ``id``, ``x_src, y_src`` and ``z_lens, z_src``; and, if known,
        ``log_brightness``.
    predicted : astropy.table.Table or path
        Predicted lens parameters, with the same ids in any order.
    cosmology : str, astropy.cosmology.FLRW or Distances
        A known name or a flat cosmology; by default that of the paper.
    match : {"position", "arrival"}
        How further images are paired: each with the nearest of its kind, or in order of arrival.
        The paper does not say; where two images of a quad arrive together, order mixes them up.

    Returns
    -------
    astropy.table.Table
        One row per further image of the truth: ``dx, dy`` [arcsec], ``delay_true``, ``delay``,
        ``d_delay`` [d] and ``f_delay``. Systems whose numbers of images differ have one row of NaN
        and the status ``count_differs``.

    Raises
    ------
    ArgumentError
        If the truth lacks sources or redshifts, or ids are not unique.
    """
    measure = distances(cosmology)
    truth = open_table(truth)
    true, other = read_lenses(truth), read_lenses(predicted)
    missing = [name for name in ("x_src", "y_src", "z_lens", "z_src") if name not in true.values]
    if missing:
        raise ArgumentError(
            f"A truth needs the columns {', '.join(missing)} as well. Add them to the table."
        )
    partner = _partners(true.ids, other.ids)
    bits = true.bits | np.where(partner < 0, SYSTEM_STATUS["no_partner"], 0)
    found = partner >= 0
    ignored = ~SYSTEM_STATUS["bad_redshift"]  # of the prediction: the truth's redshifts are used
    bits[found] |= other.bits[partner[found]] & ignored
    no_source = ~np.isfinite(true.values["x_src"] + true.values["y_src"])
    bits[no_source] |= SYSTEM_STATUS["no_source"]
    rows = np.flatnonzero(bits == 0)
    lens, guess = true.lens(rows), other.lens(partner[rows])

    images = image_positions(true.values["x_src"][rows], true.values["y_src"][rows], **lens)
    first_x, first_y = images.x[:, 0], images.y[:, 0]
    x_src, y_src = source_position(first_x, first_y, **guess)
    theirs = image_positions(x_src, y_src, **guess)
    bits[rows[images.count < 2]] |= SYSTEM_STATUS["single_image"]
    bits[rows[theirs.count != images.count]] |= SYSTEM_STATUS["count_differs"]
    anchor = nearest_image(theirs, first_x[:, None], first_y[:, None])
    redshifts = true.values["z_lens"][rows], true.values["z_src"][rows], measure
    delay_true = arrival_delays(images, *redshifts)
    delay = arrival_delays(theirs, *redshifts, reference=anchor)

    others, wanted = _without(theirs, anchor), _without(images, np.zeros(len(rows), int))
    column = match_images(others, wanted, by=match)
    keep = np.argsort(_is(theirs, anchor), axis=1, kind="stable")  # the observed image last
    delay = np.take_along_axis(delay, keep, axis=1)
    taken = np.maximum(column, 0)
    picked = {
        "x_image": np.take_along_axis(others.x, taken, axis=1),
        "y_image": np.take_along_axis(others.y, taken, axis=1),
        "delay": np.take_along_axis(delay, taken, axis=1),
    }
    picked["dx"] = picked["x_image"] - wanted.x
    picked["dy"] = picked["y_image"] - wanted.y
    picked["delay_true"] = np.roll(delay_true, -1, axis=1)
    picked["d_delay"] = picked["delay"] - picked["delay_true"]
    with np.errstate(divide="ignore", invalid="ignore"):
        picked["f_delay"] = picked["d_delay"] / np.abs(picked["delay_true"])

    place = np.full(len(true), -1)
    place[rows] = np.arange(len(rows))
    place[bits != 0] = -1
    count = np.ones(len(true), dtype=np.int64)
    solved = place >= 0
    count[solved] = images.count[place[solved]] - 1
    system = np.repeat(np.arange(len(true)), count)
    image = np.arange(system.size) - (np.cumsum(count) - count)[system]
    here = solved[system]
    columns = {
        "id": true.ids[system],
        "image": np.where(here, np.array(list("BCDEFGH"))[np.minimum(image, 6)], ""),
    }
    for name, values in picked.items():
        columns[name] = np.full(system.size, np.nan)
        columns[name][here] = values[place[system][here], image[here]]
    for name, counted in (("n_images", theirs.count), ("n_images_true", images.count)):
        number = np.zeros(len(true), dtype=np.int64)
        number[rows] = counted
        columns[name] = number[system]
    columns["theta_E_true"] = true.values["theta_E"][system]
    error = np.full(len(true), np.nan)
    error[found] = other.values["theta_E"][partner[found]] - true.values["theta_E"][found]
    columns["d_theta_E"] = error[system]
    if "log_brightness" in truth.colnames:
        columns["log_brightness"] = np.asarray(truth["log_brightness"], dtype=float)[system]
    columns["status"] = np.array([SYSTEM_STATUS.decode(b) for b in bits], dtype="U")[system]
    table = build_table(columns)
    table.meta = {
        "verb": "compare-delays",
        "match": match,
        "cosmology": str(measure.cosmology.name),
        "figures": summarise(table),
    }
    return table


def summarise(table, *, theta_E_min: float = 0.0) -> dict:
    """Medians and 68 % ranges of a comparison, as the paper gives them.

    Parameters
    ----------
    table : astropy.table.Table
        What `compare_delays` returned.
    theta_E_min : float
        Systems with a smaller true Einstein radius [arcsec] are left out; the paper uses 0.8.

    Returns
    -------
    dict
        ``systems`` (with a right number of images or a wrong one), ``count_differs`` (share of
        them), and per quantity ``median``, ``minus`` and ``plus`` (distances to the 16th and 84th
        percentile), over all further images and over those of doubles and of quads.
    """
    chosen = np.asarray(table["theta_E_true"]) >= theta_E_min
    status = np.asarray(table["status"], dtype="U")
    one_each = chosen & np.isin(np.asarray(table["image"], dtype="U"), ["", "B"])
    right, wrong = (
        np.sum(one_each & (status == "ok")),
        np.sum(one_each & (status == "count_differs")),
    )
    figures = {
        "systems": int(right + wrong),
        "count_differs": float(wrong / max(right + wrong, 1)),
    }
    number = np.asarray(table["n_images_true"])
    for group, some in (("all", number > 0), ("doubles", number == 2), ("quads", number == 4)):
        rows = chosen & some & (status == "ok")
        figures[group] = {"images": int(rows.sum())}
        for name in _MEASURED:
            values = np.asarray(table[name])[rows]
            values = values[np.isfinite(values)]
            if values.size:
                low, middle, high = np.percentile(values, (16, 50, 84))
                spread = {"median": middle, "minus": middle - low, "plus": high - middle}
                figures[group][name] = {key: float(value) for key, value in spread.items()}
    return figures


def _partners(ids, others):
    """Row of `others` with the same id; -1 where there is none."""
    for names in (ids, others):
        if len(set(names)) != len(names):
            raise ArgumentError(
                "Truth and prediction are compared by id, so ids must be unique. Received: "
                f"{len(names) - len(set(names))} repeated. Rename those rows."
            )
    where = {name: i for i, name in enumerate(others)}
    return np.array([where.get(name, -1) for name in ids], dtype=np.int64)


def _is(images, column):
    return np.arange(images.x.shape[1]) == column[:, None]


def _without(images, column):
    """The images but one; the last column is empty."""
    keep = np.argsort(_is(images, column), axis=1, kind="stable")
    parts = [np.take_along_axis(part, keep, axis=1) for part in images[:4]]
    gone = np.arange(images.x.shape[1]) == images.x.shape[1] - 1
    parts = [np.where(gone, np.nan, part) for part in parts]
    return ImagePositions(*parts, images.count - 1)
