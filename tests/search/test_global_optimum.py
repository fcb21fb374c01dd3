"""No start of SciPy ends lower than the fit: random hard tables of every law, real sets."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hard_tables import ENDLESS, Maker, fit_of, generator, makers
from laws_tables import own_table
from scipy_search import Search, around, best
from tables import rows

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

HUBER, SQUARES = Objective(), Objective("l2")
OBJECTIVES = (HUBER, SQUARES, HUBER, Objective("huber", 0.02), Objective("lad"))
ROUNDING = 1e-9  # relative excess over the oracle
NEAR = 0.01  # of a valley without end: how far above SciPy's end a fit may stop
CASES = [
    pytest.param(law, maker, seed, id=f"{law}-{maker.__name__}-{seed}")
    for law in laws.names()
    if not laws.get(law).question  # laws of other inputs have tables of their own
    for maker in makers(law)
    for seed in range(2)
]


def objective_of(maker: Maker, seed: int) -> Objective:
    """Return another objective for every seed, beginning with one that the maker's name picks."""
    return OBJECTIVES[(zlib.crc32(maker.__name__.encode()) + seed) % len(OBJECTIVES)]


def fitted(search: Search) -> Optimum:
    return optimise(
        make_problem(search.points, search.law, search.objective, search.fix, search.tie)
    )


def oracle(search: Search, optimum: Optimum, truth: np.ndarray | None, seed: int) -> float:
    """Return SciPy's best from the truth, from the fit itself and from around both."""
    ours = search.free(optimum.law.values())
    starts = [ours, *around(ours, (0.03, 0.3, 1.0), seed)]
    if truth is not None:
        starts += [truth, *around(truth, (0.1, 0.3, 0.6, 1.0), seed + 1)]
    return best(search, starts)


def assert_best(search: Search, truth: np.ndarray | None = None, seed: int = 0) -> None:
    optimum = fitted(search)
    lowest = oracle(search, optimum, truth, seed)
    assert optimum.value <= lowest * (1 + ROUNDING) + search.noise_floor()


@pytest.mark.parametrize(("law", "maker", "seed"), CASES)
def test_scipy_ends_no_lower(law: str, maker: Maker, seed: int) -> None:
    case = maker(fit_of(law), generator(law, maker, seed))
    search = Search(laws.get(law), case.points, objective_of(maker, seed))
    values = {n: max(v, 1e-6) for n, v in case.truth.values().items()}
    assert_best(search, search.free(values), seed)


# A third of them: most of the time is that of their compilation.
@pytest.mark.parametrize("law", [n for n in laws.names() if laws.get(n).question][::3])
def test_scipy_ends_no_lower_on_a_grid_of_its_own_inputs(law: str) -> None:
    search = Search(laws.get(law), own_table(law), HUBER)
    assert_best(search, search.free(fit_of(law).law.values()))


@pytest.mark.parametrize(
    ("law", "maker", "seed"),
    [
        pytest.param(law, maker, seed, id=f"{law}-{maker.__name__}-{seed}")
        for law, endless in ENDLESS.items()
        for maker in endless
        for seed in range(3)
    ],
)
def test_a_valley_without_end_is_not_called_a_minimum(law: str, maker: Maker, seed: int) -> None:
    """SciPy may get farther along it, to where floats end: then the fit says that it slid.

    A fit that calls itself converged is held to what a minimum is held to.
    """
    case = maker(fit_of(law), generator(law, maker, seed))
    search = Search(laws.get(law), case.points, OBJECTIVES[seed])
    optimum = fitted(search)
    values = {n: max(v, 1e-6) for n, v in case.truth.values().items()}
    lowest = oracle(search, optimum, search.free(values), seed)
    assert optimum.value <= lowest * (1 + NEAR)
    if optimum.value > lowest * (1 + ROUNDING) + search.noise_floor():
        assert optimum.status is not Status.CONVERGED


def test_a_power_called_endless_is_one_beyond_which_the_sum_falls_on() -> None:
    maker = next(m for m in ENDLESS["chinchilla_gamma"] if m.__name__ == "few")
    case = maker(fit_of("chinchilla_gamma"), generator("chinchilla_gamma", maker, 1))
    objective = objective_of(maker, 1)
    optimum = fitted(Search(laws.get("chinchilla_gamma"), case.points, objective))
    assert optimum.diagnostics["endless"] == ["gamma"]
    ours = optimum.law.values()
    # gamma to infinity: B D^-beta is 1 + (...) / gamma, and A N^-alpha goes as 1 / gamma.
    farther = {"A": ours["A"] / 10, "B": ours["B"] ** 0.1, "beta": ours["beta"] / 10}
    power = {"gamma": 10 * ours["gamma"]}
    search = Search(laws.get("chinchilla_gamma"), case.points, objective, fix=power)
    assert best(search, [search.free(ours | farther | power)]) < optimum.value


@pytest.mark.parametrize("law", ["chinchilla", "power_law"])
@pytest.mark.parametrize("name", ["huber", "l2", "lad"])
def test_scipy_ends_no_lower_in_linear_space(law: str, name: str) -> None:
    place = [m.__name__ for m in makers(law)].index("outliers")
    case = makers(law)[place](fit_of(law), np.random.default_rng(3))
    search = Search(laws.get(law), case.points, Objective(name, 0.02, "linear"))
    assert_best(search, search.free(case.truth.values()))


@pytest.mark.parametrize(
    ("law", "fix", "tie"),
    [
        ("chinchilla", {}, {"beta": "alpha"}),
        ("chinchilla", {"E": 1.7}, {}),
        ("chinchilla", {"E": 0.0}, {}),
        ("chinchilla", {"alpha": 0.3}, {}),
        ("chinchilla", {"E": 1.9}, {"beta": "alpha", "B": "A"}),
        ("overtraining", {"E": 1.2}, {}),
        ("kaplan_nd", {"alpha_N": 0.07}, {}),
        ("power_law", {}, {"A": "E"}),
    ],
)
def test_scipy_ends_no_lower_with_parameters_held(
    law: str, fix: dict[str, float], tie: dict[str, str]
) -> None:
    case = makers(law)[0](fit_of(law), np.random.default_rng(5))
    search = Search(laws.get(law), case.points, HUBER, fix, tie)
    assert_best(search, search.free(case.truth.values()))


def test_two_equal_runs_are_one_of_twice_the_weight() -> None:
    case = makers("chinchilla")[0](fit_of("chinchilla"), np.random.default_rng(6))
    few = case.points.take(np.arange(8))
    twice = few.take(np.repeat(np.arange(8), 2))
    problem = make_problem(few, laws.get("chinchilla"), HUBER)
    once = optimise(problem)
    doubled = optimise(replace(problem, weight=np.full(8, 2.0)))
    repeated = optimise(make_problem(twice, laws.get("chinchilla"), HUBER))
    assert doubled.value == pytest.approx(repeated.value, rel=1e-9)
    assert doubled.value == pytest.approx(2 * once.value, rel=1e-9)
    np.testing.assert_allclose(doubled.u, repeated.u, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "law", "objective"),
    [
        ("steplaw", "chinchilla", SQUARES),
        ("steplaw", "kaplan_nd", HUBER),
        ("steplaw", "overtraining", HUBER),
        ("dense", "kaplan_n", HUBER),
        ("dense", "power_law", HUBER),
        ("gadre", "chinchilla", HUBER),
        ("single_epoch", "chinchilla", HUBER),
        ("porian", "chinchilla", HUBER),
        ("marin", "chinchilla", SQUARES),
        ("xlstm", "chinchilla", HUBER),
    ],
)
def test_scipy_ends_no_lower_on_real_sets(
    shared: Path, name: str, law: str, objective: Objective
) -> None:
    points = _real(shared / "data", name, laws.get(law))
    search = Search(laws.get(law), points, objective)
    assert_best(search, search.free(fit_of(law).law.values()))


# Published sets: the file, which of its runs, and the columns of N, D and L.
SETS: dict[str, tuple[str, Callable[[dict[str, str]], bool], str]] = {
    "gadre": (
        "gadre_overtraining/finals.csv",
        lambda run: run["train_dataset"] == "c4_original",
        "params tokens loss_c4_val",
    ),
    "single_epoch": (
        "datablations/all_runs.csv",
        lambda run: float(run["epochs"]) <= 1,
        "params tokens loss",
    ),
    "steplaw": ("steplaw/dense.csv", lambda run: True, "params_non_embedding tokens loss_smooth"),
    "dense": (
        "routing_moe/finals.csv",
        lambda run: run["router_type"] == "Dense",
        "params_total step loss_c4",
    ),
    "porian": (
        "porian_isoflop/isoflop.csv",
        lambda run: run["experiment"] == "rw_base_short_chinchilla_standard_val",
        "params tokens loss",
    ),
    "marin": (
        "isoflop_collection/isoflops.csv",
        lambda run: run["experiment"] == "marin_202603__comma__llama_2",
        "params tokens loss",
    ),
    "xlstm": ("xlstm_isoflop/finals.csv", lambda run: True, "params tokens val_loss"),
}


def _real(data: Path, name: str, law: type[Law]) -> Points:
    """Return a published set of runs under the input names of a law."""
    file, wanted, columns = SETS[name]
    records = [run for run in rows(data / file) if wanted(run)]
    records = _least(records) if name == "steplaw" else records
    N, D, L = (np.array([float(r[c]) for r in records]) for c in columns.split())
    renamed = {"N": N, "D": D, "x": N, "N_avg": N}
    return Points({s: renamed[s] for s in law.inputs()}, L, [f"row{i}" for i in range(len(L))])


def _least(records: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the run of least loss of every size and number of tokens."""
    ordered = sorted(records, key=lambda r: -float(r["loss_smooth"]))
    return list({(r["params_non_embedding"], r["tokens"]): r for r in ordered}.values())
