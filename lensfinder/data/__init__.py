"""Images in and out: readers, cutouts, calibrated stamps, shards and pipelines.

Public names are imported on first use, so that reading a FITS file does not load TensorFlow.
"""

import importlib

_HOMES = {
    "Cutout": "cutout",
    "read_cutouts": "readers",
    "ReadLimits": "guard",
    "Layout": "layout",
    "load_layout": "layout",
    "layout_names": "layout",
    "Assume": "assembly",
    "CutoutBatch": "assembly",
    "assemble": "assembly",
    "resample": "resampling",
    "write_cutouts": "writer",
    "write_arrays": "writer",
    "Manifest": "manifest",
    "read_manifest": "manifest",
    "verify_shards": "manifest",
    "ShardWriter": "shards",
    "write_shards": "shards",
    "Labelled": "labelled",
    "read_labelled": "labelled",
    "contract_of": "labelled",
    "dataset": "pipeline",
    "from_arrays": "pipeline",
    "load_arrays": "pipeline",
    "fold_of": "splits",
    "split_of": "splits",
    "hubble_galaxies": "hubble",
    "HubbleGalaxies": "hubble",
    "example_set": "examples",
    "Challenge": "challenges",
    "challenge_names": "challenges",
    "load_challenge": "challenges",
    "read_catalogue": "challenges",
    "read_challenge": "challenges",
    "challenge_shards": "challenge_sets",
    "labels_of": "challenge_sets",
    "write_submission": "challenge_sets",
    "cut": "tiles",
    "detect": "tiles",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def __dir__():
    return __all__
