"""Which count predicts the loss of a model that was pruned while it trained? Our own sparse ladder.

    python benchmarks/sparse_ladder.py [-o docs/sparse_ladder.png]

Dense runs and those pruned from 25 to 75 % of their tokens are fitted by three counts: the average
over training, the final one, the one before pruning. Then every window, at equal size and tokens;
and what a pruned model saves where it is served, beside a dense one that cost as much to train.
"""

import argparse
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import scaling_cli as sc

TABLE = "data/sparse_ladder/runs.csv"
MIDDLE = "sparsity <= 0.8 and (sparsity == 0 or (prune_start == 0.25 and prune_end == 0.75))"
COUNTS = {"average": "params_average", "final": "params_final", "before pruning": "params_total"}
MARKS = {"average": "o", "final": "s", "before pruning": "^"}


def fitted(count: str, where: str) -> tuple[sc.Fit, np.ndarray, np.ndarray]:
    """Fit the law of the average to a count; the losses of pruned runs and their misses in %."""
    runs = sc.read(TABLE, map={"average_params": COUNTS[count]})
    fit = sc.fit(runs, law="average_parameters", where=where, bootstrap=0, alone=True)
    points = fit.points()
    pruned = np.array([run.startswith("sparse") for run in points.runs])
    miss = 100 * (points.output / np.asarray(fit.law(**points.inputs)) - 1)
    return fit, points.output[pruned], miss[pruned]


def windows(table: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Yield the runs of the size with most windows, by tokens, in the order of their windows."""
    cell = table[(table["width"] == 64) & (table["sparsity"] == 0.8)]
    for tokens, runs in cell.groupby("tokens"):
        middle = (runs["prune_start"] + runs["prune_end"]) / 2
        yield float(str(tokens)), runs.assign(middle=middle).sort_values(["middle", "prune_start"])


def served(table: pd.DataFrame, fit: sc.Fit) -> pd.DataFrame:
    """Tell of each pruned run how far it is from a dense one of as many FLOP, and its own size."""
    runs = table[(table["prune_start"] == 0.25) & (table["prune_end"] == 0.75)]
    columns = ("params_average", "tokens", "params_final", "final_loss")
    size, data, left, loss = (np.asarray(runs[name], float) for name in columns)
    dense = np.asarray(fit.law(N_avg=size, D=data))
    told = {"run": runs["run_id"], "N_avg": size, "left": left / size, "loss": loss}
    return pd.DataFrame({**told, "beyond dense %": 100 * (loss / dense - 1)})


def main() -> None:
    """Print the figures; draw them if a file is named."""
    parser = argparse.ArgumentParser(description="Counts and windows of the sparse ladder.")
    parser.add_argument("-o", "--output")
    output = parser.parse_args().output
    table = pd.read_csv(TABLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for count, mark in MARKS.items():
        fit, loss, miss = fitted(count, MIDDLE)
        rms = np.sqrt(np.mean(miss**2))
        left.plot(loss, miss, mark, label=f"{count} ({rms:.1f} % rms)")
        print(f"{count:15} objective {fit.value:.3g}   pruned runs off by {rms:.2f} % rms")
    fit, _, miss = fitted("average", "tokens > 0")
    print(f"every window, average: objective {fit.value:.3g}, {np.sqrt(np.mean(miss**2)):.2f} %")
    for tokens, runs in windows(table):
        print(runs[["prune_start", "prune_end", "final_loss"]].to_string(index=False))
        (line,) = right.plot(runs["middle"], runs["final_loss"], "o", label=f"{tokens / 1e6:.1f}M")
        ends = runs["prune_start"], runs["prune_end"]
        right.hlines(runs["final_loss"], *ends, colors=line.get_color(), alpha=0.5)
    print(served(table, fitted("average", 'role == "dense"')[0]).to_string(index=False))
    left.axhline(0, color="0.5", lw=0.8)
    left.set(xlabel="held-out loss (nats/byte)", ylabel="pruned runs: measured over fitted (%)")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "frameon": False}
    left.legend(title="fitted by the count", ncols=3, fontsize="small", **above)
    right.set(xlabel="window of pruning (share of the tokens)", ylabel="held-out loss (nats/byte)")
    right.legend(title="164k, 80 % pruned; tokens", ncols=2, fontsize="small", **above)
    if output:
        figure.savefig(output, dpi=120)


if __name__ == "__main__":
    main()
