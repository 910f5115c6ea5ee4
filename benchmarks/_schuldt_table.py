"""The tables of Schuldt et al. 2021 and ours, for a reader."""

TARGETS = ("x_lens", "y_lens", "e1", "e2", "theta_E")
# Section 6, theta_E > 0.8": x and y of further images, arcsec, and their delays, as a fraction
# (median, upper and lower 1 sigma); share of systems with another number of images
PUBLISHED_IMAGES = {
    "dx": (0.00, 0.29, -0.29),
    "dy": (0.00, 0.32, -0.31),
    "f_delay, uniform theta_E": (0.04, 0.27, -0.05),
    "f_delay, natural theta_E": (0.01, 0.19, -0.12),
    "count_differs": 0.078,
}


def markdown(figures) -> str:
    """The tables for a README."""
    lines = []
    for name, sample in figures["samples"].items():
        lines += ["", f"| {name} | {' | '.join(TARGETS)} | training, s |", "|---" * 7 + "|"]
        for title, row in sample["rows"].items():
            lines.append(f"| {title} | {_cells(row['errors'])} | {row.get('train_s', '-')} |")
            if "galaxy_alone" in row:
                lines.append(f"| {title}, galaxy alone | {_cells(row['galaxy_alone'])} | - |")
            if "images_and_delays" in row:
                lines.append(f"| {title}, {images_of(row['images_and_delays'])} |" + " |" * 6)
            if "coverage" in row:
                held = (f"{row['coverage'][target]['0.68']:.3f}" for target in TARGETS)
                lines.append(f"| {title}, within 68 % | {' | '.join(held)} | - |")
    for title, row in figures["published"].items():
        lines.append(f"| paper, {title} | {_cells(row)} | - |")
    return "\n".join(lines)


def images_of(found) -> str:
    all_, told = found["all"], []
    for name in ("dx", "dy", "f_delay"):
        value = all_.get(name)
        if value is not None:
            told.append("{} {median:.2f} +{plus:.2f} -{minus:.2f}".format(name, **value))
    return f"{', '.join(told)}; other numbers of images {100 * found['count_differs']:.1f} %"


def _cells(found) -> str:
    return " | ".join("{:.2f} {:+.2f} {:+.2f}".format(*found[name]) for name in TARGETS)
