"""How fast images are cleaned: small and paper size, 111 x 111 x 3, in memory and into files.

Networks have random weights: their speed does not depend on them. ``--images`` streams so many
images through the small one, and reports how the process' memory grew between a tenth of them and
the end. Of the paper's size a few images tell the rate.
"""

import argparse
import resource
import tempfile
import time

import keras
import numpy as np
from _result import write_result

from lensfinder import zoo
from lensfinder.clean import clean
from lensfinder.data import Cutout
from lensfinder.data.blobs import blob_mask, zoom
from lensfinder.predict import BATCH_SIZE, Cleaner, OwnNetwork, batches
from lensfinder.specs import InputContract, load_survey
from lensfinder.zoo import clean_tile

SURVEY, PLANES, SEED = "lsst-gri-10yr", ("S2", "S3"), 1
SIZES = {
    "small, 4 x 24": {"blocks": 4, "channels": 24, "scaling": "arcsinh"},  # that of the preset
    "paper, 16 x 256": {"blocks": 16, "channels": 256, "residual_scale": 0.1},
}
DIFFERENT = 64  # images; repeated, as the work is the same


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="through the small network")
    parser.add_argument("--paper-images", type=int, default=2, help="through that of the paper")
    parser.add_argument("--tile", type=int, default=1000, help="side of a tile, pixels; 0: none")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = run(options)
    print(f"\n{markdown(figures)}\n")
    write_result("clean_speed", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Rates, and memory over many images."""
    contract = InputContract.from_survey(load_survey(SURVEY))
    small, paper = SIZES
    figures = {"stamp": list(contract.groups[0].shape), "batch_size": BATCH_SIZE, "rates": {}}
    own = network(contract, SIZES[small])
    figures["rates"][small] = in_memory(own, contract, options.images)
    figures["rates"][f"{small}, into files"] = into_files(own, contract, min(options.images, 512))
    if options.tile:
        figures["tile"] = whole_tile(own.keras_model, options.tile)
    if options.paper_images:
        large = network(contract, SIZES[paper])
        figures["rates"][paper] = in_memory(large, contract, options.paper_images, batch_size=1)
    figures["front_end"] = front_end(contract)
    return figures


def network(contract, arguments) -> OwnNetwork:
    """A pair of modules that hands on what it is given, so that no image is refused."""
    keras.utils.set_random_seed(SEED)
    model = zoo.build("edsr", contract, "cleaner", targets=PLANES, **arguments)
    if arguments.get("scaling") == "arcsinh":
        zoo.adapt(model, [_stack(contract, 16)])
    for plane in PLANES:
        tail = model.get_layer(f"{plane.lower()}_tail_conv")
        tail.kernel.assign(0 * tail.kernel)
    return OwnNetwork(model, "cleaner", contract, targets=PLANES, name="random")


def cutouts(contract, count):
    """Galaxies on noise; a stream, of which nothing is kept."""
    (group,) = contract.groups
    rng = np.random.default_rng(SEED)
    axis = np.arange(group.stamp) - (group.stamp - 1) / 2
    galaxy = 30 * np.exp(-np.hypot(axis[:, None], axis) / 4)[..., None]
    noise = rng.normal(0, 1, (DIFFERENT, *group.shape))
    images = (galaxy + noise).astype(np.float32)
    for number in range(count):
        image = images[number % DIFFERENT]
        yield Cutout(
            id=f"galaxy-{number}",
            bands={band: image[..., k] for k, band in enumerate(group.bands)},
            pixel_scales=dict.fromkeys(group.bands, group.pixel_scale),
            units=dict.fromkeys(group.bands, contract.unit),
        )


def _stack(contract, count) -> dict:
    """The same galaxies as arrays."""
    images = [np.stack(list(c.bands.values()), axis=-1) for c in cutouts(contract, count)]
    return {contract.groups[0].name: np.stack(images)}


def in_memory(own, contract, count, *, batch_size=BATCH_SIZE) -> dict:
    """Images per second through `Cleaner`, checks of the answers included."""
    cleaner = Cleaner(own, batch_size=batch_size)
    cleaner(list(cutouts(contract, 1)))  # traced before the clock runs
    started, cpu, done, early = time.perf_counter(), time.process_time(), 0, None
    for chunk in batches(cutouts(contract, count), batch_size):
        answers = cleaner(chunk)
        if answers.status.any():
            raise SystemExit(f"An image was refused: {answers.messages}.")
        done += len(chunk)
        if early is None and done >= count / 10:
            early = peak_mib()
    wall = time.perf_counter() - started
    return {
        "images": count,
        "images_per_s": round(count / wall, 3),
        "images_per_cpu_s": round(count / (time.process_time() - cpu), 3),
        "parameters": int(own.keras_model.count_params()),
        "peak_memory_MiB": round(peak_mib()),
        "growth_after_a_tenth_MiB": round(peak_mib() - early, 1),
    }


def into_files(own, contract, count) -> dict:
    """Images per second through the verb, with a FITS file each."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        clean(cutouts(contract, count), f"{folder}/cleaned", preset=own, report=False)
        wall = time.perf_counter() - started
    return {"images": count, "images_per_s": round(count / wall, 3)}


def whole_tile(model, side) -> dict:
    """Megapixels per second of a tile in pieces."""
    bands = model.inputs[0].shape[-1]
    tile = np.random.default_rng(SEED).normal(0, 1, (side, side, bands)).astype(np.float32)
    started, cpu = time.perf_counter(), time.process_time()
    clean_tile(model, tile)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    rates = {"megapixels_per_s": wall, "megapixels_per_cpu_s": cpu}
    return {"side_px": side, **{k: round(side**2 / 1e6 / v, 4) for k, v in rates.items()}}


def front_end(contract) -> dict:
    """CPU milliseconds per image of what comes before."""
    images = next(iter(_stack(contract, 16).values()))
    started = time.process_time()
    for image in images:
        blob_mask(image)
    mask = time.process_time() - started
    started = time.process_time()
    zoom(images)
    each = 1e3 / len(images)
    return {
        "mask_ms": round(mask * each, 2),
        "zoom_ms": round((time.process_time() - started) * each, 2),
    }


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def markdown(figures) -> str:
    """The rates as a table for a README."""
    lines = ["| network | images | images/s | memory after a tenth, MiB |", "|---|---|---|---|"]
    for name, found in figures["rates"].items():
        grown = found.get("growth_after_a_tenth_MiB")
        words = "-" if grown is None else f"+{grown}"
        lines.append(f"| {name} | {found['images']} | {found['images_per_s']} | {words} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
