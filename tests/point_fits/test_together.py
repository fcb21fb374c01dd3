"""Recipes fitted together: the factors that made them, what is in common, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.logarithm import Logarithm
from scaling_cli.point_fits.together import chosen, factors, together, variant, variants
from scaling_cli.vocabulary.errors import UsageError

ALPHA, BETA, RHO_N, RHO_D = 0.34, 0.28, 1.5, 2.0
FIRST = Chinchilla(E=1.7, A=400.0, B=410.0, alpha=ALPHA, beta=BETA)
SECOND = Chinchilla(E=1.7, A=400 * RHO_N**-ALPHA, B=410 * RHO_D**-BETA, alpha=ALPHA, beta=BETA)
N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 3e10, 4)))
BARE = {"law": "chinchilla", "bootstrap": 0, "alone": True}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes that differ by factors alone, with noise of half a percent."""
    generator = np.random.default_rng(1)
    lines = ["run_id,optimizer,params,tokens,loss"]
    for name, law in (("adamw", FIRST), ("muon", SECOND)):
        loss = law(N=N, D=D) * np.exp(0.005 * generator.standard_normal(len(N)))
        rows = zip(N.tolist(), D.tolist(), loss.tolist(), strict=True)
        lines += [f"{name}{i},{name},{n},{d},{x}" for i, (n, d, x) in enumerate(rows)]
    path = tmp_path_factory.mktemp("two") / "runs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def points(law: Chinchilla, rows: slice = slice(None)) -> sc.Points:
    n, d = N[rows], D[rows]
    return sc.Points({"N": n, "D": d}, law(N=n, D=d), [f"r{i}" for i in range(len(n))])


def test_noiseless_recipes_give_their_factors() -> None:
    """With everything but amplitudes in common: rho_N and rho_D to the solver's precision."""
    fits = {name: sc.fit(points(law), **BARE) for name, law in (("a", FIRST), ("b", SECOND))}
    one, other = together(fits, ("E", "alpha", "beta")).values()
    told = {symbol: float(v) for symbol, v in factors(one.law, other.law).items()}
    assert told == pytest.approx({"N": RHO_N, "D": RHO_D}, rel=1e-6)
    powers = [law.values()["alpha"] for law in (one.law, other.law)]
    assert powers == pytest.approx([ALPHA, ALPHA], rel=1e-6)


def test_factors_from_the_command_line(table: Path) -> None:
    """The factor of compute is the product of both; each true factor lies in its range."""
    result = run("compare", table, "--by", "optimizer", "--shared", "auto", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["shared"]["shared"] == ["E", "alpha", "beta"]
    assert [v["name"] for v in record["shared"]["tried"]] == ["separate", "exponents", "factors"]
    told = {f["input"]: f for f in record["factors"]}
    for symbol, truth in (("N", RHO_N), ("D", RHO_D)):
        low, high = told[symbol]["interval"]
        assert low <= truth <= high
    product = told["N"]["value"] * told["D"]["value"]
    assert [m["value"] for m in record["multiplier"]] == pytest.approx([product] * 3, rel=1e-6)
    assert [m["parameter"] for m in record["moved"]] == ["A", "B"]


def test_what_cannot_be_shared() -> None:
    assert refusal(UsageError, variant, Chinchilla, "gamma") == (
        "the law has no parameter 'gamma'. Share separate, exponents, factors, auto or parameters "
        "(E, A, B, alpha, beta)."
    )
    small = sc.fit(points(FIRST, slice(0, None, 3)), fix={"alpha": ALPHA, "beta": BETA}, **BARE)
    assert refusal(UsageError, chosen, {"a": small, "b": small}, "auto") == (
        "--shared auto needs 8 runs of every recipe, of which some are held back. Say which: "
        "--shared exponents."
    )


def test_recipes_without_anything_of_their_own_are_refused() -> None:
    every = "E, A, B, alpha, beta"
    assert refusal(UsageError, variant, Chinchilla, every) == (
        f"with {every} in common nothing is left that recipes differ by. Share fewer, or --shared "
        "separate."
    )
    assert [v.name for v in variants(Logarithm)] == ["separate"]
