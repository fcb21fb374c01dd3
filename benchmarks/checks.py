"""Does a warning mean something? Which codes the fits carry whose forecasts failed, and the others.

    SCALING_SHARED=../shared python benchmarks/checks.py [--axes compute] [--keep FILE]

The cuts of benchmarks/coverage.py: for every table the largest runs are hidden, the rest is fitted
as `scaling fit` does, checklist included, and the hidden runs are forecast. A cut is missed if
fewer than .7 of its hidden runs lie inside their intervals. A warning that is worth its line is
carried by more of the missed cuts than of the others.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from coverage import AXES, LEVEL, TOO_FEW, Options, forecasts
from coverage_scores import Forecast
from coverage_tables import Table, tables

from scaling_cli.point_fits.fitting import fit
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.outcomes import Level


@dataclass(frozen=True)
class Judged:
    """A cut, whether its forecasts failed, and what the checklist said before."""

    family: str
    table: str
    cut: tuple[str, float]
    n: int
    inside: float
    checks: dict[str, tuple[str, str]]
    diagnostics: dict[str, Any]

    @property
    def missed(self) -> bool:
        """Whether too few hidden runs lie inside."""
        return self.inside < TOO_FEW

    def warned(self) -> list[str]:
        """Return the codes that warn or fail."""
        return [code for code, (level, _) in self.checks.items() if level != Level.PASS]


def judged(axes: Sequence[str]) -> Iterator[Judged]:
    """Fit every cut of every table, and keep what its checklist says."""
    for one in tables():
        for made in forecasts(one, Options(axes=tuple(axes))):
            yield from _judged(one, made)


def _judged(one: Table, made: Forecast) -> Iterator[Judged]:
    axis, factor = made.cut
    values = {"compute": one.C, "tokens": one.D, "D/N": one.D / one.N}[axis]
    below, above = made.sides
    inside = float(np.mean((made.error <= below) & (-made.error <= above)))
    if not len(made.error):
        return
    try:
        told = fit(one.points(np.max(values) / factor >= values), level=LEVEL)
    except FitError:
        return
    checks = {c.code: (str(c.level), c.message) for c in told.checks}
    yield Judged(one.family, one.name, made.cut, made.n, inside, checks, dict(told.diagnostics))


def report(every: Sequence[Judged]) -> None:
    """Print how often each code warns of missed cuts and of the others."""
    missed, others = ([j for j in every if j.missed == which] for which in (True, False))
    print(f"{len(missed)} missed cuts, {len(others)} others\n{'':>24} missed others")
    for code in every[0].checks:
        shares = [np.mean([code in j.warned() for j in some]) for some in (missed, others)]
        if max(shares):
            print(f"{code:>24} {shares[0]:6.2f} {shares[1]:6.2f}")
    free = [np.mean([not j.warned() for j in some]) for some in (missed, others)]
    usual = [np.median([len(j.warned()) for j in some]) for some in (missed, others)]
    print(f"{'free of warnings':>24} {free[0]:6.2f} {free[1]:6.2f}")
    print(f"{'median number':>24} {usual[0]:6g} {usual[1]:6g}")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axes", nargs="+", default=list(AXES))
    parser.add_argument("--keep", help="write every cut and its checklist here, as JSON")
    options = parser.parse_args()
    every = list(judged(options.axes))
    if options.keep:
        Path(options.keep).write_text(json.dumps([asdict(j) for j in every], default=str))
    report(every)


if __name__ == "__main__":
    main()
