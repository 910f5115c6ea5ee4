"""Where the files of a preset lie: with the package, in the cache, or still on a mirror."""

import shlex
from pathlib import Path

from lensfinder.errors import DownloadError, UntrustedArtefactError
from lensfinder.paths import cache_dir, models_urls
from lensfinder.tables import write_atomically
from lensfinder.zoo.artefacts import FILE_NAME, read_pinned
from lensfinder.zoo.download import PATIENCE, Mirrors, Patience, put, shown, staging
from lensfinder.zoo.preset_files import CONFIG, TableLine, check_name
from lensfinder.zoo.transfer import has_digest

HERE, CACHED, TO_FETCH = "package", "cache", "to fetch"
# Data and text alone. A file that holds a whole model (.keras, .h5, .pkl) or unpacks to others
# (.zip, .tar) is never fetched, whatever a table says.
ENDINGS = (".safetensors", ".json", ".md")
LARGEST = 16_000_000  # bytes; shards are below 15 MB


def folder_of(name: str, line: TableLine, home: Path) -> Path:
    """Where a preset of a table lies, or will lie once it is fetched.

    Parameters
    ----------
    name : str
        Its name.
    line : TableLine
        Its line of the table.
    home : pathlib.Path
        Folder of the table.

    Returns
    -------
    pathlib.Path
        Its folder beside the table, if it is there; else its place in the cache.

    Raises
    ------
    UntrustedArtefactError
        If a name could lead out of either.
    """
    beside = home / check_name(name)
    if (beside / CONFIG).is_file():
        return beside
    check_fetchable(name, line)
    return cache_dir() / "presets" / name


def state_of(name: str, line: TableLine, home: Path) -> str:
    """Whether a preset can be used without a network.

    Parameters
    ----------
    name, line, home : str, TableLine, pathlib.Path
        As in `folder_of`.

    Returns
    -------
    str
        "package", "cache" or "to fetch". Sizes are compared here, hashes when it is loaded.
    """
    folder = folder_of(name, line, home)
    if folder == home / name:
        return HERE
    there = all(_size(folder / file) == pin.size for file, pin in line.files.items())
    return CACHED if there else TO_FETCH


def fetch_files(
    name: str, line: TableLine, home: Path, *, progress=None, patience: Patience = PATIENCE
) -> Path:
    """Make sure that a preset's files are on this machine; those that are need no network.

    Parameters
    ----------
    name, line, home : str, TableLine, pathlib.Path
        As in `folder_of`.
    progress : callable or None
        Told the number of bytes that came in since it was last called.
    patience : Patience
        How long to wait for mirrors that do not answer.

    Returns
    -------
    pathlib.Path
        Its folder; every file has its pinned size and hash, or is beside the table.

    Raises
    ------
    DownloadError
        If a file cannot be had; the message says what was tried, and how to put it there by hand.
    UntrustedArtefactError
        If a name could lead out of the cache, or a file is of a kind that is never fetched.
    """
    folder = folder_of(name, line, home)
    if folder == home / name:
        return folder
    missing = {
        file: pin
        for file, pin in line.files.items()
        if not has_digest(folder / file, f"sha256:{pin.sha256}", pin.size)
    }
    if not missing:
        return folder
    mirrors = Mirrors((*models_urls(), *line.mirrors), patience=patience)
    root = cache_dir()
    try:
        with staging(root) as partial:
            for file, pin in missing.items():
                staged = mirrors.get(
                    f"{name}/{file}",
                    partial / file,
                    digest=f"sha256:{pin.sha256}",
                    size=pin.size,
                    progress=progress,
                )
                put(staged, folder / file, root)
    except DownloadError as error:
        raise _by_hand(error, name, missing, folder, mirrors) from error
    return folder


def _by_hand(error, name, missing, folder, mirrors):
    attempts = getattr(error, "attempts", None)
    if attempts is None:  # our own disk, not a mirror
        return error
    source = shown(mirrors.bases[0]) if mirrors.bases else "https://MIRROR"
    file = next(iter(missing))
    return DownloadError(
        f"Preset {name!r} is not on this machine. {error} Or put its files "
        f"({', '.join(missing)}) into {folder} by hand, e.g. with `curl -fL --create-dirs -o "
        f"{shlex.quote(str(folder / file))} {source}/{name}/{file}`.",
        attempts=attempts,
        folder=str(folder),
    )


def write_mirror(folder, lines: dict[str, TableLine], home: Path) -> list[Path]:
    """Copy presets into a folder that any web server can offer as a mirror.

    Parameters
    ----------
    folder : path-like
        Where to write.
    lines : dict of str to TableLine
        The presets; those that are not on this machine are fetched.
    home : pathlib.Path
        Folder of their table.

    Returns
    -------
    list of pathlib.Path
        The files, each with its pinned hash.

    Raises
    ------
    DownloadError
        If a preset cannot be fetched.
    UntrustedArtefactError
        If a file is not what it should be.
    """
    written = []
    for name, line in lines.items():
        source = fetch_files(name, line, home)
        for file, pin in line.files.items():
            content = read_pinned(source / file, pin)
            place = Path(folder) / name / file
            write_atomically(place, lambda temporary, data=content: _write(temporary, data))
            written.append(place)
    return written


def check_fetchable(name: str, line: TableLine) -> None:
    """Refuse names that could lead elsewhere, and files that are more than data.

    Parameters
    ----------
    name : str
        Of a preset.
    line : TableLine
        Its files.

    Raises
    ------
    UntrustedArtefactError
        If one of them is not as our own tables are.
    """
    check_name(name)
    if CONFIG not in line.files:
        raise UntrustedArtefactError(f"{name} lists no {CONFIG}. Get the table of presets again.")
    for file, pin in line.files.items():
        if not FILE_NAME.fullmatch(file) or not file.endswith(ENDINGS):
            raise UntrustedArtefactError(
                f"{name}: {file!r} is not a plain name ending in {', '.join(ENDINGS)}. "
                "Get the table of presets again."
            )
        if pin.size > LARGEST:
            raise UntrustedArtefactError(
                f"{name}: {file} has {pin.size} bytes, more than the {LARGEST} of our largest "
                "files. Get the table of presets again."
            )


def _size(path):
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _write(path, data):
    Path(path).write_bytes(data)
