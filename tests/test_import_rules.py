"""Who may import what: the floors of the house, and the few rooms with heavy neighbours."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lensfinder"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Third-party package -> the only places below lensfinder/ that may import it.
HEAVY = {
    "tensorflow": ("data/",),
    "tensorflow_probability": ("posterior.py",),
    "tf_keras": (),
    "torch": (),
    "jax": (),
    "cv2": ("data/", "inversion/mask.py", "explain/"),
    "skimage": ("data/", "inversion/mask.py", "explain/"),
    "lime": ("explain/",),
    "dask": ("scan/",),
    "distributed": ("scan/",),
    "matplotlib": ("report/",),
    "typer": ("cli.py", "_commands/"),
    "setuptools": ("_build.py",),
    "lenstronomy": (),
    "galsim": (),
}
# From the ground floor up. A room may import rooms of its own floor and below, never from above.
FLOORS = (
    ("", "errors", "paths", "_callable", "_build"),
    ("lensing", "specs", "tables"),
    ("data", "training", "zoo", "simulate", "inversion", "posterior"),
    (
        *("predict", "find", "model", "clean", "fit", "audit", "adapt", "explain", "scan"),
        *("delays", "export", "paint"),
        *("evaluate", "testing"),
    ),
    ("report", "inspect"),
    ("cli", "_commands"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imported(source, module):
    """Dotted names that a module imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: -node.level]
                base = ".".join([*above, base] if base else above)
            # `from lensfinder import paths` may name a room; `from a.b import c` is a use of a.b
            own = base == "lensfinder"
            names |= {f"{base}.{alias.name}" for alias in node.names} if own else {base}
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                names.add(first.value)
    return names


def room_of(dotted):
    """The room that a dotted name below lensfinder belongs to; "" for the package itself."""
    parts = dotted.split(".")
    room = parts[1] if len(parts) > 1 else ""
    is_room = (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file() or room in FLOOR_OF
    return room if is_room else ""


def module_of(path):
    """Dotted name of a source file; relative imports of an __init__ start at the package itself."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def violations(source, relative, module):
    """Sentences on each import that the tables above do not allow."""
    found = []
    room = room_of(module.removesuffix(".__init__"))
    for name in sorted(imported(source, module)):
        top = name.split(".")[0]
        if top in HEAVY and not any(relative.startswith(place) for place in HEAVY[top]):
            found.append(f"{relative} imports {top}; only {HEAVY[top] or 'nobody'} may")
        if top == "lensfinder" and FLOOR_OF[room_of(name)] > FLOOR_OF[room]:
            found.append(f"{relative} imports {name} from a floor above")
    return found


def test_every_room_has_a_floor():
    rooms = {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    rooms |= {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert rooms <= set(FLOOR_OF), f"rooms without a floor: {rooms - set(FLOOR_OF)}"
    assert {"data", "zoo", "simulate", "lensing", "specs", "cli", "errors"} <= rooms


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_and_heavy_packages_stay_in_their_rooms(path):
    relative = path.relative_to(PACKAGE).as_posix()
    assert violations(path.read_text("utf-8"), relative, module_of(path)) == []


def test_rooms_do_not_import_each_other_in_a_circle():
    graph = {}
    for path in SOURCES:
        module = module_of(path)
        used = {room_of(n) for n in imported(path.read_text("utf-8"), module) if "lensfinder" in n}
        room = room_of(module.removesuffix(".__init__"))
        graph.setdefault(room, set()).update(used - {room, ""})
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"rooms import each other in a circle: {error.args[1]}")
    assert order.index("errors") < order.index("cli")


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        ("zoo/a.py", "import tensorflow as tf"),
        ("zoo/a.py", "def build():\n    from tensorflow.keras import layers"),
        ("data/a.py", "import tensorflow_probability as tfp"),
        ("lensing/sie.py", "import importlib\nimportlib.import_module('tensorflow')"),
        ("find.py", "import cv2"),
        ("simulate/a.py", "from skimage import data"),
        ("find.py", "import matplotlib.pyplot as plt"),
        ("zoo/a.py", "from lensfinder.cli import main"),
        ("lensing/sie.py", "from lensfinder.simulate import Simulator"),
        ("lensing/sie.py", "from ..data import read_cutouts"),
        ("specs/survey.py", "from lensfinder import find"),
        ("errors.py", "import lensfinder.specs"),
    ],
)
def test_the_rules_can_see_a_bad_import(relative, source):
    module = "lensfinder." + relative.removesuffix(".py").replace("/", ".")
    assert len(violations(source, relative, module)) == 1


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        ("data/a.py", "import tensorflow as tf"),
        ("zoo/a.py", "from lensfinder.lensing import sie\nfrom lensfinder import paths"),
        ("find.py", "from lensfinder.zoo.presets import open_preset\nimport keras"),
        ("report/page.py", "import matplotlib.pyplot as plt"),
        ("training/a.py", "from lensfinder import __version__"),
    ],
)
def test_the_rules_allow_a_good_import(relative, source):
    module = "lensfinder." + relative.removesuffix(".py").replace("/", ".")
    assert violations(source, relative, module) == []
