"""How often `forecast --stop` stops the best of several runs, and what it saves, replayed.

A group is runs of one source that end at the same place, with two to sixteen members. Every group
is cut at 25, 50 and 75 % of the run. `--stop` says which to stop; successive halving, with the same
logs, stops the half that is worst at the cut. A second figure of each: by what the best of those
that went on ended above the best of all. Before that, what errors of forecasts in one group have in
common, with which the ends are drawn together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from forecast_curves import LADDER, Case, Log, _case, _rows, cases

import scaling_cli as sc
from scaling_cli.forecasting import stopping
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.errors import ScalingError

CUTS = (0.25, 0.5, 0.75)
LARGEST = 16
SAME_END = 0.02
RISKS = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Outcome:
    """What came of a rule in one group at one cut."""

    missed: bool
    saved: float
    regret: float
    said: float | None = None


def groups() -> list[list[Case]]:
    """Return runs that are candidates together: of one source, with one end."""
    found = []
    every = [case for case in (*cases(), *_sweeps()) if not case.overfit]
    by_source = sorted(every, key=lambda c: (_group(c), c.end))
    for _, of in groupby(by_source, key=_group):
        some: list[Case] = []
        for case in of:
            if some and case.end > some[0].end * (1 + SAME_END):
                found.append(some)
                some = []
            some.append(case)
        found.append(some)
    return [some[:LARGEST] for some in found if len(some) > 1]


def _group(case: Case) -> str:
    """Return the source; of a sweep, its model and length."""
    return case.source if "sweep" not in case.source else case.job.run.rpartition("-")[0]


def _sweeps() -> list[Case]:
    """Return the training losses of the ladder's sweeps of the learning rate and of its seeds."""
    table = LADDER / "runs.csv"
    return [
        _case(
            f"sweep {run['role']}",
            Log(LADDER / f"runs/{run['run_id']}.csv", table, "loss"),
            run["schedule"],
            raw=True,
        )
        for run in _rows(table)
        if run["role"] == "sweep"
    ]


def forecasts(group: Sequence[Case], cut: float, *, known: bool) -> dict[str, sc.Forecast]:
    """Return the forecasts of a group at a cut, by run."""
    told = {}
    for case in group:
        part = case.prefixes.get(cut)
        if part is None:
            continue
        given = case.schedule if known else None
        try:
            told[case.job.run] = sc.forecast(
                [part], until=f"{case.end} {part.unit}", schedule=given
            )[0]
        except ScalingError:
            continue
    return told


def by_forecast(
    group: Sequence[Case], told: Mapping[str, sc.Forecast], cut: float, risk: float
) -> Outcome:
    """Return what comes of stopping as the forecasts say."""
    some = [case for case in group if case.job.run in told]
    jobs = [case.prefixes[cut] for case in some]
    rule = stopping.which_to_stop([told[case.job.run] for case in some], jobs, [], risk=risk)
    stopped = {c.run for c in rule.candidates if c.stop}
    return _came(some, stopped, rule.p_stopped)


def halving(group: Sequence[Case], told: Mapping[str, sc.Forecast]) -> Outcome:
    """Return what comes of stopping the half that is worst now."""
    some = sorted(
        (told[case.job.run].seen.loss, case.job.run) for case in group if case.job.run in told
    )
    return _came(
        [c for c in group if c.job.run in told], {run for _, run in some[(len(some) + 1) // 2 :]}
    )


def _came(group: Sequence[Case], stopped: set[str], said: float | None = None) -> Outcome:
    best = min(group, key=lambda case: case.final)
    kept = min(case.final for case in group if case.job.run not in stopped)
    return Outcome(best.job.run in stopped, len(stopped) / len(group), kept / best.final - 1, said)


def shared(
    every: Sequence[tuple[Sequence[Case], Mapping[str, sc.Forecast]]],
) -> tuple[float, float]:
    """Return the share of the variance of standardised errors that groups have in common, and it.

    By pairs: the mean product of the errors of two runs of one group, over the mean square.
    """
    products, squares = [], []
    for group, told in every:
        z = np.array([_error(case, told[case.job.run]) for case in group if case.job.run in told])
        pairs = (z.sum() ** 2 - (z**2).sum()) / max(1, len(z) * (len(z) - 1))
        if len(z) > 1:
            products.append(pairs)
            squares.append(float(np.mean(z**2)))
    return float(np.mean(products) / np.mean(squares)), float(np.mean(squares))


def _error(case: Case, forecast: sc.Forecast) -> float:
    low, high = forecast.interval
    side = high - forecast.value if case.final > forecast.value else forecast.value - low
    return float(np.clip((case.final - forecast.value) / side * quantile(forecast.level), -4, 4))


def row(name: str, told: Sequence[Outcome]) -> str:
    """Return how often the best was stopped, what was saved, and what that cost."""
    said = [o.said for o in told if o.said is not None]
    risk = f"  said {100 * np.mean(said):4.1f} %" if said else ""
    return (
        f"  {name:16s} {len(told):3d}  best stopped "
        f"{100 * np.mean([o.missed for o in told]):4.1f} %{risk}  "
        f"stopped {100 * np.mean([o.saved for o in told]):3.0f} %  costs "
        f"{100 * np.mean([o.regret for o in told]):.3f} %"
    )


def main() -> None:
    """Print a table for forecasts with the schedule and for those from the log alone."""
    some = groups()
    print(f"{len(some)} groups: " + ", ".join(f"{_group(g[0])} ({len(g)})" for g in some))
    for known in (True, False):
        print("with the schedule" if known else "from the log alone")
        for cut in CUTS:
            every = [(g, forecasts(g, cut, known=known)) for g in some]
            every = [(g, told) for g, told in every if len(told) > 1]
            common, square = shared(every)
            print(f" {100 * cut:.0f} %: common share {common:.2f}, mean square {square:.2f}")
            for share in (0.0, 0.25, 0.5, 0.75):
                stopping.SHARED = share
                for risk in RISKS:
                    print(
                        row(
                            f"{share:g} in common, {risk:g}",
                            [by_forecast(g, t, cut, risk) for g, t in every],
                        )
                    )
            print(row("halving", [halving(g, told) for g, told in every]))


if __name__ == "__main__":
    main()
