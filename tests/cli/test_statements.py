"""No sentence contradicts the numbers beside it: each is parsed and computed again from them."""

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run

from scaling_cli.vocabulary.quantities import parse_number

# Table, options. Of the shared ones those with warnings of many kinds, small enough to be fitted.
SHARED = (
    ("olmo_ladder/finals.csv", "--target loss_c4"),
    ("chinchilla_epoch/finals.csv", ""),
    ("gadre_overtraining/finals.csv", "--target loss_c4_val"),
    ("xlstm_isoflop/finals.csv", "--target val_loss"),
    (
        "porian_isoflop/isoflop.csv",
        "--where \"experiment == 'rw_base_short_chinchilla_standard_val'\"",
    ),
    ("datablations/all_runs.csv", "--set rows=run --where 'epochs <= 1'"),
    ("gemstones/fit_lr_ablation_hot.csv", "--at all"),
    ("scalebench/farseer.csv", ""),
    ("isoflop_collection/isoflops.csv", "--where \"experiment == 'marin_202603__comma__llama_2'\""),
)
# Noise, drift of ln loss per decade of C, share by which two copies differ: three tables of ours.
OWN = ((0.003, 0.0), (0.003, 0.01), (0.03, 0.0))
NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
QUANTITY = rf"({NUMBER}[kMBT]?)"


def own(path: Path, noise: float, drift: float) -> None:
    """Write a table of a law, of eight sizes at four ratios, whose loss departs from it with C."""
    random = np.random.default_rng(1)
    with path.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(("run_id", "params", "tokens", "loss"))
        for i, size in enumerate(np.geomspace(2e7, 3e9, 8).tolist()):
            for ratio in (5, 15, 40, 120):
                loss = 1.7 + 400 / size**0.34 + 1100 / (ratio * size) ** 0.36
                off = noise * random.standard_normal() - drift * np.log10(ratio * size**2 / 2e15)
                write.writerow((f"r{i}-{ratio}", size, ratio * size, loss * np.exp(off)))


def said(*typed: str) -> str:
    result = run(*typed)
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.stdout)


def near(told: str, number: float, digits: float = 0.006) -> bool:
    """Whether a number as it is printed is this one, but for rounding."""
    value = parse_number(told)
    return abs(value - number) <= digits * abs(number) + 1e-9


def percent(told: str, fraction: float) -> bool:
    return abs(float(told) - 100 * fraction) <= 0.0051 + 0.005 * abs(100 * fraction)


def backtest_line(text: str, fit: dict[str, Any]) -> None:
    """`the 3 to 9 largest runs ... off by ...; each time too high; 17 of 17 inside`."""
    cuts = fit["backtest"]["cuts"]
    line = text.partition("backtest ")[2]
    found = re.search(rf"off by ({NUMBER})(?: to ({NUMBER}))? %", line)
    assert found
    errors = [cut["mare"] for cut in cuts]
    assert percent(found[1], min(errors))
    assert percent(found[2] or found[1], max(errors))
    signs = {np.sign(cut["bias"]) for cut in cuts}
    side = re.search(r"each time too (high|low) on average", line)
    one_sided = len(signs) == 1 and len(cuts) > 1
    assert bool(side) == one_sided
    assert not side or (side[1] == "high") == (signs == {1.0})
    inside = re.search(r"(\d+) of (\d+) inside", line)
    assert inside
    assert int(inside[2]) == sum(cut["n_test"] for cut in cuts)
    assert int(inside[1]) == round(sum(cut["n_test"] * cut["coverage"] for cut in cuts))


def headline(text: str, point: dict[str, Any]) -> None:
    """`loss 2.65 | 90 % of new runs in a .. b (+/-w)`, and what the law alone says."""
    low, high = point["new_run"]
    found = re.search(
        rf" ({NUMBER}) 90 % of new runs in ({NUMBER}) \.\. ({NUMBER}) \(\+/-({NUMBER}) %\)", text
    )
    assert found
    assert near(found[1], point["forecast"], 1e-4)
    assert near(found[2], low, 1e-4)
    assert near(found[3], high, 1e-4)
    assert percent(found[4], float(np.log(high / low) / 2))  # of ln loss
    assert low < point["forecast"] < high
    alone = re.search(rf"mean of (\w+) laws; \S+ alone: ({NUMBER})\.(?: |$)", text)
    assert alone
    assert near(alone[2], point["value"], 1e-4)


def rivals(text: str, full: str, fit: dict[str, Any]) -> None:
    """Which other law came nearer, what it forecasts, how often it was nearer."""
    known = {rival["law"]: rival for rival in fit["diagnostics"]["rivals"]}
    nearer = re.search(
        rf"! (.*?) came nearer to the held-back runs \(its forecast: ({NUMBER})\)", text
    )
    if nearer:
        rival = known[nearer[1].rpartition("! ")[2]]
        assert rival["held_out_error"] < rival["own_held_out_error"]
        assert near(nearer[2], rival["prediction"], 1e-4)
    for name, rival in known.items():
        found = re.search(
            rf"{re.escape(name)} forecasts ({NUMBER}); it missed held-back runs by ({NUMBER}) %, "
            rf"this law by ({NUMBER}) % \(nearer at (\d+) of (\d+) cut",
            full,
        )
        assert found, name
        assert near(found[1], rival["prediction"], 1e-4)
        assert percent(found[2], rival["held_out_error"])
        assert percent(found[3], rival["own_held_out_error"])
        assert int(found[4]) == sum(cut["mare"] < cut["own"] for cut in rival["cuts"])
        assert int(found[5]) == len(rival["cuts"])


def sizes(full: str, fit: dict[str, Any]) -> None:
    """Whether parabolas and law agree, and whether N* leaves what is as good."""
    slices = fit["diagnostics"]["isoflop"]
    if slices and slices["allocations"] and slices["allocations"][1].get("law"):
        at = slices["allocations"][1]
        low, high = at["interval"]
        agree = low <= at["law"] <= high
        assert agree == ("N* lies outside the range of the parabolas" not in full)
        assert not ("they agree: trust" in full and not agree)
        ends = [low, high, *(at["law_interval"] or [])]
        found = re.search(rf"plan within \[{QUANTITY}, {QUANTITY}\]", full)
        assert found
        assert near(found[1], min(ends))
        assert near(found[2], max(ends))
    flat = fit["diagnostics"]["near_optimal"]
    leaves = re.search(r"N\* leaves that under (.*?): the choice of size", full)
    low, high = flat["ranges"][-1]["N"]
    best = fit["diagnostics"]["headline"]["N"]
    outside = [
        c["name"]
        for c in fit["diagnostics"]["sensitivity"]
        if c["optimum_factor"] is not None and not low <= best * c["optimum_factor"] <= high
    ]
    assert (leaves[1].split(", ") if leaves else []) == outside


def coverage(full: str, fit: dict[str, Any]) -> None:
    """The share of hidden runs in a check is that of the table and of the first screen."""
    (check,) = [c["message"] for c in fit["checks"] if c["code"] == "backtest"]
    cuts = fit["backtest"]["cuts"]
    share = np.average([c["coverage"] for c in cuts], weights=[c["n_test"] for c in cuts])
    found = re.search(r"holds (\d+) % of hidden runs", check)
    assert found
    assert int(found[1]) == round(100 * share)


def scored(text: str, test: dict[str, Any]) -> None:
    """What a backtest says of each cut, of all together, and of the side of the misses."""
    everything = []
    for cut in test["cuts"]:
        forecasts = cut["forecasts"]
        errors = [f["predicted"] / f["measured"] - 1 for f in forecasts]
        inside = [f["low"] <= f["measured"] <= f["high"] for f in forecasts]
        assert inside == [f["inside"] for f in forecasts]
        assert np.mean(inside) == pytest.approx(cut["coverage"])
        assert np.mean(np.abs(errors)) == pytest.approx(cut["mare"], rel=0.02)
        everything += list(zip(errors, inside, strict=True))
    found = re.search(rf": (\d+) forecasts? .*? off by ({NUMBER}) % .*?; (\d+) % inside", text)
    assert found
    assert int(found[1]) == len(everything)
    assert abs(float(found[3]) - 100 * np.mean([hit for _, hit in everything])) <= 0.5
    missed = re.search(r"(\d+) of (\d+) runs outside their range .*? (below|above) the f", text)
    if missed:
        misses = [error for error, hit in everything if not hit]
        high = sum(error > 0 for error in misses)
        assert int(missed[2]) == len(misses)
        assert int(missed[1]) == (high if missed[3] == "below" else len(misses) - high)


def predicted(fit: Path, record: dict[str, Any]) -> None:
    """How far beyond the data, and where the law alone lies beside the forecast."""
    asked = ("--fit", str(fit), "--compute", "1e21,1e23")
    points = json.loads(run("predict", *asked, "--json").stdout)["predictions"]
    text = said("predict", *asked)
    ranges = record["data"]["ranges"]
    for point in points:
        assert point["new_run"][0] < point["forecast"] < point["new_run"][1]
        for symbol, beyond in point["extrapolation"].items():
            own = {**point["inputs"], "C": 6 * point["inputs"]["N"] * point["inputs"]["D"]}[symbol]
            low, high = ranges[symbol]
            assert beyond == pytest.approx(max(1, own / high, low / own))
    ratios = [p["value"] / p["forecast"] - 1 for p in points]
    found = re.search(rf"alone is ({NUMBER}) % to ({NUMBER}) % away", text)
    if found:
        assert percent(found[1], min(ratios))
        assert percent(found[2], max(ratios))


def everything(source: Path, options: list[str], fit: Path) -> None:
    """Fit, print both screens, backtest and predict; hold every sentence against its numbers."""
    text = said("fit", str(source), *options, "-o", str(fit))
    full = said("show", str(fit), "--full")
    record = json.loads(fit.read_text())
    at = [
        f"--{n}={record['diagnostics']['headline'][s]}"
        for n, s in (("params", "N"), ("tokens", "D"))
    ]
    asked = run("predict", "--fit", str(fit), *at, "--json")
    headline(text, json.loads(asked.stdout)["predictions"][0])
    backtest_line(text, record)
    rivals(text, full, record)
    sizes(full, record)
    coverage(full, record)
    predicted(fit, record)
    test = json.loads(run("backtest", str(source), *options, "--json").stdout)
    assert [c["coverage"] for c in test["cuts"]] == [
        c["coverage"] for c in record["backtest"]["cuts"]
    ]
    scored(said("backtest", str(source), *options), test)
    (bias,) = [c["message"] for c in record["checks"] if c["code"] == "backtest.bias"]
    few = len(test["cuts"]) < 3
    shown = "was not shown" if few else "are few, or lie on both sides"
    assert bias == test["warning"] or (test["warning"] is None and shown in bias)


@pytest.mark.parametrize("table", OWN, ids=str)
def test_statements_on_tables_of_ours(tmp_path: Path, table: tuple[float, float]) -> None:
    own(tmp_path / "runs.csv", *table)
    everything(tmp_path / "runs.csv", ["--bootstrap", "100"], tmp_path / "fit.json")


@pytest.mark.parametrize("table", SHARED, ids=lambda table: table[0])
def test_statements_on_real_tables(shared: Path, tmp_path: Path, table: tuple[str, str]) -> None:
    options = [*shlex.split(table[1]), "--bootstrap", "100"]
    everything(shared / "data" / table[0], options, tmp_path / "fit.json")
