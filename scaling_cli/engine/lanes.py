"""Many lanes side by side under one jit: a lane that has finished takes up the next task.

So one executable serves one start and ten thousand resamples, and no lane waits for the slowest.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from scaling_cli.engine import iteration
from scaling_cli.engine.iteration import Lane, Local
from scaling_cli.engine.tasks import Shared, Work, unpacked
from scaling_cli.laws._law import Law, Value


class _State(NamedTuple):
    lane: Lane
    rows: Value  # (lanes, row of a task): what each lane works on
    slot: Value  # (lanes,) which task that is
    active: Value
    waiting: Value  # the next task that no lane has taken
    ends: Value  # (tasks, row of an end)


@lru_cache(maxsize=64)
def jitted(law: type[Law], space: str, lanes: int) -> Any:
    """Return the solver of a chunk: ((tasks, count), shared, limit) -> ends, rows both."""
    p = len(law.parameters())

    def run(given: tuple[Any, Any], shared: Shared, limit: Any) -> Any:
        tasks, count = given
        differentiated = iteration.equation(law, space)  # costs time: only where it is compiled

        def iterate(shared: Shared, work: Work, lane: Lane) -> Lane:
            found = iteration.localise(lane.u + lane.step, shared, work, differentiated)
            return iteration.advance(lane, found, work)

        def go_on(state: _State) -> Any:
            return jnp.any(state.active)

        def once(state: _State) -> _State:
            work = unpacked(state.rows, p)
            lane = jax.vmap(iterate, (None, 0, 0))(shared, work, state.lane)
            return _refilled(state._replace(lane=lane), tasks, count, limit)

        return lax.while_loop(go_on, once, _begin(tasks, lanes, count, p)).ends

    return jax.jit(run, keep_unused=True)


def _begin(tasks: Any, lanes: int, count: Any, p: int) -> _State:
    slot, rows, none = jnp.arange(lanes), tasks[:lanes], jnp.zeros((lanes, p, p))
    work = unpacked(rows, p)
    lane = Lane(
        u=work.start,
        local=Local(jnp.full(lanes, jnp.inf), jnp.zeros((lanes, p)), none, none),
        step=jnp.zeros((lanes, p)),
        damping=work.damping,
        iterations=jnp.full(lanes, -1),
        done=jnp.zeros(lanes, bool),
    )
    ends = jnp.zeros((len(tasks), 2 * p + 2 * p * p + 3))
    return _State(lane, rows, slot, slot < count, jnp.array(lanes), ends)


def _refilled(state: _State, tasks: Any, count: Any, limit: Any) -> _State:
    """Write down what has ended; give those lanes the next tasks."""
    lane, p = state.lane, state.lane.u.shape[1]
    ended = state.active & (lane.done | (lane.iterations >= limit))
    slot = jnp.where(ended, state.waiting + jnp.cumsum(ended) - 1, state.slot)
    active = jnp.where(ended, slot < count, state.active)
    fresh = ended & active
    ends, rows = _exchanged(state, ended, slot, tasks)
    work = unpacked(rows, p)
    # What is left of the last task's gradient and Hessians is multiplied by a step of zero.
    lane = lane._replace(
        u=jnp.where(fresh[:, None], work.start, lane.u),
        local=lane.local._replace(value=jnp.where(fresh, jnp.inf, lane.local.value)),
        step=jnp.where(fresh[:, None], 0.0, lane.step),
        damping=jnp.where(fresh, work.damping, lane.damping),
        iterations=jnp.where(fresh, -1, lane.iterations),
        done=lane.done & ~fresh,
    )
    return _State(lane, rows, slot, active, state.waiting + jnp.sum(ended), ends)


def _exchanged(state: _State, ended: Any, slot: Any, tasks: Any) -> tuple[Any, Any]:
    """Return the ends with those of lanes that ended, and the rows with the tasks that follow.

    One lane after another: few end at a time, and one row is copied in place, where a gather of
    all lanes' rows would take a sixth of the iteration.
    """
    reports = report(state.lane)

    def go_on(at: tuple[Any, Any, Any]) -> Any:
        return jnp.any(at[0])

    def exchange(at: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        left, ends, rows = at
        which = jnp.argmax(left)
        ends = lax.dynamic_update_index_in_dim(ends, reports[which], state.slot[which], 0)
        rows = lax.dynamic_update_index_in_dim(rows, tasks[slot[which]], which, 0)
        return left & (jnp.arange(len(left)) != which), ends, rows

    return lax.while_loop(go_on, exchange, (ended, state.ends, state.rows))[1:]


def report(lane: Lane) -> Any:
    """Return where lanes stand as rows; see `tasks.read`."""
    # A lane is also done where its start is not a number, or where no step helps any more
    # although the gradient asks for one: neither is a minimum.
    good = lane.done & jnp.isfinite(lane.local.value) & (lane.damping <= iteration.STUCK)
    # The last step is taken unseen: it promises less than the value can resolve, yet squares the
    # distance to the minimum.
    last = lane.u + jnp.where(good[:, None], lane.step, 0.0)
    value, gradient, irls, exact = lane.local
    columns = (last, value, gradient, irls, exact, good, lane.iterations)
    return jnp.concatenate([c.reshape(len(c), -1).astype(float) for c in columns], axis=1)
