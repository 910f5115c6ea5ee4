"""The model card of an adapted preset."""


def adaptation_card(base, contract, figures: dict) -> str:
    """Markdown text about an adapted preset: from what, on how many images, how good it is.

    Parameters
    ----------
    base : Preset
        What it was adapted from.
    contract : InputContract
        What it takes.
    figures : dict
        Its ``metrics.json``.

    Returns
    -------
    str
        Markdown.
    """
    data, training = figures["data"], figures["training"]
    lenses = f" ({data['lenses']:,} lenses)" if "lenses" in data else ""
    parts = [
        f"# {base.name} adapted to {contract.survey}",
        f"Adapted from `{base.name}` (survey `{base.contract.survey}`) on {data['n']:,} labelled "
        f"images{lenses} of the survey `{contract.survey}`.",
        "## Takes and gives\n\n" + "\n".join(_takes(base, contract)),
        "## Adaptation\n\n" + _training(training),
        "## Measured\n\n" + _measured(base.task, figures),
        *([_calibration(figures)] if base.task == "finder" else []),
        "## Limits\n\nFigures from few images are uncertain: mind the errors. The input contract "
        "(bands, order, stamp, pixel scale, unit) is checked at every prediction.",
    ]
    return "\n\n".join(parts) + "\n"


def _calibration(figures) -> str:
    head = "## Calibration\n\n"
    facts = figures.get("calibration")
    if facts is None:
        return (
            f"{head}`p_lens` is not calibrated, and cannot be taken to another prevalence: "
            f"{figures['uncalibrated']}."
        )
    before, after = facts["before"], facts["after"]
    return (
        f"{head}`p_lens` is calibrated ({facts['kind']}) on answers to {facts['objects']:,} images "
        f"that it was not trained on, {facts['prevalence']:.3f} of them lenses: it is the "
        "probability for objects of which so many are lenses. `find --prevalence 0.001` gives it "
        "for a survey with one in a thousand. On images that the calibration was not fitted on: "
        f"calibration error {before['error']:.4f} before, {after['error']:.4f} after (by chance "
        f"alone below {after['error_null_99']:.4f}), log loss {before['log_loss']:.4f} before, "
        f"{after['log_loss']:.4f} after."
    )


def _takes(base, contract):
    for group in contract.groups:
        yield (
            f"- `{group.name}`: {group.stamp} x {group.stamp} pixels of {group.pixel_scale:g} "
            f"arcsec, bands {', '.join(group.bands)}, {contract.unit}"
        )
    for branch in contract.branches:
        cut = ", ".join(
            f"the central {side} of {contract.group(name).stamp} pixels of `{name}`"
            for name, side in branch.crop.items()
        )
        yield (
            f"- branch `{branch.name}` of the network sees {', '.join(branch.bands)}: {cut}, "
            f"resized to {branch.stamp} (OpenCV, {branch.resize}), inside the model"
        )
    yield f"- gives {', '.join(f'`{name}`' for name in base.targets)}"


def _training(training) -> str:
    layers = {"all": "All weights were free", "head": "The dense layers at the end were free"}
    free = layers.get(training["layers"], f"The last {training['layers']} layers were free")
    norms = {
        "frozen": "batch norms kept the statistics of the base",
        "recalibrated": "the statistics of the batch norms were measured anew on these images and "
        "then frozen",
        "trained": "batch norms were trained",
    }[training["batch_norm"]]
    turned = (
        " Each image was shown turned by quarters and mirrored at random."
        if training["turned"]
        else ""
    )
    return (
        f"{free}; {norms}. {training['objects']:,} objects, {training['epochs']} epochs in batches "
        f"of {training['batch_size']}, Adam with a learning rate of {training['learning_rate']:g}, "
        f"seed {training['seed']}.{turned} Stretch or clipping was adapted to these images first."
    )


def _measured(task, figures) -> str:
    held, found, before = figures["held_out"], figures[task], figures["before_training"]
    text = f"On {held['n']:,} objects it was not trained on ({held['scheme']})"
    if task == "modeller":
        lines = ["| parameter | RMS | before training |", "|---|---|---|"]
        for name, values in found["parameters"].items():
            earlier = before["parameters"][name]["rms"]
            lines.append(
                f"| {name} | {values['rms']:.4f} ± {values['rms_std']:.4f} | {earlier:.4f} |"
            )
    else:
        lines = ["| figure | value | before training |", "|---|---|---|"]
        rows = (
            ("ROC AUC", "roc_auc"),
            ("Precision-recall AUC", "precision_recall_auc"),
            ("F_beta (beta² = 0.001), best threshold", "f_beta"),
        )
        for words, name in rows:
            error = found["std"].get(name)
            error = "" if error is None else f" ± {error:.4f}"
            lines.append(f"| {words} | {found[name]:.4f}{error} | {before[name]:.4f} |")
    return f"{text}; errors are standard deviations over bootstrap samples.\n\n" + "\n".join(lines)
