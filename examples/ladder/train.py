"""Train the ladder: workers take runs from one queue, and go on where they were stopped.

python examples/ladder/train.py --plan             # what there is to do, and what it costs
python examples/ladder/train.py --workers 2        # do it (again: go on with it)
python examples/ladder/train.py --smoke            # three tiny runs, in a temporary folder
python examples/ladder/train.py --batch-sweep      # one size at seven batch sizes, data/batch_sweep
python examples/ladder/train.py --accuracy         # what rises: data/ladder_accuracy
python examples/ladder/train.py --sparse           # pruned while they train: data/sparse_ladder
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import corpus as text
import jax
import jax.numpy as jnp
import model
import numpy as np
import optax
import plan
from plan import Run
from results import Places, Progress, State, collate, locked, summary, write_csv, write_text

BLOCK = 4  # steps inside one compiled call; rows, evaluations and checkpoints fall on multiples
SAVE_SECONDS = 60.0
VALID_WINDOWS = 1600
VALID_BATCH = 16
CURVE_COLUMNS = ("step", "tokens", "lr", "loss", "val_loss")
ACCURACY = "val_accuracy"  # a further column of runs that log it
NONZERO = "params"  # a further column of runs that are pruned: the count in force, not the dense
HERE = Path(__file__).resolve().parent
WORK = Path.home() / ".cache" / "scaling-ladder"  # outside the repository: it is large

OPTIMIZER = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.scale_by_adam(b1=0.9, b2=0.99),
    # Matrices only: a norm's gain has no reason to shrink.
    optax.add_decayed_weights(0.01, mask=lambda p: jax.tree.map(lambda x: x.ndim == 2, p)),
)


def _take(data: jax.Array, starts: jax.Array, context: int) -> jax.Array:
    return data[starts[:, None] + jnp.arange(context + 1)]


@partial(jax.jit, static_argnames=("shape", "sparse"), donate_argnums=0)
def train_block(
    state: State,
    data: jax.Array,
    starts: jax.Array,
    rates: jax.Array,
    shape: model.Shape,
    *,
    sparse: bool = False,
) -> tuple[State, jax.Array]:
    """Some steps in one call: `starts` is (steps, windows), `rates` the learning rates.

    With `sparse`, a weight of a block that is zero stays zero: that is what pruning left out.
    """

    def step(carry: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        params, moments = carry
        windows = _take(data, inputs[0], shape.context)
        loss, grads = jax.value_and_grad(model.loss)(params, windows, shape.heads)
        updates, moments = OPTIMIZER.update(grads, moments, params)
        updated = jax.tree.map(lambda p, u: p - inputs[1] * u, params, updates)
        if sparse:
            kept = jax.tree.map(lambda p, u: u * (p != 0), params["blocks"], updated["blocks"])
            updated = updated | {"blocks": kept}
        return (updated, moments), loss

    return jax.lax.scan(step, state, (starts, rates))


@partial(jax.jit, static_argnames="shape")
def evaluate(
    params: model.Params, data: jax.Array, starts: jax.Array, shape: model.Shape
) -> jax.Array:
    """Mean held-out loss and accuracy of the windows at `starts`, (batches, windows)."""

    def both(here: jax.Array) -> jax.Array:
        windows = _take(data, here, shape.context)
        return jnp.stack([of(params, windows, shape.heads) for of in (model.loss, model.accuracy)])

    return jnp.mean(jax.lax.map(both, starts), axis=0)


def _fresh(run: Run) -> Progress:
    params = model.init(run.shape, run.seed)
    if model.count(params) != run.shape.params_total:
        raise AssertionError("the parameter count is not what Shape says")
    return Progress((params, OPTIMIZER.init(params)))


def _blocks(values: Iterable[float], steps: int) -> set[int]:
    """Step numbers moved up onto block boundaries; the last step is always there."""
    return {min(steps, BLOCK * int(np.ceil(v / BLOCK))) for v in values} | {steps}


def row_steps(run: Run) -> set[int]:
    """When a row is written: at a fixed pace, or densely at first and then evenly."""
    if run.geometric_rows:
        return _blocks(np.geomspace(run.steps / 50, run.steps, run.geometric_rows), run.steps)
    if run.row_every:
        return _blocks(range(run.row_every, run.steps, run.row_every), run.steps)
    even = np.linspace(run.steps / 70, run.steps, 70)
    early = np.geomspace(BLOCK, run.steps, 50)
    return _blocks([*even, *early], run.steps)


def eval_steps(run: Run) -> set[int]:
    """When the held-out loss is taken.

    An evaluation costs about as much as training on 68 k tokens, so short runs have few.
    """
    if run.geometric_rows:
        return row_steps(run)
    evaluations = int(np.clip(0.15 * run.tokens / 68e3, 4, 24))
    if run.row_every:
        evaluations = 12
    if run.accuracy:
        evaluations = plan.ACCURACY_EVALUATIONS
    marks = _blocks(np.linspace(0, run.steps, evaluations + 1)[1:], run.steps)
    rows = sorted(row_steps(run))
    return {next(row for row in rows if row >= mark) for mark in marks}


def _save(progress: Progress, path: Path) -> None:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(progress.state)]
    told = {k: getattr(progress, k) for k in ("step", "seconds", "counted", "pending", "rows")}
    part = path.with_suffix(".part.npz")
    np.savez(part, *leaves, told=np.array(json.dumps(told)))
    part.replace(path)


def _load(run: Run, path: Path) -> Progress:
    progress = _fresh(run)
    if not path.exists():
        return progress
    shape = jax.tree.structure(progress.state)
    with np.load(path) as held:
        leaves = [jnp.asarray(held[f"arr_{i}"]) for i in range(shape.num_leaves)]
        told = json.loads(str(held["told"]))
    return Progress(jax.tree.unflatten(shape, leaves), **told)


@dataclass
class Trainer:
    """Trains one run at a time on one corpus."""

    corpus: text.Corpus
    places: Places
    valid_windows: int = VALID_WINDOWS

    def __post_init__(self) -> None:
        self.train_data = jnp.asarray(self.corpus.train)
        self.valid_data = jnp.asarray(self.corpus.valid)

    def checkpoint(self, run: Run) -> Path:
        """Where a run that is under way is kept."""
        return self.places.work / f"{run.run_id}.npz"

    def _held_out(self, run: Run, params: model.Params) -> list[str]:
        starts = self.corpus.valid_starts(run.shape.context, self.valid_windows)
        whole = len(starts) // VALID_BATCH * VALID_BATCH
        batches = jnp.asarray(starts[:whole].reshape(-1, VALID_BATCH))
        loss, accuracy = evaluate(params, self.valid_data, batches, run.shape)
        return [f"{loss:.6g}", f"{accuracy:.6g}"] if run.accuracy else [f"{loss:.6g}"]

    def _row(self, run: Run, progress: Progress, rate: float, valid: bool) -> list[str]:
        loss = float(np.mean(progress.pending))
        held_out = self._held_out(run, progress.state[0]) if valid else [""] * (1 + run.accuracy)
        tokens = progress.step * run.batch_tokens
        count = [str(model.nonzero(progress.state[0]))] if run.pruning else []
        return [str(progress.step), str(tokens), f"{rate:.6g}", f"{loss:.6g}", *held_out, *count]

    def _prune(self, run: Run, pruning: plan.Pruning, progress: Progress) -> None:
        if progress.step % plan.PRUNE_EVERY == 0:
            sparsity = jnp.asarray(pruning.sparsity(progress.step / run.steps), jnp.float32)
            params, moments = progress.state
            progress.state = model.prune(params, sparsity), moments
        progress.counted += BLOCK * model.nonzero(progress.state[0])

    def _advance(self, run: Run, progress: Progress, order: np.ndarray, rates: np.ndarray) -> None:
        if run.pruning:
            self._prune(run, run.pruning, progress)
        here = slice(progress.step, progress.step + BLOCK)
        starts, lrs = jnp.asarray(order[here]), jnp.asarray(rates[here])
        progress.state, losses = train_block(
            progress.state, self.train_data, starts, lrs, run.shape, sparse=run.pruning is not None
        )
        progress.pending += [float(x) for x in losses]
        progress.step += BLOCK

    def train(self, run: Run, stop_after: int | None = None) -> Progress:
        """Train to the end, or to `stop_after` steps; from the checkpoint if there is one."""
        progress = _load(run, self.checkpoint(run))
        order = self.corpus.starts(run.seed, run.shape.context)
        if run.steps * run.batch_windows > len(order):
            raise ValueError(f"{run.run_id}: the corpus is too small for a single epoch")
        order = order[: run.steps * run.batch_windows].reshape(run.steps, -1)
        rates, rows, evals = run.schedule.values(run.steps), row_steps(run), eval_steps(run)
        clock = saved = time.monotonic()
        while progress.step < (stop_after or run.steps):
            self._advance(run, progress, order, rates)
            if progress.step in rows:
                rate = float(rates[progress.step - 1])
                progress.rows.append(self._row(run, progress, rate, progress.step in evals))
                progress.pending = []
            now = time.monotonic()
            progress.seconds, clock = progress.seconds + now - clock, now
            if now - saved > SAVE_SECONDS or progress.step == stop_after:
                _save(progress, self.checkpoint(run))
                saved = now
        return progress

    def finish(self, run: Run, progress: Progress) -> None:
        """Write the run's curve and its line of the table; drop its checkpoint."""
        columns = CURVE_COLUMNS + (ACCURACY,) * run.accuracy + (NONZERO,) * bool(run.pruning)
        write_csv(self.places.out / "runs" / f"{run.run_id}.csv", columns, progress.rows)
        done = self.places.work / "done" / f"{run.run_id}.json"
        write_text(done, json.dumps(summary(run, progress)))
        self.checkpoint(run).unlink(missing_ok=True)


def work(trainer: Trainer, runs: list[Run]) -> None:
    """Take whatever run is neither done nor taken, until there is none."""
    for run in runs:
        done = trainer.places.work / "done" / f"{run.run_id}.json"
        with locked(trainer.places.work / "locks" / run.run_id) as mine:
            if not mine or done.exists():
                continue
            progress = trainer.train(run)
            trainer.finish(run, progress)
            line = progress.rows[-1]
            told = f"held-out {line[4]} nats/byte, {progress.seconds:.0f} s"
            print(f"{time.strftime('%H:%M:%S')} {run.run_id}: {told}", flush=True)
        collate(trainer.places, runs)


def start_workers(count: int, argv: list[str]) -> int:
    """Run this script again `count` times, each with one thread and one core's share."""
    env = dict(os.environ, OMP_NUM_THREADS="1", JAX_PLATFORMS="cpu")
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, __file__, *argv, "--workers", "0"]
    return max(p.wait() for p in [subprocess.Popen(command, env=env) for _ in range(count)])


def print_plan(runs: list[Run]) -> None:
    """The queue with each run's cost, and the total."""
    for run in runs:
        n, d = run.shape.params_total, run.tokens
        print(f"{run.run_id:32} {run.role:8} N={n:<8} D={d:<9} C={run.flops:.3g} {run.schedule}")
    total = sum(run.flops for run in runs)
    fitted = max((run.flops for run in runs if run.role == "fit"), default=0)
    largest = max(run.flops for run in runs)
    print(f"{len(runs)} runs, {total:.4g} FLOPs (6ND)")
    if fitted:
        print(f"the largest run has {largest / fitted:.3g} times a fitted run's compute")


def smoke() -> None:
    """Three tiny runs, two of them stopped half-way and taken up again."""
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) / "out", Path(folder) / "work")
        places.make()
        trainer = Trainer(text.load(limit=120), places, valid_windows=32)
        runs = plan.tiny_runs()
        halved = (runs[0], runs[-1])
        straight = [trainer.train(run).rows for run in halved]
        for run in halved:
            trainer.train(run, stop_after=16)
        work(trainer, runs)
        for run, rows in zip(halved, straight, strict=True):
            resumed = (places.out / "runs" / f"{run.run_id}.csv").read_text("utf-8")
            if resumed.splitlines()[1:] != [",".join(row) for row in rows]:
                raise SystemExit("a resumed run differs from one that never stopped")
        print((places.out / "runs.csv").read_text("utf-8"), end="")
        print("smoke: ok")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a ladder of small byte transformers.")
    parser.add_argument("--plan", action="store_true", help="print the queue and its cost")
    parser.add_argument("--smoke", action="store_true", help="three tiny runs, in seconds")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--only", default="", help="only the run ids that begin so")
    queue = partial(parser.add_argument, dest="queue", action="store_const", default="ladder")
    queue("--batch-sweep", const="batch_sweep", help="the batch sweep instead")
    queue("--accuracy", const="ladder_accuracy", help="runs that log an accuracy instead")
    queue("--sparse", const="sparse_ladder", help="runs that are pruned while they train instead")
    parser.add_argument("--out", type=Path, help="default: the folder of the queue in data/")
    parser.add_argument("--work", type=Path, default=WORK, help="checkpoints and locks")
    return parser.parse_args()


def main() -> int:
    """The command line."""
    args = _arguments()
    folder = args.queue
    runs = [run for run in plan.QUEUES[folder]() if run.run_id.startswith(args.only)]
    if args.plan:
        print_plan(runs)
    elif args.smoke:
        smoke()
    elif args.workers:
        return start_workers(args.workers, sys.argv[1:])
    else:
        places = Places(args.out or HERE.parents[1] / "data" / folder, args.work)
        places.make()
        trainer = Trainer(text.load(), places)
        write_text(args.work / "corpus.json", json.dumps(trainer.corpus.describe(), indent=2))
        work(trainer, runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
