"""The picture of a verdict: image, model, and the two images that the classifier was shown."""

import io
from dataclasses import dataclass

import numpy as np

from lensfinder.inversion.frame import Frame
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.pixels import pixel_centres

PANEL = 2.5  # inches
RESIDUAL_RANGE = 4.0  # standard deviations
CURVE = "tab:cyan"


@dataclass(frozen=True, eq=False)
class Panels:
    """What a picture shows.

    Attributes
    ----------
    image, model : array (H, W) or None
        NaN where nothing was fitted; left out where they are not known. Of a fit, the image without
        the lens light that was fitted with it.
    pixel_scale : float
        Arcsec per pixel of them.
    images : dict of str to array (size, size, 1)
        ``source`` and ``residual``, as the classifier was shown them.
    frame : Frame
        Where these lie.
    mass : MassModel or None
        For the critical curve and the caustic.
    """

    image: np.ndarray | None
    model: np.ndarray | None
    pixel_scale: float
    images: dict[str, np.ndarray]
    frame: Frame
    mass: MassModel | None

    @classmethod
    def of_fit(cls, fit, images) -> "Panels":
        """Of a fit, and the images that the classifier was shown of it."""
        result, seen = fit.inversion, fit.inversion.observation
        size = images["source"].shape[0]
        centre = (fit.mass.x, fit.mass.y)
        frame = Frame.around(seen.x, seen.y, centre=centre, pixel_scale=seen.pixel_scale, size=size)
        # the arcs, not the lens in front of them, are what a verdict is about
        arcs = seen.data if result.light is None else seen.data - result.light
        image, model = (seen.image(values, outside=np.nan) for values in (arcs, result.model))
        return cls(image, model, seen.pixel_scale, images, frame, fit.mass)

    @classmethod
    def of_given(cls, found, images) -> "Panels":
        """Of a reconstruction made elsewhere."""
        fitted, size = found.fitted, images["source"].shape[0]
        x, y = np.broadcast_arrays(*pixel_centres(fitted.shape, found.pixel_scale))
        centre = (0.0, 0.0) if found.mass is None else (found.mass.x, found.mass.y)
        frame = Frame.around(
            x[fitted], y[fitted], centre=centre, pixel_scale=found.pixel_scale, size=size
        )
        image = None if found.image is None else np.where(fitted, found.image, np.nan)
        return cls(image, None, found.pixel_scale, images, frame, found.mass)


def verdict_png(panels: Panels) -> bytes:
    """One reconstruction as a PNG.

    Parameters
    ----------
    panels : Panels
        What to show.

    Returns
    -------
    bytes
        In a row: image and model, where known, with the critical curve; source with the caustic;
        residual in units of the noise.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    frame, images = panels.frame, panels.images
    shown = []
    peak = 1.0 if panels.image is None else float(np.nanmax(panels.image))
    bright = dict(vmin=0.0, vmax=peak, cmap="magma")
    for title, image in (("image", panels.image), ("model", panels.model)):
        if image is not None:
            shown.append((title, image, _edges(image.shape, panels.pixel_scale), bright))
    place = [frame.x - frame.half, frame.x + frame.half, frame.y - frame.half, frame.y + frame.half]
    source = dict(vmin=0.0, vmax=1.0, cmap="magma")
    shown.append(("source", images["source"][..., 0], place, source))
    residual = dict(vmin=-RESIDUAL_RANGE, vmax=RESIDUAL_RANGE, cmap="RdBu_r")
    shown.append(("residual / noise", images["residual"][..., 0], place, residual))

    figure = Figure(figsize=(PANEL * len(shown), PANEL + 0.25), layout="constrained")
    FigureCanvasAgg(figure)  # a canvas of its own: no window, no global state
    for axis, (title, image, extent, style) in zip(
        np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True
    ):
        axis.imshow(image, origin="lower", extent=extent, interpolation="nearest", **style)
        axis.set_facecolor("0.85")
        axis.set_title(title, fontsize="small")
        axis.tick_params(labelsize="x-small")
        _curve(axis, title, panels.mass)
        axis.set_xlim(place[:2])
        axis.set_ylim(place[2:])
    figure.supxlabel("arcsec", fontsize="x-small")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=100, metadata={"Software": None})
    return stream.getvalue()


def _curve(axis, title, mass):
    """Critical curve over the images, caustic over the source."""
    if mass is None or title.startswith("residual"):
        return
    points = mass.caustic() if title == "source" else mass.critical_curve()
    points = np.concatenate([points, points[:1]])
    axis.plot(*points.T, color=CURVE, linewidth=1.0)


def _edges(shape, scale):
    return [sign * count * scale / 2 for count in shape[::-1] for sign in (-1, 1)]
