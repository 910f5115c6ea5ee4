"""What no line of the package may do: run code from a file, fork, read the environment.

Weights and configuration are data. Everything that can turn a file into running code is absent
from the package, so no argument and no bug can reach it.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lensfinder"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Names that may not be used at all, as a bare name, an attribute or an imported name.
NAMES = {
    "load_model": "loads a model with its code",
    "model_from_json": "builds whatever a file says",
    "model_from_config": "builds whatever a file says",
    "deserialize_keras_object": "builds whatever a file says",
    "enable_unsafe_deserialization": "switches a guard off",
    "TFSMLayer": "runs a saved graph",
    "Lambda": "a layer that holds code",
    "unsafe_load": "YAML that builds objects",
    "full_load": "YAML that builds objects",
    "UnsafeLoader": "YAML that builds objects",
    "FullLoader": "YAML that builds objects",
    "ignore_errors": "ends a TFRecord file at its first bad record, in silence",
    "Untar": "writes outside its folder on Python 3.11",
    "extractall": "may write outside its folder",
}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
KEYWORDS = {("safe_mode", False), ("allow_pickle", True)}
BARE_CALLS = {"eval", "exec"}
ATTRIBUTES = {("yaml", "load"), ("yaml", "load_all"), ("os", "environ"), ("os", "getenv")}
ALLOWED = {("paths.py", "os.environ")}  # the one place that reads the environment


def offences(source, relative="room/module.py"):
    """(line, what) of everything in a source that is not allowed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        found += [(node.lineno, what) for what in _offences(node)]
    return [(line, what) for line, what in found if (relative, what) not in ALLOWED]


def _offences(node):
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            origin = (node.module or "").split(".")[0]
            names = {alias.name for alias in node.names}
            yield from sorted(names & set(NAMES))
            yield from (f"{origin}.{n}" for n in sorted(names) if (origin, n) in ATTRIBUTES)
            modules = {origin}
        yield from sorted(modules & MODULES)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield node.id
    elif isinstance(node, ast.Attribute):
        if node.attr in NAMES:
            yield node.attr
        if (getattr(node.value, "id", None), node.attr) in ATTRIBUTES:
            yield f"{node.value.id}.{node.attr}"
    elif isinstance(node, ast.Call):
        yield from _call_offences(node)


def _call_offences(node):
    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if getattr(node.func, "id", None) in BARE_CALLS:
        yield node.func.id
    for keyword in node.keywords:
        value = getattr(keyword.value, "value", None)
        if any(keyword.arg == name and value is bad for name, bad in KEYWORDS):
            yield f"{keyword.arg}={value}"
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if called in ("import_module", "__import__") and first in MODULES:
        yield first
    # TensorFlow hangs in a forked child, so every process must be asked for by "spawn"
    if called in ("get_context", "set_start_method") and first != "spawn":
        yield "not spawn"
    given = {keyword.arg for keyword in node.keywords}
    if called == "ProcessPoolExecutor" and "mp_context" not in given:
        yield "ProcessPoolExecutor without mp_context"
    if called in ("Pool", "Process") and getattr(node.func, "value", None) is not None:
        owner = getattr(node.func.value, "id", "")
        if owner in ("multiprocessing", "mp"):
            yield f"multiprocessing.{called} outside a spawn context"
    if called == "fork":
        yield "fork"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_runs_code_from_a_file_or_forks_or_reads_the_environment(path):
    assert offences(path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import keras\nkeras.models.load_model('a.keras')",
        "from keras.models import load_model",
        "from keras.saving import deserialize_keras_object as make",
        "keras.models.model_from_json(text)",
        "keras.config.enable_unsafe_deserialization()",
        "read(path, safe_mode=False)",
        "import pickle",
        "from pickle import loads",
        "import joblib",
        "__import__('pickle')",
        "import importlib\nimportlib.import_module('dill')",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "from yaml import load",
        "yaml.full_load(text)",
        "yaml.unsafe_load(text)",
        "keras.layers.Lambda(lambda x: x)",
        "keras.layers.TFSMLayer(path)",
        "eval(text)",
        "exec(text)",
        "os.environ['HOME']",
        "os.getenv('HOME')",
        "from os import environ",
        "dataset.ignore_errors()",
        "multiprocessing.get_context('fork')",
        "multiprocessing.Pool(2)",
        "ProcessPoolExecutor(2)",
        "os.fork()",
    ],
)
def test_the_scan_can_see_an_offence(source):
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "yaml.safe_load(text)",
        "np.load(path, allow_pickle=False)",
        "keras.layers.Dense(3)",
        "sorted(x, key=lambda item: item)",
        "model.eval()",
        "multiprocessing.get_context('spawn').Pool(2)",
        "ProcessPoolExecutor(2, mp_context=context)",
    ],
)
def test_the_scan_lets_harmless_code_pass(source):
    assert offences(source) == []


def test_the_environment_is_read_in_one_place():
    source = "import os\nos.environ.get('HOME')"
    assert offences(source, "paths.py") == []
    assert offences(source, "zoo/paths.py") != []
