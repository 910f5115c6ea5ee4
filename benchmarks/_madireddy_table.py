"""Table 2 of Madireddy et al. and what stands beside it, for a reader."""

TARGETS = ("theta_E", "e1", "e2")
SIZES = ("blocks", "channels", "depth", "width", "filters", "units")
# Table 2
PUBLISHED = {
    "psnr": {"S1-S2": 22.89, "S2-T2": 45.66, "S2-S3": 13.63, "S3-T3": 32.69},
    "detect": {  # accuracy, AUC, precision, recall
        "resnet on S1": (0.82, 0.81, 0.78, 0.74),
        "resnet on S3": (0.99, 0.99, 0.99, 0.99),
        "vib on S3": (0.99, 0.99, 0.99, 0.99),
        "resnet on I3": (0.93, 0.96, 0.93, 0.92),
        "vib on I3": (0.94, 0.97, 0.94, 0.93),
    },
    "model": {  # mean absolute error of parameters scaled to 0-1
        "resnet on S1": 0.08,
        "vib on S3": 0.01,
        "flipout on S3": 0.09,
        "vib on I3": 0.06,
        "flipout on I3": 0.11,
    },
}


def markdown(figures) -> str:
    """The three parts for a README."""
    paper = figures["published"]
    lines = ["| network | size | parameters | objects shown | s |", "|---" * 5 + "|"]
    for name, took in figures["networks"].items():
        given = took["network"]["arguments"]
        size = ", ".join(f"{key} {given[key]}" for key in SIZES if key in given)
        lines.append(
            f"| {name} | {size} | {took['parameters']:,} | {took['objects']:,} "
            f"| {took['train_s']:.0f} |"
        )
    lines += ["", "| PSNR, dB | ours | paper |", "|---|---|---|"]
    for name, value in paper["psnr"].items():
        lines.append(f"| {name} | {figures['psnr'][name]:.2f} | {value} |")
    for kind, value in figures["psnr of nothing"].items():
        lines.append(f"| S3 of {kind} - nothing | {value:.2f} | |")
    free = figures["without the bound"]["S3-T3"]
    lines.append(f"| S3-T3, sources not bounded by the image | {free:.2f} | |")
    behind = figures["behind the paper's cleaner"]
    lines.append(f"| S3-T3, the paper's joint recipe | {behind['psnr']['S3-T3']:.2f} | |")
    lines += ["", "| detect | accuracy | AUC | precision | recall | paper |", "|---" * 6 + "|"]
    for name, found in figures["detect"].items():
        ours = " | ".join("-" if value is None else f"{value:.3f}" for value in found.values())
        lines.append(f"| {name} | {ours} | {', '.join(map(str, paper['detect'][name]))} |")
    for name, found in behind["detect"].items():
        ours = " | ".join("-" if value is None else f"{value:.3f}" for value in found.values())
        lines.append(f"| {name}, cleaned by the paper's joint recipe | {ours} | |")
    lines += ["", "| model | MAE | paper |", "|---|---|---|"]
    for name, found in figures["model"].items():
        lines.append(f"| {name} | {found['mae']:.3f} | {paper['model'].get(name, '')} |")
    for name, found in behind["model"].items():
        lines.append(f"| {name}, cleaned by the paper's joint recipe | {found['mae']:.3f} | |")
    for title, key in (("wrong", "wrong_by_doubt"), ("MAE", "error_by_doubt")):
        lines += ["", f"| {title} | metric | all | doubtful fifth | rest |", "|---" * 5 + "|"]
        for name, metrics_ in figures[key].items():
            for metric, found in metrics_.items():
                cells = " | ".join(f"{value:.3f}" for value in found.values())
                lines.append(f"| {name} | {metric} | {cells} |")
    lines += ["", "| intervals of 50, 68, 95 % hold | " + " | ".join(TARGETS) + " | TARP p | wrong"]
    lines[-1] += " ones rejected |"
    lines.append("|---" * 6 + "|")
    for name, found in figures["coverage"].items():
        held = found.get("parameters")
        if not held:
            lines.append(f"| {name} | not calibrated: {found['not_calibrated']} | | | | |")
            continue
        cells = [
            ", ".join(f"{held[key]['coverage'][level]:.3f}" for level in ("0.5", "0.68", "0.95"))
            for key in TARGETS
        ]
        refused = [control["rejects"] for control in found["controls"].values()]
        p = f"{found['tarp']['p']:.2g} | {sum(refused)} of {len(refused)}"
        lines.append(f"| {name} | {' | '.join(cells)} | {p} |")
    lines += [
        "",
        "| light left of non-lenses | 1 % | 16 % | 50 % | 84 % | 99 % |",
        "|---" * 6 + "|",
    ]
    for name, found in figures["non_lenses"]["shares"].items():
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in found.values())} |")
    for name, found in figures["non_lenses"]["r_magnitudes"].items():
        cells = ["dark" if value is None else f"{value:.2f}" for value in found.values()]
        lines.append(f"| {name}, r in mag | {' | '.join(cells)} |")
    return "\n".join(lines)
