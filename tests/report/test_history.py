"""The plot of a training's history."""

import json

import pytest

from lensfinder.errors import DataFormatError
from lensfinder.report.history import plot_history

HISTORY = [
    {"epoch": i, "step": 4 * i, "loss": 1 / i, "val_loss": 1.2 / i, "val_auc": 0.5 + i / 20,
     "learning_rate": 1e-3, "seconds": 2.0, "objects_per_second": 100.0}
    for i in range(1, 6)
]  # fmt: skip


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_history_becomes_an_image(ending, tmp_path):
    path = plot_history(HISTORY, tmp_path / f"history.{ending}")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert len(data) > 5000


def test_a_run_folder_will_do(tmp_path):
    (tmp_path / "history.json").write_text(json.dumps(HISTORY[:1]))
    assert plot_history(tmp_path, tmp_path / "one.png").stat().st_size > 5000


def test_zero_and_missing_values_are_no_trouble(tmp_path):
    history = [{**entry, "loss": 0.0, "learning_rate": 0.0} for entry in HISTORY]
    del history[2]["val_auc"]
    plot_history(history, tmp_path / "history.png")


@pytest.mark.parametrize("content", ["[]", "{}", "", "[1]"])
def test_what_is_no_history_is_refused(content, tmp_path):
    (tmp_path / "history.json").write_text(content)
    with pytest.raises(DataFormatError):
        plot_history(tmp_path / "history.json", tmp_path / "history.png")
