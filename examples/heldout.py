"""Which runs were held out? Their sizes, tokens and measured losses, as a file of points (CSV)."""

import csv
import sys
from pathlib import Path

with Path("data/ladder/runs.csv").open(newline="") as stream:
    runs = [run for run in csv.DictReader(stream) if run["role"] == "heldout"]

writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(["run_id", "params", "tokens", "loss"])
for run in runs:
    writer.writerow([run["run_id"], run["params_total"], run["tokens"], run["final_loss"]])
