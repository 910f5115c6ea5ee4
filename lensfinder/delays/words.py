"""When and where the next image appears, in words for an observer."""

import numpy as np


def describe(table) -> list[str]:
    """A few sentences per lens, from a table of `delays`.

    Parameters
    ----------
    table : astropy.table.Table
        What `delays` returned.

    Returns
    -------
    list of str
        One text per lens, in the order of the table. Positions are from the lens: to the east and
        north where the orientation of the image is known, else along +x and +y of the image.
    """
    starts = [i for i, name in enumerate(table["image"]) if name in ("", "A")]
    ends = [*starts[1:], len(table)][: len(starts)]
    return [_system(table[first:end]) for first, end in zip(starts, ends, strict=True)]


def _system(rows):
    name, status = rows["id"][0], rows["status"][0]
    if rows["image"][0] == "":
        return f"{name}: no answer ({status}): {rows['message'][0]}."
    count = int(rows["n_images"][0])
    text = f"{name}: {count} image{'s' if count > 1 else ''}{_odds(rows, count)}."
    if status != "ok":
        text += f" Note: {rows['message'][0]}."
    lines = [text]
    seen = next((i for i, here in enumerate(rows["seen"]) if here), None)
    zero = rows["image"][seen if seen is not None else 0]
    for i, row in enumerate(rows):
        lines.append(
            f"  {row['image']} ({row['kind']}): {_when(rows, i, seen, zero)}{_where(row)}."
        )
    upcoming = _next(rows, seen)
    if upcoming:
        lines.append(f"  {upcoming}")
    return "\n".join(lines)


def _odds(rows, count):
    if "p_1" not in rows.colnames or not np.isfinite(rows["p_1"][0]):
        return ""
    odds = {n: float(rows[f"p_{n}"][0]) for n in (1, 2, 3, 4)}
    own = odds[min(count, 4)]
    others = [
        f"{100 * p:.0f} % for {n}" for n, p in odds.items() if n != min(count, 4) and p > 0.005
    ]
    tail = f", {', '.join(others)}" if others else ""
    return f" (probability {100 * own:.0f} %{tail})"


def _when(rows, i, seen, zero):
    row, date = rows[i], rows["date"][i] if "date" in rows.colnames else ""
    if i == seen:
        return f"the observed one{', ' + _day(date) if date else ''}; "
    if seen is None and i == 0:
        return f"the first to arrive{', ' + _day(date) if date else ''}; "
    days = float(row["delay"])
    if not np.isfinite(days):
        return "delay unknown; "
    span = _span(row, "delay")
    text = f"{_days(abs(days))} {'after' if days >= 0 else 'before'} {zero}{span}"
    if date:
        text += f", {'expected' if days >= 0 else 'was due'} {_day(date)}"
        if "date_p16" in rows.colnames and rows["date_p16"][i]:
            text += f" (68 %: {_day(rows['date_p16'][i])} to {_day(rows['date_p84'][i])})"
    return text + "; "


def _where(row):
    if "east" in row.colnames:
        where = (
            _offset(row["east"], "east", "west") + ", " + _offset(row["north"], "north", "south")
        )
    else:
        x, y = row["x_image"] - row["x_lens"], row["y_image"] - row["y_lens"]
        where = _offset(x, "along +x", "along -x") + ", " + _offset(y, "along +y", "along -y")
    error = ""
    if "x_image_p16" in row.colnames:
        half = [0.5 * (row[f"{c}_image_p84"] - row[f"{c}_image_p16"]) for c in "xy"]
        if all(np.isfinite(half)) and max(half) >= 0.005:
            error = f" (± {max(half):.2f}″)"
    return f"{where} of the lens{error}; magnified {abs(row['mu']):.1f} times"


def _next(rows, seen):
    """The sentence that an observer waits for."""
    if seen is None or not np.isfinite(rows["delay"]).all():
        return ""
    order = np.argsort(rows["delay"])
    later = [int(i) for i in order if rows["delay"][i] > 0]
    if not later:
        return "No further image is expected: the observed one is the last."
    i = later[0]
    date = f" on {_day(rows['date'][i])}" if "date" in rows.colnames and rows["date"][i] else ""
    before = int(np.sum(rows["delay"] < 0))
    missed = f" {before} came before the observed one: look in older data." if before else ""
    return f"Next: image {rows['image'][i]}, {_days(rows['delay'][i])} later{date}.{missed}"


def _span(row, name):
    if f"{name}_p16" not in row.colnames or not np.isfinite(row[f"{name}_p16"]):
        return ""
    low, high = float(row[f"{name}_p16"]), float(row[f"{name}_p84"])
    sign = -1.0 if float(row[name]) < 0 else 1.0
    low, high = sorted((sign * low, sign * high))
    hours = abs(float(row[name])) < 2
    unit, factor = ("h", 24.0) if hours else ("d", 1.0)
    return f" (68 %: {_number(factor * low)} to {_number(factor * high)} {unit})"


def _offset(value, positive, negative):
    return f"{abs(value):.2f}″ {positive if value >= 0 else negative}"


def _days(days):
    days = float(days)
    return f"{_number(24 * days)} h" if abs(days) < 2 else f"{_number(days)} d"


def _number(value):
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def _day(date):
    return str(date)[:10]
