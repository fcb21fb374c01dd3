"""Fits made by hand, whose every printed number has a closed form: material of the CLI's tests."""

from dataclasses import replace
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status, Touches

# The rounded fit of Besiroglu et al. (arXiv:2404.10102): a familiar law to print.
LAW = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
SIGMA = 0.004
OPTIMUM_AT_1E23 = {"N": LAW.optimal_params(1e23), "D": LAW.optimal_tokens(1e23)}


def draws(spread: float = 0.01) -> dict[str, np.ndarray]:
    """Return draws of E alone, evenly spread: quantiles of the loss are known in closed form."""
    n = 201
    values = {name: np.full(n, value) for name, value in TRUTH.items()}
    values["E"] = TRUTH["E"] + spread * np.linspace(-1, 1, n)
    return values


def uncertainty(*, tested: bool = True, drift: float = 0.002, spread: float = 0.01) -> Uncertainty:
    return Uncertainty(
        draws=draws(spread),
        sigma=np.full(201, SIGMA),
        drift=drift,
        largest={"C": 1e22},
        tested=tested,
        method="draws made by hand",
    )


def certain(law: Any, drawn: dict[str, np.ndarray], drift: float = 0.0) -> Uncertainty:
    """Return draws of some parameters of a law, 201 of each; the others are certain."""
    every = {name: np.full(201, value) for name, value in law.values().items()} | drawn
    return replace(uncertainty(drift=drift), draws=every)


BACKTEST = {
    "axis": "C",
    "cuts": [
        {
            "train_max": 1e20,
            "n_train": 12,
            "n_test": 8,
            "factor": 100.0,
            "bias": -0.0123,
            "mare": 0.0145,
            "coverage": 0.75,
            "half_width": 0.0067,
        },
        {
            "train_max": 1e21,
            "n_train": 16,
            "n_test": 4,
            "factor": 10.0,
            "bias": 0.0021,
            "mare": 0.0034,
            "coverage": 1.0,
            "half_width": 0.0067,
        },
    ],
    "note": "largest runs hidden along C, laws refitted, forecasts scored",
}
CHECKS = (
    Check("data.range", Level.PASS, "five sizes, four budgets."),
    Check("fit.convergence", Level.PASS, "all starts agree."),
    Check(
        "fit.influence",
        Level.WARN,
        "without run big the exponent beta moves from .37 to .45.",
        (Touches.PARAMETERS,),
    ),
)


def fit(
    *,
    checks: tuple[Check, ...] = CHECKS,
    left_out: int = 2,
    uncertain: Uncertainty | None = None,
    backtest: dict | None = BACKTEST,
) -> Fit:
    return Fit(
        law=LAW,
        status=Status.CONVERGED,
        objective=Objective(),
        value=1.234567890123e-3,
        n_points=20,
        intervals={
            name: {"level": 0.9, "low": 0.9 * value, "high": 1.1 * value}
            for name, value in TRUTH.items()
        },
        uncertainty=uncertain or uncertainty(),
        backtest=backtest,
        checks=checks,
        left_out=[LeftOut(f"run{i}", "its loss is NaN") for i in range(left_out)],
        data={
            "sha256": "0" * 64,
            "ranges": {"N": [1e7, 1e9], "D": [1e9, 2e11], "L": [2.2, 3.9], "C": [6e16, 1e22]},
            "conventions": {"N": "total", "L": "nats/token"},
            "sources": ["runs.csv"],
            "target": "loss",
        },
        diagnostics={"starts": 64, "agree": 0.95, "condition": 1.25e4, "headline": OPTIMUM_AT_1E23},
        selection={"level": 0.9},
        command="scaling fit runs.csv",
    )


def published() -> Fit:
    """Return a fit without draws: numbers typed in from a paper."""
    return Fit(
        law=LAW,
        status=Status.PUBLISHED,
        objective=Objective(),
        value=None,
        n_points=240,
        origin={"kind": "published"},
        name="chinchilla/besiroglu-2024",
    )


# Every option that fit and backtest share, and how it arrives at the library.
OPTIONS = (
    "--law kaplan_nd --target val_loss --where tokens>1e9 --at last:3 --objective huber "
    "--delta 1e-2 --space linear --fix Nc=1e9 --tie alpha_N=alpha_D --bootstrap 10 --seed 7 "
    "--level 0.8 --map loss=eval/c4 --set params=124M --meta m.csv --name {params} --format csv "
    "--pattern L=(?P<loss>.) --sparsity final=.8 --best-of config "
    "--executor dask:s.json --weight tokens --prior alpha_N=0.3+-0.1 "
    "--rising --limit 9"
)
READ = {
    "map": {"loss": "eval/c4"},
    "set": {"params": "124M"},
    "meta": "m.csv",
    "name": "{params}",
    "format": "csv",
    "pattern": "L=(?P<loss>.)",
    "sparsity": ["final=.8"],
}
ARRIVED = {
    "law": "kaplan_nd",
    "target": "val_loss",
    "where": "tokens>1e9",
    "at": "last:3",
    "best_of": "config",
    "rising": True,
    "alone": False,
    "limit": 9.0,
    "objective": Objective("huber", 1e-2, "linear"),
    "fix": {"Nc": 1e9},
    "tie": {"alpha_N": "alpha_D"},
    "seed": 7,
    "level": 0.8,
    "executor": "dask:s.json",
    "weights": "tokens",
    "prior": {"alpha_N": "0.3+-0.1"},
}
