"""A preset's measured figures, as lines for people."""

from collections.abc import Mapping

from lensfinder.tables import column_spec, name_known

# Content of metrics.json (see lensfinder.training.evaluation.measure) -> name on a page
FINDER: dict[str, str] = {
    "roc_auc": "ROC AUC",
    "precision_recall_auc": "precision-recall AUC",
    "tpr_at_fpr_0.01": "completeness at FPR 0.01",
    "tpr_at_fpr_0.001": "completeness at FPR 0.001",
    "tpr0": "completeness before the first false positive",
    "calibration_error": "calibration error",
}
PLANES = {"S2": "denoised", "S3": "source"}
# key, name, digits, unit
CLEANER = (
    ("psnr", "PSNR", 1, " dB"),
    ("psnr_given", "PSNR of the image given", 1, " dB"),
    ("flux_ratio", "flux over true flux (median)", 3, ""),
    ("flux_ratio_nmad", "its scatter", 3, ""),
)
NO_FIGURE = "too few mocks to say"


def preset_figures(metrics: Mapping) -> list[tuple[str, str]]:
    """Names and values of a preset's figures.

    Parameters
    ----------
    metrics : mapping
        Content of its metrics.json. What is not there gives no line.

    Returns
    -------
    list of (str, str)
        What it was measured on, then the figures with their errors.
    """
    lines = []
    data = metrics.get("data", {})
    if "n" in data:
        lines.append(("measured on", f"{data['n']:,} mocks of {data.get('population', '?')}"))
    finder = metrics.get("finder", {})
    errors = finder.get("std", {})
    for key, name in FINDER.items():
        if key in finder:
            lines.append((name, _value(finder[key], errors.get(key))))
    for name, values in metrics.get("modeller", {}).get("parameters", {}).items():
        if "rms" in values:
            unit = column_spec(name).unit if name_known(name) else ""
            text = _value(values["rms"], values.get("rms_std"), {"arcsec": "″"}.get(unit, unit))
            constant = values.get("rms_constant")
            known = (
                "" if constant is None else f", against {_number(constant)} of a constant answer"
            )
            lines.append((f"RMS error of {name}", text + known))
    for plane, words in PLANES.items():
        found = metrics.get("cleaner", {}).get(plane, {})
        for key, name, digits, unit in CLEANER:
            if key in found:
                value = found[key]
                text = NO_FIGURE if value is None else f"{value:.{digits}f}{unit}"
                lines.append((f"{name}, {words}", text))
    return lines


def _number(value) -> str:
    return f"{value:.3g}".replace("-", "−")


def _value(value, error=None, unit="") -> str:
    if value is None:
        return NO_FIGURE
    digits = f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
    return digits.replace("-", "−") + (unit if unit in ("", "″") else f" {unit}")
