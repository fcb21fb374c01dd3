"""`scaling laws`: the whole catalogue, and one law in full."""

import json
from functools import partial
from typing import Any

import command_line
import pytest

from scaling_cli import curve_laws, laws, learning_curves
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import AVERAGED

run = partial(command_line.run, "laws")


def record(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_the_catalogue_lists_every_law_with_its_equation_and_fits() -> None:
    result = run("--full")
    assert (result.exit_code, result.stderr) == (0, "")
    entries = result.stdout.split("\n\n")
    assert " ".join(entries[-1].split()) == (
        "'scaling laws NAME' tells all of one; --full lists equations, parameters and fits."
    )
    names = [*laws.names(), *curve_laws.names(), *learning_curves.names()]
    told = [entry.splitlines()[0] for entry in entries[:-1]]
    assert sorted(line for line in told if not line.endswith(":")) == sorted([*names, "average"])
    text = " ".join(result.stdout.split())
    for name in laws.names():
        assert laws.get(name).formula() in text
    for name in curve_laws.names():
        assert curve_laws.get(name).formula() in text
    for name in learning_curves.names():
        assert learning_curves.get(name).formula() in text
    for fit in kinds.fit_names():
        assert fit in text or fit.startswith("average/")  # the mean of laws is no law


QUESTIONS = [
    "loss of parameters and tokens",
    "data: repeated, other words, other domains",
    "model: experts, sparsity, precision, shape",
    "learning rate and batch",
    "errors and accuracies of tasks, from a loss",
    "one variable",
    "loss along a run, from its learning rates (curve laws)",
    "loss along a run, from its own shape (learning curves)",
]


def test_the_catalogue_is_grouped_by_question() -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    groups = result.stdout.split("\n\n")
    assert [group.splitlines()[0] for group in groups[:-1]] == QUESTIONS
    named = [line.split()[0] for group in groups[:-2] for line in group.splitlines()[1:]]
    assert {*laws.names(), *curve_laws.names(), "average"} <= set(named)
    assert "".join(groups[-2].splitlines()[1:]).replace(" ", "").split(",") == list(
        learning_curves.names()
    )
    assert "  chinchilla_gamma    L(N, D) = E + (A/N^alpha + B/D^beta)^gamma\n" in groups[0]
    assert "  critical_batch      B_crit(L) = B_star / L^(1/alpha_B)\n" in groups[3]
    assert "  kaplan_n          L(N) = (Nc/N)^alpha_N\n" in groups[5]


def test_the_average_of_curve_laws_is_explained() -> None:
    result = run("average")
    assert (result.exit_code, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    assert text.startswith("average the mean of four curve laws, in equal parts: the default")
    assert all(name in text for name in AVERAGED)
    assert [law["name"] for law in record("average")["curve_laws"]] == list(AVERAGED)


def test_one_law_in_full() -> None:
    text = run("chinchilla").stdout
    assert text.startswith(
        "chinchilla\n  L(N, D) = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022, "
        "arXiv:2203.15556,\n    eq. 2).\n"
    )
    assert "\n  E      nats/token  positive  irreducible loss\n" in text
    assert "\n  N  params  parameters  model parameters\n" in text
    assert "\n  L  loss    nats/token  cross-entropy loss (the output)\n" in text
    assert "\n  optimal_tokens(C)       tokens      Tokens of least loss at compute C" in text
    assert "\nconventions of the source\n  N: total\n" in text
    assert "  @article{hoffmann2022training,\n" in text


@pytest.mark.parametrize("name", laws.names())
def test_json_declares_everything(name: str) -> None:
    found = record(name)
    assert found["schema_version"] == 1
    (law,) = found["laws"]
    declared = laws.get(name)
    assert list(law) == [
        "name",
        "question",
        "formula",
        "notes",
        "inputs",
        "output",
        "parameters",
        "derived",
        "convention",
        "reference",
        "bibtex",
        "fits",
    ]
    assert list(law["parameters"]) == list(declared.parameters())
    assert list(law["inputs"]) == list(declared.inputs())
    assert list(law["derived"]) == list(declared.derived_quantities())
    assert law["output"] == {
        "symbol": declared.output().symbol,
        "column": declared.output().column,
        "meaning": declared.output().meaning,
        "unit": declared.output().unit,
    }
    assert law["fits"] == [f for f in kinds.fit_names() if f.split("/")[0] == name]


def test_json_of_all_is_json_of_each() -> None:
    each = [record(name)["laws"][0] for name in laws.names()]
    assert record()["laws"] == each
    along = [record(name)["curve_laws"][0] for name in curve_laws.names()]
    assert record()["curve_laws"] == along
    assert [law["name"] for law in along] == list(curve_laws.names())


def test_a_law_of_loss_curves_in_full() -> None:
    found = record("annealing")
    assert found["laws"] == []
    (law,) = found["curve_laws"]
    assert list(law["parameters"]) == ["L0", "A", "alpha", "C", "forget"]
    assert law["convention"] == {"warm-up": "at_peak"}
    assert list(law["inputs"]) == ["S"]
    text = run("annealing").stdout
    assert text.startswith("annealing\n  L(t) = L0 + A S1^-alpha - C S2, with the momentum sum S2 ")
    assert "\nconventions of the source\n  warm-up: at_peak\n" in text


def test_a_family_of_learning_curves_in_full() -> None:
    found = record("pow3")
    assert (found["laws"], found["curve_laws"]) == ([], [])
    (family,) = found["learning_curves"]
    assert list(family["parameters"]) == ["E", "A", "alpha"]
    assert list(family["inputs"]) == ["x"]
    assert run("pow3").stdout.startswith("pow3\n  L(x) = E + A x^-alpha (Domhan et al. 2015, pow3")


def test_unknown_law_suggests_a_near_one() -> None:
    result = run("chinchila")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: there is no law 'chinchila'.\n"
        "hint: Did you mean chinchilla or chinchilla_gamma? 'scaling laws' lists them.\n"
    )
