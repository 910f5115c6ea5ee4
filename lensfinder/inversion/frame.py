"""From a reconstruction on any mesh to two images of fixed size, as a classifier is shown them.

**The rule.** Both images show the same square of angles: centred on the lens, with a half-width of
`ROOM` times the distance R from the lens to the farthest fitted pixel. So the arcs fill the same
part of the frame for every Einstein radius, pixel scale and survey, while the size of the
reconstruction *relative to* the arcs is kept. That ratio, and the sign, is what the solutions
differ in (Maresca, Dye & Li 2021, section 2 and figure 4): the under-magnified one is a copy of the
image shrunk to about half, the over-magnified one a copy upside down and as large as the image, and
the correct one is compact. A frame cut to the source alone would lose the first difference, one
that is turned or mirrored by itself the second, and a fixed number of arcsec would make the network
learn each Einstein radius anew.

**Values.** The source is a surface brightness, averaged over each pixel of the frame, zero outside
the mesh, and divided by its largest absolute value, because the classes do not differ in
brightness. The residual is (image - model) / noise, bilinear between pixel centres, zero outside
the mask: its scale says how good the fit is, and is kept.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lensfinder.errors import ArgumentError, NoiseMapError
from lensfinder.inversion.meshes import DelaunayMesh
from lensfinder.inversion.pixels import pixel_centres
from lensfinder.specs.contract import GroupContract, InputContract

ROOM = 1.25  # the over-magnified copy is 1.11 times as large as the image, and blurred
SUB = 2  # points along each side of a pixel of the frame, which are averaged


@dataclass(frozen=True)
class Frame:
    """A square of angles, the same in the image and in the source plane.

    Attributes
    ----------
    x, y : float
        Its middle, arcsec.
    half : float
        Half of its side, arcsec.
    size : int
        Pixels along each side.
    """

    x: float
    y: float
    half: float
    size: int

    @classmethod
    def around(cls, x, y, *, centre, pixel_scale, size) -> "Frame":
        """The frame of some fitted pixels.

        Parameters
        ----------
        x, y : array (N,)
            Centres of the fitted pixels, arcsec.
        centre : (float, float)
            The lens, arcsec.
        pixel_scale : float
            Arcsec per pixel: the outer edge of the farthest pixel counts.
        size : int
            Pixels along each side of the frame, at least 4.

        Returns
        -------
        Frame
            By the rule of this module.

        Raises
        ------
        ArgumentError
            If the frame is too small, or there is no pixel.
        """
        if int(size) != size or size < 4:
            raise ArgumentError(f"A frame needs 4 or more pixels a side. Received: {size}.")
        if not np.size(x):
            raise ArgumentError("No pixel was fitted. Give the mask of the fitted pixels.")
        radius = float(np.hypot(x - centre[0], y - centre[1]).max()) + pixel_scale / 2
        return cls(float(centre[0]), float(centre[1]), ROOM * radius, int(size))

    @property
    def pixel_scale(self) -> float:
        """Arcsec per pixel of the frame."""
        return 2 * self.half / self.size

    def points(self):
        """Positions of the points that are averaged.

        Returns
        -------
        x, y : array (size * SUB, size * SUB)
            Arcsec.
        """
        side = self.size * SUB
        x, y = pixel_centres((side, side), self.pixel_scale / SUB)
        return np.broadcast_arrays(x + self.x, y + self.y)

    def average(self, values):
        """Means over the points of each pixel.

        Parameters
        ----------
        values : array (size * SUB, size * SUB)
            One per point.

        Returns
        -------
        array (size, size)
            One per pixel of the frame.
        """
        return values.reshape(self.size, SUB, self.size, SUB).mean(axis=(1, 3))


def classifier_inputs(inversion, *, size=64, centre=None) -> dict[str, np.ndarray]:
    """What the classifier of reconstructions is shown of an inversion.

    Parameters
    ----------
    inversion : Inversion
        Source and residual, from `Inverter.invert`.
    size : int
        Pixels along each side.
    centre : (float, float), optional
        The lens, arcsec from the middle of the image. That of the mass model when absent; the
        middle of the image for a mass that does not say where it is.

    Returns
    -------
    dict of str to array (size, size, 1), float32
        ``source``, from -1 to 1, and ``residual``, in units of the noise; the rule is that of
        `lensfinder.inversion.frame`.

    Raises
    ------
    ArgumentError
        If the frame is too small.
    """
    seen, mass = inversion.observation, inversion.mass
    if centre is None:
        centre = (float(getattr(mass, "x", 0.0)), float(getattr(mass, "y", 0.0)))
    frame = Frame.around(seen.x, seen.y, centre=centre, pixel_scale=seen.pixel_scale, size=size)
    x, y = frame.points()
    source = np.where(_on_mesh(inversion.mesh, x, y), inversion.source_at(x, y), 0.0)
    residual = _sampled(inversion.normalised_residual, x, y, seen.pixel_scale)
    return _inputs(frame.average(source), frame.average(residual))


def classifier_inputs_from_arrays(
    source,
    residual,
    *,
    noise,
    source_scale,
    pixel_scale,
    size=64,
    source_centre=(0.0, 0.0),
    centre=(0.0, 0.0),
    mask=None,
) -> dict[str, np.ndarray]:
    """The same for a reconstruction made elsewhere, given as images.

    Row 0 is at the bottom, as everywhere here: turn the images of a code that draws from the top.

    Parameters
    ----------
    source : array (h, w)
        Reconstructed surface brightness on square pixels, any unit; NaN counts as zero.
    residual : array (H, W)
        Image minus model, zero or NaN where nothing was fitted.
    noise : array (H, W) or float
        Standard deviation per pixel, in the unit of `residual`.
    source_scale, pixel_scale : float
        Arcsec per pixel of `source` and of `residual`.
    size : int
        Pixels along each side.
    source_centre : (float, float)
        Where the middle of `source` lies, arcsec from the middle of the image.
    centre : (float, float)
        The lens, arcsec from the middle of the image.
    mask : bool array (H, W), optional
        True where a pixel was fitted; where the residual is neither NaN nor exactly zero when
        absent.

    Returns
    -------
    dict of str to array (size, size, 1), float32
        As from `classifier_inputs`.

    Raises
    ------
    ArgumentError
        If an array has not two axes, shapes differ, a scale is not positive, or the frame is too
        small.
    NoiseMapError
        If the noise of a fitted pixel is not finite and positive.
    """
    source, residual = (np.asarray(a, dtype=np.float64) for a in (source, residual))
    if source.ndim != 2 or residual.ndim != 2:
        raise ArgumentError(
            "Source and residual must have 2 axes. "
            f"Received: {source.shape} and {residual.shape}. Choose one band."
        )
    if not min(source_scale, pixel_scale) > 0:
        raise ArgumentError(
            "Pixel scales must be positive, in arcsec. "
            f"Received: source_scale={source_scale}, pixel_scale={pixel_scale}."
        )
    good = np.isfinite(residual)
    fitted = good & (residual != 0) if mask is None else good & np.asarray(mask, dtype=bool)
    normalised = np.zeros(residual.shape)
    normalised[fitted] = residual[fitted] / _noise(noise, residual.shape)[fitted]
    if not np.isfinite(normalised).all():
        raise NoiseMapError(
            "The noise of the fitted pixels must be finite and positive. "
            "Give standard deviations, not variances, and take bad pixels out of the mask."
        )
    px, py = (np.broadcast_to(a, fitted.shape) for a in pixel_centres(fitted.shape, pixel_scale))
    frame = Frame.around(px[fitted], py[fitted], centre=centre, pixel_scale=pixel_scale, size=size)
    x, y = frame.points()
    brightness = _sampled(
        np.nan_to_num(source, nan=0.0), x - source_centre[0], y - source_centre[1], source_scale
    )
    image = _sampled(normalised, x, y, pixel_scale)
    return _inputs(frame.average(brightness), frame.average(image))


def reconstruction_contract(survey: str, size: int) -> InputContract:
    """The input contract of a classifier of reconstructions.

    Parameters
    ----------
    survey : str
        Name of the survey whose lenses are inverted.
    size : int
        Pixels along each side of the frame.

    Returns
    -------
    InputContract
        Groups ``source`` and ``residual``, without unit. Their pixel scale is that of the frame in
        units of R, the distance from the lens to the farthest fitted pixel, not in arcsec.
    """
    groups = (
        GroupContract(name=name, bands=(name,), stamp=size, pixel_scale=2 * ROOM / size)
        for name in ("source", "residual")
    )
    return InputContract(survey=survey, groups=tuple(groups), unit="1")


def _inputs(source, residual):
    peak = float(np.abs(source).max())
    source = source / peak if peak > 0 else source
    arrays = {"source": source, "residual": residual}
    return {name: array[..., None].astype(np.float32) for name, array in arrays.items()}


def _on_mesh(mesh, x, y):
    """Where the source is defined: a Delaunay mesh puts its nearest node anywhere else."""
    if isinstance(mesh, DelaunayMesh):
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        return (mesh.triangulation.find_simplex(points) >= 0).reshape(x.shape)
    return mesh.inside(x, y)


def _sampled(image, x, y, scale):
    """Bilinear values of an image at positions (arcsec from its middle), 0 beyond its edge."""
    (height, width) = image.shape
    rows, columns = y / scale + (height - 1) / 2, x / scale + (width - 1) / 2
    return ndimage.map_coordinates(image, [rows, columns], order=1, mode="constant")


def _noise(noise, shape):
    noise = np.asarray(noise, dtype=np.float64)
    if noise.shape not in ((), shape):
        raise ArgumentError(
            f"The noise must be one number or a map of shape {shape}. Received: {noise.shape}."
        )
    noise = np.broadcast_to(noise, shape)
    return np.where(noise > 0, noise, np.nan)
