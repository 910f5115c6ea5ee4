"""What is checked before a byte of a stranger's file is decoded, and the one place that decodes.

A file may lie about its size, be cut short, hold a thousand times its size in zeros, or be no
image at all. Sizes are therefore compared with the bytes that are really there before anything is
allocated, and everything that a decoding library may throw at garbage becomes one typed error.
"""

import os
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lensfinder.errors import (
    DataFormatError,
    LensfinderError,
    OversizedFileError,
    TruncatedFileError,
)

_CHUNK = 1 << 20


@dataclass(frozen=True)
class ReadLimits:
    """How much of a file is read before it is refused as oversized.

    Attributes
    ----------
    file_bytes : int
        Longest file, packed or unpacked.
    values : int
        Most pixel values in one image, cube or stack (2^27 float32 values are 512 MB).
    ratio : int
        Largest expansion of a packed file beyond `free_bytes`; real images stay under 20.
    free_bytes : int
        Up to here a packed file may expand as it likes.
    hdus, header_bytes : int
        Most extensions of a FITS file, and the longest header.
    """

    file_bytes: int = 1 << 31
    values: int = 1 << 27
    ratio: int = 100
    free_bytes: int = 1 << 26
    hdus: int = 1000
    header_bytes: int = 1 << 21

    def check_values(self, count: int, what: str) -> None:
        """Refuse an array with too many values.

        Parameters
        ----------
        count : int
            Number of values it declares.
        what : str
            What to call it in the message.

        Raises
        ------
        OversizedFileError
            If there are more than `values`.
        """
        if count > self.values:
            raise OversizedFileError(
                f"{what} declares {count} pixel values, more than the {self.values} that are read. "
                "Cut it up, or raise ReadLimits.values.",
                declared=count,
            )

    def check_expansion(self, unpacked: int, packed: int, what: str) -> None:
        """Refuse packed data that would expand beyond reason.

        Parameters
        ----------
        unpacked, packed : int
            Bytes declared and bytes stored.
        what : str
            What to call it in the message.

        Raises
        ------
        OversizedFileError
            If `unpacked` is above `free_bytes` and above `ratio` times `packed`, or above
            `file_bytes`.
        """
        if unpacked > self.file_bytes or unpacked > max(self.free_bytes, self.ratio * packed):
            raise OversizedFileError(
                f"{what} holds {packed} bytes but unpacks to at least {unpacked}. "
                "It is refused as a decompression bomb; unpack it yourself if it is genuine.",
                declared=unpacked,
            )


DEFAULT_LIMITS = ReadLimits()


def read_bytes(path, limits: ReadLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a file, unpacked if it is gzip, within the limits.

    Parameters
    ----------
    path : path-like
        The file; gzip is recognised by its first two bytes, not by its name.
    limits : ReadLimits
        Caps on length and expansion.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    OversizedFileError
        If it is longer than the limits allow.
    DataFormatError
        If it is no regular file, empty, or damaged gzip.
    TruncatedFileError
        If a gzip stream ends before its end marker.
    """
    path = Path(path)
    with decoding(path):
        if not path.is_file():
            raise DataFormatError(f"{path.name} is not a file. Check the path.")
        size = os.stat(path).st_size
        if size == 0:
            raise DataFormatError(f"{path.name} is empty. Fetch it again.")
        if size > limits.file_bytes:
            raise OversizedFileError(
                f"{path.name} has {size} bytes, more than the {limits.file_bytes} that are read. "
                "Cut it up, or raise ReadLimits.file_bytes."
            )
        with open(path, "rb") as file:
            start = file.read(2)
            file.seek(0)
            if start == b"\x1f\x8b":
                return _gunzip(file, size, path.name, limits)
            return file.read(limits.file_bytes + 1)


def _gunzip(file, size, name, limits) -> bytes:
    """Unpack piece by piece, so that a bomb is refused long before it is unpacked."""
    pieces, total = [], 0
    unpacker = zlib.decompressobj(wbits=31)
    packed = file.read(_CHUNK)
    while True:
        piece = unpacker.decompress(packed, _CHUNK)
        pieces.append(piece)
        total += len(piece)
        limits.check_expansion(total, size, name)
        packed = unpacker.unconsumed_tail
        if unpacker.eof:  # gzip files may be joined end to end; anything else behind is padding
            packed = unpacker.unused_data + file.read(_CHUNK)
            if not packed.startswith(b"\x1f\x8b"):
                return b"".join(pieces)
            unpacker = zlib.decompressobj(wbits=31)
        elif not packed:
            packed = file.read(_CHUNK)
            if not packed and not piece:
                raise TruncatedFileError(
                    f"{name}: the gzip stream stops before its end. Fetch it again."
                )


@contextmanager
def decoding(path):
    """The one boundary at which whatever a decoder throws becomes a typed error.

    Fuzzing astropy, h5py and numpy readers gave nine exception types, from `OSError` to
    `AttributeError` and a library's own; no list of them stays complete. So this is the single
    broad catch of the package: it swallows nothing, names the file, and keeps the cause.
    `MemoryError` is included, because it is what a lying header ends in.

    Parameters
    ----------
    path : path-like
        The file, for the message.

    Yields
    ------
    None
        Warnings about odd but legal headers are silenced inside.

    Raises
    ------
    DataFormatError
        From anything the decoder raised; a `LensfinderError` passes through as it is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except LensfinderError:
        raise
    except Exception as error:
        raise DataFormatError(
            f"{Path(path).name} cannot be read ({type(error).__name__}: {str(error)[:200]}). "
            "Fetch it again, or check its format.",
            path=str(path),
        ) from error
