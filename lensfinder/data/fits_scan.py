"""Walk over the bytes of a FITS file without decoding it: what it declares against what it holds.

Only the keywords that decide sizes are read (FITS Standard 4.0, sections 4.4.1 and 4.4.2, and
section 10.1 for compressed images). Nothing is allocated on a header's word.
"""

import math
from dataclasses import dataclass

import numpy as np

from lensfinder.data.guard import ReadLimits
from lensfinder.errors import DataFormatError, OversizedFileError, TruncatedFileError

BLOCK = 2880
_CARD = 80


@dataclass(frozen=True)
class HduInfo:
    """One header-data unit of a FITS file.

    Attributes
    ----------
    index : int
        Its number; 0 is the primary unit.
    start, data_start, end : int
        Byte offsets of header, data and of what follows.
    cards : dict of str to str
        Raw values of the first card of each keyword.
    """

    index: int
    start: int
    data_start: int
    end: int
    cards: dict[str, str]

    @property
    def name(self) -> str:
        """EXTNAME as it is written, or an empty text."""
        return self.text("EXTNAME")

    @property
    def compressed(self) -> bool:
        """Whether this is a tile-compressed image in a binary table."""
        return self.cards.get("ZIMAGE", "").startswith("T")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image in numpy's order; empty where there is none."""
        if self.compressed:
            prefix = "ZNAXIS"
        elif self.index == 0 or self.text("XTENSION").upper() == "IMAGE":
            prefix = "NAXIS"
        else:
            return ()
        axes = self.integer(prefix, 0)
        return tuple(self.integer(f"{prefix}{k}", 0) for k in range(axes, 0, -1))

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Value of an integer keyword.

        Parameters
        ----------
        keyword : str
            The keyword.
        default : int or None
            Taken if it is missing; None makes that an error.

        Returns
        -------
        int
            The value, not negative (BITPIX apart).

        Raises
        ------
        DataFormatError
            If it is missing, no integer, or negative.
        """
        raw = self.cards.get(keyword)
        if raw is None and default is not None:
            return default
        try:
            value = int(raw)
        except (TypeError, ValueError):
            raise DataFormatError(f"FITS keyword {keyword} is {raw!r}, not an integer.") from None
        if value < 0 and keyword not in ("BITPIX", "ZBITPIX"):
            raise DataFormatError(f"FITS keyword {keyword} is negative ({value}).")
        return value

    def text(self, keyword: str) -> str:
        """Value of a text keyword without quotes; empty if missing.

        Parameters
        ----------
        keyword : str
            The keyword.

        Returns
        -------
        str
            The text.
        """
        raw = self.cards.get(keyword, "")
        if not raw.startswith("'"):
            return ""
        return raw[1:].split("'", 1)[0].strip()


def scan(data: bytes, limits: ReadLimits) -> list[HduInfo]:
    """List the units of a FITS file, checking every declared size against the bytes at hand.

    Parameters
    ----------
    data : bytes
        The whole file, unpacked.
    limits : ReadLimits
        Caps.

    Returns
    -------
    list of HduInfo
        In file order. What follows the last unit and is no unit is left out.

    Raises
    ------
    DataFormatError
        If it is no FITS file, a size keyword is nonsense, or a stored checksum does not match.
    TruncatedFileError
        If a header or its data go on beyond the end of the file.
    OversizedFileError
        If a unit declares more pixels than the limits allow or than it can hold.
    """
    if not data.startswith(b"SIMPLE"):
        raise DataFormatError(
            f"This is not a FITS file; it starts with {data[:16]!r}. Fetch the file again."
        )
    units, start = [], 0
    while start < len(data):
        if units and not data.startswith(b"XTENSION", start):
            break  # special records or padding behind the last unit are legal
        if len(units) >= limits.hdus:
            raise OversizedFileError(f"The file has more than {limits.hdus} extensions.")
        unit = _unit(data, start, len(units), limits)
        _check_sums(data, unit)
        units.append(unit)
        start = unit.end
    return units


def _unit(data, start, index, limits) -> HduInfo:
    cards, data_start = _cards(data, start, limits)
    unit = HduInfo(index, start, data_start, data_start, cards)
    size = _declared_bytes(unit)
    if unit.shape:
        limits.check_values(math.prod(unit.shape), f"Extension {index}")
    if size > len(data) - data_start:
        raise TruncatedFileError(
            f"Extension {index} declares {size} bytes, the file holds {len(data) - data_start} "
            "more. Fetch the file again."
        )
    if unit.compressed:
        _check_tiles(unit, size, limits)
    end = min(data_start + -(-size // BLOCK) * BLOCK, len(data))
    return HduInfo(index, start, data_start, end, cards)


def _cards(data, start, limits):
    cards, position = {}, start
    while True:
        card = data[position : position + _CARD]
        if len(card) < _CARD:
            raise TruncatedFileError("The file ends within a FITS header. Fetch it again.")
        if position - start > limits.header_bytes:
            raise OversizedFileError(
                f"A FITS header is longer than {limits.header_bytes} bytes. The file is damaged."
            )
        position += _CARD
        keyword = card[:8].rstrip().decode("latin-1")
        if keyword == "END":
            break
        if card[8:10] == b"= " and keyword not in cards:
            value = card[10:].decode("latin-1").strip()
            cards[keyword] = value if value.startswith("'") else value.split("/")[0].strip()
    blocks = -(-(position - start) // BLOCK)
    return cards, min(start + blocks * BLOCK, len(data))


def _declared_bytes(unit) -> int:
    """Size of the data, FITS Standard 4.0 equation 2."""
    axes = unit.integer("NAXIS")
    if axes == 0:
        return 0
    if axes > 999:
        raise DataFormatError(f"NAXIS is {axes}; FITS allows at most 999.")
    bits = abs(unit.integer("BITPIX"))
    if bits not in (8, 16, 32, 64):
        raise DataFormatError(f"BITPIX is {bits}, which FITS does not know.")
    count = math.prod(unit.integer(f"NAXIS{k}") for k in range(1, axes + 1))
    count += unit.integer("PCOUNT", 0)
    return bits // 8 * unit.integer("GCOUNT", 1) * count


def _check_tiles(unit, stored, limits):
    """A compressed image is no larger than its data can unpack to, a tile no larger than it."""
    item = abs(unit.integer("ZBITPIX")) // 8
    limits.check_expansion(math.prod(unit.shape) * item, stored, f"Extension {unit.index}")
    for axis, length in enumerate(reversed(unit.shape), start=1):
        if unit.integer(f"ZTILE{axis}", 1) > max(length, 1):
            raise DataFormatError(f"ZTILE{axis} is longer than the image. The file is damaged.")


def _check_sums(data, unit):
    """CHECKSUM and DATASUM, where stored (FITS Standard 4.0, appendix J): else bit rot is silent.

    astropy only warns about a mismatch, and returns the wrong pixels.
    """
    expected = unit.text("DATASUM")
    if expected.isdigit() and _sum32(data, unit.data_start, unit.end) != int(expected):
        raise DataFormatError(
            f"The data of extension {unit.index} do not match their DATASUM. Fetch the file again."
        )
    if unit.text("CHECKSUM") and _sum32(data, unit.start, unit.end) not in (0, 0xFFFFFFFF):
        raise DataFormatError(
            f"Extension {unit.index} does not match its CHECKSUM. Fetch the file again."
        )


def _sum32(data, start, end) -> int:
    """Ones' complement sum of big-endian 32-bit words."""
    usable = (end - start) // 4 * 4
    words = np.frombuffer(data, ">u4", count=usable // 4, offset=start)
    total = int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
