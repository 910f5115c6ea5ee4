"""What a card says of a calibration, and of a modeller's doubt that there is a lens."""


def calibration_words(facts) -> str:
    """The paragraph about a calibration.

    Parameters
    ----------
    facts : dict
        ``calibration`` of a preset's ``metrics.json``.

    Returns
    -------
    str
        Markdown.
    """
    before, after = facts["before"], facts["after"]
    if facts["kind"] == "spread":
        return _spread_words(facts)
    holds = (
        f"{facts['prevalence']:.3f} of them lenses: it is the probability for objects of which so "
        "many are lenses. `find --prevalence 0.001` gives it for a survey with one in a thousand. "
        "On the test mocks: "
    )
    by_chance = f"(by chance alone below {after['error_null_99']:.4f})"
    if facts.get("unchanged"):
        return (
            "## Calibration\n\n"
            "`p_lens` is left as the network gives it: neither a temperature nor isotonic "
            f"regression made it better on {facts['objects']:,} validation mocks, {holds}"
            f"calibration error {after['error']:.4f} {by_chance}, log loss {after['log_loss']:.4f}."
        )
    return (
        "## Calibration\n\n"
        f"`p_lens` is calibrated ({facts['kind']}) on {facts['objects']:,} validation mocks, "
        f"{holds}calibration error {before['error']:.4f} before, {after['error']:.4f} "
        f"after {by_chance}, log loss {before['log_loss']:.4f} before, {after['log_loss']:.4f} "
        "after."
    )


def _spread_words(facts):
    before, after = facts["before"], facts["after"]
    factors = ", ".join(
        f"{name} by {scale:.3f} (68 % intervals held {before[name]:.3f} before, {held:.3f} after)"
        for scale, (name, held) in zip(facts["scales"], after.items(), strict=True)
    )
    used = facts.get("calibrated_on", ())
    parts = [f"{each['objects']:,} of `{each['population']}`" for each in used]
    of = f" ({', '.join(parts)})" if parts else ""
    words = "and multiplied"
    if facts.get("slopes"):
        words = "and multiplied by factors that go with the answer, at its median values"
    text = (
        "## Calibration\n\n"
        f"Spreads are calibrated on {facts['objects']:,} validation lenses{of}, {words}: "
        f"{factors}, on the test mocks."
    )
    lines = [
        "| test mocks of | parameter | truths within 50 %, before and after | 68 % | 95 % |",
        "|---|---|---|---|---|",
    ]
    for each in facts.get("populations", ()):
        for name, held in each["after"].items():
            raw = each["before"][name]
            shown = " | ".join(f"{raw[level]:.3f}, {x:.3f}" for level, x in held.items())
            lines.append(f"| `{each['population']}` ({each['objects']:,}) | {name} | {shown} |")
    several = len(facts.get("populations", ())) > 1  # of one, the table below says the same
    return text + "\n\n" + "\n".join(lines) if several else text


def doubt_words(facts: dict) -> str:
    """The paragraph about which images a modeller marks as showing no lens.

    Parameters
    ----------
    facts : dict
        ``doubt`` of a preset's ``metrics.json`` (`lensfinder.training.doubt.doubt_of`).

    Returns
    -------
    str
        Markdown; empty for presets that were taught before this was measured.
    """
    if not facts.get("marked"):
        return ""
    lines = ["| mocks | objects | marked `unsure` for it |", "|---|---|---|"]
    for kind, found in sorted(facts["marked"].items(), key=lambda item: item[1]["fraction"]):
        name = kind.replace("_", " ")
        lines.append(f"| {name} | {found['objects']:,} | {found['fraction']:.3f} |")
    others = [f"`{name}`" for name in facts.get("lenses_of", ()) if name != facts["population"]]
    lenses = f", and lenses of {' and '.join(others)}" if others else ""
    return (
        "## No lens\n\n"
        f"`p_no_lens` was fitted on {facts['lenses']:,} lenses and {facts['others']:,} others: "
        f"mocks of `{facts['population']}`{lenses}. It reads the answers and the last layers of "
        "the network, and is meant for as many lenses as others, of these as many of each kind. "
        "One lens in twenty of that sample is marked `unsure` by it. Of mocks that it was not "
        "fitted on:\n\n"
    ) + "\n".join(lines)
