"""A law of every group: the same as of its runs alone, what is shared, what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.verbs.groups import sizes
from scaling_cli.vocabulary.errors import DataError, UsageError

LAWS = {
    "adamw": Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28),
    "muon": Chinchilla(E=1.7, A=348.5, B=337.7, alpha=0.34, beta=0.28),
}
N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 3e10, 4)))
COLUMNS = ["run_id", "the optimizer", "params", "tokens", "loss"]
BY = "the optimizer"


def rows(noise: float = 0.0) -> pd.DataFrame:
    """Two recipes of sixteen runs, and two runs of a third."""
    generator, told = np.random.default_rng(1), []
    for name, law in LAWS.items():
        loss = law(N=N, D=D) * np.exp(noise * generator.standard_normal(len(N)))
        told += [[f"{name}{i}", name, *x] for i, x in enumerate(zip(N, D, loss, strict=True))]
    told += [["sgd1", "sgd", 1e8, 1e9, 4.1], ["sgd2", "sgd", 1e8, 1e10, 4.0]]
    return pd.DataFrame(told, columns=COLUMNS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("by") / "runs.csv"
    rows(0.005).to_csv(path, index=False)
    return path


def test_every_group_is_fitted_as_its_runs_alone(table: Path, tmp_path: Path) -> None:
    """Stored as one thing: a row a group, each group a fit that other commands take."""
    out, alone = tmp_path / "by.json", tmp_path / "muon.json"
    result = run("fit", table, "--by", BY, "--bootstrap", 20, "-o", out)
    assert result.exit_code == 0, result.stderr
    where = f"`{BY}` == 'muon'"
    assert run("fit", table, "--where", where, "--bootstrap", 20, "-o", alone).exit_code == 0
    fit, own = sc.load(out), sc.load(alone)
    assert list(fit.groups) == ["adamw", "muon"]
    assert fit.group("muon").parameters == own.parameters
    assert fit.group("muon").intervals == own.intervals
    point = ("--params", "1B", "--tokens", "20B", "--json")
    said = [
        json.loads(run("predict", "--fit", *name, *point).stdout)["predictions"]
        for name in ((f"{out}#muon",), (out, "--group", "muon"), (alone,))
    ]
    assert said[0] == said[1] == said[2]
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines if str(out) not in line) <= 80
    (row,) = (line.split() for line in lines if line.strip().startswith("muon"))
    common = fit.at_common()
    assert common["inputs"] == {"N": 1e9, "D": 3e10}
    assert row[1] == "16"
    assert float(row[-1]) == pytest.approx(common["groups"]["muon"]["forecast"], abs=5e-5)
    assert [line.split() for line in lines if "not fitted" in line] == [
        ["sgd", "2", "not", "fitted"]
    ]
    assert fit.unfitted[0].reason == (
        "2 distinct configurations cannot determine the 5 free parameters of chinchilla; at least "
        "6 are needed."
    )
    for command in (("show", out), ("check", out), ("report", out, "-o", tmp_path / "r.md")):
        assert run(*command).exit_code == 0


def test_shared_parameters_are_one_number(table: Path, tmp_path: Path) -> None:
    """Noiseless: shared exponents are the true ones; from the command line both groups have one."""
    exact = sc.fit(rows(), by=BY, shared="alpha,beta,E", bootstrap=0)
    for name, law in LAWS.items():
        assert exact.group(name).parameters == pytest.approx(law.values(), rel=1e-4)
    out = tmp_path / "shared.json"
    typed = ("--by", BY, "--shared", "exponents", "--bootstrap", 0, "-o", out)
    assert run("fit", table, *typed).exit_code == 0
    fit = sc.load(out)
    assert fit.shared == ["alpha", "beta"]
    one, two = (fit.group(name) for name in LAWS)
    for name in ("alpha", "beta"):
        assert one.parameters[name] == two.parameters[name]
        np.testing.assert_array_equal(one.uncertainty.draws[name], two.uncertainty.draws[name])
    assert one.parameters["A"] != two.parameters["A"]
    apart = sc.fit(sc.read(table), by=BY, bootstrap=0)
    assert fit.value >= apart.value  # what is shared is a constraint
    assert run("check", out).exit_code == 0


def test_runs_of_no_group_are_refused(tmp_path: Path) -> None:
    lacking = rows()
    lacking.loc[[3, 20], BY] = None
    assert refusal(DataError, sc.fit, lacking, by=BY) == (
        "column 'the optimizer' is empty in adamw3, muon4: in no group can they be fitted. Fill "
        "the cells in, or leave these runs out: --where '`the optimizer` == `the optimizer`'."
    )
    numbered = rows().assign(**{BY: [1.0] * 33 + [float("nan")]})
    path = tmp_path / "nan.csv"
    numbered.to_csv(path, index=False)
    result = run("fit", path, "--by", BY, "-o", tmp_path / "x.json")
    assert result.exit_code == 3
    assert result.stderr.count("column 'the optimizer' is empty in sgd2") == 1
    assert sizes(sc.read(path), BY, f"`{BY}` == `{BY}`") == {1.0: 33}


def test_what_is_refused(table: Path) -> None:
    runs = sc.read(table)
    assert refusal(DataError, sc.fit, runs, by="optimiser") == (
        "there is no column 'optimiser'. Columns: run_id, tokens, loss, params, the optimizer."
    )
    assert refusal(UsageError, sc.fit, runs, shared="exponents") == (
        "--shared needs --by: the column of the groups."
    )
    assert refusal(UsageError, sc.fit, runs, law="annealing", by=BY) == (
        "--by fits laws of points; annealing is one of loss curves. Fit the curves of each group: "
        "--where 'COLUMN == \"VALUE\"' -o FILE."
    )
    assert refusal(UsageError, sc.fit, runs, by=BY, shared="alpha", law="auto") == (
        "--shared needs one law; --law auto may choose one for each group."
    )
    assert refusal(UsageError, sc.fit, runs, by=BY, shared="alpha", fix={"E": 1.7}) == (
        "--shared cannot go with --fix: groups are fitted at once, and every point counts alike. "
        "Leave one of them out."
    )


def test_no_group_with_enough_runs_is_no_fit(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    result = run("fit", table, "--by", BY, "--where", f"`{BY}` == 'sgd'", "-o", out)
    assert result.exit_code == 4
    assert "no group of the optimizer can be fitted. sgd (2 rows): 2 distinct" in result.stderr
    assert not out.exists()


def test_a_group_that_is_not_there() -> None:
    folder = Path(__file__).parents[1] / "artefacts" / "v0.1.0"
    out, plain, point = folder / "grouped_fit.json", folder / "fit.json", ("--input", "x=16")
    missing = run("predict", "--fit", f"{out}#7B", *point)
    assert missing.exit_code == 2
    assert "there is no group '7B' of params." in missing.stderr
    assert run("predict", "--fit", f"{out}#3e8", *point).exit_code == 0  # 300M, as others write it
    whole = run("predict", "--fit", out, *point)
    assert whole.exit_code == 2
    assert f"'{out}#150M'" in whole.stderr
    none = run("predict", "--fit", f"{plain}#x", *point)
    assert none.exit_code == 2
    assert "which has no groups: leave #x out." in none.stderr
