"""What the tests of this room share: specifications as plain data, to be spoilt."""

import pytest

from lensfinder.paths import data_specs_dir
from lensfinder.specs import read_yaml


@pytest.fixture
def survey_data():
    """`euclid-vis` as its file says it, fresh."""
    return read_yaml(data_specs_dir() / "surveys" / "euclid-vis.yaml")


@pytest.fixture
def population_data():
    """`pearson2019-test` as its file says it, fresh."""
    return read_yaml(data_specs_dir() / "populations" / "pearson2019-test.yaml")


@pytest.fixture
def spoilt():
    """Function that sets the value at a dotted path of plain data, or takes it out with `...`."""

    def spoil(data, where, value):
        *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
        for part in path:
            data = data[part]
        if value is ...:
            del data[last]
        else:
            data[last] = value

    return spoil
