"""How time and memory grow: 10 to 100,000 points, 1 to 100,000 resamples, 3 to 12 parameters.

    python benchmarks/growth.py [--quick] [--curves]

One of the three grows at a time, each case in a process of its own: its peak memory is that of the
whole process, and so is the processor time of its first fit, compilation included. With --curves,
fits of loss curves: 24,000 to 240,000 steps, 3 to 12 curves; the draws of one law beside SciPy's
least_squares on the same residuals and derivatives, from the same place.
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

from scaling_cli import curve_laws, fit_curves, parse_schedule
from scaling_cli.curve_fits.fitting import CurveOptions, draws, search, weights
from scaling_cli.engine.curves import CurveProblem
from scaling_cli.laws._law import Law, param, power
from scaling_cli.point_fits.certainty.resampling import resample
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.curve import Curve
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
STEPS, CURVES = (24_000, 72_000, 240_000), (3, 6, 12)
SCHEDULES = ("constant", "cosine", "wsd", "linear", "polynomial", "exponential")
TRUTH = {"L0": 3.0, "A": 20.0, "alpha": 0.5, "B": 0.15, "C": 0.06, "beta": 0.25, "gamma": 0.8}
DRAWS, PEER_DRAWS = 100, 5


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


def made_up_curves(count: int, steps: int) -> list[Curve]:
    """Return curves of the multi-power law, no two schedules alike, 200 rows each, 0.2 % noise."""
    generator, curves = np.random.default_rng(0), []
    for i in range(count):
        kind, low = SCHEDULES[i % len(SCHEDULES)], 1e-4 * (0.2 + 0.1 * (i // len(SCHEDULES)))
        shape = {"constant": "", "wsd": f",stable=0.8,min={low}"}.get(kind, f",min={low}")
        shape += ",power=2" if kind == "polynomial" else ""
        schedule = parse_schedule(f"{kind}:peak=1e-3,warmup={steps // 20}{shape},steps={steps}")
        step = np.linspace(steps // 20, steps - 1, 200).astype(int)
        path = Curve("", schedule, step, np.ones(len(step))).path("as_trained", 1e-3)
        loss = curve_laws.get("multi_power")(**TRUTH).curve(path)
        noise = np.exp(0.002 * generator.standard_normal(len(step)))
        curves.append(Curve(str(i), schedule, step, loss * noise))
    return curves


def peer(problem: CurveProblem, u: np.ndarray, times: np.ndarray) -> float:
    """Return the sum that SciPy's trust region reaches from u."""
    from scipy.optimize import least_squares

    mean, precision = problem.prior.T

    def robust(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, root = problem.sensing(u), np.sqrt(times)
        off, size = rows[:, 0], np.abs(rows[:, 0])
        inside = size <= problem.delta
        arm = np.sqrt(problem.delta * np.maximum(2 * size - problem.delta, problem.delta))
        value = np.sign(off) * np.where(inside, size, arm)
        slope = np.where(inside, 1.0, problem.delta / arm)
        penalty = np.sqrt(precision)
        residuals = np.append(root * value, penalty * (u - mean)) / problem.delta
        jacobian = np.vstack([(root * slope)[:, None] * rows[:, 1:], np.diag(penalty)])
        return residuals, jacobian / problem.delta

    asked: dict[str, Any] = {"jac": lambda u: robust(u)[1], "x_scale": "jac", "max_nfev": 1000}
    asked |= {"xtol": 1e-10, "ftol": 1e-10, "gtol": 1e-10}
    found = least_squares(lambda u: robust(u)[0], u, **asked)
    return float(found.cost) * problem.delta**2


def curve_case(count: int, steps: int) -> dict[str, float]:
    """Fit curves twice, in this process, and draw one law beside SciPy."""
    curves = made_up_curves(count, steps)
    _, first, first_spent = clocked(lambda: fit_curves(curves))
    _, again, again_spent = clocked(lambda: fit_curves(curves))
    near = search("multi_power", curves, CurveOptions(1e-3, "as_trained", {}, 1.0))
    counts, _ = weights([len(c.step) for c in curves], 0.5, DRAWS, 0)
    _, _, drawn = clocked(lambda: draws(near, counts))
    u, problem = near.line.at, near.line.problem
    _, _, theirs = clocked(lambda: [peer(problem, u, times) for times in counts[:PEER_DRAWS]])
    return {
        "first": first,
        "first_spent": first_spent,
        "again": again,
        "again_spent": again_spent,
        "drawn": drawn,
        "theirs": theirs * DRAWS / PEER_DRAWS,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10),
    }


def curve_rows() -> None:
    """Measure fits of curves and print a line each."""
    print(
        "| curves | steps | points | first fit, s | of processor | again, s | of processor "
        "| 100 draws of one law | SciPy's least_squares | peak MB |"
    )
    print("|" + "---|" * 10)
    cases = [(CURVES[0], steps) for steps in STEPS] + [(count, STEPS[0]) for count in CURVES[1:]]
    for count, steps in cases:
        found = apart("--curve-case", count, steps)
        times = "first", "first_spent", "again", "again_spent", "drawn", "theirs"
        shown = " | ".join(f"{found[name]:.2f}" for name in times)
        print(f"| {count} | {steps} | {200 * count} | {shown} | {found['megabytes']:.0f} |")
        sys.stdout.flush()


def apart(kind: str, *sizes: int) -> dict[str, float]:
    """Run a case in a process of its own, with its caches empty."""
    done = subprocess.run(
        [sys.executable, __file__, kind, *map(str, sizes)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def row(points: int, resamples: int, parameters: int) -> None:
    """Measure a case and print its line."""
    found = apart("--case", points, resamples, parameters)
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
    parser.add_argument("--curves", action="store_true", help="fits of loss curves")
    parser.add_argument("--case", nargs=3, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--curve-case", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.curve_case:
        print(json.dumps(curve_case(*options.curve_case)))
        return
    if options.curves:
        curve_rows()
        return
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
