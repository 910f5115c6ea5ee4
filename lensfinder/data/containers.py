"""HDF5 and npz files as one thing: named arrays, each checked before it is read.

The documented content of our own containers (also what `write_arrays` writes)
---------------------------------------------------------------------------------
``images``
    ``(N, H, W, B)``, or ``(N, H, W)`` for one band.
``bands``
    ``(B,)`` text. May be left out if the reader is given `bands`.
``ids``
    ``(N,)`` text or integers; left out, objects are numbered.
``pixel_scale``
    Arcsec per pixel, one number or one per band.
``unit``
    Text, e.g. ``electron/s``.
``zero_point``
    AB magnitude of one unit, one number or one per band.

Bands on a second pixel grid go into ``images_<group>``, ``bands_<group>``, ``pixel_scale_<group>``,
``unit_<group>``, ``zero_point_<group>``; HDF5 files may hold the same words as attributes.
"""

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from lensfinder.data.guard import DEFAULT_LIMITS, ReadLimits, decoding, read_bytes
from lensfinder.errors import DataFormatError, OversizedFileError, TruncatedFileError

_KINDS = "biufSU"  # no objects: they would need pickle
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class ArrayFile:
    """Named arrays of an npz or HDF5 file in memory; every method raises typed errors only.

    Parameters
    ----------
    path : path-like
        The file; its kind is recognised by its first bytes, gzip is seen through.
    limits : ReadLimits
        Caps.

    Raises
    ------
    DataFormatError
        If it is neither, damaged, truncated, oversized, or leads outside itself.
    """

    def __init__(self, path, limits: ReadLimits = DEFAULT_LIMITS):
        self.path, self._limits = Path(path), limits
        data = read_bytes(path, limits)
        with decoding(path):
            if data.startswith(b"PK"):
                self._store = _Npz(data, limits)
            elif data.startswith(_HDF5_SIGNATURE):
                self._store = _Hdf5(data, limits)
            else:
                raise DataFormatError(
                    f"{self.path.name} is neither npz nor HDF5; it starts with {data[:16]!r}."
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return self._store.names

    def get(self, name: str) -> np.ndarray | None:
        """An array, or None if there is none of this name.

        Parameters
        ----------
        name : str
            Name of the array (in HDF5 also that of a root attribute).

        Returns
        -------
        array or None
            Numbers in native byte order, or text.

        Raises
        ------
        DataFormatError
            If it cannot be read.
        """
        if name not in self.names:
            return None
        with decoding(self.path):
            array = self._store.read(name)
            if array.dtype.kind not in _KINDS:
                raise DataFormatError(f"{name!r} holds {array.dtype}, not numbers or text.")
            return array.astype(array.dtype.newbyteorder("="), copy=False)

    def words(self, name: str) -> list[str] | None:
        """A text array (or numbers) as a flat list of words.

        Parameters
        ----------
        name : str
            Name of the array.

        Returns
        -------
        list of str or None
            None if there is none.
        """
        array = self.get(name)
        if array is None:
            return None
        items = np.atleast_1d(array).ravel().tolist()
        return [i.decode("utf-8", "replace") if isinstance(i, bytes) else str(i) for i in items]


class _Npz:
    def __init__(self, data, limits):
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._members = {}
        for member in self._zip.infolist():
            if member.filename.endswith(".npy"):
                self._members[member.filename.removesuffix(".npy")] = member
                limits.check_expansion(member.file_size, member.compress_size, member.filename)
        self.names, self._limits = tuple(self._members), limits

    def read(self, name):
        member = self._members[name]
        with self._zip.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, order, dtype = np.lib.format.read_array_header_1_0(stream)
            elif version == (2, 0):
                shape, order, dtype = np.lib.format.read_array_header_2_0(stream)
            else:
                raise DataFormatError(f"{name!r} is npy version {version}; 1.0 and 2.0 are read.")
            if dtype.hasobject:
                raise DataFormatError(f"{name!r} holds Python objects, which are never unpickled.")
            count = math.prod(shape)
            self._limits.check_values(count, name)
            if count * dtype.itemsize > member.file_size:
                raise TruncatedFileError(f"{name!r} declares more values than the file holds.")
            # zipfile checks the CRC when the member is read to its end
            raw = stream.read()
        array = np.frombuffer(raw, dtype, count=count)
        return array.reshape(shape[::-1]).T if order else array.reshape(shape)


class _Hdf5:
    def __init__(self, data, limits):
        import h5py

        self._limits = limits
        try:
            self._file = h5py.File(io.BytesIO(data), "r")
        except OSError as error:
            if "truncated file" in str(error):
                raise TruncatedFileError(
                    "The HDF5 file is shorter than its header says. Fetch it again."
                ) from error
            raise
        names = []
        for name in self._file:
            # a soft or external link could lead to any file of the machine
            if isinstance(self._file.get(name, getlink=True), h5py.HardLink):
                self._collect(name, self._file[name], names, depth=0)
        self._attributes = tuple(key for key in self._file.attrs if key not in names)
        self.names = (*names, *self._attributes)

    def _collect(self, name, item, names, depth):
        import h5py

        if isinstance(item, h5py.Dataset):
            names.append(name)
        elif isinstance(item, h5py.Group) and depth < 4:
            for child in item:
                if isinstance(item.get(child, getlink=True), h5py.HardLink):
                    self._collect(f"{name}/{child}", item[child], names, depth + 1)
        if len(names) > self._limits.hdus:
            raise OversizedFileError(f"The file has more than {self._limits.hdus} data sets.")

    def read(self, name):
        if name in self._attributes:
            return np.asarray(self._file.attrs[name])
        item = self._file[name]
        if item.is_virtual or item.external:
            raise DataFormatError(f"{name!r} is stored in another file, which is not followed.")
        if item.dtype.kind == "O":  # text of variable length
            self._limits.check_values(item.size, name)
            return np.asarray(item.asstr()[()]).astype(str)
        self._limits.check_values(item.size, name)
        stored = item.id.get_storage_size()
        self._limits.check_expansion(item.size * item.dtype.itemsize, stored, name)
        return np.asarray(item[()])
