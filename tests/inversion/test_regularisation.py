"""Regularisation matrices: symmetric, positive, and blind to what they must not punish."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from lensfinder.errors import InversionError
from lensfinder.inversion import DelaunayMesh, RectangularMesh, Regularisation
from lensfinder.inversion.regularisation import FORMS, log_determinant


@pytest.fixture(params=["rectangle", "triangles"])
def mesh(request, rng):
    if request.param == "rectangle":
        return RectangularMesh((6, 9), (-1.0, 1.0, -0.5, 0.7))
    return DelaunayMesh(rng.normal(size=(70, 2)))


@pytest.mark.parametrize("kind", FORMS)
def test_symmetric_and_positive(mesh, kind):
    C = Regularisation(kind=kind).matrix(mesh).toarray()
    assert np.array_equal(C, C.T) or np.abs(C - C.T).max() < 1e-13 * np.abs(C).max()
    values = np.linalg.eigvalsh(C)
    # Rounding of eigvalsh is 1e-15 of the largest; the smallest is the floor.
    assert values.min() > 0.5e-8
    assert values.min() > 0.99 if kind == "zeroth" else values.min() < 2e-8


@pytest.mark.parametrize("kind", [kind for kind, (_, flat) in FORMS.items() if flat])
def test_a_constant_source_costs_nothing_and_no_other_does(mesh, kind):
    build, _ = FORMS[kind]
    C = build(mesh).toarray()
    assert np.abs(C @ np.ones(len(mesh))).max() < 1e-12 * np.abs(C).max()
    values = np.linalg.eigvalsh(C)
    assert (values < 1e-9 * values.max()).sum() == 1


def test_constant_is_the_sum_over_pairs_of_neighbours(mesh, rng):
    s = rng.normal(size=len(mesh))
    i, j = mesh.neighbours.T
    C = Regularisation(kind="constant").matrix(mesh)
    expected = ((s[i] - s[j]) ** 2).sum() + 1e-8 * s @ s
    assert s @ (C @ s) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", FORMS)
def test_the_determinant_is_that_of_the_dense_matrix(mesh, kind):
    C = Regularisation(kind=kind, floor=1e-4).matrix(mesh)
    # 1e-11 / 1e-4: the rounding of the smallest eigenvalue.
    assert log_determinant(C) == pytest.approx(np.linalg.slogdet(C.toarray())[1], rel=1e-9)


def test_an_indefinite_matrix_is_refused():
    with pytest.raises(InversionError, match="not positive definite.*floor"):
        log_determinant(sparse.csr_array(np.array([[1.0, 2.0], [2.0, 1.0]])))


@pytest.mark.parametrize(
    "wrong", [dict(kind="cubic"), dict(strength=0.0), dict(floor=0.0), dict(a=1)]
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        Regularisation(**wrong)
