"""Profiles of hard tables: at each end, a search from many starts with the value held agrees."""

from functools import cache
from itertools import product

import hard_tables
import numpy as np
import pytest
from scipy_search import Search, around, best

from scaling_cli import laws
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty import profiles
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise, refuse
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

CASES = [(law, maker) for law in ("chinchilla", "power_law") for maker in hard_tables.makers(law)]
OBJECTIVES = {"l2": Objective("l2"), "huber": Objective("huber", 0.01)}


@cache
def fitted(
    law: str, maker: hard_tables.Maker, objective: str
) -> tuple[Points, Problem, Optimum] | None:
    """Return what is fitted to a table; None where no fit of it is usable."""
    points = maker(hard_tables.fit_of(law), np.random.default_rng(1)).points
    problem = make_problem(points, laws.get(law), OBJECTIVES[objective])
    try:
        refuse(points, problem)
        return points, problem, optimise(problem)
    except FitError:
        return None


@pytest.mark.parametrize(("law", "maker"), CASES, ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_ends_are_where_a_search_says(law: str, maker: hard_tables.Maker, name: str) -> None:
    solved = fitted(law, maker, name)
    if solved is None:
        pytest.skip("no usable fit: nothing to profile")
    points, problem, optimum = solved
    for parameter in ("alpha", "E"):
        found = profiles.of_parameter(Fitted(points, problem, optimum), parameter)
        assert found.low <= found.estimate * (1 + 1e-9) <= found.high * (1 + 2e-9)
        for side, end in (("lower", found.low), ("upper", found.high)):
            if end == 0 or not np.isfinite(end) or side in found.unsure:
                continue
            search = Search(problem.law, points, problem.objective, fix={parameter: end})
            others = {n: max(v, 1e-300) for n, v in optimum.law.values().items() if n != parameter}
            start = search.free({parameter: end, **others})
            least = best(search, [start, *around(start, (0.03, 0.1, 0.3, 0.6, 1.0), seed=1)])
            rise = 2 * (least - optimum.value) / problem.noise_scale(optimum.u)
            # SciPy may end higher, but not lower without the profile saying that it is not sure.
            assert rise > found.threshold * (1 - 5e-3), (parameter, side, end)


def test_predictions_of_hard_tables_hold_their_estimate() -> None:
    every = [fitted(*case, name) for case, name in product(CASES, OBJECTIVES)]
    for points, problem, optimum in filter(None, every):
        at = {symbol: float(np.max(values)) * 10 for symbol, values in points.inputs.items()}
        found = profiles.of_prediction(Fitted(points, problem, optimum), at)
        assert found.low <= found.estimate <= found.high
        assert found.lower < 0.05
