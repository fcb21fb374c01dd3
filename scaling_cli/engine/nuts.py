"""Sampling a density by NUTS, through numpyro (the extra `posterior`), in float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scaling_cli.errors import UsageError


class Samples(NamedTuple):
    """Draws of a density; leading axes: chain, draw."""

    z: np.ndarray  # (chains, draws, d)
    divergences: int


def sample(
    log_density: Callable[[Any], Any], begin: np.ndarray, *, warmup: int, draws: int, seed: int
) -> Samples:
    """Sample a density from each row of `begin`, shape (chains, d).

    Parameters
    ----------
    log_density : callable
        Of a point (d,), as JAX arrays; best standardised to unit scale.
    begin : array, shape (chains, d)
    warmup, draws : int
        Of each chain.
    seed : int

    Raises
    ------
    UsageError
        If numpyro is not installed.
    """
    try:
        from numpyro.infer import MCMC, NUTS
    except ImportError as error:
        raise UsageError(
            "sampling the posterior needs the package numpyro, which is not installed.",
            hint="pip install 'scaling-cli[posterior]'",
        ) from error
    with jax.enable_x64(True):
        kernel = NUTS(
            potential_fn=lambda z: -log_density(z), dense_mass=True, target_accept_prob=0.9
        )
        chains = MCMC(
            kernel, num_warmup=warmup, num_samples=draws, num_chains=len(begin),
            chain_method="vectorized", progress_bar=False,
        )  # fmt: skip
        chains.run(
            jax.random.key(seed), init_params=jnp.asarray(begin), extra_fields=("diverging",)
        )
        z = np.asarray(chains.get_samples(group_by_chain=True))
        diverging = int(np.sum(np.asarray(chains.get_extra_fields()["diverging"])))
    return Samples(z, diverging)
