"""`scaling profile`: what it asks of the library, what it prints, and when it refuses."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cli_fits
import command_line
import numpy as np
import pytest

from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import Beside
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Derived
from scaling_cli.point_fits import intervals as methods
from scaling_cli.point_fits.certainty.profiles import Profile
from scaling_cli.point_fits.intervals import Comparison, Interval
from scaling_cli.vocabulary.outcomes import Check, Level, Touches
from scaling_cli.vocabulary.quantities import Domain, Quantity, Role

CURVE = Profile(
    "E", {}, 1.8172, 0.0, 1.9, 0.9, np.array([1.7, 1.8]), np.array([4.0, 0.1]), 3.5, 0.0, ()
)


run = partial(command_line.run, "profile")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the methods by intervals made by hand; return what they were asked."""
    monkeypatch.chdir(tmp_path)
    cli_fits.fit(checks=()).to_json("fit.json")
    asked: dict[str, Any] = {"answer": Comparison((), (), ())}

    def intervals(fit: Fit, of: Any, **options: Any) -> Comparison:
        asked.update(fit=fit, of=of, options=options)
        return asked["answer"]

    monkeypatch.setattr(methods, "intervals", intervals)
    return asked


def test_parameters_need_nothing_else(asked: dict[str, Any]) -> None:
    result = run("fit.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert asked["fit"].parameters == cli_fits.TRUTH
    assert asked["of"] is None
    assert asked["options"] == {
        "methods": ("delta", "profile", "bootstrap", "backtested"),
        "level": 0.9,
    }


def test_names_methods_and_level_arrive(asked: dict[str, Any]) -> None:
    arguments = ["--of", "E", "--of", "alpha", "--method", "delta, nuts", "--method", "profile"]
    assert run("fit.json", *arguments, "--level", "0.8").exit_code == 0
    assert asked["of"] == ["E", "alpha"]
    assert asked["options"] == {"methods": ["delta", "nuts", "profile"], "level": 0.8}


def test_inputs_are_completed_and_echoed(asked: dict[str, Any]) -> None:
    result = run("fit.json", "--of", "loss", "--params", "7B", "--compute", "4.2e22")
    assert result.stderr == "N = 7e+09\nC = 4.2e+22\nD from C = 6ND\n"
    options = asked["options"]
    assert (options["N"], options["D"]) == ([7e9], [pytest.approx(1e12)])


def test_a_derived_quantity_takes_its_own_input(asked: dict[str, Any]) -> None:
    assert run("fit.json", "--of", "optimal_params", "--compute", "1e24").exit_code == 0
    assert asked["options"]["C"] == 1e24
    assert "N" not in asked["options"]


POINT = {"N": 7e9, "D": 1e12}
ANSWER = Comparison(
    (
        Interval("E", {}, "delta", "parameter", 1.8172, 1.75, 1.9, 0.9),
        Interval("E", {}, "profile", "parameter", 1.8172, 0.0, math.inf, 0.9),
        Interval("L", POINT, "nuts", "mean curve", 2.0, None, None, 0.9),
        Interval("L", POINT, "backtested", "new run", 2.0, 1.9, 2.1, 0.9),
    ),
    (CURVE,),
    ("delta: how it is done", "a reason for doubt."),
    law="chinchilla",
)


def test_what_is_printed(asked: dict[str, Any]) -> None:
    asked["answer"] = ANSWER
    assert run("fit.json").stdout == (
        "E = 1.8172\n"
        "  method   of         90 % interval  half-width\n"
        "  delta    parameter  [1.75, 1.9]     +/-4.13 %\n"
        "  profile  parameter  [0, inf]                -\n"
        "\n"
        "loss at N = 7B, D = 1T = 2\n"
        "  method      of          90 % interval  half-width\n"
        "  nuts        mean curve  -                       -\n"
        "  backtested  new run     [1.9, 2.1]      +/-5.00 %\n"
        "\n"
        "delta: how it is done\n"
        "a reason for doubt.\n"
    )


def test_the_json(asked: dict[str, Any]) -> None:
    asked["answer"] = ANSWER
    record = json.loads(run("fit.json", "--json").stdout)
    assert (record["schema_version"], record["fit"], record["law"]) == (1, "fit.json", "chinchilla")
    assert record["intervals"][1] == {
        "of": "E",
        "inputs": {},
        "method": "profile",
        "kind": "parameter",
        "value": 1.8172,
        "low": 0.0,
        "high": None,
        "level": 0.9,
    }
    assert record["profiles"] == [
        {
            "of": "E",
            "inputs": {},
            "value": [1.7, 1.8],
            "rise": [4.0, 0.1],
            "threshold": 3.5,
            "unsure": [],
        }
    ]
    assert record["notes"] == ["delta: how it is done", "a reason for doubt."]


def test_a_certified_fit_of_published_numbers_is_refused() -> None:
    result = run("chinchilla/hoffmann-2022")
    assert result.exit_code == 3
    assert "published numbers: they are not the minimum of an objective here." in result.stderr


def test_a_fit_file_is_all_it_takes(tmp_path: Path) -> None:
    """From end to end, with the fit of fits/ that carries its points."""
    result = run("chinchilla/ladder", "--of", "alpha", "--method", "delta,profile", "--json")
    assert result.exit_code == 0
    found = {one["method"]: one for one in json.loads(result.stdout)["intervals"]}
    for one in found.values():
        assert one["low"] < one["value"] < one["high"]


DERIVED = [
    (name, derived)
    for name in kinds.fit_names(of_curves=False)
    for derived in laws.get(name.partition("/")[0]).derived_quantities().values()
]
TYPED = {"C": ("--compute", 1e22), "L": ("--loss", 2.5)}
SIZED = {Role.SIZE: ("--params", 1e9), Role.DATA: ("--tokens", 2e10)}


def typed_for(symbol: str, quantity: Quantity) -> tuple[str, float]:
    """Return the option by which an input is given, and a value in its domain."""
    own = ("--input", 0.5 if quantity.domain is Domain.UNIT else 2.0)
    return TYPED.get(symbol) or SIZED.get(quantity.role, own)


@pytest.mark.parametrize(("name", "derived"), DERIVED, ids=lambda v: getattr(v, "name", v))
def test_every_derived_quantity_of_every_law_can_be_asked(
    asked: dict[str, Any], name: str, derived: Derived
) -> None:
    values = {s: typed_for(s, q) for s, q in derived.inputs.items()}
    typed = [w for s, (o, v) in values.items() for w in (o, f"{s}={v}" if o == "--input" else v)]
    result = run(name, "--of", derived.name, *typed)
    assert (result.exit_code, result.stderr) == (0, "")
    assert asked["of"] == [derived.name]
    given = {s: v for s, v in asked["options"].items() if s not in ("methods", "level")}
    assert given == {s: value for s, (_, value) in values.items()}


def test_the_compute_of_a_loss_beside_a_prediction(asked: dict[str, Any]) -> None:
    typed = ("--params", "1B", "--tokens", "20B", "--loss", "2.5")
    result = run("fit.json", "--of", "compute_for_loss", "--of", "loss", *typed)
    assert result.exit_code == 0
    given = {s: np.ravel(asked["options"][s]).tolist() for s in ("N", "D", "L")}
    assert given == {"N": [1e9], "D": [2e10], "L": [2.5]}


def test_a_loss_below_the_floor_is_reached_by_no_compute(tmp_path: Path) -> None:
    cli_fits.fit().to_json(tmp_path / "fit.json")
    result = command_line.run("predict", "--fit", tmp_path / "fit.json", "--loss", "1.8", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: by this fit no compute reaches loss = 1.8.\n",
    )


def test_the_compute_of_a_loss_is_that_of_the_forecast(tmp_path: Path) -> None:
    """The mean of two laws, of which one is by a tenth lower, and a score that rises."""
    fit = cli_fits.fit()
    assert fit.uncertainty is not None
    lower = fit.law.values() | {s: 0.9 * fit.law.values()[s] for s in ("E", "A", "B")}
    beside = (Beside(type(fit.law)(**lower), 1.0),)
    mean = replace(fit, uncertainty=replace(fit.uncertainty, beside=beside))
    ranges, turned = dict(fit.data["ranges"]), {"target": "score", "sign": -1.0, "offset": 9.0}
    score = replace(mean, data={"ranges": ranges, "fitted_as": turned})
    found = {}
    for name, each, asked in (("mean", mean, 2.2), ("score", score, 6.8)):
        each.to_json(tmp_path / name)
        typed = ("predict", "--fit", tmp_path / name, "--loss", asked, "--json", "-q")
        [point] = json.loads(command_line.run(*map(str, typed)).stdout)["predictions"]
        assert point["forecast"] == pytest.approx(asked, rel=1e-9)
        found[name] = point["inputs"]
    assert found["mean"]["N"] == pytest.approx(found["score"]["N"], rel=1e-9)
    [point] = json.loads(command_line.run(*map(str, typed), "--alone").stdout)["predictions"]
    assert point["forecast"] == pytest.approx(6.8, rel=1e-9)
    assert point["inputs"]["N"] > 1.5 * found["score"]["N"]


def test_predict_at_a_loss_is_predict_at_its_least_compute(tmp_path: Path) -> None:
    cli_fits.fit().to_json(tmp_path / "fit.json")
    asked = ("predict", "--fit", tmp_path / "fit.json", "--json", "-q")
    [point] = json.loads(command_line.run(*asked, "--loss", "2.2").stdout)["predictions"]
    # At the best split of the least compute: the loss, and equal gains of size and of data.
    assert point["value"] == pytest.approx(2.2, rel=1e-12)
    t, N, D = cli_fits.TRUTH, point["inputs"]["N"], point["inputs"]["D"]
    gains = [t["alpha"] * t["A"] / N ** t["alpha"], t["beta"] * t["B"] / D ** t["beta"]]
    assert gains[0] == pytest.approx(gains[1], rel=1e-9)


@pytest.mark.parametrize(
    ("question", "touched"),
    [
        ((), {"parameters", "data"}),
        (("--of", "alpha"), {"parameters", "data"}),
        (("--of", "loss", "--params", "7B", "--tokens", "1T"), {"forecast", "data"}),
        (("--of", "optimal_params", "--compute", "1e24"), {"forecast", "optimum", "data"}),
    ],
)
def test_what_the_fit_warned_of_is_said_first(
    asked: dict[str, Any], question: tuple[str, ...], touched: set[str]
) -> None:
    asked["answer"] = Comparison((), (), ("how it was done.",))
    checks = [Check("a.code", Level.WARN, f"of {what}.", (what,)) for what in Touches]
    notes = [Check("a.code", Level.PASS, "a note.", tuple(Touches))]
    cli_fits.fit(checks=(*checks, *notes)).to_json("fit.json")
    told = json.loads(run("fit.json", *question, "--json").stdout)["notes"]
    assert told == [*(f"of {what}." for what in Touches if what in touched), "how it was done."]
