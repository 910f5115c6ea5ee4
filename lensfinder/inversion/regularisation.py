"""Regularisation: the prior that a source is smooth, as a quadratic form of its pixels.

Suyu et al. (2006, MNRAS 371, 983): the prior of a source s is ``exp(-lambda s^T C s / 2)``. Their
section 3.2 names C after the order of the derivative that is kept small. Here

``zeroth``    C = 1;
``constant``  C = sum over neighbours of (s_i - s_j)^2, the same weight for each pair: the
              "constant" regularisation of Nightingale & Dye (2015), first differences;
``gradient``  C = integral of |grad s|^2, which knows how far apart the pixels lie.

The last two do not see a constant; a small multiple of the unit matrix, `floor`, makes the prior
proper, as the determinant in the evidence needs.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky_banded
from scipy.sparse.csgraph import reverse_cuthill_mckee

from lensfinder.errors import InversionError
from lensfinder.inversion.meshes import laplacian


def _zeroth(mesh):
    return sparse.eye_array(len(mesh), format="csr")


def _constant(mesh):
    return laplacian(mesh.neighbours, np.ones(len(mesh.neighbours)), len(mesh))


def _gradient(mesh):
    return mesh.stiffness()


# Name: function from a mesh to the sparse matrix, and whether it annihilates a constant source.
FORMS = {"zeroth": (_zeroth, False), "constant": (_constant, True), "gradient": (_gradient, True)}


class Regularisation(BaseModel):
    """Which derivative of the source is kept small, and how strongly.

    Attributes
    ----------
    kind : str
        ``zeroth``, ``constant`` or ``gradient``.
    strength : float, optional
        lambda. When absent, the one of largest evidence is found for every mass model.
    floor : float
        Multiple of the unit matrix added to C.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["zeroth", "constant", "gradient"] = "constant"
    strength: float | None = Field(default=None, gt=0)
    floor: float = Field(default=1e-8, gt=0, le=1e-2)

    def matrix(self, mesh):
        """C of a mesh, for a strength of 1.

        Parameters
        ----------
        mesh : RectangularMesh or DelaunayMesh
            The source pixels.

        Returns
        -------
        sparse array (S, S)
            Symmetric and positive definite.
        """
        build, flat = FORMS[self.kind]
        form = build(mesh)
        if flat:
            form = form + self.floor * sparse.eye_array(len(mesh), format="csr")
        return form.tocsr()


def log_determinant(matrix):
    """Logarithm of the determinant of a sparse symmetric positive definite matrix.

    Banded Cholesky factor after reordering (reverse Cuthill-McKee): for a planar mesh of S nodes
    this is S^2 operations, where the dense factor is S^3.

    Parameters
    ----------
    matrix : sparse array (S, S)
        The matrix.

    Returns
    -------
    float
        ``ln det``.

    Raises
    ------
    InversionError
        If the matrix is not positive definite.
    """
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    coo = matrix.tocoo()
    i, j = place[coo.row], place[coo.col]
    lower = i >= j
    i, j, values = i[lower], j[lower], coo.data[lower]
    band = np.zeros((int((i - j).max()) + 1, len(order)))
    np.add.at(band, (i - j, j), values)
    try:
        factor = cholesky_banded(band, lower=True, overwrite_ab=True, check_finite=False)
    except LinAlgError:
        raise InversionError(
            "A regularisation matrix is not positive definite. Raise its `floor`."
        ) from None
    return 2.0 * float(np.log(factor[0]).sum())
