"""Weights of several forecasts of one curve: equal, Bayesian, or stacked on its own past."""

import numpy as np

COMBINED = ("average", "stack", "equal")
# Towards equal weights, in mean squared errors of the members: strong, since a few cuts of one
# curve say little about which family will be right beyond it.
RIDGE = 1.0


def bayes_weights(misfit: np.ndarray, parameters: np.ndarray, points: float) -> np.ndarray:
    """Return posterior probabilities of models with equal prior ones, by BIC; shape (..., k).

    -2 ln evidence is n ln(mean squared residual) + p ln n, up to what all models share and to
    O(1) (Schwarz 1978); models with an infinite misfit have probability zero.

    Parameters
    ----------
    misfit : array, shape (..., k)
        Mean squared residual of each model.
    parameters : array, shape (k,)
        How many parameters each has.
    points : float
        n, the same for all.
    """
    with np.errstate(divide="ignore"):
        criterion = points * np.log(misfit) + parameters * np.log(points)
    lowest = np.min(criterion, axis=-1, keepdims=True)
    # Two models that fit exactly are both at minus infinity; they share the probability.
    exact = np.isneginf(criterion)
    behind = np.where(exact, 0.0, criterion - np.where(np.isfinite(lowest), lowest, 0.0))
    behind = np.where(np.isneginf(lowest) & ~exact, np.inf, behind)
    weight = np.exp(-0.5 * behind)
    return weight / weight.sum(axis=-1, keepdims=True)


def stacked_weights(
    predicted: np.ndarray, actual: np.ndarray, weight: np.ndarray, *, ridge: float = RIDGE
) -> np.ndarray:
    """Return the weights, none negative, summing to one, of the least squared error; shape (k,).

    Minimised is the weighted mean of (predicted @ w - actual)^2 plus the ridge times the mean
    squared error of the members times k |w - 1/k|^2. On the simplex the residual is
    (predicted - actual) @ w, homogeneous in w, so the minimum is that of non-negative least
    squares with one more row that asks for a sum of one, scaled to that sum: exact.

    Parameters
    ----------
    predicted : array, shape (n, k)
        Forecasts of ln loss of k members, made without the points they are compared with.
    actual, weight : array, shape (n,)
    ridge : float
    """
    from scipy.optimize import nnls

    k = predicted.shape[1]
    root = np.sqrt(weight / weight.sum())
    errors = (predicted - actual[:, None]) * root[:, None]
    if not errors.any():
        return np.full(k, 1.0 / k)
    pull = np.sqrt(ridge * float(np.sum(errors**2)))
    towards = pull * (np.eye(k) - 1.0 / k)
    size = float(np.sqrt(np.sum(errors**2)))
    rows = np.concatenate([errors / size, towards / size, np.ones((1, k))])
    found, _ = nnls(rows, np.append(np.zeros(len(rows) - 1), 1.0))
    return found / found.sum()
