"""A scene: everything a renderer needs to know of a batch of objects, as plain arrays."""

import math
from dataclasses import dataclass, fields

import numpy as np
from keras import ops

MASS = ("theta_E", "q", "phi", "x", "y", "gamma1", "gamma2")
LIGHT = ("x", "y", "R_e", "n", "q", "phi")
STRUCTURE = ("x", "y", "q", "phi", "radius", "width", "arms", "contrast", "winding", "phase")
STAMP = ("x", "y", "size", "angle", "flip")


@dataclass
class Scene:
    """A batch of N objects, in the order of the columns named in this module.

    Attributes
    ----------
    mass : array (N, 7)
        `MASS`: SIE and shear; theta_E = 0 means no lensing. Arcsec, radians.
    lens, source, field : array (N, C, 6)
        `LIGHT` of Sérsic components: the lens galaxy, the source (in the source plane), and
        unlensed neighbours. Positions in arcsec from the stamp's centre.
    lens_flux, source_flux, field_flux : array (N, C, bands)
        Total flux of each component, electron/s; 0 for absent ones.
    structure : array (N, C, 10)
        `STRUCTURE` of rings, arms and tails of look-alikes.
    structure_peak : array (N, C, bands)
        Their peak surface brightness, electron/s/arcsec^2.
    stamp : array (N, 5)
        `STAMP`: where a real source lies in the source plane, the side of its stamp in arcsec, its
        rotation and whether it is mirrored (1) or not (0).
    stamp_image : array (N, S, S, channels)
        The real source, each channel normalised to unit sum.
    stamp_flux : array (N, bands)
        Its flux, electron/s.
    """

    mass: np.ndarray
    lens: np.ndarray
    lens_flux: np.ndarray
    source: np.ndarray
    source_flux: np.ndarray
    field: np.ndarray
    field_flux: np.ndarray
    structure: np.ndarray
    structure_peak: np.ndarray
    stamp: np.ndarray
    stamp_image: np.ndarray
    stamp_flux: np.ndarray

    @classmethod
    def empty(cls, n, bands, *, lens=0, source=0, field=0, structure=0, stamp=(0, 0)) -> "Scene":
        """A dark scene with room for so many components.

        Parameters
        ----------
        n, bands : int
            Objects and bands.
        lens, source, field, structure : int
            Components of each kind.
        stamp : tuple of (side, channels)
            Size of real source stamps; (0, 0) for none.

        Returns
        -------
        Scene
            All fluxes zero, all shapes harmless.
        """

        def light(count):
            return np.tile(np.float32([0, 0, 1, 1, 1, 0]), (n, count, 1))

        def dark(*shape):
            return np.zeros((n, *shape), np.float32)

        side, channels = stamp
        return cls(
            mass=np.tile(np.float32([0, 1, 0, 0, 0, 0, 0]), (n, 1)),
            lens=light(lens),
            lens_flux=dark(lens, bands),
            source=light(source),
            source_flux=dark(source, bands),
            field=light(field),
            field_flux=dark(field, bands),
            structure=np.tile(np.float32([0, 0, 1, 0, 1, 1, 0, 0, 0, 0]), (n, structure, 1)),
            structure_peak=dark(structure, bands),
            stamp=np.tile(np.float32([0, 0, 1, 0, 0]), (n, 1)),
            stamp_image=dark(side, side, channels),
            stamp_flux=dark(bands),
        )

    def __len__(self):
        return len(self.mass)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as float32.

        Returns
        -------
        dict of str to array
            All fields.
        """
        return {f.name: np.asarray(getattr(self, f.name), np.float32) for f in fields(self)}

    def packed(self) -> np.ndarray:
        """All arrays in one, (N, P): one tensor crosses to the device instead of twelve.

        Returns
        -------
        array of float32 (N, P)
            Undone by `unpack`.
        """
        return np.concatenate([a.reshape(len(self), -1) for a in self.arrays().values()], axis=1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape per object of every array.

        Returns
        -------
        dict of str to tuple
            In the order of the fields.
        """
        return {f.name: np.shape(getattr(self, f.name))[1:] for f in fields(self)}

    def take(self, rows) -> "Scene":
        """The objects at some rows.

        Parameters
        ----------
        rows : array of int or bool
            Which.

        Returns
        -------
        Scene
            A new scene.
        """
        return Scene(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def padded(self, size: int) -> "Scene":
        """The same scene with its last object repeated up to `size` objects.

        Parameters
        ----------
        size : int
            Wanted number of objects.

        Returns
        -------
        Scene
            A scene of exactly `size` objects.
        """
        return self.take(np.minimum(np.arange(size), len(self) - 1))


def unpack(packed, shapes) -> dict:
    """Undo `Scene.packed` on tensors.

    Parameters
    ----------
    packed : tensor (N, P)
        From `Scene.packed`.
    shapes : dict of str to tuple
        From `Scene.shapes`.

    Returns
    -------
    dict of str to tensor
        The arrays of the scene.
    """
    arrays, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        arrays[name] = (
            ops.reshape(packed[:, start:stop], (-1, *shape))
            if stop > start
            else (ops.zeros((packed.shape[0], *shape), "float32"))
        )
        start = stop
    return arrays
