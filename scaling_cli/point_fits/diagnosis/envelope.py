"""N*(C) from the envelope of runs: Chinchilla's first approach, which knows neither law nor slices.

The runs that no other undercuts with as little compute have the best sizes; a straight line goes
through the logarithms of these. With few rows along a run the envelope is coarse, and its own
scatter says so; rows along runs (`--at all`) must be of runs whose rate has fallen by then.
"""

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.numerics.frontier import undercutting
from scaling_cli.point_fits.diagnosis.isoflop import Line, line_through
from scaling_cli.runs.points import Points

FEWEST_POINTS, FEWEST_SIZES = 5, 3  # of the envelope, for a line


def envelope(points: Points, law: Law) -> Line | None:
    """Return the line through the sizes of the envelope; None where it has too few.

    Parameters
    ----------
    points : Points
    law : Law
        Which of its inputs is a size, and how it counts compute.
    """
    spent = law.size_and_data()
    if spent is None:
        return None
    compute = law.along(points.inputs)
    by = undercutting(compute, np.asarray(points.output, float), points.runs)
    best = by == np.arange(len(points))
    size = np.asarray(points.inputs[spent[0]], float)[best]
    if len(size) < FEWEST_POINTS or len(np.unique(size)) < FEWEST_SIZES:
        return None
    return line_through(compute[best].tolist(), size.tolist())
