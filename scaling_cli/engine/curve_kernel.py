"""The residuals of a curve law under JAX, with their derivatives: what an executable is made of."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curve_coordinates import AT_DROPS, AT_POINTS, law_at
from scaling_cli.schedules._path import Path


@lru_cache
def jitted(law: type[CurveLaw]) -> Any:
    """Return the jitted residuals of a law with their derivatives.

    Nearly all of the time goes to the pairs of a point and a drop. So `relaxed` is linearised only
    in the parameters that it reads, and what drops take off in those that `effect` reads.
    """

    def rows(u: Any, data: dict[str, Any], scales: Any) -> Any:
        path = Path(**{name: data[name] for name in (*AT_POINTS, *AT_DROPS)})  # drops in rounds

        def around(u: Any) -> Any:
            fitted = law_at(law, u, scales)
            ones = jnp.ones_like(path.area)
            return fitted.backbone(path), ones * fitted.share(path), _vector(fitted)

        at, slopes = around(u), jax.jacfwd(around)(u)
        predicted, by_u = at[0][:, None], slopes[0]
        if law.clock != "none":
            total, by_value = _drops(law, path, data, at[2])
            share = at[1][:, None]
            predicted -= share * total[:, None]
            by_u -= share * (by_value @ slopes[2]) + slopes[1] * total[:, None]
        residuals = jnp.log(predicted) - jnp.log(data["loss"])[:, None]
        return jnp.concatenate([residuals, by_u / predicted], axis=1)

    return jax.jit(rows, keep_unused=True)


def _vector(law: CurveLaw) -> Any:
    return jnp.stack([getattr(law, name) for name in law.parameters()])


def _drops(law: type[CurveLaw], path: Path, data: dict[str, Any], values: Any) -> tuple[Any, Any]:
    """Return the sum over drops at each point, and its derivatives by the law's parameters."""
    now = law.clocks(path)[0][data["points"]]

    def sums(block: Any, drops: Path) -> Any:
        """Return what drops add to blocks of points, shape (TILES, POINTS, 1 + k)."""
        ends = _linearised(lambda *v: drops.gap * _law(law, v).effect(drops), [*values])
        elapsed = now[block][:, :, None] - law.clocks(drops)[1][:, None]
        given = jnp.maximum(elapsed, 0.0), drops.rate[:, None]
        moved, moved_by = _linearised(lambda *v: _law(law, v).relaxed(*given), [*values])
        columns = [jnp.zeros(elapsed.shape[:2])] * len(values)
        for i, slope in moved_by.items():
            columns[i] += jnp.einsum("tpd,td->tp", slope, ends[0])
        for i, slope in ends[1].items():
            columns[i] += jnp.einsum("tpd,td->tp", moved, jnp.broadcast_to(slope, drops.gap.shape))
        return jnp.stack([jnp.einsum("tpd,td->tp", moved, ends[0]), *columns], axis=-1)

    def added(i: Any, total: Any) -> Any:
        drops = replace(path, **{name: data[name][i] for name in AT_DROPS})
        return total.at[data["block"][i]].add(sums(data["block"][i], drops), mode="drop")

    total = jnp.zeros((*now.shape, 1 + len(values)))
    total = jax.lax.fori_loop(0, data["rounds"], added, total)
    total = total.reshape(-1, total.shape[-1])[data["place"]]
    return total[:, 0], total[:, 1:]


def _law(law: type[CurveLaw], values: Sequence[Any]) -> CurveLaw:
    return law(**dict(zip(law.parameters(), values, strict=True)))


def _linearised(function: Callable[..., Any], values: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
    """Return a function's value and its derivatives by those of its arguments that it reads."""
    traced = jax.make_jaxpr(function)(*values).jaxpr
    used = {id(read) for equation in traced.eqns for read in equation.invars}
    read = [i for i, argument in enumerate(traced.invars) if id(argument) in used]

    def of_read(*some: Any) -> Any:
        return function(*[some[read.index(i)] if i in read else v for i, v in enumerate(values)])

    value, along = jax.linearize(of_read, *(values[i] for i in read))
    # A barrier, or exp and ln of every pair are taken again for each derivative.
    value, along = jax.lax.optimization_barrier((value, along))
    one, zero = jnp.ones(()), jnp.zeros(())
    return value, {i: along(*(one if i == j else zero for j in read)) for i in read}
