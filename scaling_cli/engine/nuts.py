"""The posterior of a law's parameters by NUTS, through numpyro (the extra `posterior`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scaling_cli.engine.problem import Problem
from scaling_cli.vocabulary.errors import UsageError

ACCEPT = 0.9  # small enough steps for curved valleys


@dataclass(frozen=True)
class Model:
    """What is sampled: a law, noise of unknown size on ln output, normal priors.

    Parameters
    ----------
    problem : Problem
        Its law, points, weights and frame; its objective is not used.
    freedom : float
        Degrees of Student's t noise; infinite for normal noise.
    center, precision : array, shape (k,)
        Of the normal priors on the searched coordinates.
    noise, noise_points : float
        Of the prior on the noise: scaled inverse chi squared.
    """

    problem: Problem
    freedom: float
    center: np.ndarray
    precision: np.ndarray
    noise: float
    noise_points: float


class Place(NamedTuple):
    """What is sampled is z: origin + scale @ z are the searched coordinates and ln sigma."""

    origin: np.ndarray  # (k + 1,)
    scale: np.ndarray  # (k + 1, k + 1)


@dataclass(frozen=True)
class Samples:
    """Draws; leading axes: chain, draw. The last coordinate is ln sigma."""

    z: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    divergences: int


def sample(
    model: Model, place: Place, begin: np.ndarray, *, warmup: int, draws: int, seed: int
) -> Samples:
    """Sample the posterior in float64.

    Parameters
    ----------
    model : Model
    place : Place
    begin : array, shape (chains, k + 1)
        Of z.
    warmup, draws : int
        Of each chain.
    seed : int

    Raises
    ------
    UsageError
        If numpyro is not installed.
    """
    try:
        infer, diagnostics = (import_module(f"numpyro.{part}") for part in ("infer", "diagnostics"))
    except ImportError as error:
        raise UsageError(
            "sampling the posterior needs the package numpyro, which is not installed.",
            hint="pip install 'scaling-cli[posterior]'",
        ) from error
    with jax.enable_x64(True):
        density, (origin, scale) = log_density(model), place
        options = {"dense_mass": True, "target_accept_prob": ACCEPT}
        kernel = infer.NUTS(potential_fn=lambda z: -density(origin + scale @ z), **options)
        quiet = {"chain_method": "vectorized", "progress_bar": False}
        lengths = {"num_warmup": warmup, "num_samples": draws, "num_chains": len(begin)}
        chains = infer.MCMC(kernel, **lengths, **quiet)
        key = jax.random.key(seed)
        chains.run(key, init_params=jnp.asarray(begin), extra_fields=("diverging",))
        z = np.asarray(chains.get_samples(group_by_chain=True))
        diverging = int(np.sum(np.asarray(chains.get_extra_fields()["diverging"])))
    drawn = origin + z @ np.asarray(scale).T
    r_hat, ess = diagnostics.split_gelman_rubin(drawn), diagnostics.effective_sample_size(drawn)
    return Samples(drawn, r_hat, ess, diverging)


def log_density(model: Model) -> Callable[[Any], Any]:
    """Return the log density of (searched coordinates, ln sigma), up to a constant."""
    problem = model.problem
    declared = problem.law.parameters()
    positive = np.array([p.positive for p in declared.values()])
    inputs = {s: jnp.asarray(v) for s, v in problem.inputs.items()}
    target = jnp.log(jnp.asarray(problem.output))
    root = jnp.sqrt(jnp.asarray(problem.weight / np.mean(problem.weight)))
    # A parameter held at zero is at -inf, which would make 0 x inf out of a gradient.
    offset = np.where(np.isfinite(problem.frame.offset), problem.frame.offset, 0.0)
    held = {n: 0.0 for n, o in zip(declared, problem.frame.offset, strict=True) if np.isinf(o)}

    def parameters(u: Any) -> Mapping[str, Any]:
        full = offset + problem.frame.matrix @ u
        values = jnp.where(positive, jnp.exp(jnp.where(positive, full, 0.0)), full)
        return {n: values[i] for i, n in enumerate(declared)} | held

    def density(at: Any) -> Any:
        u, log_sigma = at[:-1], at[-1]
        r = root * (jnp.log(problem.law(**parameters(u))(**inputs)) - target)
        scaled = r * r * jnp.exp(-2 * log_sigma)
        if np.isinf(model.freedom):
            fit = -0.5 * jnp.sum(scaled)
        else:
            fit = -0.5 * (model.freedom + 1) * jnp.sum(jnp.log1p(scaled / model.freedom))
        own = model.noise_points * (log_sigma + 0.5 * model.noise**2 * jnp.exp(-2 * log_sigma))
        prior = 0.5 * jnp.sum(model.precision * (u - model.center) ** 2)
        return fit - len(problem.output) * log_sigma - own - prior

    return density
