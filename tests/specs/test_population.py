"""Populations: every prior states its unit and source; mistakes name file and key."""

import json

import pytest
from pydantic import ValidationError

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.lensing.cosmology import distances
from lensfinder.paths import data_specs_dir
from lensfinder.specs import Population, load_population, population_names, read_yaml, validate
from lensfinder.specs.derived import read_spec
from lensfinder.specs.population import COSMOLOGIES

NAMES = {
    "bom2022",
    "bom2022-ground",
    "finder-test",
    "finder-test-ground",
    "finder-train",
    "finder-train-ground",
    "finder-train-real",
    "lens-galaxies",
    "madireddy",
    "madireddy-galaxies",
    "madireddy-lenses",
    "maresca2021",
    "pearson2019-test",
    "pearson2019-train",
    "unlensed-galaxies",
    "lenses-apart",
    "varied-lenses",
}


def refused(data, *words):
    with pytest.raises(SpecError) as caught:
        validate(Population, data, "mine.yaml")
    for word in ("mine.yaml", *words):
        assert word in str(caught.value)


def priors_in(data):
    """All mappings with the key `prior` or `value`, however deep."""
    if isinstance(data, dict):
        if "prior" in data or "value" in data:
            yield data
        else:
            for part in data.values():
                yield from priors_in(part)


def test_the_list_of_populations_is_frozen():
    assert set(population_names()) == NAMES


@pytest.mark.parametrize("name", population_names())
def test_every_population_loads_and_states_its_sources(name):
    population = load_population(name)
    assert population.name == name
    folder = data_specs_dir() / "populations"
    files = {each: folder / f"{each}.yaml" for each in NAMES}
    found = list(priors_in(read_spec(files[name], "population", files)))
    assert len(found) > 10
    for prior in found:
        assert "unit" in prior
        assert len(prior["source"]) > 2


@pytest.mark.parametrize("name", COSMOLOGIES)
def test_every_cosmology_exists(name):
    assert 500 < distances(name).angular_diameter(0.5) < 2000  # Mpc, any sane cosmology


def test_the_papers_figures():
    test = load_population("pearson2019-test")
    assert (test.mass.velocity_dispersion.mean, test.mass.velocity_dispersion.sigma) == (250, 44)
    assert (test.mass.axis_ratio.mean, test.mass.axis_ratio.sigma) == (0.78, 0.12)
    maresca = load_population("maresca2021")
    assert (maresca.mass.einstein_radius.mean, maresca.mass.einstein_radius.sigma) == (1.16, 0.42)
    assert maresca.source.size.radius.scale == pytest.approx(1 / 6.64)
    wide = load_population("madireddy").mass
    assert (wide.einstein_radius.low, wide.einstein_radius.high) == (0.5, 3.0)
    assert (wide.axis_ratio.low, wide.axis_ratio.high) == (0.2, 1.0)


WRONG = {
    "no unit": ("mass.axis_ratio.unit", ..., "mass.axis_ratio", "unit is missing"),
    "no source": ("mass.axis_ratio.source", ..., "source is missing"),
    "empty source": ("mass.axis_ratio.source", "", "mass.axis_ratio", "source"),
    "bare number": ("mass.axis_ratio", 0.8, "mass.axis_ratio"),
    "unknown prior": ("mass.axis_ratio.prior", "gausian", "mass.axis_ratio", "normal"),
    "unknown key of a prior": ("mass.axis_ratio.sigm", 1, "sigm", "Near: sigma"),
    "wrong unit": ("mass.velocity_dispersion.unit", "kg", "velocity_dispersion", "not a unit of"),
    "negative sigma": ("mass.axis_ratio.sigma", -0.1, "mass.axis_ratio", "sigma"),
    "NaN": ("mass.axis_ratio.mean", float("nan"), "mass.axis_ratio", "finite"),
    "NaN bound": ("mass.axis_ratio.low", float("nan"), "low must be below high"),
    "bounds turned round": ("mass.axis_ratio.low", 1.5, "low must be below high"),
    "nothing between the bounds": ("mass.axis_ratio.mean", -9.0, "of the distribution lies"),
    "misspelt part": ("acceptance.minimum_snrr", 20, "minimum_snrr", "Near: minimum_snr"),
    "unknown cosmology": ("cosmology", "flat-earth", "cosmology", "planck18"),
    "unknown class": ("classes", {"lenses": 1.0}, "classes", "no_source"),
    "fractions": ("classes", {"lens": 0.4, "no_source": 0.4}, "add up to 1"),
    "negative fraction": ("classes", {"lens": 1.5, "no_source": -0.5}, "classes"),
    "two strengths": (
        "mass.einstein_radius",
        {"prior": "constant", "value": 1, "unit": "arcsec", "source": "x"},
        "either einstein_radius or velocity_dispersion",
    ),
    "no strength": ("mass.velocity_dispersion", ..., "either einstein_radius or velocity_disp"),
    "unknown region": ("source_position.region", "sky", "source_position.region"),
    "magnification left out": (
        "source_position.region",
        "magnification",
        "minimum_magnification goes with",
    ),
    "label half given": ("label", {"rule": "visible", "minimum_pixels": 20}, "go with rule"),
    "gap": ("minimum_redshift_gap", 0, "minimum_redshift_gap"),
    "unknown template": ("source.template", "dwarf", "source.template", "star_forming"),
    "unknown kind": ("source.brightness.kind", "loud", "source.brightness", "apparent"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named(population_data, spoilt, case):
    where, value, *words = WRONG[case]
    spoilt(population_data, where, value)
    refused(population_data, *words)


def test_objects_that_are_no_lenses_need_light(population_data, spoilt):
    spoilt(population_data, "lens_light", ...)
    spoilt(population_data, "classes", {"lens": 0.5, "no_source": 0.5})
    refused(population_data, "without lens light every object must be a lens")


def test_a_population_is_frozen():
    population = load_population("maresca2021")
    with pytest.raises(ValidationError):
        population.mass.minimum_axis_ratio = 0.5
    with pytest.raises(ValidationError):
        population.mass.axis_ratio.mean = 0.5


@pytest.mark.parametrize("name", population_names())
def test_dump_and_load_give_the_same_population(name):
    population = load_population(name)
    assert Population.model_validate(population.model_dump()) == population
    text = json.dumps(population.model_dump(mode="json"))
    assert Population.model_validate(json.loads(text)) == population


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="bom2022, bom2022-ground, finder-test"):
        load_population("collett2015")


def test_what_no_population_named_before_is_not_in_its_plain_data():
    """Trainings and data sets made before `look_alikes` and `label.band` compare equal."""
    plain = load_population("finder-train").model_dump(mode="json")
    assert "look_alikes" not in plain
    assert "band" not in plain["label"]
    assert load_population("finder-train-real").model_dump(mode="json")["look_alikes"]
    assert load_population("bom2022-ground").model_dump(mode="json")["label"]["band"] == "r"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"look_alikes": {"ring": 0.5, "spiral": 0.4}}, ["add up to 1"]),
        ({"look_alikes": {"rings": 1.0}}, ["look_alikes", "knotted_ring"]),
        ({"look_alikes": {"ring": 1.0}, "classes": {"lens": 1.0}}, ["class look_alike"]),
        ({"label": {"rule": "construction", "band": "VIS"}}, ["rule: visible"]),
    ],
)
def test_look_alikes_and_labels_that_cannot_be(changes, words):
    data = read_yaml(data_specs_dir() / "populations" / "finder-train.yaml")
    refused({**data, **changes}, *words)
