"""Where things lie: surveys, presets, caches. The one place that touches the environment.

Variables (all optional)
------------------------
LENSFINDER_CACHE
    Folder for downloaded weights. Default: the user's cache folder of the operating system.
LENSFINDER_MODELS_URL
    Mirrors of the presets' weights, separated by white space, tried before the built-in ones.
LENSFINDER_DATA
    Folder with real images that tests and benchmarks may use; nothing else reads it.
"""

import os
from pathlib import Path

from lensfinder.errors import ResourceError

_PACKAGE = Path(__file__).resolve().parent


def _resource(folder: str) -> Path:
    # A wheel carries the folder as lensfinder/_resources/<folder> (see lensfinder/_build.py); in a
    # checkout, and so after an editable install, it lies beside the package.
    places = (_PACKAGE / "_resources" / folder, _PACKAGE.parent / folder)
    for place in places:
        if place.is_dir():
            return place
    raise ResourceError(
        f"The folder {folder!r} of lensfinder is missing; looked for {places[0]} and {places[1]}."
        " Install the package again, from a complete checkout or wheel.",
        folder=folder,
        places=places,
    )


def data_specs_dir() -> Path:
    """Folder of the survey, population and recipe files that come with the package.

    Returns
    -------
    pathlib.Path
        Holds ``surveys/``, ``populations/`` and ``recipes/``.

    Raises
    ------
    ResourceError
        The installation is incomplete.
    """
    return _resource("data_specs")


def models_dir() -> Path:
    """Folder of the presets that come with the package, one folder each.

    Returns
    -------
    pathlib.Path
        Holds ``presets.json`` and a folder per preset.

    Raises
    ------
    ResourceError
        The installation is incomplete.
    """
    return _resource("models")


def cache_dir() -> Path:
    """Folder for downloads; it need not exist yet.

    Returns
    -------
    pathlib.Path
        ``LENSFINDER_CACHE`` if set, else ``lensfinder`` in the user's cache folder.
    """
    chosen = os.environ.get("LENSFINDER_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lensfinder"


def models_urls() -> tuple[str, ...]:
    """Mirrors of the presets' weights that the user prefers, in order.

    Returns
    -------
    tuple of str
        The entries of ``LENSFINDER_MODELS_URL``; empty if it is not set.
    """
    return tuple(os.environ.get("LENSFINDER_MODELS_URL", "").split())


def real_images_dir() -> Path | None:
    """Folder of real survey images for tests and benchmarks.

    Returns
    -------
    pathlib.Path or None
        ``LENSFINDER_DATA`` if set, else ``../shared/data`` beside a checkout; None where that
        folder does not exist. The images are no part of the package.
    """
    chosen = os.environ.get("LENSFINDER_DATA")
    folder = Path(chosen) if chosen else _PACKAGE.parent.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def one_cpu_process() -> None:
    """Keep this process off the GPU and on one thread: for workers that make mocks.

    The GPU's memory belongs to the training beside them, and processes with a thread per core each
    would fight over the cores. Has an effect only before a backend is imported.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["JAX_PLATFORMS"] = "cpu"
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"


def quiet_tensorflow() -> None:
    """Silence the start-up messages of TensorFlow's C++ code, unless the user set a level.

    Has an effect only before TensorFlow is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
