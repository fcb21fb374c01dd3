"""Sweeps with a known truth: laws of the optimum, a quadratic valley around it."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scaling_cli.runs.points import Points

RATE = (2.0, -0.7, 0.3)  # c, alpha, beta
BATCH = (5.0, -0.2, 0.6)
HESSIAN = np.array([[0.015, -0.004], [-0.004, 0.012]])
SIZES, TOKENS = (1e8, 3e8, 1e9), (4e9, 2e10, 1e11)
STEPS = np.array([-1.2, -0.7, -0.2, 0.3, 0.8])  # ln of what was tried, off the optimum


def optimum(N: float, D: float) -> np.ndarray:
    """Return ln lr and ln batch of least loss."""
    return np.array([np.log(c) + a * np.log(N) + b * np.log(D) for c, a, b in (RATE, BATCH)])


def loss(N: float, D: float, axes: np.ndarray) -> float:
    """Return the loss at ln lr (and ln batch): the valley's floor falls as (N D)^-0.05."""
    off = axes - optimum(N, D)[: len(axes)]
    hessian = HESSIAN[: len(axes), : len(axes)]
    return float(3 * (N * D) ** -0.05 * np.exp(off @ hessian @ off / 2))


def rows(
    *,
    swept: bool = True,
    sizes: Sequence[float] = SIZES,
    tokens: Sequence[float] = TOKENS,
    scatter: float = 0.0,
) -> list[dict[str, float]]:
    """Return runs; `scatter` moves the optimum of every cell."""
    generator = np.random.default_rng(7)
    found = []
    for N, D in itertools.product(sizes, tokens):
        moved = scatter * generator.standard_normal(2)
        for steps in itertools.product(STEPS, repeat=2 if swept else 1):
            axes = optimum(N, D)[: len(steps)] + np.array(steps)
            at = np.exp(axes).tolist()
            value = loss(N, D, axes - moved[: len(steps)])
            batch = at[1] if swept else 2**19
            found.append(
                {"params": N, "tokens": D, "lr": at[0], "batch_tokens": batch, "loss": value}
            )
    return found


def points(table: Sequence[dict[str, float]]) -> Points:
    """Return runs as the fit takes them."""
    names = {"N": "params", "D": "tokens", "lr": "lr", "B_tokens": "batch_tokens"}
    columns = {s: np.array([row[c] for row in table]) for s, c in names.items()}
    return Points(
        columns,
        np.array([row["loss"] for row in table]),
        [f"r{i}" for i in range(len(table))],
        {"N": "total"},
    )


def write(path: Path, table: Sequence[dict[str, float]]) -> Path:
    """Write runs as a CSV."""
    lines = ["run_id," + ",".join(table[0])]
    lines += [f"r{i}," + ",".join(repr(v) for v in row.values()) for i, row in enumerate(table)]
    path.write_text("\n".join(lines) + "\n")
    return path
