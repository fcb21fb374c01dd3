"""The loss curves that forecasts are judged on: jobs with their plans, by source.

The folder of other people's data is not in this repository; the ladder is.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from curves import PUBLISHED

from scaling_cli.forecasting.future import RatePlan
from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.knots import Knots

SHARED = Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"
LADDER = Path("data/ladder")
MOST_EPOCHS = 4.0
FEWEST_EVALUATIONS = 12
LAST_ROWS = {"xlstm": 3, "datablations": 3, "gemstones": 3}  # training losses, little noise


@dataclass(frozen=True)
class Case:
    """A whole curve: the job at its end, its plan, and what is special about it."""

    source: str
    job: Job
    plan: RatePlan
    recorded: bool
    overfit: bool
    end: float
    final: float
    noise: float

    def kind(self, share: float) -> str:
        """Return the class of the curve when this share of it is logged."""
        rate = self.plan.rate(np.linspace(share, 1, 400) * self.end)
        if rate.min() > 0.97:
            return "constant"
        grid = np.linspace(0.02, 1, 400) * self.end
        flat = np.mean(self.plan.rate(grid) > 0.97) > 0.3
        if not flat:
            return "cosine"
        return "wsd-before" if rate[0] > 0.97 else "wsd-begun"


def cases() -> list[Case]:
    """Return every curve there is."""
    found = [*_ladder()]
    if SHARED.is_dir():
        found += [
            *_multi_power(),
            *_annealing(),
            *_xlstm(),
            *_nanogpt(),
            *_gemstones(),
            *_datablations(),
        ]
    return found


def _rows(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf8") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _numbers(column: list[str]) -> np.ndarray:
    return np.array([float(cell) if cell else np.nan for cell in column])


def _case(
    source: str,
    job: Job,
    schedule: Schedule,
    *,
    recorded: bool = True,
    overfit: bool = False,
    raw: bool = False,
) -> Case:
    """Return a case; the end of a raw training log is the mean of its last hundredth.

    A run may have been stopped long before its schedule ends.
    """
    rows = max(10, len(job.x) // 100) if raw else LAST_ROWS.get(source, 1)
    plan = RatePlan(schedule, schedule.length, "given", "given")
    job = replace(job, schedule=schedule)
    last = job.loss[-rows:]
    return Case(
        source,
        job,
        plan,
        recorded,
        overfit,
        float(job.x[-rows:].mean()),
        float(last.mean()),
        float(last.std() / np.sqrt(rows)),
    )


def _ladder() -> Iterator[Case]:
    """Yield the ladder's held-out losses; training losses share their order of the data."""
    table = _rows(LADDER / "runs.csv")
    columns = ("run_id", "schedule", "role", "params_total")
    for run, text, role, params in zip(*(table[c] for c in columns), strict=True):
        logged = _rows(LADDER / f"runs/{run}.csv")
        step, loss = _numbers(logged["step"]), _numbers(logged["val_loss"])
        there = np.isfinite(loss)
        if there.sum() >= FEWEST_EVALUATIONS:
            job = Job(run, step[there], loss[there], params=float(params))
            yield _case(f"ladder-{role}", job, parse_schedule(text))


def _multi_power() -> Iterator[Case]:
    for size in ("25M", "100M"):
        for path in sorted((SHARED / f"multipowerlaw/runs_{size}").glob("*.csv")):
            logged = _rows(path)
            job = Job(
                f"{size}-{path.stem}",
                _numbers(logged["step"]),
                _numbers(logged["loss"]),
                params=float(size[:-1]) * 1e6,
            )
            # Those with one step of the rate were planned for 16000 steps; 25M ended before.
            text = PUBLISHED[path.stem].replace("steps=16000", f"steps={job.now:.0f}")
            yield _case("multipowerlaw", job, parse_schedule(text))


def _logged(source: str, path: Path, *, raw: bool) -> Case:
    logged = _rows(path)
    step, lr = _numbers(logged["step"]), _numbers(logged["lr"])
    params = float(logged["params"][0]) if "params" in logged else None
    job = Job(path.stem, step, _numbers(logged["loss"]), params=params)
    at = np.unique(step, return_index=True)[1]
    return _case(source, job, Knots.of(step[at], np.maximum(lr[at], 0)), raw=raw)


def _annealing() -> Iterator[Case]:
    yield _logged("tissue", SHARED / "lr_annealing_100M/runs/cosine.csv", raw=True)


def _xlstm() -> Iterator[Case]:
    for path in sorted((SHARED / "xlstm_isoflop/runs").glob("*.csv")):
        yield _logged("xlstm", path, raw=False)


def _nanogpt() -> Iterator[Case]:
    """Yield held-out losses; the trapezoid is that of the logged settings."""
    index = _rows(SHARED / "nanogpt_logs/index.csv")
    for i, log in enumerate(index["log"]):
        logged = _rows(SHARED / f"nanogpt_logs/{log}_val.csv")
        steps, down = float(index["total_steps"][i]), index["warmdown_iters"][i]
        fall = eval(down) if down else 5812  # "2*2906"
        text = (
            f"wsd:peak=0.0036,warmup={index['warmup_iters'][i]},stable={steps - fall:.0f},"
            f"steps={steps:.0f}"
        )
        job = Job(log, _numbers(logged["step"]), _numbers(logged["loss"]))
        yield _case("nanogpt", job, parse_schedule(text), recorded=bool(down))


def _gemstones() -> Iterator[Case]:
    for path in sorted((SHARED / "gemstones/runs").glob("*.csv")):
        logged = _rows(path)
        job = Job(
            path.stem,
            _numbers(logged["step"]),
            _numbers(logged["loss"]),
            params=float(logged["params"][0]),
        )
        text = f"constant:peak=1,steps={job.now:.0f}"
        yield _case("gemstones", job, parse_schedule(text), recorded=False)


def _datablations() -> Iterator[Case]:
    for path in sorted((SHARED / "datablations/runs").glob("*.csv")):
        logged = _rows(path)
        job = Job(
            path.stem,
            _numbers(logged["tokens"]),
            _numbers(logged["loss"]),
            unit="tokens",
            params=float(logged["params"][0]),
        )
        schedule = parse_schedule(f"cosine:peak=1,min=0.1,warmup=1%,tokens={job.now:.0f}")
        epochs = float(logged["epochs_planned"][0])
        yield _case("datablations", job, schedule, recorded=False, overfit=epochs > MOST_EPOCHS)
