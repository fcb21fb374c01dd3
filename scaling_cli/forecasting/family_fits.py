"""Families of learning curves fitted to points: many curves at once, robust, from a fixed grid.

The sum over points of weight times Huber (2) of the residual of ln loss over its scale, plus the
published priors of the parameters, is minimised. At every place of the family's grid of starts the
linear parameters are solved for (variable projection, non-negative where they must be); the best
places go on to Levenberg and Marquardt within the bounds. No random starts: the same points give
the same fit. A batch of curves, such as growing prefixes of one run, costs little more than one.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from scaling_cli.laws._law import Domain
from scaling_cli.learning_curves._family import LearningCurve, level_of, loss_of
from scaling_cli.numerics.mestimate import huber

CORNER = 2.0  # in scales of the residual: beyond, a residual counts by its size only
ROUNDS = 3  # of reweighting at each place of the grid
KEPT = 3  # places that are polished
BURSTS, STEPS = 6, 16
HOPELESS = 1.2  # times the best place so far: such places are given up after a burst
STILL = 1e-8  # of the objective: a step that gains less was the last
LARGEST = 300.0  # loss whose exponential, squared, is within the doubles
LOOSE, STIFF = 1e-9, 1e8  # least and most damping of a step
NUDGE = 1e-6  # of a shape parameter, for central differences
MIDDLE = 20.0  # where columns are one while searching: amplitude and exponent then hardly interact
VANISHED = 1e-60  # a column that is less there stays as it is


@dataclass(frozen=True)
class Batch:
    """Curves to fit, padded to one length.

    Parameters
    ----------
    x, loss, weight : array, shape (p, n)
        Weight 0 pads; x of the last point of each is `SEEN`.
    scale : array, shape (p,)
        Scale of the residuals of ln loss.
    """

    x: np.ndarray
    loss: np.ndarray
    weight: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class FamilyFits:
    """One family fitted to a batch.

    Parameters
    ----------
    family : type
    coefficients : array, shape (p, k)
        Linear parameters.
    shape : array, shape (p, m)
        The other parameters.
    value : array, shape (p,)
        The minimised sum; infinite where the family has no fit.
    misfit : array, shape (p,)
        Weighted mean of squared residuals of ln loss, clipped at the corner.
    """

    family: type[LearningCurve]
    coefficients: np.ndarray
    shape: np.ndarray
    value: np.ndarray
    misfit: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the loss of curve i at x[i], shape (p, n); NaN where the family has none."""
        level = _level(_columns(self.family, x, self.shape[:, None, :]), self.coefficients)
        with np.errstate(invalid="ignore"):
            loss = loss_of(self.family.scale, level)
        return np.where(loss > 0, loss, np.nan)

    def law(self, i: int) -> LearningCurve:
        """Return the fitted family of curve i."""
        linear, shapes = self.family.kinds()
        values = (*self.coefficients[i].tolist(), *self.shape[i].tolist())
        return self.family(**dict(zip((*linear, *shapes), values, strict=True)))


def fit_family(family: type[LearningCurve], batch: Batch, *, priors: bool = True) -> FamilyFits:
    """Fit one family to every curve of a batch."""
    if family.scale == "exp" and batch.loss.max() > LARGEST:
        none = (np.full((len(batch.loss), len(part)), np.nan) for part in family.kinds())
        return FamilyFits(family, *none, *np.full((2, len(batch.loss)), np.inf))
    problem = _Problem(family, batch, priors)
    starts = [p.starts for p in family.kinds()[1].values()]
    # Every combination of starts; one empty row without shape parameters.
    places = np.array(list(itertools.product(*starts)), float)
    return _polished(problem, *_best_places(problem, places))


class _Problem:
    """What the two stages share: the points, the bounds and the priors of one family."""

    def __init__(self, family: type[LearningCurve], batch: Batch, priors: bool) -> None:
        linear, shapes = (list(part.values()) for part in family.kinds())
        self.family, self.batch, self.priors, self.count = family, batch, priors, len(linear)
        self.log = np.array([p.domain is Domain.POSITIVE for p in shapes], bool)
        low, high = np.array([family.bounds[p.name] for p in shapes]).reshape(-1, 2).T
        floor = [0.0 if p.domain is Domain.POSITIVE else -np.inf for p in linear]
        self.floor = np.array(floor)
        self.low = np.concatenate([floor, self.inside(low)])
        self.high = np.concatenate([np.full(len(linear), np.inf), self.inside(high)])
        known = [p.prior if priors else None for p in shapes]
        self.centre = np.array([np.log(prior.center) if prior else 0.0 for prior in known])
        self.precision = np.array([prior.log_sd**-2 if prior else 0.0 for prior in known])
        self.level, self.slope = level_of(family.scale, batch.loss)
        self.log_loss = np.log(batch.loss)

    def only(self, rows: np.ndarray) -> "_Problem":
        """Return the same for some of the curves."""
        batch = Batch(*(part[rows] for part in vars(self.batch).values()))
        return _Problem(self.family, batch, self.priors)

    def inside(self, shape: np.ndarray) -> np.ndarray:
        """Return shape parameters as they are searched: logarithms of positive ones."""
        return np.where(self.log, np.log(np.where(self.log, shape, 1.0)), shape)

    def outside(self, place: np.ndarray) -> np.ndarray:
        """Return shape parameters from the coordinates of the search."""
        return np.where(self.log, np.exp(np.where(self.log, place, 0.0)), place)

    def units(self, shape: np.ndarray) -> np.ndarray:
        """Return what columns are divided by in the search: shape (..., m) gives (..., k)."""
        if self.family.scale != "loss":
            return np.ones((*shape.shape[:-1], self.count))
        there = _columns(self.family, np.full(1, MIDDLE), shape[..., None, :])[..., 0, :]
        return np.where(there > VANISHED, there, 1.0)

    def columns(self, shape: np.ndarray) -> np.ndarray:
        """Return the columns of the search: shape (p or 1, q, m) gives (p, q, n, k)."""
        columns = _columns(self.family, self.batch.x[:, None, :], shape[..., None, :])
        return columns / self.units(shape)[..., None, :]

    def penalty(self, place: np.ndarray) -> np.ndarray:
        """Return minus ln prior at coordinates, summed over parameters."""
        return 0.5 * np.sum(self.precision * (place - self.centre) ** 2, axis=-1)


def _columns(family: type[LearningCurve], x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the columns stacked last: x (..., n) and shape (..., 1, m) give (..., n, k)."""
    values = {name: shape[..., i] for i, name in enumerate(family.kinds()[1])}
    columns = family.columns(x, **values)
    stacked = np.empty((*np.broadcast_shapes(*(c.shape for c in columns)), len(columns)))
    for i, column in enumerate(columns):  # faster than to stack what is broadcast
        stacked[..., i] = column
    return stacked


def _level(columns: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the sum of coefficients times columns, shape (..., n)."""
    return np.einsum("...nk,...k->...n", columns, coefficients)


def _huber(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Huber's rho and the weight psi(r)/r; infinite and zero where there is no residual."""
    size = np.abs(np.where(np.isfinite(residual), residual, np.inf))
    return huber(size, CORNER), CORNER / np.maximum(size, CORNER)


def _best_places(problem: _Problem, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best places of the grid: coefficients and coordinates (p, q, d), values (p, q)."""
    batch = problem.batch
    columns = problem.columns(places[None])  # (p, g, n, k)
    relative = columns / problem.slope[:, None, :, None]
    target = (problem.level / problem.slope)[:, None, :]
    weight = np.broadcast_to(batch.weight[:, None, :], columns.shape[:-1])
    coefficients = _solved(relative, target, weight, problem.floor)
    for _ in range(ROUNDS - 1):
        residual = _level(relative, coefficients) - target
        robust = weight * _huber(residual / batch.scale[:, None, None])[1]
        coefficients = _solved(relative, target, robust, problem.floor)
    coordinates = problem.inside(places)
    value = _value(problem, columns, coefficients) + problem.penalty(coordinates)
    best = np.argsort(value, axis=1, kind="stable")[:, :KEPT]
    kept = np.take_along_axis(coefficients, best[:, :, None], axis=1)
    at = np.concatenate([kept, coordinates[best]], axis=-1)
    return at, np.take_along_axis(value, best, axis=1)


def _value(problem: _Problem, columns: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the sum over points, shape (p, g); infinite where a loss is not positive."""
    rho = _huber(_residuals(problem, columns, coefficients))[0]
    counted = problem.batch.weight[:, None, :]
    # A point that does not count may have an infinite residual: nothing times that is nothing.
    return np.sum(counted * np.where(counted > 0, rho, 0.0), axis=-1)


def _residuals(problem: _Problem, columns: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return residuals of ln loss over their scale, shape (p, g, n); NaN without a loss."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_loss = np.log(loss_of(problem.family.scale, _level(columns, coefficients)))
    return (log_loss - problem.log_loss[:, None, :]) / problem.batch.scale[:, None, None]


def _solved(
    columns: np.ndarray, target: np.ndarray, weight: np.ndarray, floor: np.ndarray
) -> np.ndarray:
    """Return least-squares coefficients, those with a floor of zero not below it.

    Every subset of coefficients is solved for, the others being zero; the best that is allowed
    is the constrained minimum (there are at most three coefficients).
    """
    k = len(floor)
    gram, right = np.empty((*weight.shape[:-1], k, k)), np.empty((*weight.shape[:-1], k))
    for i in range(k):  # elementwise: products of matrices this thin are slow
        weighted = columns[..., i] * weight
        right[..., i] = np.sum(weighted * target, axis=-1)
        for j in range(i, k):
            gram[..., i, j] = gram[..., j, i] = np.sum(weighted * columns[..., j], axis=-1)
    best, gained = np.zeros(right.shape), np.full(right.shape[:-1], -np.inf)
    for used in itertools.product((True, False), repeat=k):
        take = np.flatnonzero(used)
        if any(floor[i] < 0 for i in set(range(k)) - set(take.tolist())):
            continue  # what has no floor is never held at zero
        trial = np.zeros_like(best)
        if len(take):
            trial[..., take] = _ridged(gram[..., take[:, None], take], right[..., take])
        gain = 2 * np.sum(trial * right, axis=-1) - np.einsum("...k,...kj,...j", trial, gram, trial)
        better = (trial >= floor).all(axis=-1) & (gain > gained)
        best = np.where(better[..., None], trial, best)
        gained = np.where(better, gain, gained)
        if all(used) and better.all():
            break  # no constraint bites anywhere
    return best


def _ridged(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return gram^-1 right, with 1e-12 of the diagonal added: columns can be nearly the same."""
    k = gram.shape[-1]
    size = np.sqrt(np.maximum(np.einsum("...kk->...k", gram), np.finfo(float).tiny))
    scaled = gram / (size[..., :, None] * size[..., None, :]) + 1e-12 * np.eye(k)
    return np.linalg.solve(scaled, (right / size)[..., None])[..., 0] / size


@dataclass(frozen=True)
class _State:
    """Where the polishes of some curves stand: (p, q, d) parameters, and (p, q) the rest."""

    at: np.ndarray
    value: np.ndarray
    damping: np.ndarray
    ended: np.ndarray


def _polished(problem: _Problem, at: np.ndarray, value: np.ndarray) -> FamilyFits:
    """Return the minima reached from the best places, the lowest of each curve.

    Curves that have ended are set aside after every burst, and so are places that lie far above
    the best of their curve.
    """
    state = _State(at, value.copy(), np.full(value.shape, 1e-3), ~np.isfinite(value))
    for _ in range(BURSTS):
        rows = np.flatnonzero(~state.ended.all(axis=1))
        if not len(rows):
            break
        done = _burst(problem.only(rows), _State(*(part[rows] for part in vars(state).values())))
        for whole, part in zip(vars(state).values(), vars(done).values(), strict=True):
            whole[rows] = part
        lowest = state.value[rows].min(axis=1, keepdims=True)
        state.ended[rows] |= state.value[rows] > HOPELESS * lowest
    return _lowest(problem, state)


def _burst(problem: _Problem, state: _State) -> _State:
    """Return the state after some steps of Levenberg and Marquardt within the bounds."""
    at, value, damping, ended = vars(state).values()
    for _ in range(STEPS):
        gradient, curvature = _derivatives(problem, at)
        stuck = ((at <= problem.low) & (gradient > 0)) | ((at >= problem.high) & (gradient < 0))
        moved = at + _step(gradient, curvature, damping, stuck)
        trial = np.clip(moved, problem.low, problem.high)
        linear, place = np.split(trial, [problem.count], axis=-1)
        columns = problem.columns(problem.outside(place))
        new = _value(problem, columns, linear) + problem.penalty(place)
        better = new < value
        ended = ended | (better & (value - new <= STILL * new)) | (damping > STIFF)
        at = np.where(better[..., None], trial, at)
        value = np.where(better, new, value)
        damping = np.where(better, np.maximum(0.1 * damping, LOOSE), 4.0 * damping)
        if ended.all():
            break
    return _State(at, value, damping, ended)


def _derivatives(problem: _Problem, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient, (p, q, d), and the Gauss-Newton curvature, (p, q, d, d)."""
    linear, place = np.split(at, [problem.count], axis=-1)

    def columns(place: np.ndarray) -> np.ndarray:
        return problem.columns(problem.outside(place))

    here, weight = columns(place), problem.batch.weight[:, None, :]
    slopes = [here[..., i] for i in range(problem.count)]
    for nudge in NUDGE * np.eye(place.shape[-1]):
        above, below = (_level(columns(place + off), linear) for off in (nudge, -nudge))
        slopes.append((above - below) / (2 * NUDGE))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        loss = loss_of(problem.family.scale, _level(here, linear))
        along = level_of(problem.family.scale, loss)[1] * problem.batch.scale[:, None, None]
        jacobian = np.stack(slopes, axis=-1) / along[..., None]
        residual = _residuals(problem, here, linear)
    counted = (weight > 0) & np.isfinite(residual)
    robust = np.where(counted, weight * _huber(residual)[1], 0.0)
    jacobian = np.where(counted[..., None], jacobian, 0.0)
    residual = np.where(counted, residual, 0.0)
    gradient = np.einsum("...nd,...n->...d", jacobian, robust * residual)
    gradient[..., problem.count :] += problem.precision * (place - problem.centre)
    stiff = np.diag(np.concatenate([np.zeros(problem.count), problem.precision]))
    weighted = jacobian * robust[..., None]
    return gradient, np.swapaxes(weighted, -1, -2) @ jacobian + stiff


def _step(
    gradient: np.ndarray, curvature: np.ndarray, damping: np.ndarray, stuck: np.ndarray
) -> np.ndarray:
    """Return the damped step; what is at a bound and would leave it stays."""
    free = ~stuck
    both = free[..., :, None] & free[..., None, :]
    size = np.einsum("...dd->...d", curvature)
    size = np.sqrt(np.where(free & (size > 0), size, 1.0))
    scaled = np.where(both, curvature / (size[..., :, None] * size[..., None, :]), 0.0)
    # Diagonal one where a parameter stays or has no curvature: the matrix is then never singular.
    lonely = np.einsum("...dd->...d", scaled) == 0
    ridge = np.where(lonely, 1.0, damping[..., None] + 1e-13)
    system = scaled + ridge[..., None] * np.eye(gradient.shape[-1])
    right = np.where(free, -gradient / size, 0.0)
    return np.linalg.solve(system, right[..., None])[..., 0] / size


def _lowest(problem: _Problem, state: _State) -> FamilyFits:
    best = np.argmin(state.value, axis=1)
    rows, weight = np.arange(len(best)), problem.batch.weight
    linear, place = np.split(state.at[rows, best], [problem.count], axis=-1)
    shape = problem.outside(place)
    residual = _residuals(problem, problem.columns(shape[:, None, :]), linear[:, None])[:, 0]
    bent = np.clip(np.where(weight > 0, residual, 0.0), -CORNER, CORNER)
    misfit = np.sum(weight * bent**2, axis=1) / weight.sum(axis=1) * problem.batch.scale**2
    coefficients = linear / problem.units(shape)
    return FamilyFits(problem.family, coefficients, shape, state.value[rows, best], misfit)
