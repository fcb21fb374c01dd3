"""One iteration of one lane: derivatives, acceptance of the last step, the next damped one.

Shapes are those of a single lane; `solve` maps them over all lanes. A lane searches k <= p
coordinates of a law of p parameters; the rest of its p coordinates stand still, so that one
executable serves every choice of fixed, tied and frozen parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import core, lax

from scaling_cli.engine.problem import RESIDUAL_FLOOR
from scaling_cli.engine.tasks import STOP, Shared, Work
from scaling_cli.laws._law import Law, Value

STEP_CAP = 3.0  # of one iteration in any free coordinate: a factor of 20 in a positive parameter
EASE = 3.0  # of the damping after a step that the model foresaw; with 10 a search misses more
TRY_RATIO = 4.0  # between the dampings tried in one iteration
TRIES = 6
STUCK = 1e12
# A direction in which the data are blind gets this share of the largest curvature, so that a
# step along it stays finite; it changes the path, not the minimum.
DEAD_DIRECTION = 1e-7


class Local(NamedTuple):
    """The objective around a point."""

    value: Value
    gradient: Value  # (p,)
    irls: Value  # (p, p) positive semidefinite
    exact: Value  # (p, p)


class Lane(NamedTuple):
    """Where a lane stands and what it tries next."""

    u: Value  # (p,)
    local: Local
    step: Value  # (p,)
    damping: Value
    iterations: Value  # -1 before the first evaluation
    done: Value


@dataclass(frozen=True)
class Equation:
    """A law as the kernel sees it.

    Parameters
    ----------
    derivatives : callable
        From full free coordinates (p,) to the prediction, its p first derivatives and its second
        derivatives, each of shape (n,) or scalar.
    pairs : sequence of (int, int)
        Which second derivatives there are, those that are not zero everywhere. They are the law's
        in its own parameters, times both scales.
    positive : tuple of bool
        Whether a parameter is the exponential of its free coordinate.
    log : bool
        Whether residuals are of ln output.
    powers : array of bool, shape (p, p)
        Which parameter a row's parameter is raised to.
    """

    derivatives: Callable[[Any, Shared], tuple[Any, list[Any], list[Any]]]
    pairs: Sequence[tuple[int, int]]
    positive: tuple[bool, ...]
    log: bool
    powers: np.ndarray


def equation(law: type[Law], space: str) -> Equation:
    """Return a law with its derivatives, taken by differentiating its equation."""
    declared = list(law.parameters().values())
    positive = tuple(p.positive for p in declared)
    pairs = [(i, j) for i in range(len(declared)) for j in range(i + 1) if _bends(law, i, j)]

    def derivatives(full: Any, shared: Shared) -> tuple[Any, list[Any], list[Any]]:
        on = np.array(positive)  # all at once: compiling costs by the number of operations
        values = jnp.where(on, jnp.exp(jnp.where(on, full, 0.0)), full)
        theta = list(values)
        scale = [v if own else jnp.ones_like(v) for v, own in zip(theta, positive, strict=True)]
        slopes = [_slope(law, theta, shared.inputs, j, scale) for j in range(len(theta))]
        bends = [_bend(law, theta, shared.inputs, q, scale) for q in pairs]
        return _at(law, theta, shared.inputs), slopes, bends

    names = np.array(list(law.parameters()))
    powers = np.array([names == (p.raised or "") for p in declared])
    return Equation(once(derivatives), pairs, positive, space == "log", powers)


def _at(law: type[Law], theta: Sequence[Any], inputs: Any) -> Any:
    return law(**dict(zip(law.parameters(), theta, strict=True)))(**inputs)


def _along(function: Callable[[list[Any]], Any], theta: list[Any], i: int, scale: Any) -> Any:
    """Return the derivative of a function of parameters along one of them, times its scale."""

    def moved(value: Any) -> Any:
        return function([*theta[:i], value, *theta[i + 1 :]])

    return jax.jvp(moved, (theta[i],), (scale[i],))[1]


def _slope(law: type[Law], theta: list[Any], inputs: Any, j: int, scale: Any) -> Any:
    return _along(lambda at: _at(law, at, inputs), theta, j, scale)


def _bend(law: type[Law], theta: list[Any], inputs: Any, pair: tuple[int, int], scale: Any) -> Any:
    return _along(lambda at: _slope(law, at, inputs, pair[1], scale), theta, pair[0], scale)


def _bends(law: type[Law], i: int, j: int) -> bool:
    """Return whether a second derivative of a law may be anything but zero.

    Seen from the program, not from numbers: JAX writes a derivative along what a function does
    not depend on as a broadcast zero.
    """

    def second(theta: Any, inputs: Any) -> Any:
        scale = [jnp.ones(())] * len(theta)
        return _bend(law, list(theta), inputs, (i, j), scale)

    theta = [jnp.ones(())] * len(law.parameters())
    program = jax.make_jaxpr(second)(theta, {symbol: np.ones(1) for symbol in law.inputs()}).jaxpr
    ends: list[Any] = [program.outvars[0]]
    spreads = (made for made in program.eqns if made.primitive.name == "broadcast_in_dim")
    ends += [made.invars[0] for made in spreads if ends[0] in made.outvars]
    # A literal carries its value; a variable has none, and jax.extend takes long to import.
    return getattr(ends[-1], "val", None) != 0


def localise(u: Any, shared: Shared, work: Work, law: Equation) -> Local:
    """Return value, gradient, IRLS Hessian and exact Hessian of one lane at u."""
    full, sizes = _unsized(shared.offset + shared.matrix @ u, shared, law)
    prediction, slopes, bends = law.derivatives(full, shared)
    corner = work.corner
    r = (jnp.log(prediction) if law.log else prediction) - work.target
    inverse = 1 / prediction if law.log else 1.0
    size = jnp.abs(r)
    inside = size <= corner
    psi = work.weight * jnp.where(inside, r, corner * jnp.sign(r))
    # corner/|r| outside the corner, where |r| > 0 for sure; 1 inside.
    relaxed = work.weight * jnp.where(inside, 1.0, corner / jnp.where(inside, 1.0, size))
    curve = work.weight * inside - (psi if law.log else 0.0)
    rho = jnp.where(inside, 0.5 * r * r, corner * (size - 0.5 * corner))
    p = len(slopes)
    spread, beyond = _spread(slopes, bends, law.pairs)
    columns = [jnp.broadcast_to(inverse * c, r.shape) for c in (*slopes, *beyond)]
    # Behind a barrier XLA writes them once, not once for each use; joined end to end, lane by
    # lane under vmap, which is how the products read them.
    features = lax.optimization_barrier(jnp.concatenate(columns)).reshape(len(columns), -1)
    J, sums = features[:p], features @ psi
    # d2 exp(z) = exp(z): the curvature of the free coordinate itself.
    eye = np.eye(p)
    own = eye * jnp.where(np.array(law.positive), sums[:p], 0.0)
    bent = spread @ sums
    # One product is faster than two, and whatever is done to both Hessians compiles once.
    weighed = jnp.concatenate([J * curve, J * relaxed])
    products = (weighed @ lax.optimization_barrier(J.T)).reshape(2, p, p)
    # Held at zero, a coordinate is -inf; without a prior it counts for nothing.
    away = jnp.where(work.prior_precision > 0, full - work.prior_mean, 0.0)
    pull, prior = work.prior_precision * away, eye * work.prior_precision
    searched = shared.matrix * work.moves  # columns of coordinates that stand still are zero
    only_exact = np.array([1.0, 0.0])[:, None, None]
    hessians = products + only_exact * (bent.reshape(p, p) + own) + prior
    gradient = sums[:p] + pull
    if sizes is not None:
        hessians = sizes.slope.T @ hessians @ sizes.slope + only_exact * sizes.bend(gradient)
        gradient = sizes.slope.T @ gradient
    hessians = searched.T @ hessians @ searched + eye * (1.0 - work.moves)
    value = work.weight @ rho + 0.5 * away @ pull
    return Local(value, searched.T @ gradient, hessians[1], hessians[0])


class _Sizes(NamedTuple):
    """How full free coordinates move with what is searched: z (1 + exp(-power)) in place of z."""

    slope: Value  # (p, p)
    share: Value  # (p,) exp(-power); zero where a parameter is searched as it is
    bent: Value  # (p,) z exp(-power)
    powers: np.ndarray  # (p, p)

    def bend(self, gradient: Any) -> Any:
        """Return the sum over full coordinates of their slope times their Hessian, (p, p)."""
        cross = (gradient * self.share)[:, None] * self.powers
        return self.powers.T @ ((gradient * self.bent)[:, None] * self.powers) - cross - cross.T


def _unsized(searched: Any, shared: Shared, law: Equation) -> tuple[Any, _Sizes | None]:
    """Return full free coordinates, and how they move, where any may be searched by size."""
    if not law.powers.any():
        return searched, None
    on, powers = shared.sized > 0, law.powers.astype(float)
    z = jnp.where(on, searched, 0.0)
    power = jnp.where(on, powers @ jnp.where(law.powers.any(axis=0), searched, 0.0), 0.0)
    share = shared.sized * jnp.exp(-power)
    bent = z * share
    slope = np.eye(len(z)) * (1.0 + share) - bent[:, None] * powers
    return searched + bent, _Sizes(slope, share, bent, powers)


def _spread(
    slopes: list[Any], bends: list[Any], pairs: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, list[Any]]:
    """Return what makes a symmetric matrix, (p * p,), of columns, and those beyond the slopes.

    Many a second derivative is a slope again (A and alpha of A N^-alpha); `once` has then made
    them one object.
    """
    columns, place = list(slopes), {id(c): i for i, c in enumerate(slopes)}
    for bend in bends:
        if id(bend) not in place:
            place[id(bend)] = len(columns)
            columns.append(bend)
    p = len(slopes)
    spread = np.zeros((p, p, len(columns)))
    for (i, j), bend in zip(pairs, bends, strict=True):
        spread[i, j, place[id(bend)]] = spread[j, i, place[id(bend)]] = 1.0
    return spread.reshape(p * p, len(columns)), columns[p:]


def advance(lane: Lane, found: Local, work: Work) -> Lane:
    """Keep the step that `found` was evaluated at if the objective fell; choose the next one."""
    first = lane.iterations < 0
    known, step = lane.local, lane.step
    finite = jnp.isfinite(found.value) & jnp.all(jnp.isfinite(found.exact))
    tolerance = _tolerance(known.value, work.total, STOP)
    slope = -(known.gradient @ step)
    promised = slope - 0.5 * step @ known.exact @ step
    small = ~first & (slope <= 2 * tolerance)
    # At the rounding level the value may rise by less than it can resolve: take the step then.
    # Residuals rounded to RESIDUAL_FLOOR move the sum by at most this (Cauchy-Schwarz).
    rounding = tolerance + RESIDUAL_FLOOR * jnp.sqrt(2 * work.total * known.value)
    better = finite & (
        (found.value < known.value) | (small & (found.value <= known.value + rounding))
    )
    gain = (known.value - found.value) / jnp.where(promised > 0, promised, slope)
    # At the rounding level gain says nothing; without damping the next step tells a minimum.
    eased = jnp.where(gain < 0.25, lane.damping * 2, lane.damping)
    eased = jnp.where(small | (gain > 0.75), lane.damping / EASE, eased)
    damping = jnp.where(better, eased, jnp.maximum(lane.damping, 1e-9) * TRY_RATIO)
    damping = jnp.where(first, lane.damping, jnp.clip(damping, 1e-12, 10 * STUCK))
    u = jnp.where(better, lane.u + step, lane.u)
    local = Local(*(jnp.where(better, a, b) for a, b in zip(found, known, strict=True)))
    next_step, damping = _direction(local, damping)
    # A small step says that this is a minimum only if damping did not make it small.
    left = _tolerance(local.value, work.total, work.stop)
    rest = (-(local.gradient @ next_step) <= 2 * left) & (damping < 0.1)
    done = (better & rest) | (damping > STUCK) | (first & ~finite)
    return Lane(u, local, next_step, damping, lane.iterations + 1, lane.done | done)


def _tolerance(value: Any, weight: Any, share: Any) -> Any:
    """Return a share of the objective; of noiseless data, that of residuals of RESIDUAL_FLOOR."""
    return share * value + 0.5 * weight * RESIDUAL_FLOOR**2


def _direction(local: Local, damping: Any) -> tuple[Any, Any]:
    """Return the step of the least damping that makes the exact Hessian definite, and it.

    The damping is in the metric of the IRLS Hessian: it changes nothing when coordinates are
    stretched, and much damping leaves the monotone IRLS step. The tries cost p^3, no data.
    """
    p = local.irls.shape[0]
    metric = local.irls + DEAD_DIRECTION * jnp.max(local.irls * np.eye(p)) * np.eye(p)
    # The last try is the metric alone, which is definite.
    share = np.append(np.ones(TRIES), 0.0)
    amount = damping * TRY_RATIO ** np.arange(TRIES + 1.0) + np.append(np.zeros(TRIES), 1.0)
    steps, definite = jax.vmap(
        lambda e, d: _newton_step(e * local.exact + d * metric, local.gradient)
    )(share, amount)
    chosen = jnp.where(jnp.any(definite[:-1]), jnp.argmax(definite), TRIES)
    step, used = steps[chosen], damping * TRY_RATIO**chosen
    return step * (STEP_CAP / jnp.maximum(jnp.max(jnp.abs(step)), STEP_CAP)), used


def _newton_step(matrix: Any, gradient: Any) -> tuple[Any, Any]:
    """Solve matrix @ step = -gradient by elimination; also say if the matrix was definite.

    Without pivoting, which definite matrices do not need; the pivots of another are not all
    positive. LAPACK would be called once per lane, which costs more than the solve.
    """
    p = len(gradient)

    def eliminate(i: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        rows, definite = state
        own = jnp.arange(p) == i
        pivot = rows[i, i]
        lead = rows[i] / jnp.where(pivot > 0, pivot, 1.0)
        rest = jnp.where(own, 0.0, rows[:, i])
        rows = jnp.where(own[:, None], lead, rows - rest[:, None] * lead)
        return rows, definite & (pivot > 0)

    rows = jnp.concatenate([matrix, -gradient[:, None]], axis=1)
    rows, definite = lax.fori_loop(0, p, eliminate, (rows, jnp.array(True)))
    return rows[:, p], definite


# --- A traced function with every operation done once.
# Derivatives are traced one by one, each beginning with the law itself. XLA merges what is alike
# within one computation, but it first moves what does not change out of a loop, one copy for each
# use; what depends on the copies is then no longer alike. Merged here, the derivatives of a law
# have a third of the operations, so that they also compile sooner.

EITHER_WAY = ("add", "mul", "max", "min")  # of two operands, whose order does not matter


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays that traces to each operation on the same operands once."""

    def merged(*args: Any) -> Any:
        program, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        flat = jax.tree.leaves(args)
        results = core.eval_jaxpr(_merged(program.jaxpr), program.consts, *flat)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return merged


def _merged(program: Any) -> Any:
    """Return a program in which results of equal operations are the first one's."""
    first: dict[Any, list[Any]] = {}
    instead: dict[Any, Any] = {}
    kept = []
    for operation in program.eqns:
        operands = [_taken(v, instead) for v in operation.invars]
        told: Any = tuple(map(_told, operands))
        if operation.primitive.name in EITHER_WAY:
            told = frozenset(told)
        key = (operation.primitive, told, *_settings(operation.params))
        if key in first:
            instead |= zip(operation.outvars, first[key], strict=True)
            continue
        first[key] = operation.outvars
        kept.append(operation.replace(invars=operands))
    return program.replace(eqns=kept, outvars=[_taken(v, instead) for v in program.outvars])


def _taken(variable: Any, instead: dict[Any, Any]) -> Any:
    return variable if hasattr(variable, "val") else instead.get(variable, variable)


def _told(operand: Any) -> Any:
    """Return what tells operands apart: a literal is its value and type, a variable itself."""
    return (repr(operand.val), str(operand.aval)) if hasattr(operand, "val") else operand


def _settings(params: dict[str, Any]) -> list[Any]:
    """Return what tells settings apart: values where they compare, else which object it is."""
    told: list[Any] = []
    for name in sorted(params):
        try:
            hash(params[name])
        except TypeError:
            told.append((name, id(params[name])))
        else:
            told.append((name, params[name]))
    return told
