"""How time and memory grow: 10 to 100,000 points, 1 to 100,000 resamples, 3 to 12 parameters.

    python benchmarks/growth.py [--quick]

One of the three grows at a time, each case in a process of its own: its peak memory is that of the
whole process, and so is the processor time of its first fit, compilation included.
"""

import argparse
import inspect
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np

from scaling_cli.laws._law import Law, param, power
from scaling_cli.point_fits.certainty.resampling import resample
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

POINTS, RESAMPLES, PARAMETERS = 240, 1000, 5  # of the cases in which another one grows
GROWING = {
    "points": (10, 100, 1000, 10_000, 100_000),
    "resamples": (1, 10, 100, 1000, 10_000, 100_000),
    "parameters": (3, 5, 7, 9, 12),
}
FEW_RESAMPLES = 100  # where points grow
QUICK = 1000  # the most points or resamples of a quick run
NOISE = 0.005


def sum_of_terms(parameters: int) -> type[Law]:
    """Return L = E + A1 x1^-a1 + A2 x2^-a2 ..., without E where the number is even."""
    terms = [str(i + 1) for i in range(parameters // 2)]
    fields: dict[str, Any] = {"E": param("floor", linear=True)} if parameters % 2 else {}
    for i in terms:
        fields[f"A{i}"] = param(f"coefficient {i}", linear=True)
        fields[f"a{i}"] = param(f"exponent {i}", starts=(0.2, 0.5))

    def equation(self: Any, **inputs: Any) -> Any:
        found = [
            getattr(self, f"A{i}") * power(inputs[f"x{i}"], -getattr(self, f"a{i}")) for i in terms
        ]
        return sum(found, start=self.E if parameters % 2 else 0.0)

    named = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    named += [
        inspect.Parameter(f"x{i}", inspect.Parameter.KEYWORD_ONLY, annotation=Variable)
        for i in terms
    ]
    vars(equation)["__signature__"] = inspect.Signature(named, return_annotation=Loss)
    body = fields | {"__annotations__": dict.fromkeys(fields, float), "__call__": equation}
    return type("SumOfTerms", (Law,), body)


def made_up(law: type[Law], n: int) -> Points:
    """Return n points of the law over three decades of every input, with 0.5 % noise."""
    generator = np.random.default_rng(0)
    inputs = {s: 10 ** generator.uniform(0, 3, n) for s in law.inputs()}
    truth = {"E": 1.7, "A": 1.0, "a": 0.3}
    values = {
        name: truth[name[0]] * (1 + 0.2 * int(name[1:] or 0)) for name in law.parameters()
    }  # exponents 0.36, 0.42, ...: no two terms alike
    loss = np.asarray(law(**values)(**inputs)) * np.exp(NOISE * generator.standard_normal(n))
    return Points(inputs, loss, [str(i) for i in range(n)])


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result, wall seconds and processor seconds."""
    start = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - start[0], time.process_time() - start[1]


def case(points: int, resamples: int, parameters: int) -> dict[str, float]:
    """Fit and bootstrap once, in this process."""
    law = sum_of_terms(parameters)
    table = made_up(law, points)
    problem = make_problem(table, law, Objective())
    optimum, fit_wall, fit_spent = clocked(lambda: optimise(problem))
    # The executable is compiled by now; this is arithmetic alone.
    fitted = Fitted(table, problem, optimum, Resampling(resamples))
    found, wall, spent = clocked(lambda: resample(fitted))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "fit": fit_wall,
        "fit_spent": fit_spent,
        "refits": wall,
        "refits_spent": spent,
        "converged": len(next(iter(found.draws.values()))),
        "megabytes": peak / (1 << 10),
    }


def apart(points: int, resamples: int, parameters: int) -> dict[str, float]:
    """Run a case in a process of its own, with its caches empty."""
    arguments = [str(x) for x in (points, resamples, parameters)]
    done = subprocess.run(
        [sys.executable, __file__, "--case", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def row(points: int, resamples: int, parameters: int) -> None:
    """Measure a case and print its line."""
    found = apart(points, resamples, parameters)
    each = 1e6 * found["refits_spent"] / resamples / points
    print(
        f"| {points} | {resamples} | {parameters} | {found['fit']:.2f} | {found['fit_spent']:.2f} "
        f"| {found['refits']:.3g} | {found['refits_spent']:.3g} | {each:.3g} "
        f"| {found['converged'] / resamples:.2%} | {found['megabytes']:.0f} |",
        flush=True,
    )


def main() -> None:
    """Print one table, or measure one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"no more than {QUICK} of anything")
    parser.add_argument("--case", nargs=3, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(case(*options.case)))
        return
    print(
        "| points | resamples | parameters | first fit, s | of processor | refits, s "
        "| of processor | us/refit/point | converged | peak MB |"
    )
    print("|" + "---|" * 10)
    for what, sizes in GROWING.items():
        for size in (s for s in sizes if not options.quick or s <= QUICK):
            few = FEW_RESAMPLES if what == "points" else RESAMPLES
            row(**{"points": POINTS, "resamples": few, "parameters": PARAMETERS} | {what: size})


if __name__ == "__main__":
    main()
