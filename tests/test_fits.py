"""The certified fits: every file is sound, and says what the papers say.

Numbers here are the papers' printed tables or follow from them by hand; the contract tests of
test_laws.py hold every anchor against an independent evaluation.
"""

import json
import math
from typing import Any

import numpy as np
import pytest
from hard_tables import certified
from refusals import refusal

from scaling_cli import datasets, laws, reference
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.overtraining import Overtraining
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import SCHEMA_VERSION
from scaling_cli.vocabulary.outcomes import Status

FITS = kinds.fit_names(of_curves=False)
each_fit = pytest.mark.parametrize("name", FITS)
KINDS = ("published", "computed", "simulated")
CERTAINTIES = ("seen", "seen2", "computed")


def close(value: Any, oracle: Any, tolerance: float) -> None:
    np.testing.assert_allclose(value, oracle, rtol=tolerance, atol=0)


def test_every_law_has_a_certified_fit() -> None:
    assert {name.partition("/")[0] for name in FITS} == set(laws.names())


# ---- the files


@each_fit
def test_origin_says_where_the_numbers_come_from(name: str) -> None:
    fit = certified(name)
    assert fit.name == name
    assert laws.name_of(fit.law) == name.partition("/")[0]
    assert fit.origin["kind"] in KINDS
    assert fit.origin["certainty"] in CERTAINTIES
    assert fit.origin["source"].strip()
    assert fit.origin["note"].strip()
    assert (fit.status is Status.PUBLISHED) == (fit.origin["kind"] == "published")
    assert fit.origin["card"] is None or fit.origin["card"] in datasets.names()


@each_fit
def test_units_and_conventions_are_declared(name: str) -> None:
    fit = certified(name)
    for symbol in (*fit.law.inputs(), fit.law.output().symbol):
        assert fit.origin["units"][symbol]
        quantity = fit.law.quantity(symbol)
        assert quantity is not None
        if quantity.conventions:
            assert fit.data["conventions"][symbol] in quantity.conventions


@each_fit
def test_anchors_are_three_to_five(name: str) -> None:
    fit = certified(name)
    assert 3 <= len(fit.origin["anchors"]) <= 5
    for anchor in fit.origin["anchors"]:
        assert set(anchor["inputs"]) == set(fit.law.inputs())


@each_fit
def test_a_recomputable_fit_says_of_what(name: str) -> None:
    fit = certified(name)
    if fit.origin["card"]:
        assert len(fit.data["sha256"]) == 64
        assert fit.n_points > len(fit.parameters)
        assert fit.value is not None
        assert {*fit.law.inputs(), fit.law.output().symbol} <= set(fit.data["ranges"])


@each_fit
def test_carries_no_points_of_others(name: str) -> None:
    fit = certified(name)
    card = fit.origin["card"]
    of_others = card is None or not datasets.card(card).is_shipped
    if of_others and fit.origin["kind"] != "simulated":
        assert not fit.data.get("points")


@each_fit
def test_file_is_what_the_tool_writes(name: str, tmp_path: Any) -> None:
    """Reading and writing a fit file changes nothing, to the byte."""
    file = reference.folder("fits") / f"{name}.json"
    kinds.load(file, Fit).to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


@each_fit
def test_predicts_its_anchors(name: str) -> None:
    fit = certified(name)
    for anchor in fit.origin["anchors"]:
        close(fit.predict(**anchor["inputs"]).value[0], anchor["value"], 1e-12)


# ---- what the papers print

PRINTED = {
    "kaplan_n/kaplan-2020": {"Nc": 8.8e13, "alpha_N": 0.076},
    "kaplan_d/kaplan-2020": {"Dc": 5.4e13, "alpha_D": 0.095},
    "kaplan_nd/kaplan-2020": {"Nc": 6.4e13, "Dc": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
    "kaplan_nd/kaplan-2020-headline": {
        "Nc": 8.8e13,
        "Dc": 5.4e13,
        "alpha_N": 0.076,
        "alpha_D": 0.095,
    },
    "chinchilla/hoffmann-2022-rounded": {
        "E": 1.69,
        "A": 406.4,
        "B": 410.7,
        "alpha": 0.34,
        "beta": 0.28,
    },
    "chinchilla/besiroglu-2024": {
        "E": 1.81686,
        "A": 482.00572,
        "B": 2085.4342,
        "alpha": 0.34781,
        "beta": 0.36585,
    },
}


@pytest.mark.parametrize("name", PRINTED)
def test_published_constants(name: str) -> None:
    assert certified(name).parameters == PRINTED[name]


def test_hoffmann_at_full_precision_rounds_to_what_is_printed() -> None:
    full = certified("chinchilla/hoffmann-2022").parameters
    assert math.log(full["E"]) == pytest.approx(0.5267228, abs=1e-12)
    assert math.log(full["A"]) == pytest.approx(6.0073404, abs=1e-12)
    assert math.log(full["B"]) == pytest.approx(6.0179186, abs=1e-12)
    printed = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    digits = {"E": 2, "A": 1, "B": 1, "alpha": 2, "beta": 2}
    assert {k: round(full[k], digits[k]) for k in printed} == printed


def test_besiroglu_standard_errors_and_intervals() -> None:
    fit = certified("chinchilla/besiroglu-2024")
    assert fit.origin["standard_errors"] == {
        "E": 0.02566,
        "A": 124.52232,
        "B": 1293.2841,
        "alpha": 0.0154,
        "beta": 0.0206,
    }
    assert {k: (v["level"], v["low"], v["high"]) for k, v in fit.intervals.items()} == {
        "E": (0.95, 1.769, 1.871),
        "A": (0.95, 285.0, 744.0),
        "B": (0.95, 1042.0, 5810.0),
        "alpha": (0.95, 0.317, 0.373),
        "beta": (0.95, 0.331, 0.415),
    }


@pytest.mark.parametrize(
    ("C", "N", "D", "L"),
    [
        (1e21, 2.778e9, 5.999e10, 2.3055),
        (5.76e23, 7.225e10, 1.329e12, 1.9744),
        (1e26, 1.016e12, 1.641e13, 1.8799),
    ],
)
def test_besiroglu_optimum_as_tabulated(C: float, N: float, D: float, L: float) -> None:
    """The constants as printed in the paper's table (four digits) give the tabulated optimum."""
    law = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
    close(law.optimal_params(C), N, 6e-4)
    close(law.optimal_tokens(C), D, 6e-4)
    close(law.optimal_loss(C), L, 5e-5)
    full = certified("chinchilla/besiroglu-2024").law
    assert isinstance(full, Chinchilla)
    close(full.optimal_params(C), N, 3e-3)
    close(full.optimal_loss(C), L, 3e-4)


def test_rounding_moves_the_chinchilla_optimum() -> None:
    """At 5.76e23 FLOP: 40.4B on 2.38T tokens in full precision, 32.2B on 2.98T as printed."""
    full = certified("chinchilla/hoffmann-2022").law
    printed = certified("chinchilla/hoffmann-2022-rounded").law
    assert isinstance(full, Chinchilla)
    assert isinstance(printed, Chinchilla)
    C = 5.76e23
    assert f"{full.optimal_params(C):.3g} {full.optimal_tokens(C):.3g}" == "4.04e+10 2.38e+12"
    assert f"{full.optimal_tokens(C) / full.optimal_params(C):.3g}" == "58.9"
    assert f"{printed.optimal_params(C):.3g} {printed.optimal_tokens(C):.3g}" == (
        "3.22e+10 2.98e+12"
    )
    assert f"{printed.optimal_tokens(C) / printed.optimal_params(C):.3g}" == "92.6"


# The authors' code fits p1 N^q + p2 6^(q/2) D^q + E; constants as re-run from their losses.
GADRE = {
    "c4": (1.50826, 113.693, 189.516, -0.242472),
    "redpajama": (1.83665, 166.211, 366.687, -0.272851),
    "refinedweb": (1.73446, 125.096, 246.207, -0.254395),
}


@pytest.mark.parametrize("name", GADRE)
def test_gadre_constants_by_the_exact_map(name: str) -> None:
    E, p1, p2, q = GADRE[name]
    fit = certified(f"overtraining/gadre-2024-{name}")
    found = fit.parameters
    close(found["E"], E, 4e-6)
    close(found["a"], p1 * 6 ** (-q / 2), 6e-6)
    close(found["b"], p2, 4e-6)
    close(found["eta"], -q / 2, 4e-6)
    for N, M in ((1e8, 20.0), (6.9e9, 320.0)):
        D = M * N
        authors = p1 * N**q + p2 * 6 ** (q / 2) * D**q + E
        close(fit.law(N=N, D=D), authors, 2e-5)


@pytest.mark.parametrize("name", GADRE)
def test_gadre_is_chinchilla_with_tied_exponents(name: str) -> None:
    law = certified(f"overtraining/gadre-2024-{name}").law
    assert isinstance(law, Overtraining)
    six = 6**-law.eta
    same = Chinchilla(E=law.E, A=law.a * six, B=law.b * six, alpha=2 * law.eta, beta=2 * law.eta)
    close(law(N=3e8, D=7e9), same(N=3e8, D=7e9), 1e-14)


@pytest.mark.parametrize(
    ("name", "train", "run", "error"),
    [
        ("c4", "c4_original", "open_lm_7b-1.0", 0.0430),
        ("c4", "c4_original", "open_lm_1b-4.0", 0.0150),
        ("refinedweb", "rw_original", "open_lm_7b-1.0", 0.0162),
    ],
)
def test_gadre_hold_out_errors(name: str, train: str, run: str, error: float, shared: Any) -> None:
    table = datasets.fetch("gadre_overtraining", mirror=shared / "upstream").table
    row = next(r for r in table.to_pylist() if r["run_id"] == f"{train}-{run}")
    law = certified(f"overtraining/gadre-2024-{name}").law
    found = abs(law(N=row["params"], D=row["tokens"]) / row["loss_c4_val"] - 1)
    assert round(found, 4) == error


@pytest.mark.parametrize(
    ("name", "E", "x0", "alpha"), [("math", 0.28, 1.1e4, 0.16), ("image-32x32", 2.20, 6.3e1, 0.13)]
)
def test_henighan_rows(name: str, E: float, x0: float, alpha: float) -> None:
    fit = certified(f"power_law/henighan-2020-{name}")
    for x in (1e5, 1e8):
        close(fit.law(x=x), E + (x0 / x) ** alpha, 1e-14)
    assert "character recognition" in fit.origin["note"]


# ---- names


def test_resolve_takes_a_path(tmp_path: Any) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes((reference.folder("fits") / "kaplan_n" / "kaplan-2020.json").read_bytes())
    assert kinds.load(str(path), Fit).parameters["alpha_N"] == 0.076


def test_resolve_suggests_near_names() -> None:
    assert refusal(UsageError, kinds.load, "chinchila/besiroglu") == (
        "'chinchila/besiroglu' is neither a file nor a certified fit or recipe. "
        "Did you mean chinchilla/besiroglu-2024 or chinchilla/epoch-240? "
        "'scaling laws --full' lists the certified fits."
    )


def test_fit_files_are_json_of_this_schema() -> None:
    for name in FITS:
        record = json.loads((reference.folder("fits") / f"{name}.json").read_text("utf8"))
        assert record["schema_version"] == SCHEMA_VERSION
        assert record["kind"] == "fit"
        assert isinstance(Fit.from_dict(record), Fit)


def test_the_losses_and_the_optimum_of_repeated_data_are_those_of_the_authors_code() -> None:
    """Muennighoff's README evaluates two runs, and searches a grid for 1e22 FLOP on 25e9 tokens."""
    fit = certified("data_constrained/muennighoff-2023")
    close(fit.law(N=6.34e9, D=242e9, U=25e9), 2.2256440889984477, 2e-7)
    close(fit.law(N=8.67e9, D=178e9, U=25e9), 2.2269634075087867, 2e-7)
    best = fit.law.optimum(1e22, U=25e9)
    assert best is not None
    close(best["N"], 7022364735.88, 1e-2)  # the grid's own steps
    close(best["D"], 237336955477.55, 1e-2)


def test_a_routed_layer_stops_helping_at_the_size_that_the_slopes_say() -> None:
    """Clark et al.: log10 N = -b/c, where more experts leave the loss as it is."""
    law = certified("routing/clark-2022-rl-r").law
    at = 10 ** (0.126 / 0.012)
    few, many = (law(N=at, experts=experts) for experts in (8.0, 256.0))
    close(few, many, 1e-12)


def test_context_and_capacity_as_printed() -> None:
    """Xiong et al.: (25.4/c)^.45 + 1.56; Frantar et al.: (6.9e8/D)^.203 beside its other terms."""
    close(
        certified("context_length/xiong-2023-7b").law(context=4096.0),
        (25.4 / 4096) ** 0.45 + 1.56,
        1e-12,
    )
    N, D, S = 2e7, 3e10, 0.5
    capacity = (16.8 * (1 - S) ** 0.722 + 45.0) * N**-0.245
    close(
        certified("sparsity/frantar-2023-t5").law(N=N, D=D, sparsity=S),
        capacity + (6.9e8 / D) ** 0.203 + 0.651,
        1e-12,
    )


@pytest.mark.parametrize("name", [n for n in FITS if n.endswith("/simulated")])
def test_a_simulated_fit_is_near_the_parameters_that_it_states(name: str) -> None:
    """Between the simulated runs, whose noise is a thousandth, it is as near to the truth."""
    fit = certified(name)
    stated = dict(
        pair.split(" = ") for pair in fit.origin["note"].split(", with noise")[0][15:].split(", ")
    )
    truth = type(fit.law)(**{n: float(v) for n, v in stated.items()})
    inputs = fit.points().inputs
    assert np.max(np.abs(np.log(fit.law(**inputs) / truth(**inputs)))) < 2e-3
