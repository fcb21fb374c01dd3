"""What refits, rivals and slices say, as text: whole lines from records made by hand."""

import math
from dataclasses import replace
from typing import Any

import cli_fits

from scaling_cli import reports
from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import diagnosis as diagnosis_report


def choice(name: str, shift: float, factor: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "objective",
        "removed": [],
        "headline_shift": shift,
        "exponents": {"alpha": 0.34, "beta": 0.4},
        "optimum_factor": factor,
    }


CHOICES = [
    choice("huber 1e-2", 0.001, 1.1),
    choice("least squares", 0.02, 1.2),
    choice("without the smallest quarter", -0.03, 0.9),
    choice("beta = alpha", 0.002, 0.4),
    choice("N counted active", -0.01, None),
]
PROFILE = {
    "parameter": "E",
    "best": 1.8,
    "interval": [1.7, 1.9],
    "values": [1.65, 1.7, 1.8, 1.9, 1.95],
    "objective_rise": [0.3, 0.12, 0.0, 0.1, 0.2],
    "prediction": [1.9, 1.95, 2.0, 2.05, 2.1],
    "optimum_factor": None,
}
RIVALS = [
    {
        "law": "kaplan_nd",
        "prediction": 1.9024,
        "headline_shift": -0.05,
        "held_out_error": 0.021,
        "own_held_out_error": 0.012,
        "cuts": [{"mare": 3, "own": 2}, {"mare": 1, "own": 2}],
    },
    {
        "law": "overtraining",
        "prediction": 2.006,
        "headline_shift": 0.003,
        "held_out_error": None,
        "own_held_out_error": None,
        "cuts": [],
    },
]


def left_out(shift: float, *runs: str) -> dict[str, Any]:
    return {**choice(f"without {runs[0]}", math.log1p(shift), None), "removed": list(runs)}


INFLUENCE = {
    "runs": [
        left_out(0.001, "run01"),
        left_out(0.0001, "run02"),
        left_out(0.004, "run03"),
        left_out(-0.005, "run07"),
    ],
    "groups": [
        left_out(0.002, "run01", "run07"),
        left_out(-0.01, "run03", "run01", "run04", "run05", "run06", "run07"),
    ],
    "of": 80,
}


def slices(law: float | None) -> dict[str, Any]:
    one = {
        "C": 1e23,
        "N": 3.2e10,
        "level": 0.9,
        "interval": [2e10, 5.1e10],
        "law": law,
        "law_interval": None if law is None else [4.8e10, 7e10],
        "hull": [2e10, 7e10],
    }
    budgets = [{"optimum": 1e9}, {"optimum": 2e9}, {"optimum": 3e9}, {"optimum": None}]
    return {"budgets": budgets, "allocations": [one, one, one]}


WHOLE = """\
other choices, and how each moves the law's forecast
                                prediction    N*  exponents
  without the smallest quarter     -2.96 %  x0.9  alpha 0.340, beta 0.400
  least squares                    +2.02 %  x1.2  alpha 0.340, beta 0.400
  N counted active                 -1.00 %     -  alpha 0.340, beta 0.400
  beta = alpha                     +0.20 %  x0.4  alpha 0.340, beta 0.400
  huber 1e-2                       +0.10 %  x1.1  alpha 0.340, beta 0.400

influence the law's forecast moves most without run07 (-0.50 %), run03
          (+0.40 %), run01 (+0.10 %); -1.00 % without 6 at once (run03, run01,
          run04, run05, and 2 more); left out one by one: 4 of 80 runs, by a
          screen
floor     with E held from 1.7 to 1.9 the sum rises by up to 12.0 %, the law's
          forecast goes from 1.9500 to 2.0500
rivals    kaplan_nd forecasts 1.9024; it missed held-back runs by 2.10 %, this
            law by 1.20 % (nearer at 1 of 2 cuts)
          overtraining forecasts 2.0060; no cut could test it
isoFLOP   4 budgets, 3 with a bracketed minimum; N* at C = 1e+23: 32B [20B, 51B]
            by their parabolas, 50B [48B, 70B] by the law
          they agree: trust the parabolas for N* and the law for the loss, and
            plan within [20B, 70B]"""


def asked(**diagnostics: Any) -> Fit:
    fit = cli_fits.fit()
    return replace(fit, diagnostics={**fit.diagnostics, **diagnostics})


def said(fit: Fit) -> str:
    return reports.text(diagnosis_report.blocks(fit)).removesuffix("\n")


def test_the_whole_text() -> None:
    fit = asked(
        sensitivity=CHOICES,
        influence=INFLUENCE,
        profile=PROFILE,
        rivals=RIVALS,
        isoflop=slices(5e10),
    )
    assert said(fit) == WHOLE
    report = reports.text(reports.blocks(fit, full=True))
    assert report.index("backtest (larger") < report.index(WHOLE) < report.index("checks    ")


def test_sizes_that_disagree_and_laws_without_one() -> None:
    apart = diagnosis_report.isoflop(slices(6e10))
    assert apart[1] == (
        "the law's N* lies outside the range of the parabolas: trust the parabolas for N* and the "
        "law for the loss, and plan within [20B, 70B]"
    )
    alone = diagnosis_report.isoflop(slices(None))
    assert alone == [
        "4 budgets, 3 with a bracketed minimum; N* at C = 1e+23: 32B [20B, 51B] by their parabolas"
    ]
    few = {"budgets": slices(None)["budgets"], "allocations": []}
    assert diagnosis_report.isoflop(few) == [
        "4 budgets, 3 with a bracketed minimum: too few for a line"
    ]
    wide = slices(5e10)
    wide["allocations"][1]["interval"] = [2e9, 5.1e11]
    assert diagnosis_report.isoflop(wide)[1] == (
        "the parabolas cannot tell the two apart: trust the parabolas for N* and the law for the "
        "loss, and plan within [20B, 70B]"
    )


def test_all_of_few_runs_were_left_out() -> None:
    runs = [left_out(0.001, "run01"), left_out(-0.002, "run02")]
    told = (
        "the law's forecast moves most without run02 (-0.20 %), run01 (+0.10 %); left out one by "
        "one: "
    )
    found = {"runs": runs, "groups": [], "of": 2}
    assert diagnosis_report.influence(found) == [f"{told}2 of 2 runs"]
    # Two more did not converge: that is no screen.
    assert diagnosis_report.influence({**found, "of": 4}, failed=2) == [f"{told}2 of 4 runs"]


def test_a_floor_without_a_profile_says_why() -> None:
    at_bound = asked(profile=None, at_bound=["E"])
    assert " ".join(said(at_bound).split()).startswith(
        "floor E ran to zero, the edge of its domain: there is no profile over it; its interval"
    )
    held = replace(asked(profile=None), selection={"fix": {"E": 1.7}})
    assert said(held) == ("floor     E is held: there is no profile over it")


def test_a_held_fit_without_a_forecast_is_passed_over() -> None:
    holes = {**PROFILE, "prediction": [None, 1.95, 2.0, None, None]}
    assert said(asked(profile=holes)) == (
        "floor     with E held from 1.7 to 1.9 the sum rises by up to 12.0 %, the law's\n"
        "          forecast goes from 1.9500 to 2.0000"
    )


def test_what_is_not_there_is_not_printed() -> None:
    assert said(asked()) == ""
    empty = {"sensitivity": [], "profile": None, "rivals": [], "isoflop": None}
    assert said(asked(**empty)) == ""
    outside = {**PROFILE, "values": [1.2, 2.4], "prediction": [1.0, 3.0]}
    assert said(asked(profile=outside)) == ""
