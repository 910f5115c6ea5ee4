"""The fast inversion: what does not depend on the mass is made once, the rest is sparse.

`Inverter` holds one lens and tries mass models on it; `invert` is the same in one call.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from lensfinder.errors import InversionError, SourceGridError
from lensfinder.inversion.grids import AdaptiveGrid, RectangularGrid, check_coverage
from lensfinder.inversion.light import light_basis
from lensfinder.inversion.mass import Mass
from lensfinder.inversion.observation import observe
from lensfinder.inversion.regularisation import Regularisation, log_determinant
from lensfinder.inversion.result import Evidence, Inversion, magnification_of
from lensfinder.inversion.strength import best_strength
from lensfinder.inversion.system import LinearSystem, curvature, mapping_matrix


class Inverter:
    """One lens, ready to be inverted with any mass model.

    Parameters
    ----------
    image : array (H, W)
        Image without the light of the lens, in any unit of brightness per pixel.
    noise : array (H, W) or float
        Standard deviation per pixel, in the same unit.
    psf : array (h, w) or None
        Point spread function on the pixels of the image, sides odd; divided by its sum.
    pixel_scale : float
        Arcsec per pixel.
    mask : bool array (H, W) or AnnularMask, optional
        True where a pixel is to be fitted. Found by `annular_mask` when absent.
    source : RectangularGrid or AdaptiveGrid, optional
        How to divide the source; 800 pixels that follow the magnification when absent.
    regularisation : Regularisation, optional
        Smoothness of the source; ``constant`` of best strength when absent.
    light : array (M, H, W), optional
        Blurred images of components of the lens light. Their amplitudes are free: what they can
        explain of the image is not asked of the source.
    arcs : array (H, W), optional
        What a grid that follows the brightness follows; the image itself when absent.

    Attributes
    ----------
    observation : Observation
        The fitted pixels.
    source : RectangularGrid or AdaptiveGrid
        As given.
    regularisation : Regularisation
        As given.

    Raises
    ------
    InversionError
        One of its kinds, if the input cannot be fitted; see `observe` and `annular_mask`.
    """

    def __init__(
        self,
        image,
        noise,
        *,
        psf,
        pixel_scale,
        mask=None,
        source=None,
        regularisation=None,
        light=None,
        arcs=None,
    ):
        if mask is None:
            # scikit-image is not needed by who brings a mask, and takes a while to import.
            from lensfinder.inversion.mask import annular_mask

            mask = annular_mask(image, noise, pixel_scale=pixel_scale)
        self.observation = observe(
            image, noise, psf=psf, pixel_scale=pixel_scale, mask=getattr(mask, "pixels", mask)
        )
        self.source: RectangularGrid | AdaptiveGrid = source or AdaptiveGrid()
        self.regularisation: Regularisation = regularisation or Regularisation()
        _keep_freed_memory()
        seen, sub = self.observation, self.source.sub
        shown = None if arcs is None else np.asarray(arcs)[seen.rows, seen.columns]
        self._seeds = self.source.seeds(seen, shown)
        self._rays = seen.rays(sub)
        self._average = _averaging(len(seen), sub * sub)
        self._blur = (sparse.diags_array(1.0 / seen.noise) @ seen.blur).tocsr()
        self._data = seen.data / seen.noise
        self._light = None if light is None else light_basis(light, seen)
        self._log_noise = float(np.log(2.0 * np.pi * seen.noise**2).sum())

    def system(self, mass: Mass) -> LinearSystem:
        """Build the linear system of a mass model.

        Parameters
        ----------
        mass : Mass
            The mass model.

        Returns
        -------
        LinearSystem
            Everything but the strength of the regularisation.

        Raises
        ------
        SourceGridError
            If the light is traced to places outside a source grid of given extent.
        """
        rays = mass.trace(*self._rays)
        if not (np.isfinite(rays[0]).all() and np.isfinite(rays[1]).all()):
            raise SourceGridError(
                "A mass model traces rays to infinity. Check its parameters and its centre."
            )
        mesh = self.source.mesh(mass, self._seeds, rays)
        check_coverage(mesh, self.observation, rays, self.source.sub)
        numbers, weights = mesh.mapping(*rays)
        sharp = mapping_matrix(numbers, weights, self._average, len(mesh))
        seen = self._blur @ sharp
        C = self.regularisation.matrix(mesh)
        F, data = curvature(seen, self.observation.tiles), self._data
        if self._light is not None:
            # A flat prior of the amplitudes, integrated over: all is projected beside the light.
            shared = seen.T @ self._light
            F -= shared @ shared.T
            data = data - self._light @ (self._light.T @ data)
        return LinearSystem(
            mesh=mesh,
            sharp=sharp,
            seen=seen,
            data=data,
            F=F,
            D=seen.T @ data,
            C=C,
            log_det_C=log_determinant(C),
            log_noise=self._log_noise,
            light=self._light,
        )

    def evaluate(self, mass: Mass, *, strength=None, start=None) -> Evidence:
        """Evidence of a mass model.

        Parameters
        ----------
        mass : Mass
            The mass model.
        strength : float, optional
            Strength of the regularisation, instead of that of `regularisation`.
        start : float, optional
            Strength of a similar mass model, from where to search.

        Returns
        -------
        Evidence
            Every term of it.

        Raises
        ------
        InversionError
            If the mass model cannot be inverted.
        """
        system = self.system(mass)
        strength, at_limit = self._strength(system, strength, start)
        return Evidence(**system.terms(strength), strength_at_limit=at_limit)

    def evaluate_many(self, masses: Iterable[Mass], *, strength=None) -> Evidence:
        """Evidence of many mass models of this lens.

        Where the strength is searched for, each search starts from the result of the last.

        Parameters
        ----------
        masses : iterable of Mass
            K mass models, similar ones next to each other for speed.
        strength : float, optional
            Strength of the regularisation, instead of that of `regularisation`.

        Returns
        -------
        Evidence
            Arrays (K,). A mass model that cannot be inverted has NaN in every term.
        """
        found, start = [], None
        for mass in masses:
            try:
                evidence = self.evaluate(mass, strength=strength, start=start)
            except InversionError:
                found.append(_NO_EVIDENCE)
                continue
            found.append(evidence)
            start = None if evidence.strength_at_limit else evidence.strength
        names = Evidence.__dataclass_fields__
        return Evidence(**{name: np.array([getattr(e, name) for e in found]) for name in names})

    def invert(self, mass: Mass, *, strength=None, start=None) -> Inversion:
        """Reconstruct the source for a mass model.

        Parameters
        ----------
        mass : Mass
            The mass model.
        strength : float, optional
            Strength of the regularisation, instead of that of `regularisation`.
        start : float, optional
            Strength of a similar mass model, from where to search.

        Returns
        -------
        Inversion
            Source with errors, model image, residuals and evidence.

        Raises
        ------
        InversionError
            If the mass model cannot be inverted.
        """
        system = self.system(mass)
        strength, at_limit = self._strength(system, strength, start)
        factor = system.factor(strength)
        source, covariance = system.solve(factor), system.covariance(factor)
        error, C = np.sqrt(np.diagonal(covariance)), system.C.tocoo()
        seen, light, amplitudes = system.seen @ source, None, 0
        if self._light is not None:
            light = (self._light @ (self._light.T @ (self._data - seen))) * self.observation.noise
            amplitudes = self._light.shape[1]
        return Inversion(
            observation=self.observation,
            mass=mass,
            mesh=system.mesh,
            evidence=Evidence(**system.terms(strength, factor), strength_at_limit=at_limit),
            source=source,
            source_error=error,
            sharp=system.sharp @ source,
            model=seen * self.observation.noise,
            magnification=magnification_of(
                source,
                error,
                sharp_mapping=system.sharp,
                areas=system.mesh.areas,
                pixel_area=self.observation.pixel_scale**2,
            ),
            # tr((F + H)^-1 F) = S - tr((F + H)^-1 H), and H is sparse
            degrees_of_freedom=float(
                len(source) - strength * (covariance[C.row, C.col] @ C.data) + amplitudes
            ),
            light=light,
        )

    def _strength(self, system, strength, start):
        """The strength to use, and whether a search for it ended at the edge of its range."""
        strength = self.regularisation.strength if strength is None else strength
        if strength is not None:
            if not (np.isfinite(strength) and strength > 0):
                raise InversionError(
                    f"The strength of a regularisation must be positive. Received: {strength}. "
                    "Leave it out to have it found by the evidence."
                )
            return float(strength), False
        warm = start is not None
        if not warm:
            # The prior's variance, 1 / (lambda C), is that of the source: signal squared over the
            # response of the data, F. Within a factor of ten of the best for all kinds of C.
            signal = float(system.data @ system.data) / len(system.data)
            start = np.trace(system.F) / system.C.trace() / max(signal, 1.0)
        return best_strength(
            lambda x: Evidence(**system.terms(x)).log_evidence, start=float(start), warm=warm
        )


def _keep_freed_memory():
    """Let the C library reuse what one evaluation frees for the next.

    glibc gives large blocks back to the system as they are freed, unless it has seen a larger one
    freed before; the page faults of getting them again cost a third of an evaluation. The block is
    never touched, so it takes no memory.
    """
    np.empty(31 * 2**20, dtype=np.uint8)


_NO_EVIDENCE = Evidence(*[float("nan")] * 6)


def _averaging(pixels, rays):
    """Sparse operator (pixels, pixels * rays): the mean over the rays of each pixel."""
    count = pixels * rays
    return sparse.csr_array(
        (
            np.full(count, 1.0 / rays),
            np.arange(count, dtype=np.int32),
            np.arange(0, count + 1, rays, dtype=np.int32),
        ),
        shape=(pixels, count),
    )


def invert(
    image,
    noise,
    *,
    psf,
    mass: Mass,
    pixel_scale,
    mask=None,
    source=None,
    regularisation=None,
) -> Inversion:
    """Reconstruct the source behind a lensed image.

    Parameters
    ----------
    image : array (H, W)
        Image without the light of the lens, in any unit of brightness per pixel.
    noise : array (H, W) or float
        Standard deviation per pixel, in the same unit.
    psf : array (h, w) or None
        Point spread function on the pixels of the image, sides odd; divided by its sum.
    mass : Mass
        The mass model, for instance a `MassModel`.
    pixel_scale : float
        Arcsec per pixel.
    mask : bool array (H, W) or AnnularMask, optional
        True where a pixel is to be fitted. Found by `annular_mask` when absent.
    source : RectangularGrid or AdaptiveGrid, optional
        How to divide the source; 800 pixels that follow the magnification when absent.
    regularisation : Regularisation, optional
        Smoothness of the source; ``constant`` of best strength when absent.

    Returns
    -------
    Inversion
        Source with errors, model image, residuals and evidence.

    Raises
    ------
    InversionError
        One of its kinds, if the input cannot be fitted.
    """
    inverter = Inverter(
        image,
        noise,
        psf=psf,
        pixel_scale=pixel_scale,
        mask=mask,
        source=source,
        regularisation=regularisation,
    )
    return inverter.invert(mass)
