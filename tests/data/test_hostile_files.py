"""Files that lie, are cut, rot or explode: a status and a sentence, fast and in little memory."""

import gzip
import re
import time
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from lensfinder.data import read_cutouts
from lensfinder.data.guard import ReadLimits, decoding, read_bytes
from lensfinder.errors import STATUS, DataFormatError, OversizedFileError

UNREADABLE, TRUNCATED = STATUS["unreadable"], STATUS["truncated"]


def only(path, **options):
    (cutout,) = read_cutouts(path, **options)
    return cutout


def header(**cards):
    """One FITS header block from raw cards."""
    lines = [f"{name:<8}= {value:>20}" for name, value in cards.items()]
    return "".join(f"{line:<80}" for line in [*lines, "END"]).ljust(2880).encode()


def image_header(**changes):
    cards = {"SIMPLE": "T", "BITPIX": "-32", "NAXIS": "2", "NAXIS1": "8", "NAXIS2": "8"}
    return header(**{**cards, **changes})


@pytest.fixture
def plain(put, rng, known):
    return put("plain.fits", ("V", rng.normal(size=(40, 40)).astype(np.float32), known))


LIES = {
    "huge": (image_header(NAXIS1="100000", NAXIS2="100000"), UNREADABLE),
    "huge but plausible": (image_header(NAXIS1="10000", NAXIS2="10000"), TRUNCATED),
    "overflowing": (image_header(NAXIS1="9" * 18, NAXIS2="9" * 18), UNREADABLE),
    "negative": (image_header(NAXIS1="-8"), UNREADABLE),
    "999 axes": (image_header(NAXIS="999"), UNREADABLE),
    "a million axes": (image_header(NAXIS="1000000"), UNREADABLE),
    "no number": (image_header(NAXIS="two"), UNREADABLE),
    "strange pixels": (image_header(BITPIX="13"), UNREADABLE),
    "no size": (header(SIMPLE="T", BITPIX="-32"), UNREADABLE),
    "no image": (header(SIMPLE="T", BITPIX="8", NAXIS="0"), UNREADABLE),
    "zero pixels": (image_header(NAXIS1="0"), UNREADABLE),
    "no data": (image_header(), TRUNCATED),
    "no end": (image_header()[:400], TRUNCATED),
    "endless header": (b"SIMPLE  =                    T".ljust(80) * 40_000, UNREADABLE),
    "empty": (b"", UNREADABLE),
    "a web page": (b"<!DOCTYPE html>" + b" " * 5000, UNREADABLE),
    "garbage": (bytes(range(256)) * 40, UNREADABLE),
    "half a gzip": (gzip.compress(image_header() + bytes(5760))[:60], TRUNCATED),
    "broken gzip": (b"\x1f\x8b" + bytes(100), UNREADABLE),
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_lying_headers_cost_nothing(tmp_path, name):
    content, status = LIES[name]
    path = tmp_path / "lie.fits"
    path.write_bytes(content)
    start, memory = time.perf_counter(), Memory()
    cutout = only(path)
    assert time.perf_counter() - start < 1.0
    assert memory.rise() < 100
    assert cutout.status == status, cutout.message
    assert cutout.bands == {}
    assert cutout.message


def test_a_compressed_image_cannot_be_larger_than_its_data(tmp_path):
    unit = fits.CompImageHDU(np.arange(4096, dtype=np.int32).reshape(64, 64), name="V")
    path = tmp_path / "c.fits"
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    raw = path.read_bytes()
    for keyword in (b"ZNAXIS1", b"ZTILE1 "):
        old = keyword + b" =                   64"
        assert old in raw
        path.write_bytes(raw.replace(old, keyword + b" =              9000000"))
        assert only(path).status == UNREADABLE


@pytest.mark.parametrize("kind", ["fits.gz", "npz", "h5"])
def test_bombs_are_refused_before_they_explode(tmp_path, kind):
    path = tmp_path / f"bomb.{kind}"
    size = 400 * 2**20
    if kind == "fits.gz":
        packer = zlib.compressobj(9, wbits=31)
        with open(path, "wb") as file:
            file.write(packer.compress(image_header(NAXIS1="10240", NAXIS2="10240")))
            for _ in range(size // 2**20):
                file.write(packer.compress(bytes(2**20)))
            file.write(packer.flush())
    elif kind == "npz":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("images.npy", "w", force_zip64=True) as stream,
        ):
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<f4", "fortran_order": False, "shape": (100, 1024, 1024)}
            )
            for _ in range(size // 2**20):
                stream.write(bytes(2**20))
    else:
        with h5py.File(path, "w") as file:  # declared, never written: a few hundred bytes
            file.create_dataset("images", (100, 1024, 1024), "f4", fillvalue=1.0)
    assert path.stat().st_size < 2**20
    start, memory = time.perf_counter(), Memory()
    cutout = only(path)
    assert cutout.status == UNREADABLE
    assert "unpacks to" in cutout.message
    assert time.perf_counter() - start < 1.5
    assert memory.rise() < 200


def test_without_the_guard_a_bomb_would_unpack(tmp_path):
    """The control: the same file is read when the limits allow it."""
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(bytes(4 * 2**20)))
    strict = ReadLimits(free_bytes=2**20)
    with pytest.raises(OversizedFileError):
        read_bytes(path, strict)
    assert len(read_bytes(path)) == 4 * 2**20


def test_every_truncation_is_noticed(plain, tmp_path):
    raw = plain.read_bytes()
    data_end = 2880 * 2 + 40 * 40 * 4  # behind it there is only padding
    for length in (*range(1, len(raw), 611), data_end - 1):
        cut = tmp_path / "cut.fits"
        cut.write_bytes(raw[:length])
        cutout = only(cut)
        # what was cut to whole headers is a legal file without an image
        assert cutout.status in (TRUNCATED, UNREADABLE) or length >= data_end, length
        assert cutout.bands == {} or length >= data_end
    assert only(plain).status == 0


def test_truncated_arrays(tmp_path, rng):
    images = rng.normal(size=(5, 9, 9))
    np.savez(tmp_path / "a.npz", images=images)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    for name, status in (("a.npz", UNREADABLE), ("a.h5", TRUNCATED)):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw[: len(raw) // 2])
        assert only(tmp_path / name).status == status


def test_bit_rot_is_noticed_where_checksums_are(plain, tmp_path, rng):
    """astropy only warns; the control shows that without a checksum nobody could know."""
    with fits.open(plain) as file:
        file.writeto(tmp_path / "sums.fits", checksum=True)
    silent = {}
    for name in ("sums.fits", "plain.fits"):
        raw, silent[name] = bytearray((tmp_path / name).read_bytes()), 0
        truth = only(tmp_path / name).bands["V"]
        for position in rng.integers(5760, 5760 + 6400, 40):
            raw[position] ^= 1 << int(rng.integers(8))
            (tmp_path / "rot.fits").write_bytes(raw)
            cutout = only(tmp_path / "rot.fits")
            silent[name] += cutout.status == 0 and not np.array_equal(cutout.bands["V"], truth)
            raw = bytearray((tmp_path / name).read_bytes())
    assert silent["sums.fits"] == 0
    assert silent["plain.fits"] > 20


def test_npz_objects_are_never_unpickled(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    np.savez(tmp_path / "evil.npz", images=np.array([Payload()], dtype=object))
    cutout = only(tmp_path / "evil.npz")
    assert cutout.status == UNREADABLE
    assert "never unpickled" in cutout.message
    assert not (tmp_path / "canary").exists()


def test_hdf5_does_not_lead_outside(tmp_path, rng):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["images"] = rng.normal(size=(2, 4, 4))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "images")
    assert only(tmp_path / "link.h5").status == UNREADABLE
    layout = h5py.VirtualLayout((2, 4, 4), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "images", (2, 4, 4))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    assert "another file" in only(tmp_path / "virtual.h5").message


def test_many_extensions_and_a_folder_as_file(tmp_path, put, known, rng):
    plane = rng.normal(size=(4, 4)).astype(np.float32)
    path = put("many.fits", *[(f"B{k}", plane, known) for k in range(12)])
    assert only(path, limits=ReadLimits(hdus=5)).status == UNREADABLE
    assert only(path, limits=ReadLimits(values=10)).status == UNREADABLE
    assert only(path, limits=ReadLimits(file_bytes=1000)).status == UNREADABLE
    assert only(path).status == 0


def test_the_boundary_keeps_the_cause():
    with pytest.raises(DataFormatError) as raised, decoding("x.fits"):
        raise AttributeError("inside a library")
    assert isinstance(raised.value.__cause__, AttributeError)
    with pytest.raises(KeyboardInterrupt), decoding("x.fits"):
        raise KeyboardInterrupt


def _seeds(put, tmp_path, rng, known):
    image = rng.integers(0, 500, (32, 32)).astype(np.int32)
    yield put("float.fits", ("V", rng.normal(size=(32, 32)).astype(np.float32), known))
    for kind in ("RICE_1", "GZIP_1", "HCOMPRESS_1"):
        unit = fits.CompImageHDU(image, name="V", compression_type=kind)
        path = tmp_path / f"{kind}.fits"
        fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
        yield path
    np.savez(tmp_path / "a.npz", images=rng.normal(size=(2, 8, 8)), ids=np.array(["a", "b"]))
    yield tmp_path / "a.npz"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=rng.normal(size=(2, 8, 8)), compression="gzip")
    yield tmp_path / "a.h5"


def test_mutated_files_give_cutouts_or_a_status(put, tmp_path, rng, known):
    """300 seeded mutations of six kinds of file: no exception, no hang, no explosion."""
    bad = 0
    for seed in list(_seeds(put, tmp_path, rng, known)):
        raw = seed.read_bytes()
        path = tmp_path / f"mutant{seed.suffix}"
        for _ in range(50):
            path.write_bytes(_mutate(raw, rng))
            start, memory = time.perf_counter(), Memory()
            cutouts = list(read_cutouts(path))
            assert time.perf_counter() - start < 5.0
            assert memory.rise() < 300
            assert cutouts
            for cutout in cutouts:
                assert (cutout.status == 0) == bool(cutout.bands)
                bad += cutout.status != 0
    assert bad > 60  # the mutations bite


def _mutate(raw, rng):
    data = bytearray(raw)
    kind = rng.integers(4)
    at = int(rng.integers(len(data)))
    if kind == 0:
        for position in rng.integers(len(data), size=rng.integers(1, 20)):
            data[position] = rng.integers(256)
    elif kind == 1:
        del data[at : at + int(rng.integers(1, 3000))]
    elif kind == 2:
        data[at:at] = rng.bytes(int(rng.integers(1, 500)))
    else:  # digits of the header: sizes
        digits = [k for k in range(min(len(data), 9000)) if 48 <= data[k] <= 57]
        for position in rng.choice(digits, size=min(5, len(digits))) if digits else []:
            data[position] = 48 + rng.integers(10)
    return bytes(data)


class Memory:
    """How far memory rises above where it was, in MB; the kernel's high-water mark is reset.

    Where there is no ``/proc`` the rise reads as 0: time alone is checked there.
    """

    def __init__(self):
        self._linux = Path("/proc/self/clear_refs").exists()
        if self._linux:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = self._field("VmRSS")

    def rise(self):
        return (self._field("VmHWM") - self._before) / 1024 if self._linux else 0.0

    @staticmethod
    def _field(name):
        status = Path("/proc/self/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status).group(1))


def test_the_memory_meter_can_see():
    """The control: 80 MB that are really there are seen."""
    memory = Memory()
    block = np.ones(10 * 2**20)
    assert memory.rise() > 70 or not Path("/proc").exists()
    del block
