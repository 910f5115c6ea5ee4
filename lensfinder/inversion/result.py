"""What an inversion answers: the evidence term by term, and the reconstruction."""

from dataclasses import dataclass

import numpy as np

from lensfinder.inversion.mass import Mass
from lensfinder.inversion.meshes import DelaunayMesh, RectangularMesh
from lensfinder.inversion.observation import Observation

SIGNIFICANT = 3.0  # source pixels that count for the magnification, in their standard deviations


@dataclass(frozen=True, eq=False)
class Evidence:
    """Terms of the Bayesian evidence of a regularised inversion.

    Suyu et al. (2006), equation 19, with their lambda C called H here. `evaluate_many` fills the
    fields with arrays, one element per mass model.

    Attributes
    ----------
    chi2 : float or array
        ``(d - L s)^T C_D^-1 (d - L s)``, twice their E_D.
    smoothness : float or array
        ``s^T H s``, twice their lambda E_S.
    log_det_curvature : float or array
        ``ln det(F + H)``.
    log_det_regularisation : float or array
        ``ln det H``.
    log_noise : float or array
        ``sum ln(2 pi sigma^2)`` over the fitted pixels.
    strength : float or array
        lambda.
    strength_at_limit : bool or array
        True when the search for lambda ended at the edge of its range: the data do not tell.
    """

    chi2: float | np.ndarray
    smoothness: float | np.ndarray
    log_det_curvature: float | np.ndarray
    log_det_regularisation: float | np.ndarray
    log_noise: float | np.ndarray
    strength: float | np.ndarray
    strength_at_limit: bool | np.ndarray = False

    @property
    def log_evidence(self):
        """Natural logarithm of the evidence; NaN for a mass model that could not be evaluated."""
        occam = self.log_det_curvature - self.log_det_regularisation
        return -0.5 * (self.chi2 + self.smoothness + occam + self.log_noise)


@dataclass(frozen=True, eq=False)
class Inversion:
    """The most probable source behind an image, for one mass model.

    Attributes
    ----------
    observation : Observation
        What was fitted.
    mass : Mass
        The mass model.
    mesh : RectangularMesh or DelaunayMesh
        Where the source pixels lie.
    evidence : Evidence
        How well the mass model explains the image.
    source : array (S,)
        Surface brightness of the source pixels, in the unit of the image.
    source_error : array (S,)
        Standard deviations: the diagonal of the posterior covariance ``(F + H)^-1``.
    sharp : array (N,)
        Lensed source at the fitted pixels, before blurring.
    model : array (N,)
        Lensed and blurred source at the fitted pixels.
    magnification : float
        Flux in the image plane over flux in the source plane, of the source pixels that exceed
        three standard deviations (of all, if none does).
    degrees_of_freedom : float
        Number of source parameters that the data determine: ``tr((F + H)^-1 F)``, the gamma of
        Suyu et al. (2006); plus the number of amplitudes of the lens light.
    light : array (N,), optional
        Lens light at the fitted pixels, where it was fitted too.
    """

    observation: Observation
    mass: Mass
    mesh: RectangularMesh | DelaunayMesh
    evidence: Evidence
    source: np.ndarray
    source_error: np.ndarray
    sharp: np.ndarray
    model: np.ndarray
    magnification: float
    degrees_of_freedom: float
    light: np.ndarray | None = None

    @property
    def log_evidence(self):
        """Natural logarithm of the evidence."""
        return float(self.evidence.log_evidence)

    @property
    def chi2(self):
        """Sum of the squared residuals in units of the noise."""
        return float(self.evidence.chi2)

    @property
    def fitted(self):
        """Fitted pixels, bool (H, W)."""
        return self.observation.image(1.0) > 0

    @property
    def model_image(self):
        """Lensed and blurred source (H, W); 0 outside the mask."""
        return self.observation.image(self.model)

    @property
    def light_image(self):
        """Fitted lens light (H, W); 0 outside the mask, and where none was fitted."""
        return self.observation.image(0.0 if self.light is None else self.light)

    @property
    def sharp_image(self):
        """Lensed source before blurring (H, W); 0 outside the mask."""
        return self.observation.image(self.sharp)

    @property
    def residual(self):
        """Image minus model and lens light (H, W); 0 outside the mask."""
        return self.observation.image(self._left)

    @property
    def normalised_residual(self):
        """Residual in units of the noise (H, W); 0 outside the mask."""
        return self.observation.image(self._left / self.observation.noise)

    @property
    def _left(self):
        left = self.observation.data - self.model
        return left if self.light is None else left - self.light

    @property
    def chi2_map(self):
        """Squared normalised residual (H, W); 0 outside the mask."""
        return self.normalised_residual**2

    @property
    def significance(self):
        """Source pixels in units of their standard deviations (S,)."""
        return self.source / self.source_error

    def source_at(self, x, y):
        """Brightness of the source at source-plane positions.

        Parameters
        ----------
        x, y : array
            Positions, arcsec, of any common shape.

        Returns
        -------
        array
            Interpolated as in the inversion.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        numbers, weights = self.mesh.mapping(x.ravel(), y.ravel())
        return (self.source[numbers] * weights).sum(axis=1).reshape(x.shape)


def magnification_of(source, error, *, sharp_mapping, areas, pixel_area):
    """Flux in the image plane over flux in the source plane.

    Parameters
    ----------
    source, error : array (S,)
        Source pixels and their standard deviations.
    sharp_mapping : array or sparse array (N, S)
        From source pixels to image pixels, without blurring.
    areas : array (S,)
        Integrals of the basis functions, arcsec^2.
    pixel_area : float
        Of an image pixel, arcsec^2.

    Returns
    -------
    float
        NaN where the source has no positive flux.
    """
    counted = source > SIGNIFICANT * error
    bright = np.where(counted if counted.any() else True, source, 0.0)
    emitted = float(bright @ areas)
    received = float((sharp_mapping @ bright).sum()) * pixel_area
    return received / emitted if emitted > 0 else float("nan")
