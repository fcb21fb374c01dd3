"""The loss curves that forecasts are judged on: whole logs, the same cut short, and schedules.

Every log is read as `scaling forecast` reads it, and so is every log cut at a share of its length.
The folder of other people's data is not in this repository; the ladder is. A schedule that a user
would give (--schedule) is that of the log's own rate, of the published table of steps and rates
(Luo et al., whose logs begin after the warm-up), of the ladder's table, of nanoGPT's settings, or
what the authors say of runs that log no rate (Gemstones: constant; datablations: a cosine).
"""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from scaling_cli import read
from scaling_cli.forecasting.future import RatePlan
from scaling_cli.forecasting.job import FEWEST, Job, jobs_of
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.knots import Knots

SHARED = Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"
LADDER = Path("data/ladder")
SHARES = (0.25, 0.5, 0.75, 0.9)
MOST_EPOCHS = 4.0
FEWEST_EVALUATIONS = 12
UNLOGGED_COOL_DOWN = "2*2906"  # of the run of nanoGPT whose settings lack it: its sisters'
LAST_ROWS = {"xlstm": 3, "datablations": 3, "gemstones": 3}  # training losses, little noise


@dataclass(frozen=True)
class Log:
    """One log file, how it is read, and what is read of it."""

    path: Path
    meta: Path | None = None
    target: str | None = None

    def job(self) -> Job:
        """Return the run as `scaling forecast` reads it."""
        return self._read(self.path)

    def until(self, job: Job, at: float) -> Job:
        """Return the run that is read of the log as it was at a place along it."""
        with self.path.open(encoding="utf8") as stream:
            head, *rows = csv.reader(stream)
        axis = head.index("step" if job.unit == "steps" else "tokens")
        with TemporaryDirectory() as folder:
            short = Path(folder) / self.path.name
            with short.open("w", encoding="utf8", newline="") as stream:
                csv.writer(stream).writerows([head, *(r for r in rows if float(r[axis]) <= at)])
            return self._read(short)

    def _read(self, path: Path) -> Job:
        jobs, left = jobs_of(read(path, meta=self.meta), target=self.target)
        if not jobs:
            raise ValueError(f"{self.path}: {left[0].reason}")
        return jobs[0]


@dataclass(frozen=True)
class Case:
    """A whole curve, the schedule that would be given with it, and what is special about it."""

    source: str
    log: Log
    job: Job
    schedule: Schedule
    recorded: bool
    overfit: bool
    params: float | None
    end: float
    final: float

    @property
    def plan(self) -> RatePlan:
        """The learning rate under the given schedule."""
        return RatePlan(self.schedule, self.schedule.length, "given", "given")

    @cached_property
    def prefixes(self) -> Mapping[float, Job]:
        """The run as its log is read at each share of its length that has points enough."""
        places = {share: share * self.end for share in SHARES}
        enough = {s: x for s, x in places.items() if (self.job.x <= x).sum() >= FEWEST}
        return {share: self.log.until(self.job, x) for share, x in enough.items()}

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


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf8") as stream:
        return list(csv.DictReader(stream))


def _case(
    source: str,
    log: Log,
    schedule: str | Schedule | None = None,
    *,
    recorded: bool = True,
    overfit: bool = False,
    raw: bool = False,
    params: float | None = None,
) -> Case:
    """Return a case; the end of a raw training log is the mean of its last hundredth.

    The schedule is that of the log's own rate where none is given. In a text, END is the last
    step or token: a run may have been stopped long before its schedule ends.
    """
    job = log.job()
    given = Knots.of(*job.rates()) if schedule is None else schedule
    if isinstance(given, str):
        given = parse_schedule(given.replace("END", f"{job.now:.0f}"))
    rows = max(10, len(job.x) // 100) if raw else LAST_ROWS.get(source, 1)
    end, final = float(job.x[-rows:].mean()), float(job.loss[-rows:].mean())
    size = params or job.params
    return Case(source, log, job, given, recorded, overfit, size, end, final)


def _ladder() -> Iterator[Case]:
    """Yield the ladder's held-out losses; training losses share their order of the data."""
    table = LADDER / "runs.csv"
    for run in _rows(table):
        path = LADDER / f"runs/{run['run_id']}.csv"
        if sum(bool(row["val_loss"]) for row in _rows(path)) >= FEWEST_EVALUATIONS:
            yield _case(f"ladder-{run['role']}", Log(path, table, "val_loss"), run["schedule"])


def _multi_power() -> Iterator[Case]:
    for size in ("25M", "100M"):
        for path in sorted((SHARED / f"multipowerlaw/runs_{size}").glob("*.csv")):
            last = int(_rows(path)[-1]["step"])
            rates = _rows(SHARED / f"multipowerlaw/schedules/{path.name}")
            step, lr = (np.array([float(row[c]) for row in rates]) for c in ("step", "lr"))
            # Those with one step of the rate were planned for 16000 steps; 25M ended before.
            at = np.append(step[step < last], last)
            schedule = Knots.of(at, np.interp(at, step, lr))
            yield _case("multipowerlaw", Log(path), schedule, params=float(size[:-1]) * 1e6)


def _annealing() -> Iterator[Case]:
    yield _case("tissue", Log(SHARED / "lr_annealing_100M/runs/cosine.csv"), raw=True)


def _xlstm() -> Iterator[Case]:
    for path in sorted((SHARED / "xlstm_isoflop/runs").glob("*.csv")):
        yield _case("xlstm", Log(path))


def _nanogpt() -> Iterator[Case]:
    """Yield held-out losses; the trapezoid is that of the logged settings."""
    folder = SHARED / "nanogpt_logs"
    for run in _rows(folder / "index.csv"):
        steps, down = int(run["total_steps"]), run["warmdown_iters"] or UNLOGGED_COOL_DOWN
        stable = steps - np.prod([int(factor) for factor in down.split("*")])
        peak, warmup = run["learning_rate"], run["warmup_iters"]
        text = f"wsd:peak={peak},warmup={warmup},stable={stable},steps={steps}"
        log = Log(folder / f"{run['log']}_val.csv")
        yield _case("nanogpt", log, text, recorded=bool(run["warmdown_iters"]))


def _gemstones() -> Iterator[Case]:
    for path in sorted((SHARED / "gemstones/runs").glob("*.csv")):
        yield _case("gemstones", Log(path), "constant:peak=1,steps=END", recorded=False)


def _datablations() -> Iterator[Case]:
    text = "cosine:peak=1,min=0.1,warmup=1%,tokens=END"
    for path in sorted((SHARED / "datablations/runs").glob("*.csv")):
        overfit = float(_rows(path)[0]["epochs_planned"]) > MOST_EPOCHS
        yield _case("datablations", Log(path), text, recorded=False, overfit=overfit)
