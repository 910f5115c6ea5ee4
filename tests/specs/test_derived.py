"""Specifications that give only what differs from another one."""

import pytest
import yaml

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.specs import load_population, load_survey
from lensfinder.specs.derived import LONGEST_CHAIN, merged

SCATTER = {"prior": "normal", "mean": 0, "sigma": 20, "unit": "deg", "source": "test"}
SEEING = {"value": 0.5, "unit": "arcsec", "source": "test"}


def written(folder, name="mine", **data) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, **data}))
    return str(path)


def test_a_population_with_other_scatter(tmp_path):
    place = written(
        tmp_path,
        based_on="pearson2019-test",
        lens_light={"angle_offset": SCATTER},
        source_position={"region": "caustic"},
    )
    mine, base = load_population(place), load_population("pearson2019-test")
    assert mine.name == "mine"
    assert mine.lens_light.angle_offset.sigma == 20
    assert mine.lens_light.axis_ratio_factor == base.lens_light.axis_ratio_factor
    assert mine.source_position.region == "caustic"
    assert (mine.mass, mine.source) == (base.mass, base.source)


def test_null_takes_a_part_away(tmp_path):
    place = written(tmp_path, based_on="pearson2019-test", lens_light=None)
    assert load_population(place).lens_light is None


def test_one_band_of_a_survey_is_changed_by_its_name(tmp_path):
    band = {"name": "r", "psf_fwhm": SEEING}
    place = written(tmp_path, based_on="lsst-gri", groups=[{"name": "lsst", "bands": [band]}])
    mine, base = load_survey(place), load_survey("lsst-gri")
    assert [b.psf_fwhm for b in mine.bands] == [0.7, 0.5, 0.7]
    assert mine.band("r").zero_point == base.band("r").zero_point
    assert mine.band("r").sky == base.band("r").sky


def test_a_number_alone_is_changed_with_a_source_of_its_own(tmp_path):
    def survey(**changed):
        band = {"name": "r", "psf_fwhm": changed}
        return load_survey(
            written(tmp_path, based_on="lsst-gri", groups=[{"name": "lsst", "bands": [band]}])
        )

    assert survey(value=0.5, source="mine").band("r").psf_fwhm == 0.5  # the unit is the base's
    assert survey(value=500, unit="mas", source="mine").band("r").psf_fwhm == 0.5
    uniform = {"prior": "uniform", "low": 0.3, "high": 1, "source": "mine"}
    mine = load_population(
        written(tmp_path, based_on="pearson2019-test", mass={"axis_ratio": uniform})
    )
    assert mine.mass.axis_ratio.low == 0.3
    for changed in ({"value": 0.5}, {"value": 0.5, "unit": "arcsec"}, {"source": "mine"}):
        with pytest.raises(SpecError, match="Write all three") as caught:
            survey(**changed)
        (line,) = str(caught.value).splitlines()  # the cause, and nothing that follows from it
        assert "groups.0.bands.1.psf_fwhm" in line


def test_a_file_based_on_a_file_beside_it(tmp_path):
    written(tmp_path, "first", based_on="pearson2019-test", description="one")
    place = written(tmp_path, "second", based_on="first.yaml", paper="mine")
    found = load_population(place)
    assert (found.name, found.description, found.paper) == ("second", "one", "mine")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"based_on": "pearson2019-test", "lens_lihgt": {}}, "lens_light"),
        (
            {"based_on": "pearson2019-test", "mass": {"axis_ratio": {"sigma": 0.2}}},
            "mass.axis_ratio.prior is missing. Write this part in full",
        ),
        ({"based_on": "pearson2019-test", "mass": None}, "mass"),
        ({"based_on": "mine.yaml"}, f"more than {LONGEST_CHAIN}"),
        ({"based_on": "other.yaml"}, "other.yaml"),
        ({"based_on": "pearson2019-test", "name": None}, "name"),
        ({"based_on": ["pearson2019-test"]}, "Known"),
    ],
)
def test_mistakes_name_the_file_and_what_is_wrong(tmp_path, data, words):
    with pytest.raises((SpecError, UnknownNameError), match=words):
        load_population(written(tmp_path, **data))


def test_a_file_without_a_name_of_its_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("based_on: pearson2019-test\n")
    with pytest.raises(SpecError, match="a name of its own"):
        load_population(path)


def test_an_unknown_base_lists_the_known_ones(tmp_path):
    with pytest.raises(UnknownNameError, match="pearson2019-test"):
        load_population(written(tmp_path, based_on="pearson2018"))


def test_merging_leaves_both_as_they_were():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": {"value": 1, "source": "paper"}}
    change = {"a": {"c": [3]}, "d": {"value": 2}, "e": 5}
    copy = [yaml.safe_dump(base), yaml.safe_dump(change)]
    assert merged(base, change) == {"a": {"b": 1, "c": [3]}, "d": {"value": 2}, "e": 5}
    assert [yaml.safe_dump(base), yaml.safe_dump(change)] == copy


def test_a_part_of_another_kind_is_replaced():
    base = {"brightness": {"kind": "apparent", "wavelength": 1}}
    change = {"brightness": {"kind": "intensity", "intensity": 3}}
    assert merged(base, change) == change
