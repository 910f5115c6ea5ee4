"""The inversion written as the papers write it: dense matrices, float64, one equation at a time.

This is what the fast path in `engine` is measured against. It is slow (seconds for 800 source
pixels) and shares with the fast path only the meshes and the form of the regularisation; the
blurring, the algebra and the determinants are its own.

d = L s + n: data d (N,), source s (S,), L = B f with f the lensing and B the blurring, noise n of
covariance C_D = diag(sigma^2). Numbers of equations are those of Suyu et al. (2006).
"""

import numpy as np
from scipy import ndimage

from lensfinder.errors import InversionError
from lensfinder.inversion.result import Evidence, Inversion, magnification_of


def lensing_matrix(observation, mesh, mass, *, sub):
    """f: brightness of each image pixel as a sum over source pixels, without blurring.

    Parameters
    ----------
    observation : Observation
        What is fitted.
    mesh : RectangularMesh or DelaunayMesh
        Source pixels.
    mass : Mass
        Traces the rays.
    sub : int
        Rays along each side of a pixel, averaged.

    Returns
    -------
    array (N, S)
        f.
    """
    numbers, weights = mesh.mapping(*mass.trace(*observation.rays(sub)))
    f = np.zeros((len(observation), len(mesh)))
    pixel = np.repeat(np.arange(len(observation)), sub * sub)
    for corner in range(numbers.shape[1]):
        np.add.at(f, (pixel, numbers[:, corner]), weights[:, corner] / sub**2)
    return f


def blurred(observation, f, kernel):
    """L = B f: each source pixel's image convolved with the kernel.

    Parameters
    ----------
    observation : Observation
        What is fitted.
    f : array (N, S)
        From `lensing_matrix`.
    kernel : array (h, w)
        Point spread function of unit sum.

    Returns
    -------
    array (N, S)
        L.
    """
    L = np.empty_like(f)
    for j in range(f.shape[1]):
        image = ndimage.convolve(observation.image(f[:, j]), kernel, mode="constant")
        L[:, j] = image[observation.rows, observation.columns]
    return L


def evidence_terms(L, data, noise, H):
    """Most probable source and the terms of its evidence.

    Parameters
    ----------
    L : array (N, S)
        From source to data.
    data, noise : array (N,)
        Brightness and its standard deviation.
    H : array (S, S)
        lambda C.

    Returns
    -------
    source : array (S,)
        s_MP.
    covariance : array (S, S)
        Of the source.
    terms : dict
        ``chi2``, ``smoothness``, ``log_det_curvature``, ``log_det_regularisation``, ``log_noise``.
    """
    F = L.T @ (L / noise[:, None] ** 2)  # equation 4: the Hessian of E_D
    D = L.T @ (data / noise**2)  # equation 5
    A = F + H  # equation 14: the Hessian of E_D + lambda E_S
    source = np.linalg.solve(A, D)  # equation 13: s_MP = A^-1 D
    residual = (data - L @ source) / noise
    terms = dict(
        chi2=float(residual @ residual),
        smoothness=float(source @ H @ source),
        log_det_curvature=_log_det(A),
        log_det_regularisation=_log_det(H),
        log_noise=float(np.log(2.0 * np.pi * noise**2).sum()),
    )
    return source, np.linalg.inv(A), terms


def _log_det(matrix):
    sign, value = np.linalg.slogdet(matrix)
    if sign <= 0:
        raise InversionError("A matrix is not positive definite. Raise the `floor` or strength.")
    return float(value)


def invert_dense(observation, mass, *, kernel, source, regularisation, strength):
    """Invert an image with dense matrices.

    Parameters
    ----------
    observation : Observation
        What is fitted.
    mass : Mass
        The mass model.
    kernel : array (h, w)
        Point spread function of unit sum, as `checked_psf` gives it.
    source : RectangularGrid or AdaptiveGrid
        How to divide the source.
    regularisation : Regularisation
        Its form; its own strength is not used.
    strength : float
        lambda.

    Returns
    -------
    Inversion
        The reconstruction.

    Raises
    ------
    InversionError
        If a matrix is not positive definite.
    """
    rays = mass.trace(*observation.rays(source.sub))
    mesh = source.mesh(mass, source.seeds(observation), rays)
    f = lensing_matrix(observation, mesh, mass, sub=source.sub)
    L = blurred(observation, f, kernel)
    H = strength * regularisation.matrix(mesh).toarray()
    s, covariance, terms = evidence_terms(L, observation.data, observation.noise, H)
    error = np.sqrt(np.diag(covariance))
    return Inversion(
        observation=observation,
        mass=mass,
        mesh=mesh,
        evidence=Evidence(**terms, strength=float(strength)),
        source=s,
        source_error=error,
        sharp=f @ s,
        model=L @ s,
        magnification=magnification_of(
            s, error, sharp_mapping=f, areas=mesh.areas, pixel_area=observation.pixel_scale**2
        ),
        degrees_of_freedom=float(len(s) - np.sum(covariance * H)),
    )
