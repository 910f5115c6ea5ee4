"""What a modeller with a posterior knows of each lens: moments, quantiles, draws, a distribution.

`Posterior` is plain numpy, quick enough for tables of millions of rows. Its `distribution` is the
same as a TensorFlow Probability object, which is imported only there.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.lensing.shape_draws import near_angle, shape_spreads

QUANTILES = (0.16, 0.5, 0.84)
DRAWS = 512  # per lens for q and phi: their quantiles are good to a twentieth of their spread
ROUNDS = 24  # of bisection: narrow Gaussians between wide ones need a fine bracket
CHUNK = 512  # lenses worked on at a time


@dataclass(frozen=True)
class Posterior:
    """Posteriors of many lenses, each a mixture of K Gaussians.

    Attributes
    ----------
    targets : tuple of str
        The P parameters, in order.
    weights : array (K, N)
        Of the components; they add up to 1 for each lens.
    means : array (K, N, P)
        In the targets' units.
    factors : array (K, N, P, P)
        Lower triangular Cholesky factors of the covariances.
    """

    targets: tuple[str, ...]
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @classmethod
    def of(cls, answers, targets) -> "Posterior":
        """From the answers of a modeller that has a posterior.

        Parameters
        ----------
        answers : array (N, outputs)
            P means; then for each Gaussian its weight, its P means, and its Cholesky factor's lower
            triangle row by row (`lensfinder.zoo.layers.PosteriorHead`).
        targets : sequence of str
            The P parameters.

        Returns
        -------
        Posterior
            One mixture per row; a row that is not finite stays so.

        Raises
        ------
        PresetError
            If the answers hold no posterior.
        """
        answers, count = np.asarray(answers, np.float64), len(targets)
        if not has_posterior(answers, targets):
            raise PresetError(
                f"{answers.shape[-1]} numbers per image are no posterior of {count} targets. Take "
                "a modeller with one: its argument `components` is not 0."
            )
        rows, columns = np.tril_indices(count)
        parts = answers[:, count:].reshape(len(answers), -1, 1 + count + len(rows))
        parts = np.moveaxis(parts, 1, 0)
        factors = np.zeros((*parts.shape[:2], count, count))
        factors[:, :, rows, columns] = parts[:, :, 1 + count :]
        weights = parts[:, :, 0] / parts[:, :, 0].sum(axis=0)
        return cls(tuple(targets), weights, parts[:, :, 1 : 1 + count], factors)

    @classmethod
    def mixture(cls, members, weights=None) -> "Posterior":
        """Of an ensemble: the mixture of its members' posteriors.

        The scatter of the members' means is what the training leaves open (epistemic); the mean of
        their covariances is what the images leave open (Lakshminarayanan et al. 2017, section 2.4).

        Parameters
        ----------
        members : sequence of Posterior
            Of the same lenses and targets, such as the models of all folds.
        weights : sequence of float or None
            Of the members; equal by default.

        Returns
        -------
        Posterior
            With all their components.

        Raises
        ------
        ArgumentError
            If the members are not of the same lenses, or the weights not positive.
        """
        members = list(members)
        given = np.ones(len(members)) if weights is None else np.asarray(weights, np.float64)
        alike = {(member.targets, member.means.shape[1:]) for member in members}
        if len(alike) != 1 or given.shape != (len(members),) or not (given > 0).all():
            raise ArgumentError(
                "Members of an ensemble answer the same targets of the same lenses, each with a "
                f"weight > 0. Received: {len(members)} members of {len(alike)} kinds, weights "
                f"{given}."
            )
        shares = given / given.sum()
        return cls(
            members[0].targets,
            np.concatenate([w * m.weights for w, m in zip(shares, members, strict=True)]),
            np.concatenate([member.means for member in members]),
            np.concatenate([member.factors for member in members]),
        )

    def __len__(self):
        return self.means.shape[1]

    def rows(self, which) -> "Posterior":
        """The posteriors of some lenses: numbers, a mask or a slice."""
        parts = (part[:, which] for part in (self.weights, self.means, self.factors))
        return Posterior(self.targets, *parts)

    def marginal(self, targets) -> "Posterior":
        """The posterior of some of the targets, whatever the others are.

        Parameters
        ----------
        targets : sequence of str
            Which.

        Returns
        -------
        Posterior
            Of these.
        """
        place = [self.targets.index(name) for name in targets]
        if place == list(range(len(self.targets))):
            return self
        kept = self.factors[:, :, place]
        covariance = kept @ np.swapaxes(kept, -1, -2)
        whole = np.isfinite(covariance).all(axis=(-1, -2))
        factors = np.full_like(covariance, np.nan)
        factors[whole] = np.linalg.cholesky(covariance[whole])
        return Posterior(tuple(targets), self.weights, self.means[:, :, place], factors)

    def stretched(self, scales) -> "Posterior":
        """Each posterior made wider or narrower about its mean.

        Parameters
        ----------
        scales : array (P,) or (N, P)
            Factor of each target's spread, the same for all lenses or one for each.

        Returns
        -------
        Posterior
            With the same means.

        Raises
        ------
        ArgumentError
            If the factors are of another shape.
        """
        scales, middle = np.asarray(scales, np.float64), self.mean()
        if scales.shape not in (middle.shape, middle.shape[1:]):
            raise ArgumentError(f"Factors are one for each target. Received: {scales.shape}.")
        means = middle + scales * (self.means - middle)
        return Posterior(self.targets, self.weights, means, scales[..., None] * self.factors)

    # --- numbers ------------------------------------------------------------------------------
    def mean(self) -> np.ndarray:
        """Means of the parameters, (N, P)."""
        return np.einsum("kn,knp->np", self.weights, self.means)

    def covariance(self) -> np.ndarray:
        """Covariances, (N, P, P): those of the components, and the scatter of their means."""
        inner = np.einsum("kn,knpl,knql->npq", self.weights, self.factors, self.factors)
        apart = self.means - self.mean()
        return inner + np.einsum("kn,knp,knq->npq", self.weights, apart, apart)

    def std(self) -> np.ndarray:
        """Standard deviations of the parameters, (N, P)."""
        return np.sqrt(np.diagonal(self.covariance(), axis1=-2, axis2=-1))

    def cdf(self, values) -> np.ndarray:
        """Probability of each parameter, by itself, to be below a value.

        Parameters
        ----------
        values : array (N, P)
            Such as the truth: then these are the PIT values, uniform if the posterior is right.

        Returns
        -------
        array (N, P)
            Between 0 and 1.
        """
        from scipy.special import ndtr

        z = (np.asarray(values, np.float64) - self.means) / self._sizes()
        return np.einsum("kn,knp->np", self.weights, ndtr(z))

    def quantiles(self, levels=QUANTILES) -> np.ndarray:
        """Quantiles of each parameter by itself.

        Parameters
        ----------
        levels : sequence of float
            Between 0 and 1.

        Returns
        -------
        array (levels, N, P)
            In the targets' units; those of mixtures by bisection and a secant.
        """
        found = np.empty((len(levels), len(self), len(self.targets)))
        for part, few in self.chunks():
            for i, level in enumerate(levels):
                found[i, part] = few._quantile(float(level))
        return found

    def chunks(self):
        """Slices of the lenses, each with its posteriors, that fit into a processor's cache."""
        for first in range(0, len(self), CHUNK):
            part = slice(first, first + CHUNK)
            yield part, self.rows(part)

    def _quantile(self, level):
        from scipy.special import ndtri

        ends = self.means + ndtri(level) * self._sizes()
        low, high = ends.min(axis=0), ends.max(axis=0)  # a mixture's lies between its components'
        if len(self.weights) == 1:
            return low
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            below = self.cdf(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        before, after = self.cdf(low), self.cdf(high)
        rise = np.where(after > before, after - before, 1.0)
        return low + np.clip((level - before) / rise, 0, 1) * (high - low)

    def log_prob(self, values) -> np.ndarray:
        """Logarithm of the density of all parameters together.

        Parameters
        ----------
        values : array (N, P)
            In the targets' units.

        Returns
        -------
        array (N,)
            Log density.
        """
        from scipy.special import logsumexp

        apart = np.asarray(values, np.float64) - self.means
        white = np.linalg.solve(self.factors, apart[..., None])[..., 0]
        size = np.log(np.diagonal(self.factors, axis1=-2, axis2=-1)).sum(axis=-1)
        parts = -0.5 * ((white**2).sum(axis=-1) + len(self.targets) * np.log(2 * np.pi)) - size
        return logsumexp(parts, axis=0, b=self.weights)

    def sample(self, count: int, *, rng) -> np.ndarray:
        """Draws from every lens' posterior.

        Parameters
        ----------
        count : int
            Draws per lens.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        array (count, N, P)
            In the targets' units.
        """
        lenses = np.arange(len(self))
        of = _members(self.weights, rng.random((count, len(self))))
        noise = rng.standard_normal((count, len(self), len(self.targets)))
        return self.means[of, lenses] + np.einsum("cnpq,cnq->cnp", self.factors[of, lenses], noise)

    def _sizes(self):
        return np.sqrt((self.factors**2).sum(axis=-1))

    # --- what tables and other codes take -----------------------------------------------------
    def distribution(self):
        """The same as a distribution of TensorFlow Probability.

        Returns
        -------
        tensorflow_probability.distributions.Distribution
            ``MultivariateNormalTriL``, or a ``MixtureSameFamily`` of them; batch shape (N,), event
            shape (P,), float64.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what it imports, not of ours
            import tensorflow_probability as tfp

            kinds = tfp.distributions
            normal = kinds.MultivariateNormalTriL  # the first attribute asked for imports them all
        if len(self.weights) == 1:
            return normal(self.means[0], self.factors[0])
        weights, means, factors = (
            np.moveaxis(part, 0, 1) for part in (self.weights, self.means, self.factors)
        )
        return kinds.MixtureSameFamily(kinds.Categorical(probs=weights), normal(means, factors))

    def columns(self) -> dict[str, np.ndarray]:
        """Columns of a table: standard deviation and quantiles of every parameter, and of q, phi.

        Returns
        -------
        dict of str to array (N,) float32
            ``<target>_std``, ``_p16``, ``_p50``, ``_p84``, and where e1 and e2 are among the
            targets the same of ``q`` and ``phi``, from draws (`shape_spreads`): the same normal
            numbers serve all lenses, so a row does not depend on its neighbours. Quantiles of phi
            lie about the angle of the mean e1 and e2, and so may be beyond (-pi/2, pi/2].
        """
        std, quantiles = self.std(), self.quantiles()
        found = {}
        for i, name in enumerate(self.targets):
            found |= _named(name, std[:, i], quantiles[:, :, i])
        if {"e1", "e2"} <= set(self.targets):
            for name, lines in self._shape().items():
                found |= _named(name, lines[0], lines[1:])
        return {name: values.astype(np.float32) for name, values in found.items()}

    def _shape(self):
        shape = self.marginal(("e1", "e2"))
        unit = np.random.default_rng(0).standard_normal((DRAWS, 1, 2))
        shares = (np.arange(DRAWS)[:, None] + 0.5) / DRAWS  # every Gaussian has its share of them
        found = {name: np.empty((1 + len(QUANTILES), len(self))) for name in ("q", "phi")}
        for part, few in shape.chunks():
            of, lens = _members(few.weights, shares), np.arange(len(few))
            e1, e2 = few.means[of, lens, :].transpose(2, 0, 1)
            l11, l21, l22 = (few.factors[of, lens, i, j] for i, j in ((0, 0), (1, 0), (1, 1)))
            u, v = unit[..., 0], unit[..., 1]
            lines = shape_spreads(e1 + l11 * u, e2 + l21 * u + l22 * v, QUANTILES)
            for name, values in lines.items():
                found[name][:, part] = values
        e1, e2 = shape.mean().T
        found["phi"][1:] = near_angle(found["phi"][1:], 0.5 * np.arctan2(e2, e1))
        return found


def has_posterior(answers, targets) -> bool:
    """Whether a modeller's answers hold a posterior beside the values.

    Parameters
    ----------
    answers : array (..., outputs)
        Of any modeller.
    targets : sequence of str
        What it predicts.

    Returns
    -------
    bool
        True for the answers of `lensfinder.zoo.layers.PosteriorHead`, False for values alone.
    """
    count = len(targets)
    each = 1 + count + count * (count + 1) // 2
    width = np.shape(answers)[-1]
    return width > count and (width - count) % each == 0


def spread_names(targets) -> tuple[str, ...]:
    """Names of the columns of a posterior, in order.

    Parameters
    ----------
    targets : sequence of str
        Of the posterior.

    Returns
    -------
    tuple of str
        What `Posterior.columns` returns.
    """
    derived = ("q", "phi") if {"e1", "e2"} <= set(targets) else ()
    endings = ("std", *(f"p{round(100 * q)}" for q in QUANTILES))
    return tuple(f"{name}_{ending}" for name in (*targets, *derived) for ending in endings)


def _members(weights, shares):
    """Which component a share of the probability, (draws, N or 1), falls to for every lens."""
    ends = np.cumsum(weights, axis=0)[:-1]
    return (shares[:, None] >= ends).sum(axis=1)


def _named(name, std, quantiles) -> dict[str, np.ndarray]:
    named = {f"{name}_p{round(100 * q)}": v for q, v in zip(QUANTILES, quantiles, strict=True)}
    return {f"{name}_std": std, **named}
