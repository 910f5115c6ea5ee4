"""The linear system of one mass model, built from sparse pieces.

Both large products use that lensing and blurring are local. The blurred mapping L has 60 to 100
entries per row instead of S. For the curvature matrix F = L^T L (rows divided by the noise), the
pixels of a square of the image see some hundred source pixels between them, so F is a sum over
squares of small dense products: a sparse product does the same multiplications one at a time, and
one dense product S / 100 times as many.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from lensfinder.errors import InversionError
from lensfinder.inversion.meshes import DelaunayMesh, RectangularMesh


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """``(F + lambda C) s = D`` and what belongs to it.

    Attributes
    ----------
    mesh : RectangularMesh or DelaunayMesh
        The source pixels.
    sharp : sparse array (N, S)
        f: from source to image pixels without blurring.
    seen : sparse array (N, S)
        L, each row divided by the noise of its pixel.
    data : array (N,)
        Data divided by the noise.
    F : array (S, S)
        Curvature matrix.
    D : array (S,)
        Data vector.
    C : sparse array (S, S)
        Regularisation for a strength of 1.
    log_det_C : float
        ``ln det C``.
    log_noise : float
        ``sum ln(2 pi sigma^2)``.
    light : array (N, K), optional
        Orthonormal basis of the lens light in units of the noise; `data`, `F` and `D` are what is
        left beside it.
    """

    mesh: RectangularMesh | DelaunayMesh
    sharp: sparse.csr_array
    seen: sparse.csr_array
    data: np.ndarray
    F: np.ndarray
    D: np.ndarray
    C: sparse.csr_array
    log_det_C: float
    log_noise: float
    light: np.ndarray | None = None

    def factor(self, strength):
        """Cholesky factor of ``F + strength C``.

        Parameters
        ----------
        strength : float
            lambda.

        Returns
        -------
        array (S, S)
            Lower triangle; what lies above it is of no meaning.

        Raises
        ------
        InversionError
            If the matrix is not positive definite in float64.
        """
        A = self.F.copy(order="F")
        coo = self.C.tocoo()
        A[coo.row, coo.col] += strength * coo.data
        factor, info = dpotrf(A, lower=1, clean=0, overwrite_a=1)
        if info:
            raise InversionError(
                f"F + lambda C is not positive definite for lambda = {strength:.3g}. "
                "Raise the strength or the `floor` of the regularisation.",
                strength=strength,
            )
        return factor

    def solve(self, factor):
        """Most probable source (S,) from a Cholesky factor."""
        return dpotrs(factor, self.D, lower=1)[0]

    def terms(self, strength, factor=None):
        """Terms of the evidence, without what does not depend on lambda being computed again.

        Parameters
        ----------
        strength : float
            lambda.
        factor : array (S, S), optional
            From `factor`, if it is there already.

        Returns
        -------
        dict
            Arguments of `Evidence`.
        """
        factor = self.factor(strength) if factor is None else factor
        source = self.solve(factor)
        residual = self.data - self.seen @ source
        if self.light is not None:
            residual -= self.light @ (self.light.T @ residual)
        return dict(
            chi2=float(residual @ residual),
            smoothness=strength * float(source @ (self.C @ source)),
            log_det_curvature=2.0 * float(np.log(np.diagonal(factor)).sum()),
            log_det_regularisation=len(source) * float(np.log(strength)) + self.log_det_C,
            log_noise=self.log_noise,
            strength=float(strength),
        )

    def covariance(self, factor):
        """Posterior covariance (S, S) of the source from a Cholesky factor."""
        inverse, _ = dpotri(factor, lower=1)
        lower = np.tril(inverse, -1)
        return lower + lower.T + np.diag(np.diagonal(inverse))


def mapping_matrix(numbers, weights, average, count):
    """f: average over the rays of each pixel.

    Parameters
    ----------
    numbers, weights : array (M, k)
        From the `mapping` of a mesh.
    average : sparse array (N, M)
        Takes the mean over the rays of each pixel.
    count : int
        Number of source pixels S.

    Returns
    -------
    sparse array (N, S)
        One entry for every source pixel that a pixel sees.
    """
    rays, k = numbers.shape
    indptr = np.arange(0, rays * k + 1, k, dtype=np.int32)
    parts = (weights.ravel(), numbers.astype(np.int32, copy=False).ravel(), indptr)
    return average @ sparse.csr_array(parts, shape=(rays, count))


def curvature(seen, tiles):
    """F = L^T L as a sum of dense products over squares of the image.

    Parameters
    ----------
    seen : sparse array (N, S)
        L, rows divided by the noise, without duplicate entries.
    tiles : iterable of slice
        Rows that belong together.

    Returns
    -------
    array (S, S)
        Symmetric.
    """
    count = seen.shape[1]
    F, place = np.zeros(count * count), np.empty(count, dtype=np.int64)
    for tile in tiles:
        bounds = seen.indptr[tile.start : tile.stop + 1]
        entries = slice(bounds[0], bounds[-1])
        indices = seen.indices[entries]
        used = np.zeros(count, dtype=bool)
        used[indices] = True
        columns = np.flatnonzero(used)
        place[columns] = np.arange(columns.size)
        block = np.zeros((tile.stop - tile.start, columns.size))
        rows = np.repeat(np.arange(len(block)), np.diff(bounds))
        block[rows, place[indices]] = seen.data[entries]
        # One-dimensional indices: NumPy adds at those several times faster than at pairs.
        target = (columns[:, None] * count + columns).ravel()
        np.add.at(F, target, (block.T @ block).ravel())
    return F.reshape(count, count)
