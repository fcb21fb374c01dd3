"""A function whose equal operations are merged is the same function, with fewer of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from scaling_cli.engine.iteration import once

X, Y = np.array([[0.5, 1.25], [2.0, 3.5]]), np.array([[1.5, 0.75], [0.25, 2.0]])


def _value_and_slopes(x: Any, y: Any) -> Any:
    """Trace one power three times, as a law's derivatives do."""

    def power(a: Any, b: Any) -> Any:
        return jnp.exp(-a * jnp.log(b))

    along_x = jax.jvp(lambda a: power(a, y), (x,), (x,))[1]
    along_y = jax.jvp(lambda b: power(x, b), (y,), (y,))[1]
    return {"value": power(x, y), "slopes": [along_x, along_y]}


def _operations(function: Callable[..., Any], name: str) -> int:
    program = jax.make_jaxpr(function)(X, Y)
    return sum(operation.primitive.name == name for operation in program.jaxpr.eqns)


def test_what_is_traced_three_times_is_done_once() -> None:
    assert [_operations(_value_and_slopes, n) for n in ("exp", "log")] == [3, 3]
    assert [_operations(once(_value_and_slopes), n) for n in ("exp", "log")] == [1, 1]


def _apart(x: Any, y: Any) -> Any:
    """Return pairs that differ only in a literal, a setting, an order or a branch."""
    return [
        x * 2.0,
        x * 3.0,
        lax.cumsum(x, reverse=True),
        lax.cumsum(x),
        x - y,
        y - x,
        jnp.where(x > 1, x, y),
        jnp.where(x > 1, y, x),
        jnp.where(x > 1, 0.0, y),
        jnp.where(x > 1, 1.0, y),
        jnp.logaddexp(x, y),
        jnp.logaddexp(y, x),
        x**2,
        x**3,
        x.astype(int) * 2,
        jax.jit(jnp.sin)(x),
        jax.jit(jnp.cos)(x),
        x,
        x,
    ]


@pytest.mark.parametrize("function", [_value_and_slopes, _apart], ids=lambda f: f.__name__)
@pytest.mark.parametrize("how", [lambda f: f, jax.jit, jax.vmap], ids=["plain", "jit", "vmap"])
def test_results_are_the_same(function: Callable[..., Any], how: Callable[..., Any]) -> None:
    with jax.enable_x64(True):
        given, merged = how(function)(X, Y), how(once(function))(X, Y)
    assert jax.tree.structure(given) == jax.tree.structure(merged)
    for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(merged), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-15, atol=0)


def test_an_order_that_does_not_matter_is_seen() -> None:
    def twice(x: Any, y: Any) -> Any:
        return x * y, y * x, x + y, y + x, x * x

    assert _operations(once(twice), "mul") == 2
    assert _operations(once(twice), "add") == 1
