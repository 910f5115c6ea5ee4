"""The audit loop on blind mocks: figure 13 of Maresca et al. 2021, and from a network's posterior.

``python benchmarks/audit.py --work FOLDER --minutes 60`` fits mocks of `maresca2021` one after the
other, once with wide priors and once from what a modelling network predicts, until the minutes are
over or ``--lenses`` are done. Given again with the same folder it goes on. A lens is counted twice:
by the verdict of the classifier, as the paper counts, and by its true Einstein radius.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from _result import write_result  # noqa: E402
from astropy.table import Table  # noqa: E402

from lensfinder.audit import Lens, Procedure, audit_lens, classifier_of  # noqa: E402
from lensfinder.errors import MaskError  # noqa: E402
from lensfinder.inversion import MassPrior, annular_mask, load_relation  # noqa: E402
from lensfinder.inversion.lens_fit import point_estimates  # noqa: E402
from lensfinder.inversion.relation import SOLUTIONS  # noqa: E402
from lensfinder.model import MODELLER, model  # noqa: E402
from lensfinder.predict import Network  # noqa: E402
from lensfinder.training.pairs import PairSpec, Systems  # noqa: E402
from lensfinder.training.solutions import gaussian_kernel, noise_map  # noqa: E402
from lensfinder.zoo import open_preset  # noqa: E402

SEED = 20210713
SURVEY, POPULATION = "euclid-vis-maresca2021", "maresca2021"
# The paper's sources, times this (log-uniform): as they are, their arcs stand a hundred sigma above
# the noise, and what a grid of pixels cannot follow stands above it too. So they reach S/N 10 to
# 100 in all, as the arcs of a wide survey do.
DIMMING = (0.01, 0.1)
STARTS = ("wide", "network")
# Of the true Einstein radius: the paper's unphysical solutions end at 0.9 and begin at 1.1.
LOW, HIGH = 0.9, 1.1
PAPER = {"correct_of_100_after_rounds": [1, 52, None, 70]}


def mocks_of(count, *, seed=SEED):
    """Lenses whose arcs stand out: (number, image, noise, true mass) each, PSF, pixel scale."""
    systems = Systems(PairSpec(survey=SURVEY, seed=seed, dimming=DIMMING))
    group = systems.survey.groups[0]
    band = group.bands[0]
    found, index = [], 0
    while len(found) < count:
        image, mass = systems.image(index)
        noise = noise_map(image, band)
        try:
            annular_mask(image, noise, pixel_scale=group.pixel_scale)
            found.append((index, image, noise, mass))
        except MaskError:  # too faint to be masked
            pass
        index += 1
    psf = gaussian_kernel(band.psf_fwhm, group.pixel_scale)
    return found, psf, group.pixel_scale, index


def network_priors(lenses, preset):
    """Priors of a modelling network: its posteriors, or its answers and RMS errors on its mocks."""
    side = open_preset(preset).contract.groups[0].stamp
    edge = (lenses[0][1].shape[0] - side) // 2
    middle = [image[edge : edge + side, edge : edge + side] for _, image, _, _ in lenses]
    images = {"vis": np.stack(middle)[..., None].astype(np.float32)}
    answers = model(images, preset=preset)
    measured = Network(preset, "modeller").preset.metrics["modeller"]["parameters"]
    sigma = {name: float(measured[name]["rms"]) for name in ("theta_E", "e1", "e2")}
    answers = Table(answers, names=answers.colnames)
    priors = MassPrior.from_table(answers, sigma=sigma)
    errors = np.array(answers["theta_E"]) - [mass.theta_E for *_, mass in lenses]
    said = {
        "modeller": preset,
        "without_a_prior": sum(prior is None for prior in priors),
        "theta_E_rms_arcsec": float(np.sqrt(np.nanmean(errors**2))),
        "theta_E_median_error_arcsec": float(np.nanmedian(errors)),
        "of_its_posterior" if "theta_E_std" in answers.colnames else "sigma": sigma,
    }
    return priors, said


def class_of(theta, truth):
    """Under, correct or over by the true radius."""
    ratio = theta / truth
    return SOLUTIONS[0 if ratio < LOW else 2 if ratio > HIGH else 1]


def errors_of(rounds, truths):
    """Median and 16-84 % of the errors of the last round."""
    masses = [record.mass for record in rounds]
    phi = np.array([m.phi - t.phi for m, t in zip(masses, truths, strict=True)])
    found = {
        "theta_E_relative": [m.theta_E / t.theta_E - 1 for m, t in zip(masses, truths)],
        "q": [m.q - t.q for m, t in zip(masses, truths)],
        "phi_rad": (phi + np.pi / 2) % np.pi - np.pi / 2,
    }
    return {
        name: dict(zip(("p16", "p50", "p84"), np.percentile(values, [16, 50, 84]).tolist()))
        for name, values in found.items()
    }


def pulls_of(rounds, truths):
    """Errors of the right solutions in units of what they are said to be, by parameter.

    Of those with errors: the share within one and two standard deviations (68 and 95 % if the
    errors are right), and the 68th percentile of the absolute values (1).
    """
    pulls = {name: [] for name in ("theta_E", "e1", "e2", "x", "y")}
    for record, truth in zip(rounds, truths, strict=True):
        true = point_estimates(truth)
        if class_of(record.mass.theta_E, truth.theta_E) != "correct":
            continue
        for name, values in pulls.items():
            found = record.parameters[name]
            if found["std"] > 0:
                values.append(abs(found["mean"] - true[name].mean) / found["std"])
    return {
        name: {
            "count": len(values),
            "within_one_sigma": float(np.mean(np.array(values) < 1)),
            "within_two_sigma": float(np.mean(np.array(values) < 2)),
            "p68": float(np.percentile(values, 68)),
        }
        for name, values in pulls.items()
        if values
    }


def _until(history, number):
    """The history as it was after so many refits."""
    return replace(history, rounds=history.rounds[: number + 1])


def figures_of(histories, truths, seconds, rounds):
    """What came out of one start."""
    fitted = [(h, t) for h, t in zip(histories, truths, strict=True) if h.rounds]
    after = []
    for number in range(rounds + 1):
        last = [(_until(h, number).answer, t) for h, t in fitted]
        verdicts = [record.verdict for record, _ in last]
        true = [class_of(record.mass.theta_E, t.theta_E) for record, t in last]
        after.append(
            {
                "by_classifier": {kind: verdicts.count(kind) for kind in SOLUTIONS},
                "by_truth": {kind: true.count(kind) for kind in SOLUTIONS},
                "classifier_right": sum(a == b for a, b in zip(verdicts, true)),
            }
        )
    firsts, answers = [h.rounds[0] for h, _ in fitted], [h.answer for h, _ in fitted]
    true = [t for _, t in fitted]
    wrong = [h for h, t in fitted if class_of(h.answer.mass.theta_E, t.theta_E) != "correct"]
    return {
        "lenses": len(histories),
        "without_a_fit": len(histories) - len(fitted),
        "after_rounds": after,
        "flagged": sum(h.needs_a_person for h in histories),
        "wrong_at_the_end": len(wrong),
        "wrong_and_not_flagged": sum(not h.needs_a_person for h in wrong),
        "errors_of_the_first_fit": errors_of(firsts, true),
        "errors_at_the_end": errors_of(answers, true),
        "pulls_of_the_first_fit": pulls_of(firsts, true),
        "pulls_at_the_end": pulls_of(answers, true),
        "fits_per_lens": float(np.mean([len(h.rounds) for h, _ in fitted])),
        "models_per_lens": float(
            np.mean([sum(r.evaluations for r in h.rounds) for h, _ in fitted])
        ),
        "wall_s_per_lens": float(np.median([sum(r.seconds for r in h.rounds) for h, _ in fitted])),
        "first_fit_wall_s": float(np.median([h.rounds[0].seconds for h, _ in fitted])),
        "this_run_s": seconds,
    }


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to go on from")
    parser.add_argument("--lenses", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classifier", default="parity")
    parser.add_argument("--relation", default="lensfinder")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--modeller", default=MODELLER, help="whose posterior the second start has")
    parser.add_argument("--folder", default=None, help="where the result goes")
    args = parser.parse_args()
    lenses, psf, scale, tried = mocks_of(args.lenses)
    network = {}
    if "network" in args.starts:
        priors, network = network_priors(lenses, args.modeller)
    classifier, relation = classifier_of(args.classifier), load_relation(args.relation)
    procedure = Procedure(rounds=args.rounds, relation=relation, seed=SEED)
    start, end = time.monotonic(), time.monotonic() + 60.0 * args.minutes
    done, truths = {name: [] for name in args.starts}, []
    for row, (index, image, noise, truth) in enumerate(lenses):
        if time.monotonic() > end:
            break
        for name in args.starts:
            prior = priors[row] if name == "network" else None
            lens = Lens(index, image, noise, psf, scale, prior)
            folder = args.work / name / f"{index:05d}"
            history = audit_lens(lens, procedure, classifier=classifier, folder=folder)
            done[name].append(history)
            words = [f"{r.verdict} {r.mass.theta_E:.2f}" for r in history.rounds]
            flag = " (a person)" if history.needs_a_person else ""
            print(f"{row} {name}, true {truth.theta_E:.2f}: {', '.join(words)}{flag}", flush=True)
        truths.append(truth)
    seconds = time.monotonic() - start
    if not truths:
        raise SystemExit("No lens was done. Give more --minutes.")
    figures = {name: figures_of(done[name], truths, seconds, args.rounds) for name in args.starts}
    settings = {"classifier": classifier.name, "relation": relation.name, "network": network}
    settings |= {"dimming": DIMMING, "mocks_tried": tried}
    settings |= {"survey": SURVEY, "population": POPULATION}
    figures |= {"settings": settings, "paper": PAPER}
    write_result("audit", figures, seed=SEED, folder=args.folder)


if __name__ == "__main__":
    main()
