"""The checklist as a whole: every line of a sound fit, stable codes, every law, the document."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evidence import evidence
from laws_tables import own_table

from scaling_cli import laws
from scaling_cli.point_fits import fitting
from scaling_cli.point_fits.checklist import ITEMS, checklist
from scaling_cli.point_fits.diagnosis.influence import MOST_RUNS, SCREENED
from scaling_cli.vocabulary.outcomes import Level

CODES = {
    "R1": "data.range",
    "R2": "data.units",
    "R3": "data.params_convention",
    "R4": "data.filters",
    "R5": "data.collinearity",
    "R6": "data.noise",
    "R7": "fit.spec",
    "R8": "fit.convergence",
    "R9": "fit.sensitivity",
    "R10": "fit.identifiability",
    "R11": "fit.residuals",
    "R12": "fit.alternatives",
    "R13": "ci.method",
    "R14": "ci.kind",
    "R15": "backtest",
    "R16": "extrap.distance",
    "R17": "approach2.bias",
    "R18": "optimum.flatness",
    "R19": "assumptions",
    "R20": "repro",
}
BEYOND = ["data.alike", "fit.influence", "law.direction", "backtest.bias", "extrap.width"]


def test_every_rule_has_exactly_one_code() -> None:
    assert {item.rule: item.code for item in ITEMS if item.rule} == CODES
    assert [item.code for item in ITEMS if not item.rule] == BEYOND
    assert len({item.code for item in ITEMS}) == len(ITEMS)


def test_a_sound_fit_passes_everything() -> None:
    found = checklist(evidence())
    assert [c.code for c in found] == [item.code for item in ITEMS]
    assert {c.level for c in found} == {Level.PASS}
    messages = {c.code: c.message for c in found}
    assert messages == {
        "data.range": "15 points, 15 configurations: N 20M to 2B (2.0 decades, 5 levels); D 100M "
        "to 160B (3.2 decades, 15 levels); C 1.2e+16 to 1.92e+21 (5.2 decades); D/N 5 to 80 (1.2 "
        "decades).",
        "data.units": "no logged compute to compare with 6ND.",
        "data.params_convention": "conventions: none stated.",
        "data.filters": "nothing was left out.",
        "data.collinearity": "N and D vary independently (33 % unexplained).",
        "data.noise": "no configuration was repeated: the noise of a run, 0.4 %, is taken from "
        "the residuals. Two seeds of one small run would measure it.",
        "data.alike": "no column says that losses of these runs are of two kinds.",
        "fit.spec": "L(N, D) = E + A/N^alpha + B/D^beta; 5 of 5 parameters free; sum of "
        "Huber(delta 0.001) of the residuals of ln loss; 64 starts by variable projection and at "
        "random, damped Newton in float64; seed 7; data sha256 "
        f"{evidence().points.sha256()[:12]}.",
        "fit.convergence": "95 % of 60 converged starts (of 64) agree on the minimum; gradient "
        "2e-15.",
        "fit.sensitivity": "of 1 other choices the prediction at 10x moves by at most -0.20 % "
        "(huber 1e-2), N* by a factor of 0.998 (huber 1e-2).",
        "fit.influence": "at most (leaving out each of 1 runs, and a few at once): without run03, "
        "run07 beta moves from 0.370 to 0.380 and the prediction at 10x by +0.10 %.",
        "fit.identifiability": "condition number 1e+05; with E anywhere from 1.7 to 1.9 the sum "
        "rises by at most 12 % and the prediction at 10x lies between 2.0000 and 2.0300 "
        "(coefficients drift together; exponents and predictions are what to compare).",
        "fit.residuals": messages["fit.residuals"],
        "fit.alternatives": "no law that could be tested forecasts clearly better than chinchilla: "
        "kaplan_nd missed held-back runs by 0.50 % where the fit missed by 0.40 % (0 of 2 cuts), "
        "and predicts +1.01 % at 10x.",
        "law.direction": "the law falls with N and D from the smallest run to 10x the largest.",
        "ci.method": "bootstrap by run, 201 resamples of 15: 201 refits converged; 0 of 10 started "
        "elsewhere came lower; no interval is narrower than 15 points allow.",
        "ci.kind": "at 10x the mean curve is known to +/-2.10 %, a new run to +/-3.10 %; N* there "
        "lies between 10.87B and 15.99B, by the law's draws.",
        "backtest": "3 cuts, the farthest 12.5x: mean absolute error 1.23 % at worst; the "
        "range that predict prints holds 80 % of hidden runs at 90 %, that of the law alone 90 %.",
        "backtest.bias": "runs outside their range are few, or lie on both sides of it.",
        "extrap.distance": "the headline lies 10x beyond the largest C, 6.71x beyond the largest "
        "N, 1.49x beyond the largest D (1.0 decades of C); backtests reached 12.5x in "
        "C, 10x in N, 31.6x in D.",
        "extrap.width": "half-width 3.1 % at 10x (N = 13.41B, D = 238.6B).",
        "approach2.bias": "no isoFLOP slices here: N* is the law's alone.",
        "optimum.flatness": "at C = 1.92e+22 N from 9.487B to 18.95B is within 0.1 % of the least "
        "loss, N from 6.19B to 28.95B is within 0.5 % of the least loss: any of them will do.",
        "assumptions": "forecasts assume for larger runs what holds for these: the same data mix, "
        "tokenizer, context length and evaluation set, one family of schedules that ends with the "
        "run, hyper-parameters tuned at every scale, no token seen twice.",
        "repro": "'scaling fit runs.csv' regenerates this; data sha256 "
        f"{evidence().points.sha256()[:12]}; 1 file recorded by sha256.",
    }
    assert messages["fit.residuals"].startswith("robust sd ")
    assert messages["fit.residuals"].endswith("; no trend is left.")


def of_every_kind() -> list[str]:
    """Return, of the laws of each kind of inputs and output, the one of fewest parameters."""
    kinds: dict[object, str] = {}
    for name in sorted(laws.names(), key=lambda n: len(laws.get(n).parameters())):
        law = laws.get(name)
        inputs = tuple((q.role, q.domain) for q in law.inputs().values())
        kinds.setdefault((inputs, law.output(), law.size_and_data() is None), name)
    return sorted(kinds.values())


@pytest.mark.parametrize("name", of_every_kind())
def test_every_law_gets_a_whole_checklist_on_data_of_its_own(name: str) -> None:
    points = own_table(name)
    fit = fitting.fit(points, law=name, bootstrap=50)
    assert [c.code for c in fit.checks] == [item.code for item in ITEMS]
    assert all(c.message.endswith(".") for c in fit.checks)
    assert not [c for c in fit.checks if c.level is Level.FAIL]
    assert {"sensitivity", "profile", "influence", "rivals", "isoflop"} <= set(fit.diagnostics)
    # The law is true and the noise small: every run's absence leaves the forecast where it is.
    shifts = [v["headline_shift"] for v in fit.diagnostics["influence"]["runs"]]
    screened = len(points) > MOST_RUNS  # then only those that may matter are left out
    assert SCREENED <= len(shifts) <= 2 * SCREENED if screened else len(shifts) == len(points)
    assert np.max(np.abs(shifts)) < 0.05


def test_twins_are_declared_alike() -> None:
    for name in laws.names():
        parameters = laws.get(name).parameters()
        for parameter in parameters.values():
            if parameter.twin is None:
                continue
            twin = parameters[parameter.twin]
            same = replace(twin, name=parameter.name, meaning=parameter.meaning, twin=twin.name)
            assert same == parameter


def test_the_document_lists_every_code(root: Path) -> None:
    text = (root / "docs" / "checklist.md").read_text(encoding="utf8")
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")]
    table = [tuple(cell.strip() for cell in row) for row in rows]
    assert table[0] == ("rule", "code", "question")
    assert table[1 : len(ITEMS) + 1] == [(item.rule, f"`{item.code}`", item.asks) for item in ITEMS]
