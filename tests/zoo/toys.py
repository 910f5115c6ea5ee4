"""Small contracts and models for the tests of the zoo."""

import numpy as np

from lensfinder.specs.contract import GroupContract, InputContract


def contract(**groups) -> InputContract:
    """A contract from group=(bands, stamp): ``contract(vis=("V", 57))``; a letter is a band."""
    return InputContract(
        survey="toy",
        groups=tuple(
            GroupContract(name=name, bands=tuple(bands), stamp=stamp, pixel_scale=0.1)
            for name, (bands, stamp) in groups.items()
        ),
    )


ONE = contract(vis=("V", 57))
THREE = contract(gri=("gri", 57))
TWO = contract(vis=("V", 48), nisp=("HJY", 32))
LARGE = contract(vis=("V", 200), nisp=("HJY", 66))


def images(of, rows=3, seed=0, dtype=np.float32):
    """Noise for a contract."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(rows, *shape)).astype(dtype) for name, shape in of.shapes.items()
    }
