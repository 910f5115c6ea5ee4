"""Candidates: a galaxy, a source and a place for it, drawn from numbers of the candidate alone.

Candidate c takes galaxy c modulo their number of a shuffled list, one pass through the list after
the other; pass p shows each galaxy turned by p quarters. So no galaxy comes twice the same way up
before all four ways have been used, and none is drawn more often than another.
"""

import numpy as np
from scipy.special import ndtri

from lensfinder.lensing.cosmology import theta_E_sis
from lensfinder.lensing.critical import caustic, cut
from lensfinder.lensing.einstein_radius import theta_E_from_barkana
from lensfinder.lensing.multiplicity import image_count, image_positions
from lensfinder.paint import fallback
from lensfinder.simulate.placing import lens_of
from lensfinder.simulate.random import uniforms

# Why a candidate is refused, in the order in which it is found out.
REASONS = {
    "source_in_front": "the source is not behind the lens",
    "theta_E_small": "the Einstein radius is below the limit",
    "theta_E_large": "the Einstein radius is above the limit, or the mass does not fit the stamp",
    "bin_full": "its bin of the flat distribution was full",
    "not_lensed": "no place of the source gave the number of images asked for",
    "faint": "the arcs do not rise above the background",
}
KEPT = ""

_STREAMS = (
    "source",
    "z_lens",
    "sigma_v",
    "z_src",
    "centre_x",
    "centre_y",
    "q",
    "q_again",
    "angle",
    "independent",
    "other_galaxy",
    "other_angle",
    "shear",
    "shear_angle",
    "turn",
    "flip",
    "class",
    "beside_x",
    "beside_y",
)
_STREAM = {name: k for k, name in enumerate(_STREAMS)}
_FIRST_PLACE = 64  # streams from here on are places of the source, two each
_TRIES, _ROUND = 96, 8
_POLYGON = 128


class Draws:
    """Random numbers of candidates.

    Parameters
    ----------
    seed : int
        Seed of the run.
    numbers : array of int (N,)
        Numbers of the candidates.
    """

    def __init__(self, seed: int, numbers):
        self.seed, self.numbers = seed, np.asarray(numbers, np.int64)

    def __call__(self, name: str):
        """Uniform numbers for a purpose, (N,)."""
        return uniforms(self.seed, self.numbers, 0, _STREAM[name])

    def normal(self, name: str):
        """Standard normal numbers for a purpose, (N,)."""
        return ndtri(self(name))

    def places(self, rows, first: int, count: int):
        """Two uniform numbers for each of some places of the source, two arrays (rows, count)."""
        streams = _FIRST_PLACE + 2 * np.arange(first, first + count)
        numbers = self.numbers[rows][:, None]
        return tuple(uniforms(self.seed, numbers, 0, streams + k) for k in (0, 1))


def galaxy_of(seed: int, numbers, count: int):
    """Which galaxy each candidate takes, and how far it is turned.

    Parameters
    ----------
    seed : int
        Seed of the run.
    numbers : array of int (N,)
        Numbers of the candidates.
    count : int
        Galaxies there are.

    Returns
    -------
    galaxy, turns : arrays of int (N,)
        Row of the galaxy, and how many passes there were before: quarters of a turn.
    """
    numbers = np.asarray(numbers, np.int64)
    passes, place = numbers // count, numbers % count
    galaxy = np.zeros_like(numbers)
    for number in np.unique(passes):
        order = np.random.default_rng((seed, int(number), 0x1EA5)).permutation(count)
        at = passes == number
        galaxy[at] = order[place[at]]
    return galaxy, passes


def draw_candidates(survey, galaxies, sources, settings, seed: int, numbers):
    """Everything about candidates but where the source stands.

    Parameters
    ----------
    survey : Survey
        For the width of the stamp.
    galaxies : Galaxies
        To paint on.
    sources : Sources
        To lense.
    settings : Settings
        How.
    seed : int
        Seed of the run.
    numbers : array of int (N,)
        Numbers of the candidates.

    Returns
    -------
    columns : dict of str to array (N,)
        Parameters.
    reason : array of str (N,)
        Of `REASONS`; empty for those that may go on.
    """
    draws = Draws(seed, numbers)
    galaxy, passes = galaxy_of(seed, numbers, len(galaxies))
    turns = passes % 4
    source = np.minimum((draws("source") * len(sources)).astype(int), len(sources) - 1)
    light = [galaxies.moments[g].turned(t) for g, t in zip(galaxy, turns, strict=True)]
    columns = {
        "candidate": draws.numbers,
        "galaxy": galaxy,
        "source": source,
        "turns": turns,
        "use": passes + 1,
        "x_light": np.array([m.x for m in light]),
        "y_light": np.array([m.y for m in light]),
        "q_light": np.array([m.q for m in light]),
        "phi_light": np.array([m.phi for m in light]),
    }
    columns |= _distances(survey, galaxies, sources, settings, draws, columns)
    columns |= _mass(galaxies, settings, draws, columns)
    sphere = theta_E_sis(
        columns["sigma_v"], columns["z_lens"], columns["z_src"], settings.cosmology
    )
    columns["theta_E"] = theta_E_from_barkana(sphere, columns["q"])
    columns["src_angle"] = 2 * np.pi * draws("turn")
    columns["src_flip"] = (draws("flip") < 0.5).astype(np.int64)
    reason = np.full(len(draws.numbers), KEPT, dtype="U16")
    half = min(group.width for group in survey.groups) / 2
    too_large = (columns["theta_E"] >= settings.max_theta_E) | (columns["theta_E"] >= half)
    reason[too_large] = "theta_E_large"
    reason[columns["theta_E"] < settings.min_theta_E] = "theta_E_small"
    reason[columns["z_src"] <= columns["z_lens"]] = "source_in_front"
    return columns, reason


def _distances(survey, galaxies, sources, settings, draws, columns):
    """Redshifts and dispersions, from the catalogues or else from the fallback."""
    galaxy, source = columns["galaxy"], columns["source"]
    z_lens, z_src = galaxies.z_lens[galaxy], sources.z_src[source]
    known_lens, known_src = np.isfinite(z_lens), np.isfinite(z_src)
    z_lens = np.where(known_lens, z_lens, fallback.lens_redshift(draws("z_lens")))
    z_src = np.where(known_src, z_src, fallback.source_redshift(draws("z_src")))
    sigma_v = galaxies.sigma_v[galaxy]
    known_sigma = np.isfinite(sigma_v)
    if not known_sigma.all():
        wavelength = settings.reference(survey).wavelength
        magnitude = np.nan_to_num(galaxies.magnitude[galaxy], nan=99.0)
        guess = fallback.velocity_dispersion(
            magnitude, wavelength, z_lens, draws("sigma_v"), settings.cosmology
        )
        sigma_v = np.where(known_sigma, sigma_v, guess)
    return {
        "z_lens": z_lens,
        "z_src": z_src,
        "sigma_v": sigma_v,
        "z_lens_from": np.where(known_lens, "catalogue", "drawn"),
        "z_src_from": np.where(known_src, "catalogue", "drawn"),
        "sigma_v_from": np.where(known_sigma, "catalogue", "brightness"),
    }


def _mass(galaxies, settings, draws, columns):
    """Shape and centre of the mass: those of the light, with scatter (section 2.1)."""
    independent = draws("independent") < settings.independent_share
    other = np.minimum((draws("other_galaxy") * len(galaxies)).astype(int), len(galaxies) - 1)
    q_other = np.array([galaxies.moments[g].q for g in other])
    q_light = np.where(independent, q_other, columns["q_light"])
    # drawn once more if it is above 1, then set to 1
    q = q_light + settings.q_scatter * draws.normal("q")
    again = q_light + settings.q_scatter * draws.normal("q_again")
    q = np.where(q > 1, np.minimum(again, 1.0), q)
    phi = columns["phi_light"] + settings.angle_scatter * draws.normal("angle")
    phi = np.where(independent, np.pi * draws("other_angle"), phi)
    shear, angle = settings.max_shear * draws("shear"), 2 * np.pi * draws("shear_angle")
    return {
        "q": np.maximum(q, 0.1),  # flatter ones are misfits of the moments
        "phi": phi % np.pi,
        "x_lens": columns["x_light"] + settings.centre_scatter * draws.normal("centre_x"),
        "y_lens": columns["y_light"] + settings.centre_scatter * draws.normal("centre_y"),
        "gamma1": shear * np.cos(angle),
        "gamma2": shear * np.sin(angle),
        "follows_light": (~independent).astype(np.int64),
    }


def place_sources(settings, seed: int, columns):
    """Put each source at random until it is lensed as asked.

    Places are uniform in the rectangle around the caustic and, unless four images are asked for,
    the cut; the number of images is that of the source's brightest pixel.

    Parameters
    ----------
    settings : Settings
        With the kind of images.
    seed : int
        Seed of the run.
    columns : dict of str to array (N,)
        From `draw_candidates`.

    Returns
    -------
    columns : dict of str to array (N,)
        ``x_src``, ``y_src``, ``n_images`` and ``mu_centre`` (total magnification of a point at
        the source's centre).
    reason : array of str (N,)
        ``not_lensed`` where no place was found.
    """
    lens, draws = lens_of(columns), Draws(seed, columns["candidate"])
    outline = caustic(**lens, n_points=_POLYGON)
    if settings.kind != "quads":
        outline = np.concatenate([outline, cut(**lens, n_points=_POLYGON)], axis=1)
    low, high = outline.min(axis=1), outline.max(axis=1)
    x, y = np.zeros(len(low)), np.zeros(len(low))
    placed = np.zeros(len(low), bool)
    for start in range(0, _TRIES, _ROUND):
        rows = np.flatnonzero(~placed)
        if not rows.size:
            break
        u, v = draws.places(rows, start, _ROUND)
        px = low[rows, :1] + u * (high - low)[rows, :1]
        py = low[rows, 1:] + v * (high - low)[rows, 1:]
        some = {name: value[rows, None] for name, value in lens.items()}
        wanted = _is_kind(settings.kind, image_count(px, py, **some, n_points=_POLYGON))
        found, at = wanted.any(axis=1), wanted.argmax(axis=1)
        hit = rows[found]
        x[hit], y[hit] = px[found, at[found]], py[found, at[found]]
        placed[hit] = True
    # the polygons may miscount a source beside them: the exact images decide
    images = image_positions(x, y, **lens)
    placed &= _is_kind(settings.kind, images.count)
    columns = {
        "x_src": x,
        "y_src": y,
        "n_images": images.count.astype(np.int64),
        "mu_centre": np.nansum(np.abs(images.magnification), axis=-1),
    }
    return columns, np.where(placed, KEPT, "not_lensed")


def _is_kind(kind, count):
    if kind == "both":
        return count >= 2
    return count == (2 if kind == "doubles" else 4)
