"""The evaluations of a fit, remembered in a file, so that an interrupted fit can go on.

A search asks for the same models in the same order each time it runs on the same input. So nothing
of its state is kept but the answers: after an interruption it starts anew, is told what is known
already in no time, and goes on to the very same result. One line of JSON per answer; a line that
was cut when the process ended is dropped. The first line names the fit and the version of the code
that fits: with another version the same questions have other answers.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from lensfinder.errors import CheckpointError

FILE = "evaluations.jsonl"


class Memory:
    """Answers by question.

    Parameters
    ----------
    folder : path-like, optional
        Where to keep them; nowhere when absent.
    fingerprint : str
        Of everything that was given and that the answers depend on.
    version : int
        Of the code that answers.
    replace : bool
        Whether what another fit, or another version, has left there is dropped, not refused.

    Raises
    ------
    CheckpointError
        If the folder remembers another fit, or one of another version.
    """

    def __init__(self, folder=None, *, fingerprint: str = "", version: int = 0, replace=False):
        self._known, self._file = {}, None
        if folder is None:
            return
        path = Path(folder) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        head = [fingerprint, version]
        try:
            lines = _whole_lines(path)
            _check_head(path, lines, head)
        except CheckpointError:
            if not replace:
                raise
            path.unlink()
            lines = []
        self._known = {json.dumps(key): value for key, value in lines[1:]}
        self._file = path.open("a", encoding="utf-8")
        if not lines:
            self._write(head)

    def __len__(self):
        return len(self._known)

    def get(self, key):
        """The answer to a question (a list of plain values), or None."""
        return self._known.get(json.dumps(key))

    def keep(self, key, value) -> None:
        """Remember an answer.

        Parameters
        ----------
        key : list
            The question: plain values.
        value : list of float
            The answer.
        """
        self._known[json.dumps(key)] = value
        if self._file is not None:
            self._write([key, value])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line):
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _check_head(path, lines, wanted):
    """Refuse the answers to the questions of another fit, or of another version."""
    if not lines or lines[0] == wanted:
        return
    head = lines[0] if isinstance(lines[0], list) else []
    found = head[1] if len(head) == len(wanted) else 0  # there were no versions once
    remedy = "Choose another output or folder, or start over with --overwrite (`overwrite=True`)."
    if found != wanted[1]:
        raise CheckpointError(
            f"{path.parent} was begun by version {found} of the fit; this is version {wanted[1]}, "
            f"whose numbers differ. {remedy}",
            found=found,
            wanted=wanted[1],
        )
    raise CheckpointError(
        f"{path.parent} holds another fit: its image, priors or settings differ. {remedy}"
    )


def _whole_lines(path):
    """What the file says, up to a line that was cut; that one is taken out of it."""
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Start over with --overwrite (`overwrite=True`)."
        ) from error


def fingerprint(*parts) -> str:
    """A short name for some arrays and texts, different where any of them differs.

    Parameters
    ----------
    *parts : array, str or None
        What a result depends on.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str) or part is None:
            digest.update(f"text {part!r}".encode())
        else:
            array = np.ascontiguousarray(part, dtype=np.float64)
            digest.update(f"array {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
