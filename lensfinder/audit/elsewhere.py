"""Reconstructions made by other codes: what is needed of them, and FITS images of it.

Row 0 is at the bottom and +x to the right, as everywhere here. A pixel scale comes from a header or
from the user, never from a guess.
"""

from dataclasses import dataclass

import numpy as np

from lensfinder.audit.opinion import Opinion, parity_opinion
from lensfinder.data.fits_file import FitsFile, wcs_pixel_scale
from lensfinder.data.readers import stem_of
from lensfinder.errors import ArgumentError, DataFormatError, PixelScaleError
from lensfinder.inversion.frame import classifier_inputs_from_arrays
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.meshes import DelaunayMesh
from lensfinder.inversion.pixels import pixel_centres

RASTER = 200  # pixels along each side of a source that comes as scattered points


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A source and a residual image made elsewhere.

    Attributes
    ----------
    id : str
        Name.
    source : array (h, w)
        Surface brightness on square pixels, any unit.
    source_scale : float
        Arcsec per pixel of it.
    residual : array (H, W)
        Image minus model; zero or NaN where nothing was fitted.
    noise : array (H, W) or float
        Standard deviation per pixel in the unit of the residual; 1 for a normalised residual.
    pixel_scale : float
        Arcsec per pixel of the residual.
    source_centre : (float, float)
        Middle of the source image, arcsec from the middle of the residual.
    mask : bool array (H, W) or None
        True where a pixel was fitted.
    image : array (H, W) or None
        The observed image without the light of the lens, in the unit of `image_noise`.
    image_noise : array (H, W) or float or None
        Its standard deviation.
    mass : MassModel or None
        The lens, if it is an isothermal ellipsoid.
    theta_E : float or None
        Its Einstein radius, arcsec; that of `mass` when absent.
    remark : str
        What a reader could not use, and what to do about it; empty if nothing.
    """

    id: str
    source: np.ndarray
    source_scale: float
    residual: np.ndarray
    noise: np.ndarray | float
    pixel_scale: float
    source_centre: tuple[float, float] = (0.0, 0.0)
    mask: np.ndarray | None = None
    image: np.ndarray | None = None
    image_noise: np.ndarray | float | None = None
    mass: MassModel | None = None
    theta_E: float | None = None
    remark: str = ""

    def __post_init__(self):
        if self.theta_E is None and self.mass is not None:
            object.__setattr__(self, "theta_E", self.mass.theta_E)
        if self.theta_E is not None and not (np.isfinite(self.theta_E) and self.theta_E > 0):
            raise ArgumentError(
                f"An Einstein radius is positive. Received: {self.theta_E}. Correct it."
            )

    def images(self, size: int) -> dict[str, np.ndarray]:
        """What a classifier is shown.

        Parameters
        ----------
        size : int
            Pixels along each side.

        Returns
        -------
        dict of str to array (size, size, 1)
            ``source`` and ``residual``, as from `lensfinder.inversion.classifier_inputs`.

        Raises
        ------
        ArgumentError
            If arrays do not fit together.
        """
        return classifier_inputs_from_arrays(
            self.source,
            self.residual,
            noise=self.noise,
            source_scale=self.source_scale,
            pixel_scale=self.pixel_scale,
            size=size,
            source_centre=self.source_centre,
            centre=(0.0, 0.0) if self.mass is None else (self.mass.x, self.mass.y),
            mask=self.mask,
        )

    def opinion(self) -> Opinion | None:
        """The second opinion by the parity of the light; None without an image and a mass.

        Returns
        -------
        Opinion or None
            Of `parity_opinion`.

        Raises
        ------
        ArgumentError
            If the image has another shape than the residual, or no light.
        """
        if self.image is None or self.image_noise is None or self.mass is None:
            return None
        image = np.asarray(self.image, np.float64)
        if image.shape != np.shape(self.residual):
            raise ArgumentError(
                f"The image has shape {image.shape}, the residual {np.shape(self.residual)}. "
                "Cut them alike."
            )
        noise = np.broadcast_to(np.asarray(self.image_noise, np.float64), image.shape)
        x, y = (np.broadcast_to(axis, image.shape) for axis in self._centres())
        fitted = np.isfinite(image) & np.isfinite(noise) & (noise > 0)
        fitted &= self.fitted
        return parity_opinion(
            self.mass, x[fitted], y[fitted], image=image[fitted], noise=noise[fitted]
        )

    @property
    def fitted(self) -> np.ndarray:
        """Fitted pixels, bool (H, W)."""
        good = np.isfinite(self.residual)
        return good & ((self.residual != 0) if self.mask is None else self.mask)

    def _centres(self):
        return pixel_centres(np.shape(self.residual), self.pixel_scale)


def read_images(
    source,
    residual,
    *,
    noise,
    source_scale=None,
    pixel_scale=None,
    source_centre=(0.0, 0.0),
    mass: MassModel | None = None,
    theta_E: float | None = None,
    image=None,
) -> Reconstruction:
    """A reconstruction from FITS images.

    Parameters
    ----------
    source, residual : path-like
        FITS files whose first image is the source, and image minus model.
    noise : float or path-like
        Standard deviation of the residual per pixel: one number, or a FITS map; 1 if the residual
        is in units of the noise.
    source_scale, pixel_scale : float or None
        Arcsec per pixel of source and residual; from ``PIXSCALE`` or the projection of the header
        when None.
    source_centre : (float, float)
        Middle of the source image, arcsec from the middle of the residual.
    mass : MassModel or None
        The lens.
    theta_E : float or None
        Its Einstein radius on the intermediate axis, arcsec, if nothing else of it is known.
    image : path-like or None
        The observed image without the light of the lens, for the second opinion.

    Returns
    -------
    Reconstruction
        What the files hold.

    Raises
    ------
    PixelScaleError
        If neither the user nor a header says how large the pixels are.
    DataFormatError
        If a file is no FITS image of two axes.
    """
    source, source_scale = read_plane(source, scale=source_scale, option="--source-scale")
    name = residual
    residual, pixel_scale = read_plane(residual, scale=pixel_scale, option="--pixel-scale")
    noise = noise_of(noise, residual.shape)
    if image is not None:
        image, _ = read_plane(image, scale=pixel_scale, option="--pixel-scale")
    return Reconstruction(
        id=stem_of(name),
        source=source,
        source_scale=source_scale,
        residual=residual,
        noise=noise,
        pixel_scale=pixel_scale,
        source_centre=tuple(float(v) for v in source_centre),
        image=image,
        image_noise=None if image is None else noise,
        mass=mass,
        theta_E=theta_E,
    )


def read_plane(path, key=None, *, scale=None, option: str) -> tuple[np.ndarray, float]:
    """An image of two axes and its pixel scale, from a FITS file.

    Parameters
    ----------
    path : path-like
        The file.
    key : str, int or None
        Extension; the first image when None.
    scale : float or None
        Arcsec per pixel, if the user said so.
    option : str
        What to give where it is missing.

    Returns
    -------
    image : array (H, W) float64
        Row 0 first, as in the file.
    scale : float
        Arcsec per pixel.

    Raises
    ------
    PixelScaleError
        If nothing says how large the pixels are.
    DataFormatError
        If there is no such image.
    """
    file = FitsFile(path)
    unit = file.find(key)
    if unit is None or len(unit.shape) != 2:
        raise DataFormatError(
            f"{path} holds no image of two axes"
            + (f" named {key}" if key is not None else "")
            + ". Cut one band out of it."
        )
    header = file.header(unit)
    found = scale if scale is not None else _header_scale(header, file.header(file.units[0]))
    if found is None or not (np.isfinite(found) and found > 0):
        raise PixelScaleError(
            f"{path} does not say how large its pixels are. Give it in arcsec ({option}), or "
            "write PIXSCALE into its header.",
            path=str(path),
        )
    return file.data(unit).astype(np.float64), float(found)


def _header_scale(header, primary):
    """PIXSCALE, the two of PyAutoLens if they agree, or the projection."""
    known = primary | header
    if "PIXSCALE" in known:
        return _number(known["PIXSCALE"])
    pair = _number(known.get("PIXSCAX")), _number(known.get("PIXSCAY"))
    if None not in pair:
        return pair[0] if np.isclose(*pair, rtol=1e-6, atol=0) else None
    return wcs_pixel_scale(header)


def _number(value):
    return float(value) if isinstance(value, int | float) else None


def noise_of(noise, shape):
    """A number or a FITS map of the noise.

    Parameters
    ----------
    noise : float, text of a number, or path-like
        What the user gave.
    shape : (int, int)
        Of the residual.

    Returns
    -------
    float or array (H, W)
        Standard deviation.

    Raises
    ------
    ArgumentError
        If it is neither, or the map has another shape.
    """
    try:
        return float(noise)
    except (TypeError, ValueError):
        if noise is None:
            raise ArgumentError(
                "A residual says how good a fit is only beside its noise. Give --noise: a FITS "
                "map, one number, or 1 for a residual in units of the noise."
            ) from None
    # the map lies on the pixels of the residual, whatever its own header says
    noise, _ = read_plane(noise, scale=1.0, option="--pixel-scale")
    if noise.shape != shape:
        raise ArgumentError(
            f"The noise map has shape {noise.shape}, the residual {shape}. Cut them alike."
        )
    return noise


def rasterise(x, y, values) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Scattered source pixels as an image, linear on the triangles between them.

    Parameters
    ----------
    x, y : array (S,)
        Positions in the source plane, arcsec.
    values : array (S,)
        Surface brightness.

    Returns
    -------
    source : array (200, 200)
        0 outside the triangles.
    scale : float
        Arcsec per pixel.
    centre : (float, float)
        Its middle, arcsec.

    Raises
    ------
    DataFormatError
        If there are fewer than four points, or they have no extent.
    """
    nodes = np.stack([x, y], axis=1).astype(np.float64)
    values = np.asarray(values, dtype=np.float64)
    spread = np.ptp(nodes, axis=0) if len(nodes) else np.zeros(2)
    if len(nodes) < 4 or not np.isfinite(nodes).all() or not spread.min() > 0:
        raise DataFormatError(
            f"A source needs four or more points that spread in both axes. Received: {len(nodes)}. "
            "Check that the file is complete."
        )
    middle = nodes.min(axis=0) + spread / 2
    scale = float(spread.max()) / RASTER
    px, py = np.broadcast_arrays(*pixel_centres((RASTER, RASTER), scale))
    mesh = DelaunayMesh(nodes)
    points = np.stack([px.ravel() + middle[0], py.ravel() + middle[1]], axis=1)
    numbers, weights = mesh.mapping(*points.T)
    source = (values[numbers] * weights).sum(axis=1)
    source[mesh.triangulation.find_simplex(points) < 0] = 0.0
    return source.reshape(RASTER, RASTER), scale, (float(middle[0]), float(middle[1]))
