"""ImageNet weights of EfficientNet to start from: a file of the user's, or fetched once.

The files are those that ``keras.applications`` publishes. Its source pins them by MD5, and nobody
has published another hash of them; so MD5 it is. That is enough against damage and mix-ups. It is
not proof against a forger who can choose both files, so the content is not trusted any further than
that of a user's own file: `lensfinder.zoo.efficientnet_branch.load_imagenet` reads numbers of the
expected names, shapes and sizes out of it, and nothing else.
"""

from pathlib import Path

from lensfinder.errors import DownloadError, UnknownNameError
from lensfinder.paths import cache_dir, models_urls
from lensfinder.zoo.download import PATIENCE, Mirrors, Patience, put, staging
from lensfinder.zoo.transfer import has_digest

DOWNLOAD = "download"
KERAS_URL = "https://storage.googleapis.com/keras-applications"
FOLDER = "imagenet"
LARGEST = 300_000_000  # bytes; B7 without top has 64 million float32 weights
# keras 3.15, keras/src/applications/efficientnet.py, WEIGHTS_HASHES, files without top
MD5 = {
    "B0": "50bc09e76180e00e4465e1a485ddc09d",
    "B1": "74c4e6b3e1f6a1eea24c589628592432",
    "B2": "111f8e2ac8aa800a7a99e3239f7bfb39",
    "B3": "af6d107764bb5b1abb91932881670226",
    "B4": "ebc24e6d6c33eaebbd558eafbeedf1ba",
    "B5": "38879255a25d3c92d5e44e04ae6cec6f",
    "B6": "9ecce42647a20130c1f39a5d4cb75743",
    "B7": "cbcfe4450ddf6f3ad90b1b398090fe4a",
}


def imagenet_file(variant: str, *, progress=None, patience: Patience = PATIENCE) -> Path:
    """The file of ImageNet weights without top, fetched if it is not in the cache.

    ``LENSFINDER_MODELS_URL`` is asked first (for ``imagenet/<file>``), then Keras' own server.

    Parameters
    ----------
    variant : str
        "B0" to "B7".
    progress : callable or None
        Told the number of bytes that came in since it was last called.
    patience : Patience
        How long to wait for servers that do not answer.

    Returns
    -------
    pathlib.Path
        A file with the MD5 that keras.applications expects.

    Raises
    ------
    UnknownNameError
        If there is no such variant.
    DownloadError
        If it cannot be fetched; says what was tried, and how to go on without a network.
    """
    if variant not in MD5:
        raise UnknownNameError("EfficientNet", variant, MD5)
    name, digest, root = (
        f"efficientnet{variant.lower()}_notop.h5",
        f"md5:{MD5[variant]}",
        cache_dir(),
    )
    place = root / FOLDER / name
    if has_digest(place, digest):
        return place
    mirrors = Mirrors(
        [f"{url.rstrip('/')}/{FOLDER}" for url in models_urls()] + [KERAS_URL], patience=patience
    )
    try:
        with staging(root) as partial:
            staged = mirrors.get(
                name, partial / name, digest=digest, largest=LARGEST, progress=progress
            )
            put(staged, place, root)
    except DownloadError as error:
        if not hasattr(error, "attempts"):  # our own disk, not a server
            raise
        raise DownloadError(
            f"{error} Or put the file at {place}, or give its path instead of {DOWNLOAD!r}.",
            attempts=error.attempts,
        ) from error
    return place
