"""One iteration of one lane: derivatives, a damped Newton direction, a short line search.

Shapes are those of a single lane; `solve` maps them over all lanes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from scaling_cli.law import Value

# Stop when the model promises less than this share of the objective: far below any use of the
# number, above the rounding of a sum of 1e5 terms. The absolute floor is a residual of 1e-15,
# reached only by noiseless data.
RELATIVE_STOP = 1e-14
RESIDUAL_FLOOR = 1e-15
STEP_CAP = 3.0  # of one iteration in any free coordinate: a factor of 20 in a positive parameter
FIRST_DAMPING = 0.1  # in the metric of the IRLS Hessian
TRY_RATIO = 4.0  # between the dampings tried in one iteration
TRIES = 6
STUCK = 1e12
# A direction in which the data are blind gets this share of the largest curvature, so that a
# step along it stays finite; it changes the path, not the minimum.
DEAD_DIRECTION = 1e-7
# Step lengths compared by value alone: Huber's kinks make the full step too long, curved
# valleys make it too short. Three cost less than half an evaluation with derivatives.
LENGTHS = (1.0, 0.3, 3.0)


class Lanes(NamedTuple):
    """State of all lanes, as NumPy arrays outside and JAX arrays inside; leading axis: lane."""

    u: Value  # (lanes, k) free coordinates
    value: Value  # (lanes,)
    gradient: Value  # (lanes, k)
    irls: Value  # (lanes, k, k)
    exact: Value  # (lanes, k, k)
    damping: Value  # (lanes,)
    done: Value  # (lanes,)
    iterations: Value  # (lanes,); -1 before the first evaluation


class Work(NamedTuple):
    """What differs from lane to lane; leading axis: lane."""

    target: Value  # (lanes, n) ln output, or output in linear space
    weight: Value  # (lanes, n) >= 0; 0 pads
    corner: Value  # (lanes,) Huber's delta; infinite for least squares
    prior_mean: Value  # (lanes, p) in full free coordinates
    prior_precision: Value  # (lanes, p)


def evaluate(u: Any, residual: Any, shared: Any, work: Work) -> tuple:
    """Return value, gradient, IRLS Hessian and exact Hessian of one lane at u."""
    matrix, corner = shared[1], work.corner
    r = residual(u)
    J = jax.jacfwd(residual)(u)  # (n, k)
    size = jnp.abs(r)
    inside = size <= corner
    psi = work.weight * jnp.where(inside, r, corner * jnp.sign(r))
    # corner/|r| outside the corner, where |r| > 0 for sure; 1 inside.
    slope = work.weight * jnp.where(inside, 1.0, corner / jnp.where(inside, 1.0, size))
    curve = work.weight * inside
    bend = jax.jacfwd(jax.grad(lambda x: psi @ residual(x)))(u)
    pull = work.prior_precision * _away(u, shared, work)
    prior = matrix.T @ (work.prior_precision[:, None] * matrix)
    gradient = J.T @ psi + matrix.T @ pull
    irls = (J * slope[:, None]).T @ J + prior
    exact = (J * curve[:, None]).T @ J + bend + prior
    return objective(r, u, shared, work), gradient, irls, exact


def objective(r: Any, u: Any, shared: Any, work: Work) -> Any:
    """Return the objective of one lane from its residuals."""
    size = jnp.abs(r)
    arm = work.corner * (size - 0.5 * work.corner)
    rho = jnp.where(size <= work.corner, 0.5 * r * r, arm)
    away = _away(u, shared, work)
    return work.weight @ rho + 0.5 * away @ (work.prior_precision * away)


def _away(u: Any, shared: Any, work: Work) -> Any:
    """Return the distance to the priors' centres; 0 without a prior (held at zero is -inf)."""
    full = shared[2] + shared[1] @ u
    return jnp.where(work.prior_precision > 0, full - work.prior_mean, 0.0)


def iterate(s: Lanes, evaluated: Any, value_at: Any, weight: Any) -> Lanes:
    """Try one damped step; keep it if the objective falls."""
    born = s.iterations < 0  # the first evaluation is of the start itself
    direction, damping = _direction(s)
    lengths = jnp.array(LENGTHS)
    trials = jax.vmap(lambda c: value_at(s.u + c * direction))(lengths)
    shortest = jnp.argmin(jnp.where(jnp.isfinite(trials), trials, jnp.inf))
    step = jnp.where(born, 0.0, lengths[shortest] * direction)
    promised = -(s.gradient @ step) - 0.5 * step @ s.exact @ step
    value, gradient, irls, exact = evaluated(s.u + step)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(exact))
    tolerance = RELATIVE_STOP * s.value + 0.5 * weight * RESIDUAL_FLOOR**2
    small = ~born & (-(s.gradient @ step) <= 2 * tolerance)
    # At the rounding level the value may rise by less than it can resolve: take the step then.
    # Residuals rounded to RESIDUAL_FLOOR move the sum by at most this (Cauchy-Schwarz).
    rounding = tolerance + RESIDUAL_FLOOR * jnp.sqrt(2 * weight * s.value)
    better = finite & ((value < s.value) | (small & (value <= s.value + rounding)))
    gain = (s.value - value) / jnp.where(promised > 0, promised, -(s.gradient @ step))
    # At the rounding level gain says nothing; without damping the next step tells a minimum.
    eased = jnp.where(
        small | (gain > 0.75), damping / 8, jnp.where(gain < 0.25, damping * 2, damping)
    )
    next_damping = jnp.where(better, eased, jnp.maximum(damping, 1e-9) * TRY_RATIO)
    # A small step says that this is a minimum only if damping did not make it small.
    done = (small & (damping < 0.1)) | (damping > STUCK) | (born & ~finite)
    fresh = Lanes(
        jnp.where(better, s.u + step, s.u),
        jnp.where(better, value, s.value),
        jnp.where(better, gradient, s.gradient),
        jnp.where(better, irls, s.irls),
        jnp.where(better, exact, s.exact),
        jnp.where(born, s.damping, jnp.clip(next_damping, 1e-12, 10 * STUCK)),
        done,
        s.iterations + 1,
    )
    return Lanes(*(jnp.where(s.done, a, b) for a, b in zip(s, fresh, strict=True)))


def _direction(s: Lanes) -> tuple[Any, Any]:
    """Return the step of the least damping that makes the exact Hessian definite, and it.

    The damping is in the metric of the IRLS Hessian: it changes nothing when coordinates are
    stretched, and much damping leaves the monotone IRLS step. The tries cost k^3, no data.
    """
    k = s.irls.shape[0]
    metric = s.irls + DEAD_DIRECTION * jnp.max(jnp.diagonal(s.irls)) * jnp.eye(k)
    tries = s.damping * TRY_RATIO ** jnp.arange(TRIES)
    steps, definite = jax.vmap(
        lambda damping: _cholesky_step(s.exact + damping * metric, s.gradient, k)
    )(tries)
    first = jnp.argmax(definite)
    last = s.damping * TRY_RATIO**TRIES
    plain = _cholesky_step(metric, s.gradient, k)[0] / (1 + last)
    any_ = jnp.any(definite)
    step, damping = jnp.where(any_, steps[first], plain), jnp.where(any_, tries[first], last)
    return step * (STEP_CAP / jnp.maximum(jnp.max(jnp.abs(step)), STEP_CAP)), damping


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
