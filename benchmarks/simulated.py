"""Write the fits of laws whose published constants nobody here has read in their source.

Each is a fit to a few runs simulated from parameters stated here, with noise of a thousandth, and
says so: it shows that the law is recovered, not what any model does.

    python benchmarks/simulated.py [LAW...]
"""

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._record import versions
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits.fitting import describe, refit_objective
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

FITS = Path(__file__).resolve().parents[1] / "fits"
NOISE = 1e-3
SIZES, TOKENS = (2e7, 1e8, 5e8, 2.5e9), (1e9, 8e9, 6e10)
LINE = tuple(np.geomspace(1e3, 1e9, 16).tolist())


@dataclass(frozen=True)
class Truth:
    """Stated parameters, and the levels of each input of which all combinations are runs."""

    values: Mapping[str, float]
    levels: Mapping[str, Sequence[float]]


TRUTHS = {
    "farseer": Truth(
        {
            "e0": 0.6,
            "e1": -0.05,
            "g": 0.1,
            "b0": 5.0,
            "b1": 0.15,
            "h": -0.1,
            "a0": -1.1,
            "a1": -0.04,
            "k": -0.1,
        },
        {"N": (2e7, 1e8, 4e8, 2e9, 1e10), "D": (5e8, 3e9, 2e10, 1e11, 6e11)},
    ),
    "precision": Truth(
        {"E": 1.8, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.36, "g_w": 2.7},
        {"N": SIZES, "D": TOKENS, "P_w": (3.0, 4.0, 6.0, 8.0, 16.0)},
    ),
    "moe_sparsity": Truth(
        {
            "E": 1.2,
            "a": 600.0,
            "b": 900.0,
            "c": 0.4,
            "d": 8.0,
            "alpha": 0.4,
            "beta": 0.35,
            "s": -0.2,
            "m": 0.2,
            "g": 0.15,
        },
        {"N": SIZES, "D": TOKENS, "idle": (0.0, 0.5, 0.75, 0.9, 0.97)},
    ),
    "vocabulary_size": Truth(
        {"E": -1.5, "A": 300.0, "F": 20.0, "B": 600.0, "alpha": 0.35, "gamma": 0.4, "beta": 0.33},
        {"N": SIZES, "V": (4e3, 1.6e4, 6.4e4), "D": TOKENS},
    ),
    "parallel_streams": Truth(
        {"E": 1.3, "A": 30.0, "alpha": 0.2, "k": 0.35},
        {"N": (5e8, 1e9, 2e9, 4e9), "streams": (1.0, 2.0, 4.0, 8.0)},
    ),
    "routing_floor": Truth(
        {"E": 1.4, "A": 1.6, "a": 0.25, "b": 0.09, "c": 0.012},
        {"N": (1e7, 4e7, 1.6e8, 6.4e8, 2.5e9), "experts": (1.0, 4.0, 16.0, 64.0, 256.0)},
    ),
    "unique_capacity": Truth(
        {
            "E": 1.7,
            "A": 0.6,
            "B": 0.5,
            "alpha": 0.35,
            "beta": 0.4,
            "R": 12.0,
            "k": -0.4,
            "q": 2.0,
        },
        {"N": SIZES, "D": (1e9, 6e9, 3.6e10, 2e11), "U": (1e8, 5e8, 2.5e9, 1.2e10)},
    ),
    "vocabulary_shift": Truth(
        {"E": 1.2, "e": 0.06, "A": 0.4, "B": 0.5, "alpha": 0.3, "beta": 0.35, "k": 0.08},
        {"N": SIZES, "V": (4e3, 1.6e4, 6.4e4), "D": TOKENS},
    ),
    "vocabulary_power": Truth(
        {
            "E": 1.1,
            "A": 0.4,
            "B": 0.5,
            "alpha": 0.4,
            "beta": 0.5,
            "i": -0.1,
            "j": 0.12,
            "gamma": 0.6,
        },
        {"N": SIZES, "V": (4e3, 1.6e4, 6.4e4), "D": (1e9, 4e9, 1.6e10, 6.4e10)},
    ),
    "upcycled_moe": Truth(
        {
            "E": 1.5,
            "A": 0.6,
            "B": 0.4,
            "a": 0.4,
            "b": 0.5,
            "g": 0.7,
            "p": 0.08,
            "q": 0.05,
            "r": 0.06,
        },
        {
            "N": (2e7, 8e7, 3.2e8),
            "D": (5e9, 2e10, 8e10),
            "P": (1.5, 3.0, 7.0),
            "N_dense": (1.5e7, 5e7, 1.8e8),
        },
    ),
    "rate_batch_valley": Truth(
        {
            "E": 1.2,
            "A": 0.5,
            "B": 0.6,
            "alpha": 0.4,
            "beta": 0.45,
            "gamma": 0.6,
            "m0": -0.1,
            "m_n": -0.5,
            "m_d": 0.2,
            "m_v": 0.3,
            "k0": 0.5,
            "k_n": -0.1,
            "k_d": 0.5,
            "V_u": 0.04,
            "u_n": -0.2,
            "u_d": -0.1,
            "s_u": 0.5,
            "V_v": 0.03,
            "v_n": -0.1,
            "v_d": -0.15,
            "s_v": 0.2,
        },
        {
            "N": (6e7, 3e8, 1.2e9),
            "D": (3e9, 2e10, 1e11),
            "lr": (5e-4, 1.5e-3, 4e-3, 1.2e-2),
            "batch": (48.0, 192.0, 768.0),
        },
    ),
    "width_depth": Truth(
        {"E": 1.8, "A": 20.0, "F": 1.5, "B": 900.0, "alpha": 0.6, "gamma": 0.9, "beta": 0.35},
        {"width": (256.0, 512.0, 1024.0, 2048.0), "depth": (3.0, 8.0, 20.0, 48.0), "D": TOKENS},
    ),
    "broken_power": Truth(
        {"E": 0.5, "A": 6.0, "c0": 0.05, "c1": 0.4, "d": 1e6, "f": 0.3},
        {"x": np.geomspace(1e3, 1e10, 29).tolist()},
    ),
    "shifted_power": Truth({"A": 20.0, "x0": 1e7, "p": 0.2}, {"x": LINE}),
    "translation": Truth(
        {"E": 1.1, "A": 900.0, "p_e": 0.18, "p_d": 0.28},
        {"N_e": (1e7, 4e7, 1.6e8, 6.4e8), "N_d": (1e7, 4e7, 1.6e8, 6.4e8)},
    ),
    "power": Truth({"c": 0.002, "p": 0.35}, {"x": LINE}),
    "logarithm": Truth({"a": 5.0, "b": -0.15}, {"x": LINE}),
    "overoptimisation": Truth(
        {"alpha": 0.9, "beta": 0.25}, {"d": np.geomspace(0.5, 12.0, 16).tolist()}
    ),
    "coverage": Truth({"a": 3.0, "b": 0.35}, {"k": np.geomspace(1, 1e4, 17).tolist()}),
}


def simulated(name: str, truth: Truth) -> Fit:
    """Return the fit of a law to the runs that its stated parameters make."""
    law = laws.get(name)
    grid = np.array(list(itertools.product(*truth.levels.values()))).T
    inputs = dict(zip(truth.levels, grid, strict=True))
    shaken = np.exp(NOISE * np.random.default_rng(7).standard_normal(grid.shape[1]))
    output = np.asarray(law(**truth.values)(**inputs), float) * shaken
    runs = [f"simulated-{i:03d}" for i in range(len(output))]
    conventions = {s: q.conventions[0] for s, q in law.inputs().items() if q.conventions}
    conventions |= {"L": "nats/token"}
    points = Points(inputs, output, runs, {**conventions, **dict(law.convention)})
    objective = Objective()
    found = refit_objective(points, name, objective)
    stated = ", ".join(f"{n} = {v:g}" for n, v in truth.values.items())
    picks = [0, len(output) // 2, len(output) - 1]
    at = [{s: float(v[i]) for s, v in inputs.items()} for i in picks]
    return Fit(
        name=f"{name}/simulated",
        law=found.law,
        status=Status.CONVERGED,
        objective=objective,
        value=found.value,
        n_points=len(points),
        data={"target": "loss", "sources": [], **describe(points, law)},
        selection={"target": "loss", "seed": 0},
        origin={
            "kind": "simulated",
            "source": "benchmarks/simulated.py: runs simulated from stated parameters",
            "certainty": "computed",
            "note": f"Simulated from {stated}, with noise of {NOISE:g} of the value; no model was "
            "trained, and no published constant is in it.",
            "card": None,
            "units": {
                s: q.unit for s, q in {**law.inputs(), law.output().symbol: law.output()}.items()
            },
            "anchors": [{"inputs": x, "value": float(found.law(**x))} for x in at],
        },
        versions=versions(),
    )


def main(names: Sequence[str]) -> None:
    """Write the fits that are named, or all."""
    for name in names or TRUTHS:
        fit = simulated(name, TRUTHS[name])
        (FITS / name).mkdir(exist_ok=True)
        fit.to_json(FITS / name / "simulated.json")
        print(name, fit.value, {n: round(v, 4) for n, v in fit.parameters.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
