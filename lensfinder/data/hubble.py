"""Galaxies cut from the Hubble eXtreme Deep Field picture that scikit-image brings along.

The one real image every user has: 872 x 1000 pixels of about 0.14 arcsec (inferred from the size of
the field), red, green and blue, 8 bit, stretched for display, JPEG. It is good for showing the
machinery and as shapes of source galaxies. It is **not** calibrated: the stretch is undone with the
standard sRGB decoding (IEC 61966-2-1), which need not be its inverse; cores are clipped at white;
and the magnitude of white is a round number chosen to give the brightest galaxies about 19 mag. So
magnitudes, colours and false-positive rates from it mean nothing.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.data.resampling import covers, resample
from lensfinder.data.scatter import scatter_of
from lensfinder.data.segments import measure_sources, segment
from lensfinder.errors import DatasetSpecError, UntrustedArtefactError
from lensfinder.paths import ResourceError
from lensfinder.specs import load_survey

PIXEL_SCALE = 0.14  # arcsec
WHITE = 21.3  # AB magnitude per square arcsec given to white
CHANNELS = ("red", "green", "blue")
WAVELENGTHS = (1250.0, 800.0, 520.0)  # nm: near infrared, red and blue filters, roughly
SHA256 = "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"
COLUMNS = ("segment", "x", "y", "area", "flux", "half_light_radius", "axis_ratio", "contact")
# foreground stars, by their spikes: x, y in pixels from the lower left
STARS = ((753.6, 293.2), (253.5, 704.9), (146.2, 653.4))


@dataclass(frozen=True)
class SourceStamps:
    """Isolated galaxies as source shapes.

    Attributes
    ----------
    images : array (N, S, S, 3) float32
        Red, green, blue; each sums to 1, and falls to zero at the edges.
    pixel_scale : float
        Arcsec per pixel.
    half_light_radius : array (N,)
        Radius of the circle with half of the light, arcsec.
    ids : list of str
        Names, as in the table of `HubbleGalaxies`.
    """

    images: np.ndarray
    pixel_scale: float
    half_light_radius: np.ndarray
    ids: list[str]


@dataclass(frozen=True)
class HubbleGalaxies:
    """The picture, and the galaxies found in it.

    Attributes
    ----------
    picture : array (872, 1000, 3) float32
        Pseudo-linear brightness, sky subtracted, white = 1; row 0 at the bottom.
    segments : array (872, 1000) int
        Number of the galaxy each pixel belongs to, 0 for sky.
    table : astropy.table.Table
        Brightest first: ``id``, ``segment``, ``x``, ``y`` (pixels from the centre of the lower left
        one), ``area`` (pixels), ``flux`` (white pixels), ``half_light_radius`` (arcsec),
        ``axis_ratio``, ``contact`` (share of its outline that touches another galaxy).
    """

    picture: np.ndarray
    segments: np.ndarray
    table: Table

    def cutouts(self, survey, *, count=40, seed=0):
        """The brightest galaxies as a survey might see them: resampled, scaled, noise added.

        Each band is the mean of the two channels beside its wavelength, weighted by the distance in
        log wavelength. White is 21.3 mag/arcsec^2 in every band. Noise is that of the survey's sky,
        detector and photons; the picture's own noise and its PSF stay in.

        Parameters
        ----------
        survey : Survey or str
            Stamps, pixel scales, bands and noise. Pixels smaller than 0.14 arcsec add no detail.
        count : int
            How many at most; galaxies too close to the picture's edge are left out.
        seed : int
            Seed of the noise; galaxy k draws from (seed, k).

        Returns
        -------
        ids : list of str
            ``hdf-0001``, ...: numbers of the galaxies by brightness.
        images : dict of str to array (N, stamp, stamp, bands) float32
            Electron/s, one array per group.
        table : astropy.table.Table
            Rows of `table`.

        Raises
        ------
        DatasetSpecError
            If no galaxy is far enough from the edge for the survey's stamps.
        """
        survey = load_survey(survey)
        rows = [row for row, entry in enumerate(self.table) if self._fits(entry, survey)][:count]
        if not rows:
            raise DatasetSpecError(
                f"The picture is too small for the stamps of {survey.name}. Use smaller stamps."
            )
        table = self.table[rows]
        shapes = {group.name: (len(rows), *group.shape) for group in survey.groups}
        images = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        for number, row in enumerate(rows):
            rng = np.random.default_rng((seed, row))
            for group in survey.groups:
                for channel, band in enumerate(group.bands):
                    image = self._observe(self.table[row], group, band, rng)
                    images[group.name][number, :, :, channel] = image
        return list(table["id"]), images, table

    def _fits(self, entry, survey) -> bool:
        height, width = self.segments.shape
        room = 2 * min(entry["x"], entry["y"], width - 1 - entry["x"], height - 1 - entry["y"]) - 1
        sides = [(group.pixel_scale, group.stamp) for group in survey.groups]
        return all(covers((room, room), PIXEL_SCALE, scale, stamp) for scale, stamp in sides)

    def _observe(self, entry, group, band, rng):
        half = int(np.ceil(group.stamp * group.pixel_scale / PIXEL_SCALE / 2))
        x, y = round(float(entry["x"])), round(float(entry["y"]))
        window = self.picture[y - half : y + half + 1, x - half : x + half + 1]
        light = window @ channel_weights(band.wavelength)
        light = resample(light, PIXEL_SCALE, group.pixel_scale, group.stamp)
        # `light` is in picture pixels at the surface brightness of white
        rate = light * band.flux(WHITE) * PIXEL_SCALE**2
        sigma = np.sqrt(band.background_sigma**2 + np.maximum(rate, 0.0) / band.total_time)
        return rate + sigma * rng.standard_normal(rate.shape)

    def stamps(
        self, *, size=48, min_radius=0.25, min_area=80, max_contact=0.1, count=None
    ) -> SourceStamps:
        """Isolated, resolved galaxies with nothing around them, as shapes of sources.

        Other galaxies are cut out, the galaxy's own outline is softened, and a round window takes
        the rest to zero, so that a lens does not magnify an edge.

        Parameters
        ----------
        size : int
            Side of the stamps, pixels of 0.14 arcsec. Galaxies that do not fit are left out.
        min_radius : float
            Least half-light radius, arcsec.
        min_area : int
            Least area, pixels: smaller ones are as much noise as galaxy.
        max_contact : float
            Largest share of the outline that may touch another galaxy.
        count : int or None
            How many at most, brightest first.

        Returns
        -------
        SourceStamps
            The stamps.

        Raises
        ------
        DatasetSpecError
            If no galaxy is left.
        """
        images, rows = [], []
        for row, entry in enumerate(self.table):
            if count is not None and len(rows) >= count:
                break
            large = entry["half_light_radius"] >= min_radius and entry["area"] >= min_area
            if large and entry["contact"] <= max_contact:
                stamp = self._stamp(entry, size)
                if stamp is not None:
                    images.append(stamp)
                    rows.append(row)
        if not rows:
            raise DatasetSpecError("No galaxy is left. Use larger stamps or wider limits.")
        table = self.table[rows]
        radius = np.array(table["half_light_radius"])
        return SourceStamps(np.stack(images), PIXEL_SCALE, radius, list(table["id"]))

    def _stamp(self, entry, size):
        from skimage import filters

        x, y = round(float(entry["x"])), round(float(entry["y"]))
        low, high = size // 2, size - size // 2
        height, width = self.segments.shape
        if min(x, y) < low or x + high > width or y + high > height:
            return None
        window = (slice(y - low, y + high), slice(x - low, x + high))
        own = self.segments[window] == entry["segment"]
        axis = np.arange(size) - low
        radius = np.hypot(axis[:, None] + y - entry["y"], axis[None, :] + x - entry["x"])
        reach = size / 2 - 1
        if own.sum() < entry["area"] or (radius[own] > 0.85 * reach).any():
            return None
        # one pixel of smoothing leaves the inside untouched and ends within two pixels
        soft = np.minimum(1.0, 2.0 * filters.gaussian(own.astype(float), 1.0))
        soft[(self.segments[window] > 0) & ~own] = 0.0
        taper = np.clip((reach - radius) / (0.15 * reach), 0.0, 1.0)
        stamp = np.maximum(self.picture[window], 0.0) * (soft * taper)[..., None]
        flux = stamp.sum((0, 1))
        if flux.min() < 0.1 * flux.max():  # seen in two channels only: no shape in the third
            return None
        return (stamp / flux).astype(np.float32)


def hubble_galaxies(*, min_area=20, threshold=5.0) -> HubbleGalaxies:
    """Find the galaxies of the picture.

    The mean of the channels is smoothed, thresholded above the sky, and cut into galaxies by a
    watershed from its local maxima. Foreground stars are left out.

    Parameters
    ----------
    min_area : int
        Least area, pixels.
    threshold : float
        In units of the sky's robust scatter.

    Returns
    -------
    HubbleGalaxies
        Picture, segments and table.

    Raises
    ------
    ResourceError
        If the installed scikit-image has not got the picture, which nothing here downloads.
    UntrustedArtefactError
        If the file is another one.
    """
    from skimage import filters

    picture = _linear(_read_picture())
    picture -= np.median(picture, axis=(0, 1))
    light = picture.mean(axis=-1)
    smooth = filters.gaussian(light, 1.2)
    level, scatter = scatter_of(smooth)
    mask = smooth > level + threshold * scatter
    segments = segment(smooth, mask, filters.gaussian(light, 2.0))
    rows = []
    for source in measure_sources(segments, light, min_area=min_area):
        if not _is_star(source):
            row = {name: source[name] for name in COLUMNS}
            row["half_light_radius"] *= PIXEL_SCALE
            rows.append(row)
    rows.sort(key=lambda row: -row["flux"])
    table = Table(rows)
    table.add_column([f"hdf-{number:04d}" for number in range(1, len(rows) + 1)], 0, "id")
    table["half_light_radius"].unit = "arcsec"
    return HubbleGalaxies(picture.astype(np.float32), segments, table)


def channel_weights(wavelength) -> np.ndarray:
    """Weights of red, green and blue for a band, linear in log wavelength; they sum to 1.

    Parameters
    ----------
    wavelength : float
        Pivot wavelength, nm. Beyond the outer channels the nearest one is taken.

    Returns
    -------
    array (3,)
        Weights.
    """
    place = np.interp(np.log(wavelength), np.log(WAVELENGTHS[::-1]), [2.0, 1.0, 0.0])
    return np.maximum(0.0, 1.0 - np.abs(place - np.arange(3)))


def _read_picture() -> np.ndarray:
    import skimage
    from skimage import data, io

    # `skimage.data.hubble_deep_field()` would go to the network where the file is missing
    name = "hubble_deep_field.jpg"
    places = (Path(skimage.__file__).parent / "data" / name, Path(data.data_dir) / name)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ResourceError(
            f"This installation of scikit-image has no {name}. Fetch it once, with a network, by "
            '`python -c "import skimage; skimage.data.hubble_deep_field()"`, which needs pooch.',
            places=places,
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UntrustedArtefactError(f"{path} is not the picture it should be. Reinstall it.")
    return io.imread(path)


def _linear(picture) -> np.ndarray:
    """Undo the sRGB transfer function, white = 1, and bring row 0 to the bottom."""
    value = picture[::-1].astype(np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _is_star(source) -> bool:
    x, y = source["x_middle"], source["y_middle"]
    return any(np.hypot(x - x_star, y - y_star) < 8 for x_star, y_star in STARS)
