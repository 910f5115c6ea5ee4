"""Surveys, populations and input contracts: validated, frozen configuration read from YAML."""

from pathlib import Path

from lensfinder.errors import UnknownNameError
from lensfinder.specs._yaml import parse_yaml, read_yaml, validate
from lensfinder.specs.branches import BranchContract
from lensfinder.specs.contract import GroupContract, InputContract
from lensfinder.specs.derived import read_spec
from lensfinder.specs.population import Population
from lensfinder.specs.survey import Band, Group, Survey
from lensfinder.specs.view import View

__all__ = [
    "Band",
    "BranchContract",
    "Group",
    "GroupContract",
    "InputContract",
    "Population",
    "Survey",
    "View",
    "load_population",
    "load_survey",
    "parse_yaml",
    "population_names",
    "read_yaml",
    "survey_names",
    "validate",
]


def load_survey(name) -> Survey:
    """A survey by name, or from a YAML file of your own.

    A file may say ``based_on: NAME`` and give a name and what differs (`specs.derived.merged`).

    Parameters
    ----------
    name : str, Path or Survey
        A name of `survey_names`, a path ending in ``.yaml``, or a survey, returned as it is.

    Returns
    -------
    Survey
        The survey.

    Raises
    ------
    UnknownNameError
        If no survey has this name.
    SpecError
        If the file is not a valid survey.
    """
    return _load(Survey, "survey", "surveys", name)


def load_population(name) -> Population:
    """A population by name, or from a YAML file of your own.

    A file may say ``based_on: NAME`` and give a name and what differs (`specs.derived.merged`).

    Parameters
    ----------
    name : str, Path or Population
        A name of `population_names`, a path ending in ``.yaml``, or a population.

    Returns
    -------
    Population
        The population.

    Raises
    ------
    UnknownNameError
        If no population has this name.
    SpecError
        If the file is not a valid population.
    """
    return _load(Population, "population", "populations", name)


def survey_names() -> list[str]:
    """Names of the surveys that come with the package.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_files("surveys"))


def population_names() -> list[str]:
    """Names of the populations that come with the package.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_files("populations"))


def _files(folder) -> dict[str, Path]:
    from lensfinder.paths import data_specs_dir

    return {path.stem: path for path in (data_specs_dir() / folder).glob("*.yaml")}


def _load(model, kind, folder, name):
    if isinstance(name, model):
        return name
    files = _files(folder)
    if str(name).endswith((".yaml", ".yml")):
        path = Path(name)
    else:
        if str(name) not in files:
            raise UnknownNameError(kind, str(name), files)
        path = files[str(name)]
    return validate(model, read_spec(path, kind, files), str(path))
