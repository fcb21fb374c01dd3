"""Which runs the ladder is made of: sizes, token budgets, schedules, roles and their order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from model import Shape

BATCH_WINDOWS = 8
SIZES = {
    "26k": Shape(width=28, depth=2, heads=1),
    "68k": Shape(width=48, depth=2, heads=2),
    "164k": Shape(width=64, depth=3, heads=2),
    "467k": Shape(width=96, depth=4, heads=3),
    "1271k": Shape(width=160, depth=4, heads=5),
}
# Budgets in Mi tokens. The largest run has at least 8 times the compute of every fitted one;
# whatever lies between is held out too.
BUDGETS = {
    "26k": (1, 2, 4, 8, 16),
    "68k": (0.5, 1, 2, 4, 8, 16),
    "164k": (0.5, 1, 2, 4, 8),
    "467k": (0.1875, 0.375, 0.75, 1.5, 3),
    "1271k": (0.28125, 0.5625, 1.125, 2.25, 4.5, 9),
}
HELD_OUT_FACTOR = 8
SWEEP = (
    ("26k", 1, (4e-3, 8e-3, 16e-3, 32e-3)),
    ("164k", 1, (2e-3, 4e-3, 8e-3, 16e-3)),
    ("467k", 0.75, (2e-3, 4e-3, 8e-3, 16e-3)),
    ("26k", 4, (4e-3, 8e-3, 16e-3, 32e-3)),
    ("1271k", 0.28125, (2e-3, 4e-3, 8e-3)),
    ("164k", 4, (4e-3, 8e-3)),
)
SEEDS = (("26k", 1, (1, 2, 3)), ("68k", 2, (1,)), ("164k", 1, (1,)))
# What the ladder can do without, where the machine turns out slower: these come last.
SPARE = {"ladder-68k-16.8M", "ladder-1271k-2.36M", "ladder-1271k-4.72M"}
SCHEDULES = {"68k": 2, "164k": 2}
ACCURACIES = {"cosine", "constant", "wsd20", "linear"}  # schedules whose accuracy is logged
ACCURACY_EVALUATIONS = 48
# The batch sweep, one size: windows a step, millions of tokens, peak rates. Larger batches are
# trained for longer, so that all reach a common loss.
BATCH_SIZE = "26k"
BATCHES = (
    (2, 2.0, (2e-3, 4e-3, 8e-3)),
    (4, 2.0, (2.8e-3, 5.6e-3, 1.1e-2)),
    (8, 2.5, (4e-3, 8e-3, 1.6e-2)),
    (16, 3.0, (5.6e-3, 1.1e-2, 2.2e-2)),
    (32, 4.5, (5.6e-3, 1.1e-2, 2.2e-2)),
    (64, 7.0, (5.6e-3, 1.1e-2, 2.2e-2)),
    (128, 11.0, (5.6e-3, 1.1e-2)),
)
BATCH_WARMUP_TOKENS = 100_000
# The sparse ladder beside the dense one: size, budget in Mi tokens, final sparsity, window. The
# first lines span sizes, budgets and sparsities; the later ones ask where the best window lies.
PRUNE_EVERY = 16  # steps between two prunings
MIDDLE = (0.25, 0.75)
SPARSE = (
    ("164k", 2, 0.8, MIDDLE),
    ("68k", 2, 0.8, MIDDLE),
    ("164k", 4, 0.8, MIDDLE),
    ("467k", 0.75, 0.8, MIDDLE),
    ("68k", 4, 0.5, MIDDLE),
    ("164k", 2, 0.5, MIDDLE),
    ("467k", 1.5, 0.8, MIDDLE),
    ("68k", 2, 0.5, MIDDLE),
    ("68k", 4, 0.8, MIDDLE),
    ("164k", 4, 0.5, MIDDLE),
    ("164k", 2, 0.9, MIDDLE),
    ("164k", 2, 0.8, (0.0, 0.5)),
    ("164k", 2, 0.8, (0.5, 0.75)),
    ("164k", 2, 0.8, (0.5, 1.0)),
    ("467k", 0.75, 0.5, MIDDLE),
    ("164k", 2, 0.8, (0.0, 0.25)),
    ("164k", 2, 0.8, (0.25, 0.5)),
    ("164k", 2, 0.8, (0.75, 1.0)),
    ("467k", 1.5, 0.5, MIDDLE),
    ("164k", 4, 0.8, (0.5, 1.0)),
    ("164k", 4, 0.8, (0.0, 0.5)),
    ("467k", 1.5, 0.9, MIDDLE),
    ("467k", 1.5, 0.8, (0.0, 0.5)),
    ("467k", 1.5, 0.8, (0.5, 1.0)),
)


@dataclass(frozen=True)
class Schedule:
    """A learning rate over steps. `steps` is its own horizon, which a run may stop short of."""

    kind: str
    peak: float
    warmup: int
    floor: float
    steps: int
    decay: float = 0.0
    shape: str = ""

    def __str__(self) -> str:
        text = f"{self.kind}:peak={self.peak:g},warmup={self.warmup},min={self.floor:g}"
        text += f",steps={self.steps}"
        return text + (f",decay={self.decay:g},shape={self.shape}" if self.decay else "")

    def _fall(self, step: np.ndarray) -> np.ndarray:
        """The share of (peak - floor) still there, from 1 down to 0."""
        through = np.clip((step - self.warmup) / (self.steps - self.warmup), 0, 1)
        if self.kind == "cosine":
            return (1 + np.cos(np.pi * through)) / 2
        if self.kind == "linear":
            return 1 - through
        if self.kind == "constant":
            return np.ones_like(through)
        start = (1 - self.decay) * self.steps
        into = np.clip((step - start) / (self.steps - start), 0, 1)
        return 1 - (np.sqrt(into) if self.shape == "sqrt" else into)

    def values(self, steps: int) -> np.ndarray:
        """The learning rate used at each of the first `steps` steps."""
        step = np.arange(steps)
        fallen = self.floor + (self.peak - self.floor) * self._fall(step)
        warming = self.peak * (step + 1) / max(self.warmup, 1)
        return np.where(step < self.warmup, warming, fallen).astype(np.float32)


@dataclass(frozen=True)
class Pruning:
    """A cubic gradual-pruning schedule (arXiv:1710.01878, eq. 1); the window in shares of the run.

    Steps are of equal batches, so a share of the steps is a share of the tokens.
    """

    final: float
    start: float
    end: float

    def __str__(self) -> str:
        return f"final={self.final:g},start={self.start:g},end={self.end:g}"

    def sparsity(self, share: float) -> float:
        """Share of the block matrices that is zero after this share of the run."""
        through = (share - self.start) / (self.end - self.start)
        return self.final * (1 - (1 - min(max(through, 0.0), 1.0)) ** 3)


@dataclass(frozen=True)
class Run:
    """One training run, complete: the same Run gives the same numbers on the same machine."""

    run_id: str
    role: str
    shape: Shape
    steps: int
    schedule: Schedule
    seed: int = 0
    row_every: int | None = None
    batch_windows: int = BATCH_WINDOWS
    geometric_rows: int | None = None
    accuracy: bool = False
    pruning: Pruning | None = None

    @property
    def batch_tokens(self) -> int:
        """Tokens in a step."""
        return self.batch_windows * self.shape.context

    @property
    def tokens(self) -> int:
        """Tokens in the whole run; no token is seen twice."""
        return self.steps * self.batch_tokens

    @property
    def flops(self) -> int:
        """The convention C = 6 N D, with N the total parameter count."""
        return 6 * self.shape.params_total * self.tokens


def peak_lr(shape: Shape) -> float:
    """The learning rate of a size: the sweep's optima on a line in log-log (see the README)."""
    return float(f"{4.7e-3 * (shape.params_total / 164_288) ** -0.45:.2g}")


def _warmup(steps: int) -> int:
    return min(steps // 20, 100)


def _cosine(steps: int, peak: float) -> Schedule:
    return Schedule("cosine", peak, _warmup(steps), peak / 10, steps)


def _run(role: str, size: str, budget: float, peak: float, seed: int = 0) -> Run:
    shape = SIZES[size]
    steps = round(budget * 2**20) // (BATCH_WINDOWS * shape.context)
    name = f"{role}-{size}-{budget * 1.048576:.3g}M"
    return Run(name, role, shape, steps, _cosine(steps, peak), seed)


def sweep_runs() -> list[Run]:
    """The learning-rate sweep: short runs at four sizes, and two sizes at two budgets."""
    runs = [(_run("sweep", size, b, lr), lr) for size, b, lrs in SWEEP for lr in lrs]
    return [replace(run, run_id=f"{run.run_id}-lr{lr:g}") for run, lr in runs]


def ladder_runs() -> list[Run]:
    """Every size at every budget; held out is what has over 1/8 of the largest run's compute."""
    cells = [(s, b) for s, budgets in BUDGETS.items() for b in budgets]
    runs = [_run("ladder", size, b, peak_lr(SIZES[size])) for size, b in cells]
    limit = max(run.flops for run in runs) / HELD_OUT_FACTOR
    return [replace(r, role="fit" if r.flops <= limit else "heldout") for r in runs]


def seed_runs() -> list[Run]:
    """Ladder points again with other seeds (initial weights and data order)."""
    runs = [_run("seed", s, b, peak_lr(SIZES[s]), seed) for s, b, seeds in SEEDS for seed in seeds]
    return [replace(run, run_id=f"{run.run_id}-s{run.seed}") for run in runs]


def _schedules(peak: float, steps: int) -> dict[str, Schedule]:
    base = _cosine(steps, peak)
    wsd = replace(base, kind="wsd", floor=0.0, shape="linear")
    return {
        "cosine": base,
        "constant": replace(base, kind="constant", floor=peak),
        "wsd20": replace(wsd, decay=0.2),
        "linear": replace(base, kind="linear", floor=0.0),
        "wsd40": replace(wsd, decay=0.4),
        "wsd10": replace(wsd, decay=0.1),
        "wsd20sqrt": replace(wsd, decay=0.2, shape="sqrt"),
        "cosine2x": replace(base, steps=2 * steps),
    }


def schedule_runs() -> list[Run]:
    """Several ways down from one peak, over one horizon a size."""
    runs = []
    for size, budget in SCHEDULES.items():
        base = _run("schedule", size, budget, peak_lr(SIZES[size]))
        for name, schedule in _schedules(base.schedule.peak, base.steps).items():
            run_id = f"{base.run_id}-{name}"
            runs.append(replace(base, run_id=run_id, schedule=schedule, row_every=8))
    return runs


def batch_runs() -> list[Run]:
    """One size at several batch sizes, at a constant rate: the theory of the critical batch."""
    shape, runs = SIZES[BATCH_SIZE], []
    for windows, millions, rates in BATCHES:
        batch = windows * shape.context
        steps = round(millions * 1e6 / batch / 4) * 4
        warmup = max(20, round(BATCH_WARMUP_TOKENS / batch))
        for lr in rates:
            name = f"batch-{BATCH_SIZE}-{batch}-lr{lr:g}"
            schedule = Schedule("constant", lr, warmup, lr, steps)
            run = Run(name, "batch", shape, steps, schedule, batch_windows=windows)
            runs.append(replace(run, geometric_rows=28))
    return runs


def accuracy_runs() -> list[Run]:
    """The schedules again, with the share of next bytes that are right: what rises."""
    named = [(run, run.run_id.replace("schedule", "accuracy")) for run in schedule_runs()]
    return [
        replace(run, run_id=name, role="accuracy", row_every=None, accuracy=True)
        for run, name in named
        if name.rpartition("-")[2] in ACCURACIES
    ]


def sparse_runs() -> list[Run]:
    """Gradually pruned runs of the ladder's sizes; the ladder has their dense companions."""
    runs = []
    for size, budget, final, (start, end) in SPARSE:
        run = _run("sparse", size, budget, peak_lr(SIZES[size]))
        name = f"{run.run_id}-s{final * 100:g}-{start * 100:g}-{end * 100:g}"
        runs.append(replace(run, run_id=name, pruning=Pruning(final, start, end)))
    return runs


def queue() -> list[Run]:
    """All runs of the ladder, in the order in which workers take them.

    The largest run comes right after the sweep: it takes longest, and so one worker is on it
    while the others do all the rest.
    """
    ladder = sorted(ladder_runs(), key=lambda run: run.flops)
    largest, middle = ladder[-1], [r for r in ladder[:-1] if r.role == "heldout"]
    fitted = [run for run in ladder if run.role == "fit"]
    runs = [*sweep_runs(), largest, *fitted, *seed_runs(), *schedule_runs(), *middle]
    return sorted(runs, key=lambda run: run.run_id in SPARE)


def tiny_runs() -> list[Run]:
    """Three runs of a few steps, to see that everything works."""
    shape = Shape(width=16, depth=1, heads=1, context=32)
    schedule = Schedule("cosine", 1e-2, 4, 1e-3, 32)
    linear = replace(schedule, kind="linear", floor=0.0)
    return [
        Run("smoke-cosine", "fit", shape, 32, schedule),
        Run("smoke-linear", "schedule", shape, 32, linear, seed=1, row_every=8),
        Run("smoke-sparse", "sparse", shape, 32, schedule, pruning=Pruning(0.5, 0.25, 0.75)),
    ]


QUEUES = {  # by the folder of data/ that they fill
    "ladder": queue,
    "batch_sweep": batch_runs,
    "ladder_accuracy": accuracy_runs,
    "sparse_ladder": sparse_runs,
}
