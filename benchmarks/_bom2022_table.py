"""Table 1 of Bom et al. 2022 as published, and the tables that `bom2022.py` writes."""

CLIPPINGS = ("none", "challenge", "alternative")
FIGURES = ("roc_auc", "precision_recall_auc", "f_beta", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")
# Table 1: (ROC, its std, PR, its std, F_beta, its std) for no, challenge and alternative clipping
PUBLISHED = {
    "hjy": (
        (0.4994, 0.00135, 0.4950, 0.0155, 0.620002, 0.102507),
        (0.5389, 0.01891, 0.5535, 0.0210, 0.918411, 0.069823),
        (0.5350, 0.02414, 0.5342, 0.0303, 0.800559, 0.098771),
    ),
    "vis-repeated": (
        (0.5040, 0.0108, 0.5129, 0.0779, 0.526797, 0.066389),
        (0.6589, 0.0423, 0.6936, 0.0366, 0.982306, 0.007477),
        (0.6266, 0.0445, 0.6634, 0.0434, 0.979158, 0.011016),
    ),
    "vis-zeros": (
        (0.5001, 0.0101, 0.4884, 0.0384, 0.548153, 0.066831),
        (0.7002, 0.0306, 0.7326, 0.0256, 0.986763, 0.005173),
        (0.6534, 0.0414, 0.6864, 0.0387, 0.979588, 0.010142),
    ),
    "hjy-vis-zeros": (
        (0.5017, 0.0069, 0.4916, 0.0074, 0.613814, 0.094273),
        (0.8018, 0.0173, 0.8239, 0.0128, 0.990140, 0.003437),
        (0.8147, 0.0161, 0.8359, 0.0132, 0.991610, 0.003873),
    ),
    "hjy-vis-repeated": (
        (0.4932, 0.0102, 0.4921, 0.0175, 0.619433, 0.106441),
        (0.8016, 0.0186, 0.8230, 0.0149, 0.990402, 0.004087),
        (0.8295, 0.0088, 0.8469, 0.0081, 0.992070, 0.003427),
    ),
    "y-vis-zeros": (
        (0.5011, 0.0174, 0.4939, 0.0124, 0.613662, 0.125263),
        (0.8015, 0.0186, 0.8243, 0.0135, 0.989978, 0.004941),
        (0.8149, 0.0144, 0.8369, 0.0120, 0.990235, 0.004237),
    ),
}


def published(name) -> dict:
    """The paper's figures for a cell."""
    variant, _, clipping = name.rpartition("-")
    names = [f"{figure}{end}" for figure in FIGURES[:3] for end in ("", "_std")]
    return dict(zip(names, PUBLISHED[variant][CLIPPINGS.index(clipping)], strict=True))


def markdown(figures) -> str:
    """Both tables for a README."""
    lines = ["| | ROC AUC | paper | PR AUC | paper | F_beta | paper |", "|---" * 7 + "|"]
    for name, found in figures["table_1"].items():
        row = [name]
        for figure in FIGURES[:3]:
            row += [_value(found, figure), _value(found["published"], figure)]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "| | ROC AUC | TPR at FPR 1e-2 | TPR at FPR 1e-3 | objects seen | training, s |"]
    lines.append("|---" * 6 + "|")
    for name, found in {**figures["table_1"], **figures["ours"]}.items():
        row = [name, *(_value(found, figure) for figure in (FIGURES[0], *FIGURES[3:]))]
        lines.append(f"| {' | '.join(row)} | {found['objects_seen']} | {found['train_s']:.0f} |")
    return "\n".join(lines)


def _value(found, name):
    if found.get(name) is None:
        return "-"
    std = found.get(f"{name}_std")
    return f"{found[name]:.3f}" + ("" if std is None else f" +- {std:.3f}")
