"""N in millions, D in billions, x in anything: the same law, the same predictions."""

import numpy as np
import pytest
from laws_tables import own_table
from tables import table

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.fitting import fit
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import L

SCALES = (1e-6, 1e-3, 1e6)
KNOWN = {"N", "D", "C", "x", "N_avg", "S_min"}
# Laws with inputs of their own are asked by their certified fits (tests/laws/test_laws.py), and
# farseer is read at 1e9 parameters: its starts know their unit.
EVERY = {name: laws.get(name) for name in laws.names() if name != "farseer"}
NAMES = [n for n, law in EVERY.items() if law.inputs().keys() <= KNOWN or law.output() is not L]


def _points(name: str) -> Points:
    """Return 15 noisy runs of a known law, on the inputs of any law of a loss.

    A law of something else gets runs of its own: where nothing comes within Huber's corner of a
    law that is straight in logarithms, a regular grid has a whole face of minima.
    """
    if laws.get(name).output() is not L:
        return own_table(name)
    from_known = table("chinchilla", noise=0.004, seed=5)
    N, D = from_known.inputs["N"], from_known.inputs["D"]
    columns = {"N": N, "D": D, "x": N * D, "C": 6 * N * D, "N_avg": N, "S_min": D}
    inputs = {symbol: columns[symbol] for symbol in laws.get(name).inputs()}
    output = from_known.output
    if len(inputs) == 1:  # a curve in that input alone, or other inputs would look like noise
        (values,) = inputs.values()
        output = 1.7 + (values / values.min()) ** -0.12 * (output / output.mean()) ** 0.05
    return Points(inputs, output, from_known.runs)


def _in_units(points: Points, scale: float) -> Points:
    """Return the points with the first input in one unit and the others in its inverse."""
    first = next(iter(points.inputs))
    inputs = {s: v * scale if s == first else v / scale for s, v in points.inputs.items()}
    return Points(inputs, points.output, points.runs)


def _predictions(law: Law, points: Points) -> np.ndarray:
    """Return predictions at the points, and where every input is a hundred times larger."""
    near = np.asarray(law(**points.inputs), float)
    far = np.asarray(law(**{s: 100 * v for s, v in points.inputs.items()}), float)
    return np.concatenate([near, far])


@pytest.mark.parametrize("objective", [Objective(), Objective("l2")], ids=lambda o: o.name)
@pytest.mark.parametrize("name", NAMES)
def test_predictions_do_not_depend_on_units(name: str, objective: Objective) -> None:
    points, law = _points(name), laws.get(name)
    expected = _predictions(optimise(make_problem(points, law, objective)).law, points)
    for scale in SCALES:
        other = _in_units(points, scale)
        found = _predictions(optimise(make_problem(other, law, objective)).law, other)
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=f"units of {scale:g}")


def test_intervals_do_not_depend_on_units() -> None:
    points = _points("chinchilla")
    other = _in_units(points, 1e-6)
    one, two = (fit(p, bootstrap=200, objective=Objective("l2")) for p in (points, other))
    for name in ("E", "alpha", "beta"):
        for side in ("low", "high"):
            assert two.intervals[name][side] == pytest.approx(one.intervals[name][side], rel=1e-7)
    near = one.predict(N=2e10, D=4e11).new_run
    far = two.predict(N=2e10 * 1e-6, D=4e11 * 1e6).new_run
    assert near is not None
    assert far is not None
    np.testing.assert_allclose(far, near, rtol=1e-7)
