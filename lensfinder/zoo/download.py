"""Files from elsewhere: whole and as pinned, from the first mirror that has them, or not at all.

The transfer itself is pooch's; around it stand what pooch leaves to its callers: several mirrors,
an end to waiting for those that are silent, a cap on what is taken in, and the removal of what an
interrupted download left behind. Redirects lead to http and https only, because `requests` knows
nothing else. Nothing here decides *what* to trust: the digests come from tables in the package.
"""

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lensfinder.errors import ArgumentError, DownloadError
from lensfinder.zoo.transfer import FailedError, transfer, unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PARTIAL = ".partial-"
LOCK = ".lock"
LEFT_BEHIND = 86_400.0  # seconds after which a download that cannot be asked is taken for dead


@dataclass(frozen=True)
class Patience:
    """How long to wait for mirrors that do not answer.

    Attributes
    ----------
    stall : float
        Seconds without a block of data after which a mirror is given up.
    total : float
        Seconds that a whole fetch may lose on mirrors that fail in the end.
    """

    stall: float = 5.0
    total: float = 30.0


PATIENCE = Patience()


class Mirrors:
    """Mirrors in the order they are tried.

    One that stayed silent is not asked again, so that a preset of many files waits for it once.

    Parameters
    ----------
    bases : sequence of str
        http or https URLs of folders.
    patience : Patience
        How long to wait.

    Raises
    ------
    ArgumentError
        If one of them is not the URL of a folder.
    """

    def __init__(self, bases, *, patience: Patience = PATIENCE):
        self.bases = tuple(dict.fromkeys(check_base(base) for base in bases))
        self._patience, self._waited, self._silent = patience, 0.0, {}

    def get(self, path: str, staged: Path, *, digest: str, size=None, largest=None, progress=None):
        """Download a file into a place of its own, from the first mirror that has it.

        Parameters
        ----------
        path : str
            Below the mirrors' URLs.
        staged : pathlib.Path
            Where to write; nothing must be there. Whoever calls moves it to its final place.
        digest : str
            ``"sha256:<hex>"`` or ``"md5:<hex>"``, what the content must hash to.
        size : int or None
            Bytes it must have.
        largest : int or None
            Most bytes to take in where the size is not known.
        progress : callable or None
            Told the number of bytes that came in since it was last called.

        Returns
        -------
        pathlib.Path
            `staged`, whole and with the right digest.

        Raises
        ------
        DownloadError
            If no mirror has it; ``attempts`` holds (URL, what happened) of each.
        """
        attempts = []
        for base in self.bases:
            url = f"{base}/{path}"
            stall = self._stall()
            if base in self._silent or stall <= 0:
                attempts.append((shown(url), self._silent.get(base, "not asked, time was up")))
                continue
            start = time.monotonic()
            try:
                transfer(
                    url,
                    staged,
                    digest=digest,
                    size=size,
                    largest=largest,
                    stall=stall,
                    progress=progress,
                )
            except FailedError as failure:
                staged.unlink(missing_ok=True)
                # time in which data came is not waiting
                self._waited += min(stall, time.monotonic() - start)
                attempts.append((shown(url), str(failure)))
                if failure.silent:
                    self._silent[base] = str(failure)
                continue
            return staged
        tried = "; ".join(f"{url}: {reason}" for url, reason in attempts) or "no mirror is known"
        raise DownloadError(
            f"{path} could not be fetched ({tried}). Name a mirror of your own in "
            "LENSFINDER_MODELS_URL.",
            attempts=tuple(attempts),
        )

    def _stall(self):
        # with many mirrors each gets less time, so that the last one is asked, too
        total = self._patience.total
        return min(self._patience.stall, total / len(self.bases), total - self._waited)


def check_base(url: str) -> str:
    """The URL of a folder on a mirror, without a slash at its end.

    Parameters
    ----------
    url : str
        What a table or a user gave.

    Returns
    -------
    str
        The same, if it can be one.

    Raises
    ------
    ArgumentError
        If it is not http or https, or has more than a host and a path.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, fine = None, False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not fine or not plain or parts.query or parts.fragment:
        raise ArgumentError(
            f"A mirror is a URL like https://host/folder. Received: {url!r}. Mend "
            "LENSFINDER_MODELS_URL, or the table of presets."
        )
    return url.rstrip("/")


def shown(url: str) -> str:
    """A URL as messages may show it: without a password.

    Parameters
    ----------
    url : str
        The URL.

    Returns
    -------
    str
        The same without what stands before an ``@`` in its host.
    """
    host = urlsplit(url).netloc
    return url.replace(host, host.rpartition("@")[2], 1)


def put(staged: Path, place: Path, root: Path) -> None:
    """Move a downloaded file to its final place in one step; a link there is replaced, not written.

    Parameters
    ----------
    staged : pathlib.Path
        What `Mirrors.get` wrote.
    place : pathlib.Path
        Its final place.
    root : pathlib.Path
        The folder that nothing may leave.

    Raises
    ------
    DownloadError
        If a link leads out of `root`, or nothing can be written there.
    """
    try:
        # looked at before anything is made: a linked folder would be written into otherwise
        if not place.parent.resolve().is_relative_to(root.resolve()):
            raise DownloadError(f"{place.parent} leads out of {root}. Remove the link.")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, place)
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise unwritable(place, error) from error


# --- the place for what is not whole yet ----------------------------------------------------------
@contextlib.contextmanager
def staging(root: Path):
    """A folder of this process for downloads that are not whole yet; gone afterwards.

    All who download hold one lock together. Who is alone with it removes what was left behind by
    processes that were killed.

    Parameters
    ----------
    root : pathlib.Path
        The cache; on the same file system as all final places.

    Yields
    ------
    pathlib.Path
        An empty folder.

    Raises
    ------
    DownloadError
        If nothing can be written there.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise unwritable(root, error) from error
    try:
        with _alone(lock) as alone:
            _sweep(root, alone=alone)
        try:
            folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
        except OSError as error:
            raise unwritable(root, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)  # gives the lock back


@contextlib.contextmanager
def _alone(lock):
    """Whether nobody else downloads; afterwards the lock is shared."""
    alone = False
    if fcntl is None:
        yield alone
        return
    with contextlib.suppress(OSError):  # others have it, or a file system without locks
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    yield alone
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_SH)


def _sweep(root, *, alone):
    for left in root.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError):
            if alone or time.time() - left.lstat().st_mtime > LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)
