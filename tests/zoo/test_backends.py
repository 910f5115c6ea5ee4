"""The zoo on JAX, in a process of its own: a backend is chosen when Keras is imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

CONTRACTS = """
import sys
sys.modules["tensorflow"] = None  # as on a machine without it: importing it raises
import keras
from lensfinder.testing import check_network
from toys import contract
assert keras.backend.backend() == "jax"
of = contract(vis=("V", 32))
for name, task, arguments in {cases}:
    check_network(name, of, task, arguments=arguments)
print("kept")
"""


def on_jax(script):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_jax
def test_a_compact_network_keeps_the_contract_on_jax_without_tensorflow():
    cases = [("compact_finder", "finder", {"widths": (4, 6), "units": 4, "augment": "any"})]
    assert on_jax(CONTRACTS.format(cases=cases)).strip() == "kept"


@needs_jax
@pytest.mark.slow
def test_the_other_networks_keep_the_contract_on_jax():
    cases = [
        ("compact_modeller", "modeller", {}),
        ("edsr", "cleaner", {"blocks": 1, "channels": 4}),
        ("holismokes", "modeller", {}),
        ("resnet101_flipout", "modeller", {"depth": 8, "width": 4}),
        ("six_layer_cnn", "modeller", {}),
        ("six_layer_cnn", "finder", {}),
        ("two_branch_efficientnet", "finder", {"variant": "B0"}),
        ("vib", "finder", {"filters": (4,) * 5, "units": 8, "flow_steps": 4}),
    ]
    assert on_jax(CONTRACTS.format(cases=cases)).strip() == "kept"


EXCHANGE = """
import numpy as np
from lensfinder import zoo
from toys import contract, images
model = zoo.load({folder!r})
np.save({out!r}, zoo.fixed_predict(model, batch_size=4)(images(contract(vis=("V", 32)), rows=6)))
"""


@needs_jax
def test_a_preset_saved_on_tensorflow_gives_the_same_scores_on_jax(tmp_path):
    import numpy as np
    from toys import contract, images

    from lensfinder import zoo

    of = contract(vis=("V", 32))
    model = zoo.build("compact_finder", of, "finder")
    zoo.adapt(model, [images(of, rows=8)])
    zoo.save_preset(
        tmp_path / "p",
        model,
        builder="compact_finder",
        arguments={},
        task="finder",
        targets=None,
        contract=of,
        metrics={},
        card="",
    )
    on_jax(EXCHANGE.format(folder=str(tmp_path / "p"), out=str(tmp_path / "scores.npy")))
    here = zoo.fixed_predict(model, batch_size=4)(images(of, rows=6))
    # two implementations of the same convolutions in float32, measured 2e-7
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), here, atol=1e-5)
