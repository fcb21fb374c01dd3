"""A user's own law: read without being executed, and then a law like any other."""

import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import pytest
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli import laws
from scaling_cli.laws._law import Absorbs, Law
from scaling_cli.point_fits.fitting import refit_objective
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.search.optimum import Optimum
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import Quantity

CHINCHILLA = "E + A/N**alpha + B/D**beta"
GAMMA = "E + (A/N**alpha + B/D**beta)**gamma"
KAPLAN = "((Nc/N)**(alpha_N/alpha_D) + Dc/D)**alpha_D"
FARSEER = "exp(e0 - e1*log(N)) + exp(b0 + b1*log(N) - exp(a0 + a1*log(N))*log(D))"
Heads = Annotated[Any, Quantity("heads", "heads", "attention heads", "1")]
NAMED = "exp, log, log2, log10, sqrt, tanh, sigmoid, min, max"
ALLOWED = f"numbers, names, + - * / **, brackets, {NAMED}"
FUNCTIONS = f"Functions: {NAMED}; products need their *."


def refused(text: str) -> str:
    return refusal(UsageError, laws.get, text, ("taps",))


# ---- what is read, and what is not


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "E + A/N^alpha",
            "powers are written **, not ^: 'E + A/N**alpha'. Put the formula in single quotes, so "
            "that the shell leaves it alone.",
        ),
        (
            "E + A/N**alpha + B/D**",
            "cannot read the formula 'E + A/N**alpha + B/D**' at column 23: invalid syntax. A "
            f"formula holds {ALLOWED}; products need their *.",
        ),
        (
            "L(N) = E + A N",
            "cannot read the formula 'L(N) = E + A N' at column 14: invalid syntax. A formula "
            f"holds {ALLOWED}; products need their *.",
        ),
        (
            "E + logg(N)",
            f"the formula calls 'logg', which is no function here. Did you mean log? {FUNCTIONS}",
        ),
        ("N(E + 1)", f"the formula calls 'N', which is no function here. {FUNCTIONS}"),
        (
            "__import__('os').system('true')",
            "the formula calls \"__import__('os').system\", which is no function here. "
            f"{FUNCTIONS}",
        ),
        (
            "E + N.real",
            "the formula holds an attribute (a dot in a name) at column 5, which none may. It may "
            f"hold {ALLOWED}.",
        ),
        (
            "E if N else D",
            f"the formula holds a condition at column 1, which none may. It may hold {ALLOWED}.",
        ),
        (
            "E + 'a'/N",
            f"the formula holds \"'a'\" at column 5, which none may. It may hold {ALLOWED}.",
        ),
        ("E + max(N)", "max takes 2 numbers, not 1."),
        ("exp(E, N)", "exp takes 1 number, not 2."),
        (
            "N*D",
            "the formula has no parameter to fit: every name in it is an input (N, D).",
        ),
        (
            "E + A/n**alpha",
            "the formula has no input: no name in it is a quantity or a column of the table. Did "
            "you mean N for n? Inputs are N, D, C, lr, B_tokens, U and others, or names of "
            "columns.",
        ),
        (
            "E + A/params**alpha + B/tokns**beta",
            "tokns is neither an input nor plainly a parameter: it is nearly tokens. Write tokens; "
            "or declare the inputs, L(N, D) = ..., if tokns is a parameter.",
        ),
        ("values + A/N**b", "values cannot name a parameter. Call it values_0."),
        (
            "L(N, D) = E + A/N**alpha",
            "D stands on the left of the formula, not on the right.",
        ),
        (
            "bleu(N) = E + A/N**alpha",
            "the left side of the formula is bleu, which is no quantity known here. Write L(N, D) "
            "= ..., and name the column with --target bleu.",
        ),
        ("N + " * 300 + "A", "the formula has 1201 characters; 1000 are the most."),
        ("-" * 60 + "A*N", "the formula has 63 parts, 62 deep; 300 and 40 are the most."),
        (f"A*N + {'9' * 400}", "the formula holds a number that is too large."),
    ],
)
def test_what_is_no_formula_is_refused_in_one_sentence(text: str, told: str) -> None:
    assert refused(text) == told


@pytest.mark.parametrize("text", ["(" * 400, "E + \0N", "E == N", "a;b + N", "N**" * 200])
def test_nothing_typed_breaks_the_reader(text: str) -> None:
    assert refused(text).startswith(("cannot read the formula", "the formula has"))


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        (" E+A / params**alpha  +B/(tokens**beta)", CHINCHILLA),
        ("E - -A*N**(-a)", "E - -A*N**-a"),
        ("(a**b)**c*N", "(a**b)**c*N"),
        ("a**(b**c)*N", "a**b**c*N"),
        ("a - (b - N)", "a - (b - N)"),
        ("a/(b/N)", "a/(b/N)"),
        ("L(N, D) = E + A/N**alpha + B/D**beta", CHINCHILLA),
        ("E + A/N**alpha + W/taps**w", "L(N, taps) = E + A/N**alpha + W/taps**w"),
        ("L(N, +D) = E + A/N**alpha + B/D**b", "L(N, +D) = E + A/N**alpha + B/D**b"),
        ("lr(N) = c*N**a", "lr(N) = c*N**a"),
        ("E + ln(N)*a", "E + log(N)*a"),
    ],
)
def test_a_formula_has_one_written_form_which_reads_as_itself(typed: str, written: str) -> None:
    law = laws.get(typed, ("taps",))
    assert law.called() == laws.name_of(law) == written
    assert laws.get(written) is law


# ---- what a formula says of its parameters


def roles(text: str) -> dict[str, str]:
    """Return of every parameter whether it is solved for, searched as a logarithm, or freely."""
    declared = laws.get(text).parameters().values()
    return {p.name: "linear" * p.linear + ("+" if p.positive else "real") for p in declared}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            CHINCHILLA,
            {"E": "linear+", "A": "linear+", "alpha": "+", "B": "linear+", "beta": "+"},
        ),
        (GAMMA, {"E": "linear+", "A": "+", "alpha": "+", "B": "+", "beta": "+", "gamma": "+"}),
        ("c*x**p", {"c": "linear+", "p": "real"}),
        ("c*x**-p", {"c": "linear+", "p": "+"}),
        ("a - b*log(N)", {"a": "linear+", "b": "linearreal"}),
        ("E + A*exp(-k*S)", {"E": "linear+", "A": "linear+", "k": "+"}),
        (
            "E + exp(a + b*log(N))",
            {"E": "linear+", "a": "real", "b": "real"},
        ),
        ("E + A/(N + n0)**alpha", {"E": "linear+", "A": "linear+", "n0": "+", "alpha": "+"}),
    ],
)
def test_which_parameters_are_linear_and_which_positive(text: str, expected: Any) -> None:
    assert roles(text) == expected


def test_what_is_no_floor_is_none() -> None:
    assert laws.get(CHINCHILLA).floor() == "E"
    assert laws.get("a - b*log(N)").floor() is None
    assert laws.get(KAPLAN).floor() is None


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (CHINCHILLA, "A", {Absorbs("N", "alpha")}),
        (GAMMA, "A", {Absorbs("N", "alpha"), Absorbs("L", "gamma", inverse=True)}),
        (KAPLAN, "Nc", {Absorbs("N"), Absorbs("L", "alpha_N", inverse=True)}),
        (KAPLAN, "Dc", {Absorbs("D"), Absorbs("L", "alpha_D", inverse=True)}),
        (FARSEER, "a0", set()),  # the slope of ln D moves with N: N has no one unit there
        ("E + A/(N + n0)**alpha", "n0", {Absorbs("N")}),
        ("E + A*N**a", "A", {Absorbs("N", "a", -1.0)}),
    ],
)
def test_which_parameters_carry_the_unit_of_an_input(text: str, name: str, expected: Any) -> None:
    assert set(laws.get(text).parameters()[name].absorbs) == expected


def test_a_formula_is_a_law_under_jax_as_under_numpy() -> None:
    values = {"e0": 0.5, "e1": 0.1, "b0": 3.0, "b1": 0.2, "a0": -1.0, "a1": 0.02}
    law = laws.get(FARSEER)(**values)
    N, D = np.geomspace(1e7, 1e10, 5), np.geomspace(1e9, 1e12, 5)
    oracle = np.exp(0.5 - 0.1 * np.log(N)) + np.exp(
        3 + 0.2 * np.log(N) - np.exp(-1 + 0.02 * np.log(N)) * np.log(D)
    )
    np.testing.assert_allclose(law(N=N, D=D), oracle, rtol=1e-13)
    with jax.enable_x64(True):
        columns = {"N": jax.numpy.asarray(N), "D": jax.numpy.asarray(D)}
        np.testing.assert_allclose(jax.jit(lambda c: law(**c))(columns), oracle, rtol=1e-13)
    assert isinstance(law(N=1e9, D=1e10), float)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{CHINCHILLA} + G/B**gamma", "E, G, gamma"),
        ("A*B/N**alpha + E + C0/D**b", "A, B"),
    ],
)
def test_parameters_of_which_only_a_combination_counts_are_named(text: str, told: str) -> None:
    said = refusal(UsageError, sc.fit, "data/ladder/runs.csv", law=text)
    assert said == (
        f"{told} cannot be told apart: only a combination of them counts in {text}. Leave one out, "
        "or hold it with --fix. Inputs are N, D; every other name is a parameter."
    )


# ---- fitted like a built-in law


def optimum(table: Path, law: str) -> Optimum:
    """Return the optimum of a law on a table, as `fit` finds it."""
    points = select(sc.read(table), laws.get(law))
    return refit_objective(points, law)


@pytest.mark.parametrize(
    ("text", "name"),
    [(CHINCHILLA, "chinchilla"), (GAMMA, "chinchilla_gamma"), (KAPLAN, "kaplan_nd")],
)
def test_a_built_in_law_as_a_formula_ends_in_the_same_optimum(
    root: Path, text: str, name: str
) -> None:
    table = root / "data" / "ladder" / "runs.csv"
    own, built_in = (optimum(table, law) for law in (text, name))
    assert own.value == pytest.approx(built_in.value, rel=1e-9)
    for parameter, value in built_in.law.values().items():
        assert own.law.values()[parameter] == pytest.approx(value, rel=1e-5)


def test_the_same_of_the_isoflop_tables(shared: Path) -> None:
    table = shared / "data" / "isoflop_collection" / "isoflops.csv"
    own, built_in = (optimum(table, law) for law in (CHINCHILLA, "chinchilla"))
    assert own.value == pytest.approx(built_in.value, rel=1e-9)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table whose loss follows a known law of size, data, batch and heads."""
    generator = np.random.default_rng(3)
    lines = ["run_id,params,tokens,heads,batch_tokens,loss"]
    grid = itertools.product((1e7, 3e7, 1e8, 3e8), (1e9, 3e9, 1e10), (4, 16, 64))
    for i, (N, D, h) in enumerate(grid):
        B = 2 ** (16 + 2 * int(generator.integers(3)))
        loss = 1.7 + 400 / N**0.34 + 410 / D**0.28 + 30 / B**0.5 + 0.5 / h**0.7
        loss *= float(np.exp(1e-3 * generator.standard_normal()))
        lines.append(f"r{i},{N:g},{D:g},{h},{B},{loss!r}")
    file = tmp_path_factory.mktemp("heads") / "runs.csv"
    file.write_text("\n".join(lines))
    return file


def test_a_law_of_batch_and_a_column_of_one_s_own_from_the_command_line(
    heads: Path, tmp_path: Path
) -> None:
    formula = "E + A/N**alpha + B/D**beta + G/batch_tokens**gamma + H/heads**k"
    fit = tmp_path / "fit.json"
    made = run("fit", heads, "--law", formula, "--bootstrap", 50, "-o", fit)
    assert made.exit_code == 0, made.output
    assert "formula: heads is a column, so no parameter." in made.output
    stored = json.loads(fit.read_text())
    assert stored["law"] == (
        "L(N, D, B_tokens, heads) = E + A/N**alpha + B/D**beta + G/B_tokens**gamma + H/heads**k"
    )
    truth = {"alpha": 0.34, "beta": 0.28, "gamma": 0.5, "k": 0.7}
    for name, value in truth.items():
        ends = stored["intervals"][name]
        assert abs(stored["parameters"][name] - value) < 2 * (ends["high"] - ends["low"])
    asked = ("--input", "heads=32", "--input", "batch_tokens=1M")
    point = run("predict", "--fit", fit, "--params", "1B", "--tokens", "20B", *asked, "--json")
    value = json.loads(point.stdout)["predictions"][0]["value"]
    oracle = 1.7 + 400 / 1e9**0.34 + 410 / 2e10**0.28 + 30 / 1e6**0.5 + 0.5 / 32**0.7
    assert value == pytest.approx(oracle, rel=1e-2)
    planned = run("plan", "--fit", fit, "--compute", "1e21", *asked, "--json")
    best = json.loads(planned.stdout)["allocations"][0]
    ratio = (0.34 * 400 / (0.28 * 410)) ** (1 / 0.62)
    assert best["N"] == pytest.approx(ratio * (1e21 / 6) ** (0.28 / 0.62), rel=0.2)
    for words in (("check",), ("show",), ("profile", "--of", "alpha", "--method", "delta")):
        assert run(words[0], fit, *words[1:]).exit_code == 0, words
    assert run("plot", fit, "-o", tmp_path / "a.svg").exit_code == 0


def test_a_stored_formula_loads_in_another_process_without_its_table(tmp_path: Path) -> None:
    law = laws.get(CHINCHILLA)
    assert pickle.loads(pickle.dumps(law)) is law
    fit = sc.fit("data/ladder/runs.csv", law=CHINCHILLA, bootstrap=0)
    fit.to_json(tmp_path / "fit.json")
    asked = f"import scaling_cli as sc; f = sc.load({str(tmp_path / 'fit.json')!r}); "
    said = "print(repr(float(f.predict(N=1e6, D=1e7).value[0])), f.law.called())"
    told = subprocess.run(
        [sys.executable, "-c", asked + said], capture_output=True, text=True, check=True
    )
    value, _, name = told.stdout.strip().partition(" ")
    assert float(value) == float(fit.predict(N=1e6, D=1e7).value[0])
    assert name == CHINCHILLA


def test_a_file_that_holds_code_for_a_law_is_broken(tmp_path: Path) -> None:
    fit = sc.fit("data/ladder/runs.csv", law=CHINCHILLA, bootstrap=0).to_dict()
    file = tmp_path / "fit.json"
    file.write_text(json.dumps({**fit, "law": "open('x').read() + A/N"}))
    said = refusal(sc.DataError, sc.load, file)
    assert "the formula calls \"open('x').read\", which is no function here" in said


# ---- from Python


def test_a_function_is_the_formula_that_it_computes() -> None:
    @sc.law
    def ours(N: Any, D: Any, *, E: Any, A: Any, alpha: Any, B: Any, beta: Any) -> Any:
        return E + A / N**alpha + B / np.power(D, beta)

    assert issubclass(ours, Law)
    assert ours.called() == CHINCHILLA
    fit = sc.fit("data/ladder/runs.csv", law=ours, bootstrap=0)
    assert fit.to_dict()["law"] == CHINCHILLA


def test_a_function_may_use_the_functions_of_numpy() -> None:
    @sc.law
    def ours(N: Any, heads: Heads, E: Any, a: Any) -> Any:
        return E + np.exp(-a * np.log10(heads)) + np.minimum(1 / N, 2.0)

    assert ours.called() == "L(N, heads) = E + exp(-a*log10(heads)) + min(1/N, 2)"


def test_a_function_that_is_no_formula_is_refused() -> None:
    def branches(N: Any, A: Any) -> Any:
        return A if N > 1 else N

    def calls(N: Any, A: Any) -> Any:
        return A * np.sin(N)

    def nothing(N: Any, A: Any) -> Any:
        return 1.0

    assert refusal(UsageError, sc.law, calls) == (
        "a law cannot call numpy.sin. It may call add, divide, exp, float_power, log, log10, log2, "
        "maximum, minimum, multiply, negative, power, sqrt, subtract, tanh."
    )
    assert refusal(UsageError, sc.law, branches) == (
        "a law cannot compare: it must be one formula. Use numpy.minimum and numpy.maximum."
    )
    assert refusal(UsageError, sc.law, nothing) == (
        "nothing does not compute a formula of its arguments."
    )


# ---- which way it goes


def test_a_law_that_rises_with_data_says_so_unless_that_is_meant(tmp_path: Path) -> None:
    lines = ["run_id,params,tokens,loss"]
    grid = itertools.product((1e7, 3e7, 1e8, 3e8), (1e8, 1e9, 1e10, 1e11))
    for i, (N, D) in enumerate(grid):
        lines.append(f"r{i},{N:g},{D:g},{1.5 + 300 / N**0.3 + 1e-4 * D**0.3 + 90 / D**0.25!r}")
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(lines))
    text = "E + A/N**alpha + B/D**beta + G*D**d"
    said = {c.code: c for c in sc.fit(file, law=text, bootstrap=0).checks}["law.direction"]
    assert said.level == "warn"
    assert said.message.startswith("the law's loss rises with D from ")
    marked = sc.fit(file, law=f"L(N, +D) = {text}", bootstrap=0)
    said = {c.code: c for c in marked.checks}["law.direction"]
    assert said.message == "the law falls with N from the smallest run to 10x the largest."


def test_shares_of_a_mixture_may_be_zero() -> None:
    """Loss of a domain falls as the logarithm of its own share, and with others; a closed truth."""
    generator = np.random.default_rng(4)
    shares = generator.dirichlet((0.6, 0.8, 1.0), 40)
    shares[::7, 0] = 0.0
    web, code = shares[:, 0], shares[:, 1]
    output = 2.4 - 0.15 * np.log(web + 0.004) + 0.2 * code
    points = Points({"web": web, "code": code}, output, [f"r{i}" for i in range(40)])
    law = laws.get("c - b*log(web + eps) + w*code", ("web", "code"))
    found = refit_objective(points, law.called()).law.values()
    assert found == pytest.approx({"c": 2.4, "b": 0.15, "eps": 0.004, "w": 0.2}, rel=1e-6)


def test_a_target_below_zero_is_fitted_by_a_formula(tmp_path: Path) -> None:
    """Such as a loss less that of the unigrams; the floor of the formula takes up the shift."""
    lines = ["run_id,params,tokens,gain"]
    for i, (N, D) in enumerate(itertools.product((1e7, 4e7, 2e8, 1e9), (1e9, 8e9, 6e10))):
        lines.append(f"r{i},{N:g},{D:g},{300 / N**0.33 + 500 / D**0.3 - 5!r}")
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(lines))
    asked = ("--target", "gain", "--space", "linear", "--objective", "l2", "--bootstrap", 0)
    made = run("fit", file, "--law", CHINCHILLA, *asked, "--json")
    assert made.exit_code == 0, made.output
    found = json.loads(made.stdout)["parameters"]
    assert found["alpha"] == pytest.approx(0.33, rel=1e-4)
    assert found["beta"] == pytest.approx(0.3, rel=1e-4)
