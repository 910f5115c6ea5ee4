"""The verb `simulate`: the same data set for any number of workers and any batch."""

import numpy as np
import pytest
from astropy.table import Table

from lensfinder.data import read_manifest
from lensfinder.errors import OutputExistsError, SimulationError, UnknownNameError
from lensfinder.simulate import run, simulate
from lensfinder.simulate.simulator import DATA_VERSION

CASE = ("euclid-vis", "maresca2021")


def images_in(folder, plane="S1"):
    parts = [np.load(path) for path in sorted((folder / plane).glob("*.npz"))]
    key = next(name for name in parts[0].files if parts[0][name].ndim == 4)
    return np.concatenate([part[key] for part in parts])


def test_workers_and_batches_change_nothing(tmp_path):
    """2,100 objects are two shards: one process and batches of 100, two processes and 256."""
    done = []
    for name, workers, batch in (("one", 1, 100), ("two", 2, 256)):
        steps = []
        simulate(
            *CASE,
            n=2100,
            output=tmp_path / name,
            format="npz",
            workers=workers,
            batch=batch,
            progress=steps.append,
        )
        assert steps == [2048, 52]
        done.append(tmp_path / name)
    truth = [(folder / run.TRUTH).read_bytes() for folder in done]
    assert truth[0] == truth[1]
    one, two = (images_in(folder) for folder in done)
    assert one.shape == (2100, 57, 57, 1)
    assert np.abs(one - two).max() <= 1e-6
    table = Table.read(done[0] / run.TRUTH)
    assert table["index"].tolist() == list(range(2100))
    assert str(table["theta_E"].unit) == "arcsec"


@pytest.mark.parametrize("format", ["fits", "npz", "tfrecord"])
def test_every_format_writes_and_protects_its_folder(tmp_path, maresca, monkeypatch, format):
    monkeypatch.setattr(run, "Simulator", lambda **terms: maresca)  # compiled already
    folder = tmp_path / "set"
    terms = {"n": 3, "output": folder, "format": format, "planes": ("S1", "S2", "S3")}
    assert simulate(*CASE, **terms) == folder
    with pytest.raises(OutputExistsError):
        simulate(*CASE, **terms)
    simulate(*CASE, **terms, overwrite=True)
    if format != "tfrecord":
        assert {path.name for path in folder.iterdir()} == {"S1", "S2", "S3", run.TRUTH}
        assert len(Table.read(folder / run.TRUTH)) == 3
    else:  # whatever decides the objects is told
        assert read_manifest(folder).drawn == {"data_version": DATA_VERSION}
        simulate(*CASE, **terms, overwrite=True, sources="hubble", subtract_lens_light=True)
        found = {"sources": "hubble", "subtract_lens_light": True, "data_version": DATA_VERSION}
        assert read_manifest(folder).drawn == found


@pytest.mark.parametrize(
    ("terms", "error", "words"),
    [
        ({"n": 0}, SimulationError, "at least 1"),
        ({"workers": 0}, SimulationError, "at least 1"),
        ({"batch": -1}, SimulationError, "at least 1"),
        ({"format": "hdf5"}, UnknownNameError, "no format named"),
        ({"sources": "moon"}, UnknownNameError, "no source library named"),
        ({"planes": ("S2",)}, SimulationError, "Add S1"),
    ],
)
def test_a_run_that_cannot_be_writes_nothing(tmp_path, terms, error, words):
    with pytest.raises(error, match=words):
        simulate(*CASE, **{"n": 1, "output": tmp_path / "set"} | terms)
    assert not (tmp_path / "set").exists()
