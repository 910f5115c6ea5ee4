"""One file from one mirror, watched: a silent mirror costs seconds, a lying one is found out."""

import contextlib
import hashlib
import http.client
import os
import threading
import time
from pathlib import Path

from lensfinder.errors import DownloadError

BLOCK = 8192  # bytes; a mirror that sends less than this in the time it is given is silent
_BROKEN = (OSError, ValueError, http.client.HTTPException)  # requests' errors are OSErrors


class FailedError(Exception):
    """One mirror did not deliver; `silent` if it is not worth asking for another file."""

    def __init__(self, reason, silent=False):
        super().__init__(reason)
        self.silent = silent


def has_digest(path: Path, digest: str, size=None) -> bool:
    """Whether a file is there, and what it should be.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    digest : str
        ``"sha256:<hex>"`` or ``"md5:<hex>"``.
    size : int or None
        Bytes it must have, if known; looked at before anything is read.

    Returns
    -------
    bool
        False too where it cannot be read.
    """
    kind, _, expected = digest.partition(":")
    try:
        if not path.is_file() or (size is not None and path.stat().st_size != size):
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, _new(kind)).hexdigest() == expected
    except OSError:
        return False


def unwritable(place, error) -> DownloadError:
    """What to raise where our own disk refuses.

    Parameters
    ----------
    place : path-like
        What was to be written.
    error : OSError
        What the system said.

    Returns
    -------
    DownloadError
        With the remedy; it has no ``attempts``, because no mirror is to blame.
    """
    return DownloadError(
        f"{place} cannot be written ({error}). Make room for it, or name another folder in "
        "LENSFINDER_CACHE."
    )


class _Intake:
    """The file that pooch writes to: no more than was promised, and nothing once it is closed."""

    def __init__(self, place, size, largest):
        self._file = open(place, "xb")  # noqa: SIM115, closed by `finish`
        self._most = largest if size is None else size
        self.received, self.disk_error = 0, None

    def write(self, chunk):
        if self._most is not None and self.received + len(chunk) > self._most:
            raise ValueError(f"it sends more than {self._most} bytes")
        try:
            self._file.write(chunk)
        except OSError as error:
            self.disk_error = error
            raise
        self.received += len(chunk)

    def flush(self):
        """Pooch asks for it after every block; once at the end is enough."""

    def finish(self):
        try:
            if not self._file.closed:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            self.disk_error = error
        finally:
            with contextlib.suppress(OSError):
                self._file.close()


def transfer(url, staged, *, digest, size=None, largest=None, stall, progress=None) -> None:
    """Download a file; at the end it is whole, and what it should be.

    Parameters
    ----------
    url : str
        http or https.
    staged : pathlib.Path
        Where to write; nothing must be there.
    digest : str
        ``"sha256:<hex>"`` or ``"md5:<hex>"``.
    size : int or None
        Bytes it must have.
    largest : int or None
        Most bytes to take in where the size is not known.
    stall : float
        Seconds without a block of data after which the mirror is given up.
    progress : callable or None
        Told the number of bytes that came in since it was last called.

    Raises
    ------
    FailedError
        If the mirror does not deliver that.
    DownloadError
        If it cannot be written here.
    """
    import pooch  # noqa: F401, both before the clock runs
    import requests.exceptions  # noqa: F401

    try:
        intake = _Intake(staged, size, largest)
    except OSError as error:
        raise unwritable(staged, error) from error
    try:
        failure = _in_a_thread(url, intake, stall, progress)
    finally:
        intake.finish()  # a thread that still waits for a silent mirror can write no more
    if intake.disk_error is not None:
        raise unwritable(staged, intake.disk_error) from intake.disk_error
    if failure is not None:
        raise failure
    if size is not None and intake.received != size:
        raise FailedError(f"{intake.received} bytes instead of {size}")
    if not has_digest(staged, digest, size):
        raise FailedError(f"its content does not have the pinned hash {digest}")


def _in_a_thread(url, intake, stall, progress):
    """Let pooch download while we watch the clock: it waits for ever for a mirror that drips."""
    outcome = []

    def work():
        try:
            _http(url, intake, stall)
            outcome.append(None)
        except _BROKEN as error:
            outcome.append(FailedError(_words(error), silent=_is_silence(error)))

    thread = threading.Thread(target=work, name="lensfinder-download", daemon=True)
    thread.start()
    seen, since = 0, time.monotonic()
    while thread.is_alive():
        thread.join(0.02)
        came, now = intake.received, time.monotonic()
        if came > seen:
            if progress is not None:
                progress(came - seen)
            seen, since = came, now
        elif now - since > stall:
            return FailedError(f"silent for {stall:.3g} s", silent=True)
    if progress is not None and intake.received > seen:
        progress(intake.received - seen)
    return outcome[0] if outcome else FailedError("the transfer broke off")


def _http(url, intake, stall):
    import pooch

    answers = []
    download = pooch.HTTPDownloader(
        chunk_size=BLOCK,
        timeout=(stall, stall),
        headers={"Accept-Encoding": "identity"},
        hooks={"response": lambda answer, *_, **__: answers.append(answer)},
    )
    try:
        download(url, intake, pooch=None)
    finally:
        for answer in answers:
            answer.close()


def _words(error):
    answer = getattr(error, "response", None)
    if answer is not None and answer.status_code >= 400:
        return f"HTTP {answer.status_code}"
    # requests wraps what urllib3 wraps: the reason inside is what a person wants to know
    inner = getattr(error.args[0] if error.args else None, "reason", None) or error
    return f"{type(error).__name__}: {str(inner)[-200:].rpartition('): ')[2]}"


def _is_silence(error):
    from requests.exceptions import ConnectionError as NotReached
    from requests.exceptions import Timeout

    return isinstance(error, Timeout | NotReached)


def _new(kind):
    # MD5 is no proof against a forger, only against damage; where it is used, that is said
    return (lambda: hashlib.md5(usedforsecurity=False)) if kind == "md5" else kind
