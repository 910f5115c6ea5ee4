"""Write one benchmark's figures as JSON, with what is needed to judge them later."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("numpy", "keras", "tensorflow", "jax", "astropy", "lenstronomy", "galsim", "lensfinder")


def figures_of(run, options) -> dict:
    """What a benchmark measures; a typed error, such as of a wrong preset, ends it in one line.

    Parameters
    ----------
    run : callable
        Takes the options, and returns the figures.
    options : object
        What was asked for.

    Returns
    -------
    dict
        The figures.
    """
    from lensfinder.errors import LensfinderError

    try:
        return run(options)
    except LensfinderError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error


def write_result(name, figures, *, seed=None, folder=None) -> Path:
    """Record `figures` with commit, seed, machine and versions; print the same JSON.

    Parameters
    ----------
    name : str
        Name of the benchmark; the file is ``benchmarks/results/<name>.json``.
    figures : dict
        What was measured, ready for JSON, with the unit in every key (``"images_per_s"``).
    seed : int, optional
        The seed the figures depend on.
    folder : path-like, optional
        Where to write instead of ``benchmarks/results``.

    Returns
    -------
    pathlib.Path
        The file that was written (through a temporary file, so never half).
    """
    result = {
        "benchmark": name,
        "figures": figures,
        "seed": seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
    }
    text = json.dumps(result, indent=2, sort_keys=True, allow_nan=False) + "\n"
    folder = Path(folder) if folder is not None else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    sys.stdout.write(text)
    return path


def commit() -> str | None:
    """The commit of the checkout, with ``+changes`` where files differ; None outside git."""
    here = Path(__file__).resolve().parent

    def git(*words):
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True)

    head = git("rev-parse", "--short=12", "HEAD")
    if head.returncode:
        return None
    return head.stdout.strip() + ("+changes" if git("status", "--porcelain").stdout else "")


def machine() -> dict:
    """Processor, cores this process may use, memory, and how busy it was."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {"processor": _cpu_model(), "cores": cores, "system": platform.system()}
    if hasattr(os, "getloadavg"):  # a shared machine: trust ratios when this is above the cores
        facts["load_1min"] = round(os.getloadavg()[0], 2)
    if hasattr(os, "sysconf"):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        facts["memory_GiB"] = round(total / 2**30, 1)
    return facts


def versions() -> dict:
    """Versions of Python and of the packages that decide speed and numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def preset_label(preset) -> str:
    """A preset's name; of a folder only the last part, since results name no place."""
    return Path(preset).name if Path(preset).is_dir() else str(preset)
