"""The room as a whole: what it exports, and that it does so lazily."""

import pytest

from lensfinder import lensing


def test_every_exported_name_exists_and_is_documented():
    for name in lensing.__all__:
        member = getattr(lensing, name)
        assert member.__doc__, name
        assert member.__module__.startswith("lensfinder.lensing."), name
    assert set(lensing.__all__) <= set(dir(lensing))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'sie_deflexion'"):
        _ = lensing.sie_deflexion


def test_importing_the_room_is_light(run_python):
    run_python(
        "import sys, lensfinder.lensing;"
        "heavy = {'keras', 'astropy', 'tensorflow', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
