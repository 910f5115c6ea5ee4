"""The trainings and tests that Pearson's table and studies share; each is done once.

A network is a `Mocks` (what it is trained on) and a recipe: ``paper`` (six layers, Nadam, MSE,
images scaled to 0-1, one learning rate, many passes over a fixed set) or ``ours`` (compact
modeller, falling learning rate, mean over eight views). Every training may use the same number of
core seconds: steps are planned from the cost of an object, which a probe measures once as CPU time,
so that what else the machine does decides little. Where those seconds show each of the eight views
of the paper's fixed set at most twice, ours learns from that set, turned: as long as each view is
shown once, that is worth as many fresh mocks (benchmarks/turned.py); twice was not compared. Making
the set is counted for neither. Where views would repeat more, ours draws fresh mocks, and pays for
them out of its seconds. Validation is not counted: a pass over 512 mocks an epoch.
"""

import contextlib
import json
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import yaml
from _resumed import write_once, write_text

from lensfinder.errors import CheckpointError
from lensfinder.simulate import Simulator, simulate
from lensfinder.specs import load_population, load_survey
from lensfinder.tables import write_atomically
from lensfinder.training.fold_plans import altered
from lensfinder.training.loop import train
from lensfinder.training.network import build_network, compile_network, trained_network
from lensfinder.training.recipe import Recipe, load_recipe
from lensfinder.training.run_folder import Stopwatch
from lensfinder.training.sources import SimulatorSource
from lensfinder.zoo import fixed_predict

SEED = 20_190_701
RECIPES = ("paper", "ours")
TARGETS = ("theta_E", "e1", "e2")
KEPT = (*TARGETS, "q", "phi", "snr", "lens_R_e")  # columns of the truth that the studies read
VIEWS, REPEATED = 8, 2  # of each stored mock when it is turned; and how often a view is shown
CLASSIC = 1.0e-3  # Nadam's rate in Keras; the paper names none
# what costs are measured in: CPU time, or on a machine with a GPU, which must be quiet, wall time
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


class OutOfTime(Exception):
    """--minutes are over; call again to go on."""


@dataclass(frozen=True)
class Mocks:
    """Which mocks: to train on, or to test on.

    `light`: of the lens: present; subtracted, which leaves its shot noise; or absent from the
    beginning. `scatter`: sigma of the light's axis ratio over the mass', and of the angle between
    them in degrees; then the source lies in the caustic (section 3.3). None: as in the population.
    """

    survey: str
    light: str = "present"
    visits: int = 1
    scatter: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """For files and tables."""
        parts = [self.survey, self.light]
        if self.visits > 1:
            parts.append(f"{self.visits}-visits")
        if self.scatter is not None:
            parts.append("scatter-{:g}-{:g}".format(*self.scatter))
        return "-".join(parts)

    @property
    def drawn(self) -> dict:
        """Options of the simulator, and of a recipe's data."""
        return {"subtract_lens_light": self.light == "subtracted", "visits": self.visits}


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    A training gets `seconds` of one core (`study_seconds` for the scatter study alone), or as many
    as `passes` over the fixed set take; without `probe` it is shown as many objects instead.
    """

    surveys: tuple[str, ...]
    lights: tuple[str, ...]  # of the table, and of the studies that read its networks
    fixed: int
    held: int
    test: int
    batch: int
    visits: tuple[int, ...]
    scatter: dict  # figure -> (sigmas trained on, sigmas tested on)
    seconds: float | None = None
    study_seconds: float | None = None
    passes: int | None = None
    probe: bool = True
    epochs: int = 6  # of ours: how often it is validated


@dataclass
class Networks:
    """Trains, tests and remembers."""

    folder: Path
    scale: Scale
    minutes: float | None = None
    workers: int = 1
    clock: str = "cpu"  # of `CLOCKS`

    def __post_init__(self):
        self.watch = Stopwatch(self.minutes)
        self.folder.mkdir(parents=True, exist_ok=True)

    # --- what is asked for ------------------------------------------------------------------------
    def answers(self, networks, test: Mocks):
        """Truth and predictions of some networks, (recipe, Mocks) each, on one test sample.

        Returns
        -------
        truth : dict of str to array (N,)
            The columns of `KEPT`.
        found : list of dict of str to array (N,)
            Predictions of each network.
        """
        places = [self.train(*network) for network in networks]
        folder = self.folder / "answers" / test.name
        names = ["truth", *("-".join((kind, mocks.name)) for kind, mocks in networks)]
        files = {name: folder / f"{name}.npz" for name in names}
        missing = [name for name in names if not files[name].exists()]
        if missing:
            self._left()
            folder.mkdir(parents=True, exist_ok=True)
            chosen = [
                place for name, place in zip(names[1:], places, strict=True) if name in missing
            ]
            for name, columns in self._score(missing, chosen, test).items():
                _save_npz(files[name], columns)
        read = {name: dict(np.load(path)) for name, path in files.items()}
        return read["truth"], [read[name] for name in names[1:]]

    def train(self, kind: str, mocks: Mocks) -> Path:
        """The run folder of a network; trained first if need be."""
        place = self.folder / "trained" / f"{kind}-{mocks.name}"
        recipe = self.recipe(kind, mocks)
        if (place / "best.safetensors").exists():
            text = yaml.safe_load((place / "config.yaml").read_text())["recipe"]
            if Recipe.model_validate(text) != recipe:
                raise CheckpointError(
                    f"{place} was trained by another recipe than is asked for now. Give another "
                    "--work, or delete it."
                )
        else:
            for answers in self.folder.glob(f"answers/*/{kind}-{mocks.name}.npz"):
                answers.unlink()  # of a network that is no more
            print(f"training {place.name}: {recipe.epochs} x {recipe.steps_per_epoch}", flush=True)
            if not train(recipe, place, minutes=self._left(), workers=self.workers).finished:
                raise OutOfTime
        return place

    def spent(self, kind: str, mocks: Mocks) -> dict:
        """Objects shown to a network, and seconds of its training."""
        history = json.loads((self.train(kind, mocks) / "history.json").read_text())
        recipe = self.recipe(kind, mocks)
        return {
            "objects_seen": history[-1]["step"] * recipe.batch_size,
            "train_wall_s": round(sum(entry["seconds"] for entry in history), 1),
            "planned_core_s": self._seconds(mocks),
        }

    def source(self, kind: str, mocks: Mocks) -> str:
        """What a network learns from, in words."""
        recipe = self.recipe(kind, mocks)
        if recipe.data.kind == "simulator":
            return "fresh mocks"
        return f"the fixed set{', turned' if recipe.turned else ''}"

    # --- recipes ----------------------------------------------------------------------------------
    def recipe(self, kind: str, mocks: Mocks) -> Recipe:
        """The paper's recipe or ours for these mocks, with as many steps as the budget allows."""
        population = self.population(mocks, "train")
        held = {"population": self.population(mocks, "test"), "size": self.scale.held}
        common = {
            "survey": mocks.survey,
            "validation": {**held, "seed": SEED + 1},
            "test": None,
            "batch_size": self.scale.batch,
            "adapt_size": min(512, self.scale.fixed),
        }
        if kind == "paper":
            steps = max(1, self.scale.fixed // self.scale.batch)
            return altered(
                load_recipe("six-layer-cnn-euclid-vis"),
                **common,
                data={"kind": "shards", "folder": str(self.fixed_set(mocks)), **mocks.drawn}
                | {"fold": "all", "folds": 2},
                schedule={"kind": "constant", "learning_rate": CLASSIC},
                steps_per_epoch=steps,
                epochs=self._passes(mocks),
            )
        shown = self._shown(mocks, fresh=False)
        fresh = shown > REPEATED * VIEWS * self.scale.fixed
        if fresh:
            shown = self._shown(mocks, fresh=True)
            data = {"kind": "simulator", "population": population, "seed": SEED}
        else:
            data = {"kind": "shards", "folder": str(self.fixed_set(mocks)), "fold": "all"}
            data["folds"] = 2
        steps = max(2, shown // self.scale.batch)
        # an epoch of stored mocks is at most one pass over them
        passes = 1 if fresh else -(-steps // max(1, self.scale.fixed // self.scale.batch))
        epochs = min(max(self.scale.epochs, passes), steps)
        warm = min(200, steps // 10)
        return altered(
            load_recipe("compact-modeller-euclid-vis"),
            **common,
            data={**data, **mocks.drawn},
            turned=not fresh,
            schedule={"kind": "cosine", "peak": 2.0e-3, "floor": 1.0e-6, "warmup_steps": warm},
            steps_per_epoch=steps // epochs,
            epochs=epochs,
        )

    def population(self, mocks: Mocks, part: str) -> str:
        """Name of a population, or the file of one that differs from it as the mocks ask."""
        base = f"pearson2019-{part}"
        if mocks.scatter is None and mocks.light != "absent":
            return base
        changes = {"based_on": base, "name": f"{base}-{mocks.name}"}
        if mocks.scatter is not None:
            changes |= _scattered(*mocks.scatter)
        if mocks.light == "absent":
            changes["lens_light"] = None
        place = self.folder / "populations" / f"{changes['name']}.yaml"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            write_text(place, yaml.safe_dump(changes, sort_keys=False))
        return str(place)

    def fixed_set(self, mocks: Mocks) -> Path:
        """Shards of the paper's fixed set; written once."""
        from lensfinder.data.manifest import MANIFEST

        place = self.folder / "fixed" / mocks.name
        if not (place / MANIFEST).exists():  # written last
            self._left()
            # a tenth of any shards is their test split, which is not trained on
            asked = {"n": int(self.scale.fixed / 0.88) + 8, "seed": SEED, "workers": self.workers}
            population = self.population(mocks, "train")
            simulate(mocks.survey, population, output=place, overwrite=True, **asked, **mocks.drawn)
        return place

    # --- budgets ----------------------------------------------------------------------------------
    def _seconds(self, mocks) -> float | None:
        """Core seconds of a training; None where objects are counted instead."""
        if not self.scale.probe:
            return None
        if self.scale.passes is not None:  # what the paper's passes take
            each = self.cost("paper", mocks.survey)
            return round(self.scale.passes * self.scale.fixed * each, 1)
        return self.scale.study_seconds if mocks.scatter is not None else self.scale.seconds

    def _passes(self, mocks) -> int:
        if self.scale.passes is not None:
            return self.scale.passes
        one = self.scale.fixed * self.cost("paper", mocks.survey)
        return max(1, round(self._seconds(mocks) / one))

    def _shown(self, mocks, *, fresh: bool) -> int:
        """Objects that ours may be shown, if each has to be drawn or none."""
        seconds = self._seconds(mocks)
        if seconds is None:
            return self.scale.passes * self.scale.fixed
        each = self.cost("ours", mocks.survey)
        return int(seconds / (each + (self.cost("mocks", mocks.survey) if fresh else 0.0)))

    def cost(self, what: str, survey: str) -> float:
        """Core seconds per object of a network's training, or of making ``mocks``."""
        # a file of its own for each: several processes may share the folder
        place = self.folder / "costs" / f"{what}-{survey}.json"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            each = self._probe(what, survey)
            # if another process was first, its number holds
            with contextlib.suppress(FileExistsError):
                write_once(place, json.dumps(each))
                print(f"{what} {survey}: {1 / each:.0f} objects per core second", flush=True)
        return json.loads(place.read_text())

    def _probe(self, what, survey) -> float:
        if what == "mocks":
            source = SimulatorSource(
                *(load_survey(survey), load_population("pearson2019-train"), SEED, TARGETS),
                batch_size=256,
                steps_per_epoch=9,
            )
            jobs = [partial(source.make, source.simulator, k) for k in range(5)]
            return _seconds_of(jobs, CLOCKS[self.clock]) / 256
        base = {"paper": "six-layer-cnn-euclid-vis", "ours": "compact-modeller-euclid-vis"}[what]
        recipe = altered(load_recipe(base), survey=survey, batch_size=self.scale.batch)
        model = compile_network(build_network(recipe), recipe)
        rng = np.random.default_rng(SEED)
        batch = self.scale.batch
        images = {
            group.name: rng.normal(size=(batch, *group.shape)).astype(np.float32)
            for group in load_survey(survey).groups
        }
        y = rng.uniform(0.2, 0.8, size=(batch, len(TARGETS))).astype(np.float32)
        step = partial(model.train_on_batch, images, y)
        return _seconds_of([step] * 12, CLOCKS[self.clock]) / batch

    def _left(self) -> float | None:
        """Minutes that are left."""
        if self.minutes is None:
            return None
        left = self.minutes - self.watch.seconds / 60
        if left <= 0:
            raise OutOfTime
        return left

    # --- testing ----------------------------------------------------------------------------------
    def _score(self, missing, places, test):
        """Columns of the truth, and of the answers of the networks in `places`, by name."""
        print(f"testing on {test.name}: {', '.join(missing)}", flush=True)
        predicts = [_Answerer(place) for place in places]
        survey = load_survey(test.survey)
        simulator = Simulator(survey, self.population(test, "test"), seed=SEED + 2, **test.drawn)
        parts = []
        for mocks in simulator.stream(count=self.scale.test, batch=256):
            truth = {k: np.asarray(mocks.truth[k]) for k in KEPT if k in mocks.truth.colnames}
            parts.append([truth, *(predict(mocks.images, survey) for predict in predicts)])
        whole = [
            {name: np.concatenate([part[k][name] for part in parts]) for name in parts[0][k]}
            for k in range(len(predicts) + 1)
        ]
        found = dict(zip([name for name in missing if name != "truth"], whole[1:], strict=True))
        return {**({"truth": whole[0]} if "truth" in missing else {}), **found}


class _Answerer:
    """A trained network that takes the bands it knows from any survey's images."""

    def __init__(self, place):
        self.recipe, model = trained_network(place)
        self._predict = fixed_predict(model)

    @cached_property
    def contract(self):
        return self.recipe.contract()

    def __call__(self, images, survey) -> dict[str, np.ndarray]:
        channels = self.contract.channels(survey)
        output = self._predict(
            {k: np.ascontiguousarray(images[k][..., list(c)]) for k, c in channels.items()}
        )
        return {name: output[:, k] for k, name in enumerate(self.recipe.truth_columns)}


def _scattered(sigma_e, sigma_phi) -> dict:
    """The population of section 3.3, equations 3 and 4: source in the caustic, other scatter."""

    def prior(mean, sigma, unit):
        fixed = {"prior": "constant", "value": mean} if sigma == 0 else None
        spread = {"prior": "normal", "mean": mean, "sigma": sigma}
        return {**(fixed or spread), "unit": unit, "source": "Pearson 2019, section 3.3"}

    factor = prior(1.0, sigma_e, "")
    if sigma_e:
        factor |= {"low": 0.2, "high": 1.8}
    return {
        "lens_light": {"axis_ratio_factor": factor, "angle_offset": prior(0.0, sigma_phi, "deg")},
        "source_position": {"region": "caustic"},
    }


def _seconds_of(jobs, clock, warm: int = 3) -> float:
    """Median of the seconds that a job takes after the first ones, which compile."""
    taken = []
    for k, job in enumerate(jobs):
        begin = clock()
        job()
        if k >= warm:
            taken.append(clock() - begin)
    return float(np.median(taken))


def _save_npz(path, columns):
    def save(temporary):
        with open(temporary, "wb") as file:
            np.savez(file, **columns)

    write_atomically(path, save)
