"""The optimiser: batched damped Newton over many lanes (starts or resamples) under one jit.

A lane is one optimisation. All lanes share the law and the inputs; each has its own start,
outputs, weights and prior. Every iteration evaluates value, gradient and two Hessians in float64:
the IRLS Gauss-Newton one, positive semidefinite and safe far away, and the exact one, without
which Huber's linear arms converge slowly. The damping is Levenberg's (identity plus diagonal), so
that dead directions cannot run away. Finished lanes are refilled with waiting work, so that one
executable of fixed shape serves one start and ten thousand resamples alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scaling_cli.artefact import Objective
from scaling_cli.law import Domain, Law, Value

LANES = 64  # one executable of this width; 64 x 256 float64 fits the second-level cache
ITERATIONS_PER_CALL = 4  # between two looks at which lanes have finished
MAX_ITERATIONS = 400
# Stop when the model promises less than this share of the objective: far below any use of the
# number, above the rounding of a sum of 1e5 terms. The absolute floor is a residual of 1e-15,
# reached only by noiseless data.
RELATIVE_STOP = 1e-14
RESIDUAL_FLOOR = 1e-15
# The exact model is damped up to here before it is given up for one IRLS step, which always
# descends on Huber's arms when hardly damped; damping it further leaves only crawling steps.
NEWTON_DAMPING = 1e-3
IRLS_DAMPING = 1e-4
LEAST_RAISED = 1e-6  # damping below it changes no step; raising starts here
STEP_CAP = 3.0  # of one iteration in any free coordinate: a factor of 20 in a positive parameter
MIN_POINTS_PADDED = 8


class Lanes(NamedTuple):
    """State of all lanes, as NumPy arrays outside and JAX arrays inside; leading axis: lane."""

    u: Value  # (lanes, k) free coordinates
    value: Value  # (lanes,)
    gradient: Value  # (lanes, k)
    irls: Value  # (lanes, k, k)
    exact: Value  # (lanes, k, k)
    damping: Value  # (lanes,)
    newton: Value  # (lanes,) use the exact Hessian
    done: Value  # (lanes,)
    iterations: Value  # (lanes,); -1 before the first evaluation


class Work(NamedTuple):
    """What differs from lane to lane; leading axis: lane."""

    target: Value  # (lanes, n) ln output, or output in linear space
    weight: Value  # (lanes, n) >= 0; 0 pads
    corner: Value  # (lanes,) Huber's delta; infinite for least squares
    prior_mean: Value  # (lanes, p) in full free coordinates
    prior_precision: Value  # (lanes, p)


@dataclass(frozen=True)
class Frame:
    """How the vector that is searched maps to the law's parameters: fixed and tied ones.

    full free coordinates = offset + matrix @ u, u of shape (k,).
    """

    matrix: np.ndarray  # (p, k)
    offset: np.ndarray  # (p,)
    names: tuple[str, ...]  # of the k searched coordinates


@dataclass(frozen=True)
class Problem:
    """A law, the inputs it is evaluated at, and what is minimised.

    Parameters
    ----------
    law : type[Law]
    inputs : mapping of symbol to array, shape (n,)
    output : array, shape (n,)
    weight : array, shape (n,)
    objective : Objective
    frame : Frame
    """

    law: type[Law]
    inputs: Mapping[str, np.ndarray]
    output: np.ndarray
    weight: np.ndarray
    objective: Objective
    frame: Frame


@dataclass(frozen=True)
class Solution:
    """Where each lane ended; leading axis: lane."""

    u: np.ndarray  # (m, k)
    value: np.ndarray  # (m,)
    gradient: np.ndarray  # (m, k)
    hessian: np.ndarray  # (m, k, k) exact
    irls: np.ndarray  # (m, k, k)
    converged: np.ndarray  # (m,)
    iterations: np.ndarray  # (m,)


def frame(law: type[Law], fix: Mapping[str, float], tie: Mapping[str, str]) -> Frame:
    """Return the map from searched to full coordinates.

    `tie` maps a parameter to the one it follows; chains are not followed.
    """
    names = list(law.parameters())
    searched = tuple(n for n in names if n not in fix and n not in tie)
    matrix = np.zeros((len(names), len(searched)))
    offset = np.zeros(len(names))
    for row, name in enumerate(names):
        leader = tie.get(name, name)
        if leader in fix:
            offset[row] = to_free(law, leader, fix[leader])
        else:
            matrix[row, searched.index(leader)] = 1.0
    return Frame(matrix, offset, searched)


def to_free(law: type[Law], name: str, value: Any) -> Any:
    """Return the free coordinate of a parameter value: its logarithm where it is positive."""
    if law.parameters()[name].domain is Domain.POSITIVE:
        return np.log(value)
    return np.asarray(value, float)


def parameters(problem: Problem, u: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameter values, each of shape (m,), at searched coordinates u of shape (m, k)."""
    full = u @ problem.frame.matrix.T + problem.frame.offset
    return {
        name: np.exp(full[:, i]) if p.domain is Domain.POSITIVE else full[:, i]
        for i, (name, p) in enumerate(problem.law.parameters().items())
    }


def solve(
    problem: Problem,
    starts: np.ndarray,
    *,
    output: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    prior_mean: np.ndarray | None = None,
    prior_precision: np.ndarray | None = None,
    corner: np.ndarray | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Solution:
    """Minimise the objective from each start.

    Parameters
    ----------
    problem : Problem
    starts : array, shape (m, k)
        In searched coordinates.
    output, weight : array, shape (m, n), optional
        Per-lane outputs and weights; the problem's own by default.
    prior_mean, prior_precision : array, shape (m, p), optional
        Adds precision (u - mean)^2 / 2 per full free coordinate.
    corner : array, shape (m,), optional
        Per-lane Huber corner; the objective's by default (infinite for l2).
    max_iterations : int

    Returns
    -------
    Solution
        A lane that did not converge within MAX_ITERATIONS says so; nothing raises.
    """
    m, p = len(starts), len(problem.law.parameters())
    target = problem.output[None, :] if output is None else output
    if problem.objective.space == "log":
        target = np.log(target)
    weights = problem.weight if weight is None else weight
    pool = Work(
        _padded(np.broadcast_to(target, (m, target.shape[-1])), 0.0),
        _padded(np.broadcast_to(weights, (m, weights.shape[-1])), 0.0),
        np.broadcast_to(corner_of(problem.objective) if corner is None else corner, (m,)),
        np.broadcast_to(0.0 if prior_mean is None else prior_mean, (m, p)),
        np.broadcast_to(0.0 if prior_precision is None else prior_precision, (m, p)),
    )
    shared = (
        {s: _padded(np.asarray(v, float), 1.0) for s, v in problem.inputs.items()},
        problem.frame.matrix,
        problem.frame.offset,
    )
    advance = _executable(problem.law, problem.objective.space)
    with jax.enable_x64(True):
        return _pump(advance, shared, pool, np.asarray(starts, float), max_iterations)


def corner_of(objective: Objective) -> float:
    """Return Huber's corner for the kernel: infinite for l2; lad is reached by continuation."""
    return np.inf if objective.name == "l2" else objective.delta


def _padded(rows: np.ndarray, fill: float) -> np.ndarray:
    """Pad the last axis to a power of two, so that other data reuse the executable."""
    n = rows.shape[-1]
    size = max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())
    out = np.full((*rows.shape[:-1], size), fill)
    out[..., :n] = rows
    return out


def _pump(
    advance: Any, shared: tuple, pool: Work, starts: np.ndarray, max_iterations: int
) -> Solution:
    """Keep LANES lanes busy until every start has finished."""
    m = len(starts)
    slot = np.arange(LANES) % m  # which start each lane works on
    active = np.arange(LANES) < m
    waiting = list(range(m - 1, LANES - 1, -1))
    lanes = _unborn(starts[slot], active)
    work = Work(*(x[slot] for x in pool))
    finished: dict[int, tuple] = {}
    while len(finished) < m:
        lanes = Lanes(*(np.array(x) for x in advance(shared, work, lanes)))
        ended = active & (lanes.done | (lanes.iterations >= max_iterations))
        for lane in np.flatnonzero(ended):
            finished[int(slot[lane])] = tuple(x[lane] for x in lanes)
        active &= ~ended
        fresh = [int(i) for i in np.flatnonzero(~active)[: len(waiting)]]
        slot[fresh] = [waiting.pop() for _ in fresh]
        active[fresh] = True
        work = Work(*(x[slot] for x in pool)) if fresh else work
        born = _unborn(starts[slot], active)
        chosen = np.isin(np.arange(LANES), fresh)
        lanes = Lanes(*(_merge(chosen, a, b) for a, b in zip(born, lanes, strict=True)))
        lanes = lanes._replace(done=lanes.done | ~active)
    return _collect(finished, m)


def _unborn(starts: np.ndarray, active: np.ndarray) -> Lanes:
    """Return lanes that have not been evaluated yet; idle ones count as done."""
    lanes, k = starts.shape
    square = np.broadcast_to(np.eye(k), (lanes, k, k))
    none = np.zeros(lanes)
    return Lanes(
        starts, none + np.inf, np.zeros((lanes, k)), square, square, none + 1e-3,
        none > 0, ~active, np.full(lanes, -1, np.int32),
    )  # fmt: skip


def _merge(chosen: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(chosen.reshape((-1,) + (1,) * (old.ndim - 1)), new, old)


def _collect(finished: dict[int, tuple], m: int) -> Solution:
    columns = [np.stack(x) for x in zip(*(finished[i] for i in range(m)), strict=True)]
    state = Lanes(*columns)
    return Solution(
        u=state.u,
        value=state.value,
        gradient=state.gradient,
        hessian=state.exact,
        irls=state.irls,
        converged=state.done,
        iterations=state.iterations,
    )


@lru_cache(maxsize=64)
def _executable(law: type[Law], space: str) -> Any:
    """Return the jitted advance of a law: traced once per shape."""
    names = list(law.parameters())
    positive = np.array([p.domain is Domain.POSITIVE for p in law.parameters().values()])

    def residual(u: Any, shared: Any, target: Any) -> Any:
        inputs, matrix, offset = shared
        full = offset + matrix @ u
        values = jnp.where(positive, jnp.exp(jnp.where(positive, full, 0.0)), full)
        prediction = law(**{name: values[i] for i, name in enumerate(names)})(**inputs)
        return (jnp.log(prediction) if space == "log" else prediction) - target

    def step(shared: Any, work: Work, lane: Lanes) -> Lanes:
        def evaluate(u: Any) -> tuple:
            return _evaluate(u, lambda x: residual(x, shared, work.target), shared, work)

        return _step(lane, evaluate, jnp.sum(work.weight))

    def advance(shared: Any, work: Work, lanes: Lanes) -> Lanes:
        def iterate(carry: tuple) -> tuple:
            return carry[0] + 1, jax.vmap(step, (None, 0, 0))(shared, work, carry[1])

        def go_on(carry: tuple) -> Any:
            return (carry[0] < ITERATIONS_PER_CALL) & ~jnp.all(carry[1].done)

        return lax.while_loop(go_on, iterate, (0, lanes))[1]

    return jax.jit(advance)


def _evaluate(u: Any, residual: Any, shared: Any, work: Work) -> tuple:
    """Return value, gradient, IRLS Hessian and exact Hessian of one lane at u."""
    matrix, offset, corner = shared[1], shared[2], work.corner
    r = residual(u)
    J = jax.jacfwd(residual)(u)  # (n, k)
    size = jnp.abs(r)
    inside = size <= corner
    rho = jnp.where(inside, 0.5 * r * r, corner * (size - 0.5 * corner))
    psi = work.weight * jnp.where(inside, r, corner * jnp.sign(r))
    # corner/|r| outside the corner, where |r| > 0 for sure; 1 inside.
    slope = work.weight * jnp.where(inside, 1.0, corner / jnp.where(inside, 1.0, size))
    curve = work.weight * inside
    bend = jax.jacfwd(jax.grad(lambda x: psi @ residual(x)))(u)
    away = offset + matrix @ u - work.prior_mean
    pull = work.prior_precision * away
    prior = matrix.T @ (work.prior_precision[:, None] * matrix)
    value = work.weight @ rho + 0.5 * away @ pull
    gradient = J.T @ psi + matrix.T @ pull
    irls = (J * slope[:, None]).T @ J + prior
    exact = (J * curve[:, None]).T @ J + bend + prior
    return value, gradient, irls, exact


def _step(s: Lanes, evaluate: Any, weight: Any) -> Lanes:
    """Try one damped step; keep it if the objective falls."""
    hessian = jnp.where(s.newton, s.exact, s.irls)
    k = hessian.shape[0]
    diagonal = jnp.abs(jnp.diagonal(hessian))
    floor = 1e-6 * jnp.max(diagonal)
    damped = hessian + jnp.diag(s.damping * jnp.maximum(diagonal, floor))
    step, definite = _cholesky_step(damped, s.gradient, k)
    step = step * (STEP_CAP / jnp.maximum(jnp.max(jnp.abs(step)), STEP_CAP))
    born = s.iterations < 0  # the first evaluation is of the start itself
    step = jnp.where(born, 0.0, step)
    promised = -(s.gradient @ step) - 0.5 * step @ hessian @ step
    value, gradient, irls, exact = evaluate(s.u + step)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(exact))
    tolerance = RELATIVE_STOP * s.value + 0.5 * weight * RESIDUAL_FLOOR**2
    small = definite & ~born & (promised <= tolerance)
    # At the rounding level the value may rise by less than it can resolve: take the step then.
    better = definite & finite & ((value < s.value) | (small & (value <= s.value + tolerance)))
    gain = (s.value - value) / jnp.where(promised > 0, promised, 1.0)
    raised = jnp.maximum(s.damping, LEAST_RAISED) * jnp.where(definite, 5.0, 10.0)
    failed = s.newton & ~better & (s.damping > NEWTON_DAMPING)
    damping = jnp.where(
        better,
        jnp.where(gain > 0.75, s.damping / 8, jnp.where(gain < 0.25, s.damping * 2, s.damping)),
        jnp.where(failed, IRLS_DAMPING, raised),
    )
    near = ~born & (s.value - value <= 0.1 * s.value) | s.newton
    newton = jnp.where(better, near, s.newton & ~failed)
    damping = jnp.where(born, s.damping, damping)
    # Only the exact model may declare the end: the IRLS one is too flat on Huber's arms.
    stuck = s.damping > 1e14
    done = (small & s.newton & (s.damping < 1e-2)) | stuck | (born & ~finite)
    fresh = Lanes(
        jnp.where(better, s.u + step, s.u),
        jnp.where(better, value, s.value),
        jnp.where(better, gradient, s.gradient),
        jnp.where(better, irls, s.irls),
        jnp.where(better, exact, s.exact),
        jnp.clip(damping, 1e-12, 1e16),
        newton,
        done,
        s.iterations + 1,
    )
    return Lanes(*(jnp.where(s.done, a, b) for a, b in zip(s, fresh, strict=True)))


def _cholesky_step(matrix: Any, gradient: Any, k: int) -> tuple[Any, Any]:
    """Solve matrix @ step = -gradient by an unrolled Cholesky; also say if it was definite.

    Unrolled in Python because LAPACK is called once per lane, which costs more than the solve.
    """
    factor: list[list[Any]] = [[jnp.zeros(())] * k for _ in range(k)]
    definite = jnp.array(True)
    for i in range(k):
        for j in range(i + 1):
            rest = matrix[i, j] - sum((factor[i][c] * factor[j][c] for c in range(j)), 0.0)
            if i == j:
                definite &= rest > 0
                factor[i][i] = jnp.sqrt(jnp.where(rest > 0, rest, 1.0))
            else:
                factor[i][j] = rest / factor[j][j]
    forward: list[Any] = []
    for i in range(k):
        known = sum((factor[i][c] * forward[c] for c in range(i)), 0.0)
        forward.append((-gradient[i] - known) / factor[i][i])
    step: list[Any] = [jnp.zeros(())] * k
    for i in reversed(range(k)):
        known = sum((factor[c][i] * step[c] for c in range(i + 1, k)), 0.0)
        step[i] = (forward[i] - known) / factor[i][i]
    return jnp.stack(step), definite
