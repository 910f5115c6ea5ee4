"""The model card of a preset, written from what was measured, not from memory."""

from lensfinder.errors import LensfinderError
from lensfinder.training import reproduce
from lensfinder.training.calibration_card import calibration_words, doubt_words

# Pearson et al. 2019, table 1: RMS by survey, and whether the lens light was taken off
PEARSON_TABLE_1 = {
    ("euclid-vis", True): (0.051, 0.081, 0.081, 0.068, 0.300),
    ("lsst-r", True): (0.060, 0.075, 0.073, 0.061, 0.294),
    ("lsst-gri", True): (0.046, 0.058, 0.058, 0.050, 0.239),
    ("euclid-vis", False): (0.081, 0.100, 0.104, 0.085, 0.347),
    ("lsst-r", False): (0.105, 0.100, 0.099, 0.082, 0.335),
    ("lsst-gri", False): (0.083, 0.081, 0.080, 0.069, 0.274),
}
PEARSON_ROWS = ("theta_E", "e1", "e2", "ellipticity", "orientation")
PLANE_WORDS = {"S2": "without noise", "S3": "the source alone, without noise"}
UNITS = {"theta_E": "arcsec", "orientation": "rad"}
POWER = 500  # lenses below which the tests of posteriors do not see spreads that are 0.8 of theirs
FEW = f" Fewer than {POWER} lenses are too few for these tests: measure on more."
# what errors are binned by: in words, digits, unit
AXES = {"theta_E": ("theta_E", ".2f", " arcsec"), "snr": ("S/N", ",.0f", "")}


def model_card(recipe, figures: dict) -> str:
    """Markdown text about a preset: what it is, takes and gives, how it was made, how good it is.

    Parameters
    ----------
    recipe : Recipe
        How it was trained.
    figures : dict
        What was measured, as in ``metrics.json``.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"# {recipe.preset}", recipe.description.strip(), *_inputs(recipe)]
    parts += _training(recipe, figures["training"])
    parts += measured(figures)
    parts.append(
        "## Limits\n\nTrained and measured on mocks alone: figures on real images are lower, for "
        "every published network. The input contract (bands, order, stamp, pixel scale, unit) is "
        "checked at every prediction."
    )
    return "\n\n".join(parts) + "\n"


def measured(figures: dict) -> list[str]:
    """The paragraphs about what was measured.

    Parameters
    ----------
    figures : dict
        As in ``metrics.json``.

    Returns
    -------
    list of str
        Markdown.
    """
    data = figures["data"]
    parts = [
        f"## Measured\n\nOn {data['n']:,} mocks of the population `{data['population']}` for "
        f"the survey `{data['survey']}` (seed {data['seed']}, objects from {data['start']}), none "
        "of which was used in training."
    ]
    if "cleaner" not in figures:
        parts[0] += " Errors (±) are standard deviations over bootstrap samples."
        if "cleaner" in data:
            parts[0] += (
                f" The network was shown what `{data['cleaner']}` makes of their noisy images, "
                "those too which `find` and `model` refuse, dark ones most of all."
            )
        elif words := PLANE_WORDS.get(data.get("plane")):
            parts[0] += f" The network was shown true planes of these: {words}."
    parts += _finder(figures["finder"]) if "finder" in figures else []
    parts += _modeller(figures["modeller"], data) if "modeller" in figures else []
    parts += _cleaner(figures["cleaner"]) if "cleaner" in figures else []
    parts += reproduce.words(figures)
    parts += [calibration_words(figures["calibration"])] if "calibration" in figures else []
    parts += [words] if (words := doubt_words(figures.get("doubt", {}))) else []
    return parts


def retold(card: str, figures: dict) -> str:
    """A card with what was measured told anew; everything before and after it stays.

    Parameters
    ----------
    card : str
        As it was.
    figures : dict
        As in ``metrics.json``.

    Returns
    -------
    str
        Markdown; a card without that part, as somebody wrote it.
    """
    before, there, rest = card.partition("## Measured")
    if not there:
        return card
    _, limits, after = rest.partition("## Limits")
    return before + "\n\n".join(measured(figures)) + f"\n\n{limits}{after}"


def _cleaner(figures):
    lines = [
        "| plane | PSNR | of the input | SSIM | of the input | flux over true flux |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in figures.items():
        if name != "objects":
            lines.append(
                f"| {name} ({PLANE_WORDS[name]}) | {found['psnr']:.2f} | "
                f"{found['psnr_given']:.2f} | {found['ssim']:.4f} | {found['ssim_given']:.4f} | "
                f"{found['flux_ratio']:.4f} ± {found['flux_ratio_nmad']:.4f} |"
            )
    words = "PSNR in decibels, with the range of the true image of each object as its peak; the "
    words += "ratio of fluxes is a median over the objects of a batch, with their scatter (±), the "
    words += "mean over batches."
    return ["\n".join(lines), words]


def _inputs(recipe):
    contract = recipe.contract()
    lines = [
        f"- `{group.name}`: {group.stamp} x {group.stamp} pixels of {group.pixel_scale:g} arcsec, "
        f"bands {', '.join(group.bands)}, {contract.unit}"
        for group in contract.groups
    ]
    if recipe.plane != "S1":
        lines.append(
            f"- **cleaned images** ({PLANE_WORDS[recipe.plane]}), as `lensfinder clean` makes "
            "them; on images as they were observed its answers mean nothing"
        )
    asked = recipe.drawing
    if asked.get("subtract_lens_light"):
        lines.append(
            "- **images whose lens light was taken off**, so that nothing of it but its shot noise "
            "is left; with the light in them its answers mean nothing"
        )
    if "visits" in asked:
        lines.append(f"- images that are the mean of {asked['visits']} visits of the survey")
    if recipe.task == "finder":
        gives = "`p_lens`, the probability that the object is a strong lens, where lenses are as "
        gives += "frequent as in the training population"
    elif recipe.task == "cleaner":
        gives = ", ".join(f"`{name}` ({PLANE_WORDS[name]})" for name in recipe.truth_columns)
        gives += f", images in {contract.unit}"
    else:
        gives = ", ".join(
            f"`{target.name}`{f' ({target.unit})' if target.unit else ''}"
            for target in recipe.targets
        )
    return ["## Takes and gives\n\n" + "\n".join(lines) + f"\n- gives {gives}"]


def _training(recipe, training):
    source = _source(recipe.data, training["recipe"]["data"])
    source += ", each as one of its eight views, drawn anew each time" if recipe.turned else ""
    but = ", its last layers at random" if recipe.fresh_head else ""
    began = f" It began with the weights of `{recipe.start}`{but}." if recipe.start else ""
    early = "" if training["finished"] else f" (of {recipe.epochs} in the recipe: stopped early)"
    return [
        "## Training\n\n"
        f"Architecture `{recipe.network.name}`, {training['parameters']:,} parameters. "
        f"{training['objects']:,} objects ({source}) in {training['steps']:,} steps of "
        f"{recipe.batch_size}; {recipe.optimizer.name}, {recipe.schedule.kind} learning rate, loss "
        f"`{recipe.loss.name}`.{began} Epoch {training['best_epoch']} of "
        f"{training['epochs']}{early}, the one of the lowest validation loss, was kept. Weights "
        f"are stored as {training['stored_as']}; figures are of the stored weights.{_views(recipe)}"
        f"{_look_alikes(recipe, training['recipe']['data'])}"
    ]


def _look_alikes(recipe, recorded) -> str:
    """Which look-alikes a finder was trained on, as the populations say."""
    from lensfinder.specs import load_population

    if recipe.task != "finder":
        return ""
    parts = [part["data"] for part in recorded.get("parts", ())] or [recorded]
    kinds = {}
    for part in parts:
        try:
            kinds |= dict.fromkeys(load_population(part["population"]).look_alike_kinds)
        except (KeyError, LensfinderError):  # stored images, or a population that is not here
            continue
    if not kinds:
        return ""
    words = ", ".join(kind.replace("_", " ") for kind in kinds)
    return f" Look-alikes among the mocks are of {len(kinds)} kinds: {words}."


def _source(data, recorded) -> str:
    """Where the objects came from, in words; `recorded` is what metrics.json holds of it."""
    if data.kind == "simulator":
        real = f" with sources of the library `{data.sources}`" if data.sources else ""
        return f"fresh mocks of `{data.population}`{real} (seed {data.seed}), none seen twice"
    if data.kind == "shards":
        cleaner = recorded.get("cleaner")
        split = f"the training split of {recorded['rows']:,} mocks"
        if "training_rows" in recorded:
            rows = recorded["training_rows"]
            split = f"{rows:,} mocks, the training split of {recorded['rows']:,},"
        return (
            f"{split} of `{recorded['population']}` (seed {recorded['seed']}), seen again in every "
            "epoch" + (f", as the cleaner `{cleaner}` leaves them" if cleaner else "")
        )
    if data.kind == "mixture":
        return "; ".join(
            f"{part.objects} of each batch: {_source(part.data, kept['data'])}"
            for part, kept in zip(data.parts, recorded["parts"], strict=True)
        )
    return data.kind


def _views(recipe) -> str:
    if not recipe.network.arguments.get("symmetric"):
        return ""
    return (
        " A prediction is the mean over the quarter turns and mirrors of the image, turned back: "
        "eight times the cost of one view, and exactly as the image turns."
    )


def _finder(found):
    std = found["std"]
    rows = [
        ("ROC AUC", "roc_auc"),
        ("Precision-recall AUC", "precision_recall_auc"),
        ("Completeness at FPR 1e-2", "tpr_at_fpr_0.01"),
        ("Completeness at FPR 1e-3", "tpr_at_fpr_0.001"),
        ("Completeness at FPR 1e-4", "tpr_at_fpr_0.0001"),
        ("Completeness with no false positive", "tpr0"),
        ("Completeness with fewer than ten", "tpr10"),
    ]
    lines = ["| figure | value |", "|---|---|"]
    for words, name in rows:
        value = found[name]
        shown = (
            "not measurable on so few" if value is None else f"{value:.4f} ± {_short(std[name])}"
        )
        lines.append(f"| {words} | {shown} |")
    lines.append(f"| F_beta (beta² = 0.001), best threshold | {found['f_beta']:.4f} |")
    lines.append(
        f"| Calibration error (15 bins; a perfect model stays below "
        f"{found['calibration_error_null_99']:.4f}) | {found['calibration_error']:.4f} |"
    )
    for prevalence, values in found["surveys"].items():
        half = values["purity_at_completeness"]["0.5"]
        pure = half["purity"]
        shown = "not measurable without a false positive" if pure is None else f"{pure:.3f}"
        lines.append(
            f"| Purity at completeness 0.5, prevalence {prevalence} (95 % lower limit) | "
            f"{shown} ({half['purity_lower']:.3f}) |"
        )
        at = values["completeness_at_purity"]["0.5"]
        reached = at["completeness"]
        shown = "not measurable on so few" if reached is None else f"{reached:.3f}"
        lines.append(
            f"| Completeness at purity 0.5, prevalence {prevalence} (what so many mocks support at "
            f"95 %) | {shown} ({at['completeness_supported']:.3f}) |"
        )
    text = [f"{found['lenses']:,} of the objects are lenses.", "\n".join(lines)]
    kinds = {k: v for k, v in found.get("non_lenses", {}).items() if isinstance(v, dict)}
    if kinds:
        lines = [
            "| non-lens | objects | share that passes the FPR 1e-2 threshold |",
            "|---|---|---|",
        ]
        lines += [
            f"| {kind} | {v['objects']:,} | {v['false_positive_rate']:.4f} |"
            for kind, v in kinds.items()
        ]
        text.append("\n".join(lines))
    return text


def _modeller(found, data):
    taken_off = bool(data.get("subtract_lens_light"))
    paper = PEARSON_TABLE_1.get((data["survey"], taken_off))
    if data["population"] != "pearson2019-test" or data.get("visits", 1) > 1:
        paper = None
    head = "| parameter | RMS | bias | NMAD | always answering the mean |"
    lines = [
        head + (" paper |" if paper else ""),
        "|---|---|---|---|---|" + ("---|" if paper else ""),
    ]
    for name, v in found["parameters"].items():
        unit = f" ({UNITS[name]})" if name in UNITS else ""
        line = (
            f"| {name}{unit} | {v['rms']:.4f} ± {v['rms_std']:.4f} | {v['bias']:+.4f} | "
            f"{v['nmad']:.4f} | {v['rms_constant']:.4f} |"
        )
        if paper:
            known = dict(zip(PEARSON_ROWS, paper, strict=True)).get(name)
            line += f" {known:.3f} |" if known is not None else " |"
        lines.append(line)
    text = ["\n".join(lines)]
    text += _binned(found.get("bins", {}))  # presets from before it was measured have none
    if "posterior" in found:
        text += _posterior(found["posterior"])
    if paper:
        text.append(
            "Paper: Pearson et al. 2019, table 1, "
            f"{'without' if taken_off else 'with'} lens light, on the authors' own mocks, which "
            "are not public."
        )
    return text


def _binned(bins):
    """RMS by Einstein radius and by S/N, a row per bin of as many lenses."""
    if not bins:
        return []
    names = list(next(iter(bins.values()))[0]["parameters"])
    lines = [f"| RMS of lenses with | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for axis, rows in bins.items():
        words, digits, unit = AXES[axis]
        for row in rows:
            ends = f"{words} {row['low']:{digits}} to {row['high']:{digits}}{unit}"
            each = (f"{row['parameters'][name]['rms']:.4f}" for name in names)
            lines.append(f"| {ends} | {' | '.join(each)} |")
    return ["\n".join(lines)]


def _posterior(found):
    lines = [
        "| parameter | median σ | truths within 50 % | 68 % | 95 % | 68 %, by S/N |",
        "|---|---|---|---|---|---|",
    ]
    for name, v in found["parameters"].items():
        held = " | ".join(
            f"{v['coverage'][level]:.3f} ± {v['coverage_std'][level]:.3f}"
            for level in ("0.5", "0.68", "0.95")
        )
        bins = [line["parameters"][name]["coverage"] for line in found.get("bins", ())]
        span = f"{min(bins):.3f} to {max(bins):.3f}" if bins else ""
        lines.append(f"| {name} | {v['std_median']:.4f} | {held} | {span} |")
    controls = "; ".join(
        f"{name}: {'rejected' if facts['rejects'] else 'NOT rejected'}, truths within 68 % "
        + ", ".join(f"{held:.3f}" for held in facts["coverage"].values())
        for name, facts in found["controls"].items()
    )
    return [
        "\n".join(lines),
        f"Posteriors that are wrong on purpose, by the same tests: {controls}."
        + (FEW if found["objects"] < POWER else ""),
    ]


def _short(value):
    return "?" if value is None else f"{value:.4f}"
