"""The tables of docs/measured.md, from the results: nothing in them is typed by hand.

    python benchmarks/measured_tables.py --write

Each stands between two lines ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``. The script reads
results alone, and needs nothing but Python.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measured.md"
MARKED = re.compile(
    r"(?P<begin><!-- (?P<name>[\w-]+): begin -->\n)(?P<text>.*?)(?P<end><!-- (?P=name): end -->)",
    re.DOTALL,
)
DEFAULT_MODELLER = "posterior-compact-modeller-euclid-vis-posterior"
PARAMETERS = ("theta_E", "e1", "e2", "ellipticity", "orientation")
SURVEYS = ("euclid-vis", "lsst-r", "lsst-gri")
ROWS = (  # of the comparison with Schuldt et al.: one change more in each
    *("paper's recipe", "our schedule", "our schedule and network"),
    *("ours: each mock in eight views, too", "ours: fresh mocks, too", "one answer for all"),
)
FIVE = ("x_lens", "y_lens", "e1", "e2", "theta_E")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put them into docs/measured.md")
    given = parser.parse_args(arguments)
    text = replaced(PAGE.read_text("utf-8"), results())
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print("\n\n".join(match["text"].strip() for match in MARKED.finditer(text)))


def results(folder=ROOT / "benchmarks" / "results") -> dict[str, dict]:
    """Figures of all results, by the name of the file without its ending."""
    return {
        file.stem: json.loads(file.read_text("utf-8"))["figures"]
        for file in sorted(Path(folder).glob("*.json"))
    }


def replaced(document: str, found: dict) -> str:
    """The document with its tables as the results have them."""

    def table(match):
        if match["name"] not in TABLES:
            raise SystemExit(f"There is no table {match['name']}: {', '.join(TABLES)}.")
        lines = TABLES[match["name"]](found)
        return f"{match['begin']}\n" + "\n".join(lines) + f"\n\n{match['end']}"

    return MARKED.sub(table, document)


def rows_of(head, rows) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def percent(share, digits=0) -> str:
    """A share in percent; a dash for none."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


# --- the tables -----------------------------------------------------------------------------------
def real_images(found) -> list[str]:
    """Lenses with published radii, set by set."""
    figures, rows = found["real_images"], []
    for title, of in figures["summary"].items():
        known = of["with_published_theta_E"]
        radius = ["-"] * 4
        if known:
            radius = [
                f"{of['theta_E_rms']:.2f}",
                f"{of['theta_E_bias']:+.2f}",
                percent(of["theta_E_within_30_percent"]),
                f"{of['theta_E_rms_of_their_mean']:.2f}",
            ]
        counts = [str(of["images"]), str(of["with_score"]), percent(of["fraction_above_0.5"])]
        rows.append([title, *counts, str(known), *radius])
    if tile := figures["kids_tile"]:
        counts = [str(tile["galaxies"]), str(tile["with_score"])]
        counts.append(percent(tile["fraction_above_0.5"], 1))
        rows.append(["KiDS r galaxies, taken as no lenses", *counts, *["-"] * 5])
    head = ["", "images", "scored", "p_lens > 0.5", "with published theta_E", 'RMS (")', 'bias (")']
    return rows_of([*head, "within 30 %", 'RMS of a constant (")'], rows)


def finders(found) -> list[str]:
    """Both finders for Euclid on real images, as they are and made like the survey."""
    names = {"default": "", "`euclid-wide-vis`": "-euclid-wide"}
    ways = {"as they are": "as they are", "made like the survey": "as the survey"}
    columns = [
        (found[f"finder_real{ending}"][way], found[f"twins{ending}"][way])
        for ending in names.values()
        for way in ways.values()
    ]
    others = "all that are no lenses"
    words = {"0.01": "1 in 100", "0.001": "1 in 1,000"}
    ranked = [rank for rank, _ in columns]
    lines = [["AUC", *(f"{rank['auc']:.2f} +- {rank['auc_std']:.2f}" for rank in ranked)]]
    for rate, share in words.items():
        title = f"lenses found, where {share} of its mock non-lenses pass"
        lines.append([title, *(percent(rank["completeness"][rate]) for rank in ranked)])
        hits = [rank["gap"][others][rate] for rank in ranked]
        lines.append(
            ["non-lenses that pass there", *(f"{h['hits']} of {h['objects']}" for h in hits)]
        )
    twins = [twin for _, twin in columns]
    for title, key in (("lenses", "lenses_above_0.5"), ("their twins", "twins_above_0.5")):
        lines.append([f"p_lens > 0.5: {title}", *(percent(twin["auc"][key]) for twin in twins)])
    kinds = {"kind: spiral": "pictures of spirals", "KiDS tile r": "KiDS galaxies"}
    kinds |= {"DES early types i": "DES early types", "HSC blends i": "HSC blends"}
    for kind, title in kinds.items():
        shares = [twin["false_positives"][kind] for twin in twins]
        label = f"p_lens > 0.5: {shares[0]['objects']} {title}"
        lines.append([label, *(percent(share["above_0.5"]) for share in shares)])
    lines.append(
        [
            "AUC, lenses against twins",
            *(f"{twin['auc']['auc']:.2f} +- {twin['auc']['auc_std']:.2f}" for twin in twins),
        ]
    )
    return rows_of(["", *(f"{name}, {way}" for name in names for way in ways)], lines)


def coverage(found) -> list[str]:
    """How often the default modeller's intervals hold the truth, by population."""
    figures, rows = found[DEFAULT_MODELLER], []
    parts = {"both together": figures, **figures["populations"]}
    for title, part in parts.items():
        tests = part["posterior"]
        for name, values in tests["parameters"].items():
            bins = [line["parameters"][name]["coverage"] for line in tests["bins"]]
            held = [percent(values["coverage"][level]) for level in ("0.5", "0.68", "0.95")]
            wrong = tests["controls"]["spread x 0.8"]["coverage"][name]
            span = f"{100 * min(bins):.0f} to {percent(max(bins))}"
            rows.append([title, name, *held, span, percent(wrong)])
    head = ["mocks", "", "within 50 %", "68 %", "95 %", "68 %, bins of S/N"]
    return rows_of([*head, "68 %, spreads x 0.8"], rows)


def pearson(found) -> list[str]:
    """Table 1 of Pearson et al. 2019: the paper's figures, its recipe and ours."""
    rows, cells = [], found["pearson2019"]["cells"]
    for name in sorted(
        cells, key=lambda name: (name.rsplit("-", 1)[1], SURVEYS.index(name.rsplit("-", 1)[0]))
    ):
        cell, (survey, light) = cells[name], name.rsplit("-", 1)
        title = f"{survey}, light {'taken off' if light == 'subtracted' else 'present'}"
        published = [f"{cell['published'][key]:.3f}" for key in PARAMETERS]
        rows.append([title, "paper, its mocks", "150 passes over 50,000", *published])
        for kind, words in (("paper", "paper's recipe"), ("ours", "ours")):
            shown = [f"{cell[f'{kind}_recipe'][key]['rms']:.3f}" for key in PARAMETERS]
            seen = f"{cell['spent'][kind]['objects_seen']:,}"
            rows.append(["", words, seen, *shown])
    return rows_of(["mocks", "RMS of", "images shown", *PARAMETERS], rows)


def schuldt(found) -> list[str]:
    """Errors of Schuldt et al. 2021, the paper's recipe and ours."""
    rows, words = [], "{:+.2f} ({:+.2f}, {:+.2f})"
    figures = found["schuldt2021"]
    for sample, part in figures["samples"].items():
        # the paper's recipe, then what is changed of it, then no network at all
        for title in sorted(part["rows"], key=lambda title: ROWS.index(title)):
            row = part["rows"][title]
            seen = f"{row['shown_to_the_kept']:,}" if "shown_to_the_kept" in row else "-"
            errors = [words.format(*row["errors"][name]) for name in FIVE]
            rows.append([sample, title, seen, *errors])
            if "galaxy_alone" in row:
                errors = [words.format(*row["galaxy_alone"][name]) for name in FIVE]
                rows.append(["", "the same without arcs", "", *errors])
    for title, row in figures["published"].items():
        seen = "300 epochs of 45,830"
        rows.append([title, "paper, its mocks", seen, *(words.format(*row[name]) for name in FIVE)])
    return rows_of(["sample", "", "images shown to the kept network", *FIVE], rows)


def schuldt_delays(found) -> list[str]:
    """Further images and delays of Schuldt et al. 2021, section 6, the paper's recipe and ours."""
    rows, words = [], "{:+.2f} ({:+.2f}, {:+.2f})"
    figures = found["schuldt2021"]
    for sample, part in figures["samples"].items():
        for title in sorted(part["rows"], key=lambda title: ROWS.index(title)):
            if "images_and_delays" not in part["rows"][title]:
                continue
            row = part["rows"][title]["images_and_delays"]
            errors = [row["all"][name] for name in ("dx", "dy", "f_delay")]
            numbers = [(each["median"], each["plus"], -each["minus"]) for each in errors]
            share = percent(row["count_differs"])
            rows.append([sample, title, share, *(words.format(*each) for each in numbers)])
    paper = figures["published_images_and_delays"]
    for title in ("natural", "uniform"):
        numbers = [paper["dx"], paper["dy"], paper[f"f_delay, {title} theta_E"]]
        share = percent(paper["count_differs"])
        rows.append(
            [f"{title} theta_E", "paper, its mocks", share, *(words.format(*n) for n in numbers)]
        )
    head = ["sample", "", "number of images differs", 'dx (")', 'dy (")', "fractional delay error"]
    return rows_of(head, rows)


def delays(found) -> list[str]:
    """How often intervals of further images and of delays hold the truth."""
    ways = {
        "columns": "columns of the table",
        "draws": "draws",
        "draws_and_scatter": "draws, errors for centre and shear",
    }
    rows = []
    for population, part in found["delays_coverage"]["populations"].items():
        for key, words in ways.items():
            of = part[key]
            held = [percent(of[name]["in_68"]) for name in ("x_image", "y_image", "delay")]
            held += [percent(of["delay"][key]) for key in ("in_68_quads", "in_68_of_all")]
            widths = [
                f"{of['x_image'][name]:.3f}"
                for name in ("median_half_width", "median_absolute_error")
            ]
            rows.append([population, words, *held, *widths, percent(of["right_number_of_images"])])
    head = ["mocks", "posterior", "x within 68 %", "y within 68 %", "delay within 68 %"]
    head += [
        "of quads",
        "all delays, missed ones too",
        'half width of x (")',
        'median error of x (")',
        "right number of images",
    ]
    return rows_of(head, rows)


def shapes(found) -> list[str]:
    """Axis ratios and position angles of lenses with published ones, set by set."""
    rows = []
    for title, of in found["real_images"]["summary"].items():
        if of.get("q_rms") is None:
            continue
        numbers = [f"{of['q_rms']:.2f}", f"{of['q_bias']:+.2f}", f"{of['q_nmad']:.2f}"]
        numbers.append(percent(of["q_within_68_percent_interval"]))
        for key in ("pa_median_difference_deg", "pa_rms_deg", "pa_nmad_deg"):
            numbers.append("-" if of[key] is None else f"{of[key]:.0f}")
        rows.append([title, *numbers, percent(of.get("pa_within_68_percent_interval"))])
    head = ["", "q RMS", "q bias", "q NMAD", "q within 68 %", "PA median difference (deg)"]
    return rows_of([*head, "PA RMS (deg)", "PA NMAD (deg)", "PA within 68 %"], rows)


def modellers(found) -> list[str]:
    """RMS of theta_E of the modellers of one survey, in bins of S/N."""
    rows = []
    for population, part in found["modellers"]["populations"].items():
        for preset, values in part["presets"].items():
            lines = values["bins"]["snr"]
            cells = [values["parameters"], *(line["parameters"] for line in lines)]
            shown = [f"{cell['theta_E']['rms']:.3f}" for cell in cells]
            rows.append([population, f"`{preset}`", *shown])
    medians = [f"S/N {line['median']:.0f}" for line in lines]
    return rows_of(["mocks", "preset", "all", *medians], rows)


def behind_cleaner(found) -> list[str]:
    """A finder of cleaned images on true sources, behind the cleaner, and on what is no source."""
    figures, rows = found["behind_cleaner"], []
    for name in ("true sources", "cleaned"):
        of = figures[name]
        refused = sum(of["lenses_refused"].values())
        auc = f"{of['roc_auc']:.4f} ± {of['roc_auc_std']:.4f}"
        numbers = [f"{of['accuracy']:.3f}", auc, percent(of["completeness_at_0.01"], 1)]
        rows.append([name, f"{of['lenses']:,} of {of['objects']:,}", *numbers, str(refused), "-"])
    for name in ("no source", "sky"):
        of = figures[name]
        refused, called = sum(of["refused"].values()), of["called_lenses"]
        rows.append([name, f"0 of {of['objects']:,}", "-", "-", "-", str(refused), str(called)])
    head = ["shown", "lenses", "accuracy", "AUC", "completeness at FPR 1 %"]
    return rows_of([*head, "refused (of lenses, or of all)", "called lenses wrongly"], rows)


TABLES = {
    **{"real-images": real_images, "finders": finders, "coverage": coverage},
    **{"pearson": pearson, "schuldt": schuldt, "modellers": modellers},
    **{"schuldt-delays": schuldt_delays, "delays": delays, "shapes": shapes},
    **{"behind-cleaner": behind_cleaner},
}


if __name__ == "__main__":
    sys.exit(main())
