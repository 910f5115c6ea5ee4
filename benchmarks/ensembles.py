"""What an ensemble of modellers gains: its posterior and those of its members on the same mocks.

Members answer for the same survey and targets. The ensemble's posterior is the mixture of theirs
(Lakshminarayanan et al. 2017, section 2.4), as `lensfinder model --preset A --preset B` gives it.
Its variance has two parts: the mean of the members' own (aleatoric), and the scatter of their means
(epistemic). For each population: errors, the mean negative log likelihood, how often intervals hold
the truth, and the share of the variance that is epistemic, also for what is no lens.
"""

import argparse

import numpy as np
from _result import figures_of, write_result

from lensfinder.posterior import Posterior
from lensfinder.predict import modeller_of
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.evaluation import MockSample, lenses_of, score_mocks
from lensfinder.zoo import fixed_predict, open_preset

MEMBERS = ("compact-modeller/euclid-vis-posterior", "six-layer-cnn/euclid-vis-posterior")
POPULATIONS = ("pearson2019-test", "lenses-apart")
OTHERS = "finder-test"  # lenses, galaxies without arcs, look-alikes
ENSEMBLE = "ensemble"
SEED = 20_312_000  # of no preset's training, validation or test


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", nargs="+", default=list(MEMBERS))
    parser.add_argument("--populations", nargs="+", default=list(POPULATIONS))
    parser.add_argument("--mocks", type=int, default=5_000, help="lenses of each population")
    parser.add_argument("--others", type=int, default=2_000, help="objects of all kinds")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = figures_of(run, options)
    print(f"\n{markdown(figures)}\n")
    write_result("ensembles", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Figures of members and ensemble, on every population."""
    modeller_of(options.members)  # refuses members that do not go together
    members = [open_preset(name) for name in options.members]
    predicts = [fixed_predict(member.load()) for member in members]
    widths = np.cumsum([predict.outputs[-1] for predict in predicts])[:-1]
    contract, targets = members[0].contract, members[0].targets

    def together(images):
        return np.concatenate([predict(images) for predict in predicts], axis=1)

    found = {"members": list(options.members), "populations": {}}
    for population in options.populations:
        sample = MockSample(contract.survey, population, options.mocks, SEED)
        scored = score_mocks(together, sample, contract=contract)
        truth, output = lenses_of(scored)
        true = np.stack([np.asarray(truth[name], float) for name in targets], axis=1)
        answers = np.split(output, widths, axis=1)
        found["populations"][population] = {
            "data": scored.data,
            **compared(options.members, answers, targets, true),
        }
    sample = MockSample(contract.survey, OTHERS, options.others, SEED)
    scored = score_mocks(together, sample, contract=contract)
    answers = np.split(scored.output, widths, axis=1)
    kinds = np.asarray(scored.truth["class"], dtype="U")
    found["no_lens"] = {
        str(kind): disagreement([part[kinds == kind] for part in answers], targets)
        for kind in np.unique(kinds)
    }
    return found


def posteriors_of(answers, targets):
    """Those of the members, and their mixture."""
    members = [Posterior.of(part, targets) for part in answers]
    return members, Posterior.mixture(members)


def compared(names, answers, targets, true) -> dict:
    """Each member and the ensemble on the same lenses."""
    members, mixture = posteriors_of(answers, targets)
    found = {}
    for name, posterior in zip([*names, ENSEMBLE], [*members, mixture], strict=True):
        # the same random numbers for all
        figures = posterior_figures(
            posterior, true, rng=np.random.default_rng(SEED), controls=False
        )
        error = posterior.mean() - true
        found[name] = {
            "nll": figures["nll"],
            "tarp_p": figures["tarp"]["p"],
            "parameters": {
                target: {
                    "rms": float(np.sqrt(np.mean(error[:, i] ** 2))),
                    "std_median": figures["parameters"][target]["std_median"],
                    "coverage": figures["parameters"][target]["coverage"],
                    "ranks_p": figures["parameters"][target]["ranks_p"],
                }
                for i, target in enumerate(targets)
            },
        }
    return {"objects": len(true), **found, ENSEMBLE + " disagrees": disagreement(answers, targets)}


def disagreement(answers, targets) -> dict:
    """Share of the variance that is scatter of the members' means, the median over objects."""
    members, mixture = posteriors_of(answers, targets)
    means = np.stack([member.mean() for member in members])
    share = means.var(axis=0) / mixture.std() ** 2
    return {
        "objects": len(mixture),
        **{
            f"{name}_epistemic_share": float(np.median(share[:, i]))
            for i, name in enumerate(targets)
        },
    }


def markdown(figures) -> str:
    """RMS and coverage of all."""
    lines = ["| mocks | posterior | nll | RMS | within 68 % |", "|---|---|---|---|---|"]
    for population, part in figures["populations"].items():
        for name in (*figures["members"], ENSEMBLE):
            each = part[name]["parameters"].values()
            rms = ", ".join(f"{v['rms']:.3f}" for v in each)
            held = ", ".join(f"{v['coverage']['0.68']:.3f}" for v in each)
            lines.append(f"| {population} | {name} | {part[name]['nll']:.3f} | {rms} | {held} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
