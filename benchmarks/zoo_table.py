"""The table of presets in the README, from what was measured: nothing in it is typed by hand.

``python benchmarks/zoo_table.py`` prints it; ``--write`` puts it between the two markers of
README.md. Figures on mocks stand in each preset's ``metrics.json``; those on real images are taken
from the results of `finder_real`, `twins`, `real_images` and `forked` that name the preset, the
speed from that of `speed`, or, where it is not there, of `views`.
"""

import argparse
import json
import sys
from pathlib import Path

from lensfinder.data.splits import FRACTIONS

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- presets: begin (benchmarks/zoo_table.py --write) -->", "<!-- presets: end -->"
HEAD = (
    *("preset", "network", "parameters", "mocks seen", "training", "on mocks", "on real images"),
    "images per CPU s",
)
# presets from before the device was written down were all trained there
DEVICE = "2 CPU cores"
NONE = "-"
PLANES = {"S2": " without noise", "S3": " true sources, not cleaned images"}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    given = parser.parse_args(arguments)
    text = table(presets(ROOT / "models"), results(ROOT / "benchmarks" / "results"))
    if not given.write:
        print(text)
        return
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text("utf-8"), text), encoding="utf-8")


def presets(folder) -> dict[str, dict]:
    """Metrics of all presets, by name, in the order of their tasks."""
    found = {
        file.parent.relative_to(folder).as_posix(): json.loads(file.read_text("utf-8"))
        for file in sorted(Path(folder).glob("*/*/metrics.json"))
    }
    order = list(TASKS)
    return dict(sorted(found.items(), key=lambda item: (order.index(task_of(item[1])), item[0])))


def results(folder) -> dict[str, dict]:
    """Figures of all results, by the name of the file without its ending."""
    return {
        file.stem: json.loads(file.read_text("utf-8"))["figures"]
        for file in sorted(Path(folder).glob("*.json"))
    }


def task_of(metrics) -> str:
    """What a preset does: the task whose figures it has."""
    return next(task for task in TASKS if task in metrics)


def table(found, measured) -> str:
    """The table in Markdown.

    Parameters
    ----------
    found : dict of str to dict
        Metrics by preset.
    measured : dict of str to dict
        Figures by result.
    """
    lines = [HEAD, ["---"] * len(HEAD)]
    lines += [row(name, metrics, measured) for name, metrics in found.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def row(name, metrics, measured) -> list[str]:
    """One line of the table."""
    task, training = task_of(metrics), metrics["training"]
    survey = metrics["data"].get("survey") or metrics["data"]["pairs"]["survey"]
    return [
        f"`{name}`: {task}, {survey}",
        training["recipe"]["network"]["name"].replace("_", " "),
        f"{training['parameters']:,}",
        seen(training),
        f"{training['seconds'] / 60:.0f} min, {training.get('device', DEVICE)}",
        TASKS[task](metrics[task]) + f" ({metrics['data']['n']:,}{shown(task, metrics)})",
        "; ".join(on_real_images(name, measured)) or NONE,
        speed(name, training, measured),
    ]


def shown(task, metrics) -> str:
    """What the mocks were, where they were not images as a survey gives them."""
    data = metrics["data"]
    if "cleaner" in data:
        return f" behind `{data['cleaner']}`"
    return PLANES.get(data.get("plane", "S1"), "") if task != "cleaner" else ""


def seen(training) -> str:
    """Objects of all steps; how many of them were different, and what it went on from."""
    start = training["recipe"].get("start")
    return _objects(training) + (f", after `{start}`" if start else "")


def _objects(training):
    data = training["recipe"]["data"]
    parts = [part["data"] for part in data["parts"]] if data["kind"] == "mixture" else [data]
    words = f"{training['objects']:,}"
    if "pairs" in training:  # those of its training split
        return f"{words} ({training['pairs']:,} different)"
    if not all("rows" in part for part in parts):
        return words
    if all("training_rows" in part for part in parts):
        return f"{words} ({sum(part['training_rows'] for part in parts):,} different)"
    # presets from before the split was counted: the share that falls into it, by chance
    about = FRACTIONS[0] * sum(part["rows"] for part in parts)
    return f"{words} (about {round(about, -3):,.0f} different)"


# --- on mocks -------------------------------------------------------------------------------------
def _finder(found):
    rare = found["tpr_at_fpr_0.001"]
    shown = "" if rare is None else f", {rare:.3f} at FPR 1e-3"
    return f"completeness {found['tpr_at_fpr_0.01']:.3f} at FPR 1e-2{shown}; {_auc(found)}"


def _auc(found):
    return f"AUC {found['roc_auc']:.4f}"


def _modeller(found):
    each = (f"{name} {v['rms']:.3f}" for name, v in found["parameters"].items())
    within = found.get("posterior", {}).get("parameters", {})
    held = ", ".join(f"{v['coverage']['0.68']:.2f}" for v in within.values())
    return "RMS " + ", ".join(each) + (f"; 68 % intervals hold {held}" if held else "")


def _cleaner(found):
    planes = {name: v for name, v in found.items() if name != "objects"}
    each = (f"{name} {v['psnr']:.1f} (given {v['psnr_given']:.1f})" for name, v in planes.items())
    return "PSNR " + ", ".join(each)


def _auditor(found):
    return f"accuracy {found['accuracy']:.4f}"


TASKS = {"finder": _finder, "modeller": _modeller, "cleaner": _cleaner, "auditor": _auditor}


# --- from results ---------------------------------------------------------------------------------
def on_real_images(name, measured) -> list[str]:
    """What results say about a preset on real images, each with its file."""
    found = []
    for stem, figures in measured.items():
        for benchmark, (key, words) in READERS.items():
            named = stem == benchmark or stem.startswith(f"{benchmark}-")
            if named and figures.get(key) == name:
                found.append(f"{words(figures)} ([{stem}](benchmarks/results/{stem}.json))")
    return found


def _ranked(figures):
    both = {how: figures[how]["auc"] for how in ("as they are", "as the survey")}
    one = figures["as they are"]
    return (
        f"AUC {both['as they are']:.2f}, made like the survey {both['as the survey']:.2f}; median "
        f"rank {one['median_rank_of_lenses']:g} of {one['lenses']} lenses among {one['objects']}"
    )


def _twins(figures):
    return f"against twins without arcs AUC {figures['as they are']['auc']['auc']:.2f}"


def _lenses(figures):
    found = figures["summary"]["all"]
    held = found.get("theta_E_within_68_percent_interval")
    return (
        f"theta_E NMAD {found['theta_E_nmad']:.2f}, bias {found['theta_E_bias']:+.2f} arcsec, "
        f"{1 - found['theta_E_within_30_percent']:.0%} off by more than 30 %, of "
        f"{found['with_published_theta_E']}" + (f"; 68 % intervals hold {held:.2f}" if held else "")
    )


def _real_sources(figures):
    found = figures["hubble_deep_field"]
    return f"accuracy {found['accuracy']:.4f} with {found['objects']:,} real sources"


# benchmark: (key under which its figures name the preset, what they say in words)
READERS = {
    "finder_real": ("finder", _ranked),
    "twins": ("finder", _twins),
    "real_images": ("modeller", _lenses),
    "forked": ("preset", _real_sources),
}


def speed(name, training, measured) -> str:
    """Images per second of CPU time in large batches; a symmetric preset answers eight views."""
    found = measured.get("speed", {}).get("presets", {}).get(name)
    if found is not None:
        return f"{found['batch_256']['images_per_cpu_s']:,.0f}"
    symmetric = training["recipe"]["network"].get("arguments", {}).get("symmetric")
    known = measured.get("views", {})  # a -symmetric preset has the weights of the one without
    found = known.get(name) or known.get(name.removesuffix("-symmetric"), {})
    found = found.get("eight views" if symmetric else "one view")
    return NONE if found is None else f"{found['objects_per_cpu_s']:,.0f}"


# --- the document ---------------------------------------------------------------------------------
def replaced(document: str, text: str) -> str:
    """The document with the table between its markers."""
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        raise SystemExit(f"README.md needs each of these lines once:\n{BEGIN}\n{END}")
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
