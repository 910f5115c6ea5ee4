"""What every test shares: quiet, reproducible, offline, and away from the user's folders."""

import os
import socket
import tempfile
from pathlib import Path

# Set before anything imports Keras or TensorFlow, which read these once. Two test processes on two
# cores are fastest with one thread each.
for _name, _value in {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "MPLBACKEND": "Agg",
}.items():
    os.environ.setdefault(_name, _value)

# pytest-xdist's workers inherit the folder of the process that starts them.
_home = Path(os.environ.setdefault("LENSFINDER_TEST_HOME", tempfile.mkdtemp(prefix="lensfinder-")))
for _name in ("LENSFINDER_CACHE", "KERAS_HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
    os.environ[_name] = str(_home / _name.lower())
    Path(os.environ[_name]).mkdir(exist_ok=True)
for _name in ("LENSFINDER_MODELS_URL",):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from lensfinder import paths  # noqa: E402


@pytest.fixture
def rng():
    """A numpy generator that starts the same way in every test."""
    return np.random.default_rng(20_261)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real survey images, or a skip that says where it was looked for."""
    folder = paths.real_images_dir()
    if folder is None:
        pytest.skip("no real images: set LENSFINDER_DATA or put them in ../shared/data")
    return folder


_LOCAL = ("127.0.0.1", "::1", "localhost", "", None)  # None: any address of this machine


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test may reach the network; a server on this machine is fine (RELIABILITY A10).

    An attempt fails the test even where the code under test has caught the error. What fixtures of
    a module or of the session do before a test, and other processes, are not seen.
    """
    look_up, tried = socket.getaddrinfo, []

    def refuse(address):
        tried.append(address)
        raise OSError(f"A test tried to reach the network: {address}.")

    def guarded(connect):
        def call(self, address):
            if isinstance(address, tuple) and address[0] not in _LOCAL:
                refuse(address)
            return connect(self, address)

        return call

    def guarded_look_up(host, *args, **options):
        return refuse(host) if host not in _LOCAL else look_up(host, *args, **options)

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield tried
    assert tried == [], f"A test tried to reach the network: {tried}."


def pytest_configure(config):
    """Remove the temporary folder with the process that made it."""
    if not hasattr(config, "workerinput"):
        import shutil

        config.add_cleanup(lambda: shutil.rmtree(_home, ignore_errors=True))


def pytest_collection_modifyitems(items):
    """Refuse names that change from process to process: parallel runs could not agree on them."""
    vague = [item.nodeid for item in items if " at 0x" in item.name]
    if vague:
        raise pytest.UsageError(f"Give these parameters ids that stay the same: {vague}")
