"""Tables of one simulated law, each odd in one way, with what must be said of it.

`python tests/odd_tables.py` runs them all through `scaling fit`; the suite runs those of `QUICK`.
"""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

E, A, B, ALPHA, BETA = 1.75, 420.0, 1100.0, 0.345, 0.335
SIZES = (2e7, 5e7, 1.2e8, 3e8, 7e8)
RATIOS = (8, 20, 50, 130)
Row = dict[str, Any]


def loss(N: float, D: float) -> float:
    return E + A / N**ALPHA + B / D**BETA


def ladder(seed: int = 0, noise: float = 0.003) -> list[Row]:
    """Return runs on a grid of sizes and tokens per parameter."""
    rng = np.random.default_rng(seed)
    return [
        {
            "run": f"r{int(N / 1e6)}-{ratio}",
            "params": N,
            "tokens": N * ratio,
            "loss": loss(N, N * ratio) * float(np.exp(noise * rng.normal())),
        }
        for N in SIZES
        for ratio in RATIOS
    ]


def budgets(C: tuple[float, ...], steps: int, count: float = 1.0) -> list[Row]:
    """Return isoFLOP slices; compute is `count` x 6ND."""
    rows = []
    for c in C:
        a = ALPHA + BETA
        best = (ALPHA * A / (BETA * B)) ** (1 / a) * (c / count / 6) ** (BETA / a)
        for x in np.linspace(-0.9, 0.9, steps):
            N = best * float(np.exp(x))
            D = c / count / 6 / N
            rows.append({"params": N, "tokens": D, "flops": c, "loss": loss(N, D)})
    return rows


def mapped(rows: list[Row], change: Callable[[Row], Row]) -> list[Row]:
    return [change(dict(row)) for row in rows]


def large(row: Row) -> bool:
    return row["params"] >= 3e8


def renamed(rows: list[Row], **names: str) -> list[Row]:
    return [{names.get(key, key): value for key, value in row.items()} for row in rows]


def scaled(rows: list[Row], **units: float) -> list[Row]:
    return [{k: v / units.get(k, 1.0) for k, v in row.items() if k != "run"} for row in rows]


@dataclass(frozen=True)
class Odd:
    """A table, the options it is fitted with, and what the answer must say or be."""

    name: str
    rows: list[Row]
    says: str = ""
    options: tuple[str, ...] = ()
    code: int = 0
    silent: str = ""  # what must not be said
    law: dict[str, float] = field(default_factory=dict)  # parameters within 10 %

    def text(self) -> str:
        """Return the table as CSV."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(self.rows[0]))
        writer.writeheader()
        writer.writerows(self.rows)
        return stream.getvalue()


TRUE = {"alpha": ALPHA, "beta": BETA}


def directions() -> Iterator[Odd]:
    base = ladder()
    acc = mapped(base, lambda r: r | {"acc": np.exp(-0.4 * (r["loss"] - 1.2))})
    yield Odd("accuracy", acc, "--rising --limit 1", ("--target", "acc"), 4)
    yield Odd("accuracy fitted", acc, "fitted as 1 - acc", ("--target", "acc", "--rising"))
    percent = mapped(acc, lambda r: r | {"acc": 100 * r["acc"]})
    yield Odd("percent", percent, "--rising --limit 100", ("--target", "acc"), 4)
    yield Odd("percent fitted", percent, "fitted as 100 - acc", ("--target", "acc", "--rising"))
    falls = mapped(base, lambda r: r | {"error_rate": 1 - np.exp(-0.4 * (r["loss"] - 1.2))})
    yield Odd("error rate falls", falls, "", ("--target", "error_rate"))
    yield Odd("rising that falls", falls, "falls", ("--target", "error_rate", "--rising"), 4)
    likelihood = mapped(base, lambda r: r | {"loglik": -r["loss"]})
    yield Odd("log-likelihood", likelihood, "--rising --limit 0", ("--target", "loglik"), 4)
    fitted = ("--target", "loglik", "--rising")
    yield Odd("log-likelihood fitted", likelihood, "fitted as -loglik", fitted, law=TRUE)
    margin = mapped(base, lambda r: r | {"margin": r["loss"] - 2.8})
    yield Odd("below zero", margin, "--space linear", ("--target", "margin"), 3)
    linear = ("--target", "margin", "--space", "linear")
    yield Odd("below zero, linear", margin, "margin is fitted as margin \\+", linear, law=TRUE)
    reward = mapped(base, lambda r: r | {"reward": 40 - 9 * r["loss"]})
    yield Odd("reward", reward, "--limit X", ("--target", "reward"), 4)
    yield Odd(
        "reward, no limit", reward, "give it with --limit", ("--target", "reward", "--rising"), 2
    )
    limit = ("--target", "reward", "--rising", "--limit", "40")
    yield Odd("reward, limit", reward, "fitted as 40 - reward", limit, law=TRUE)
    low = ("--target", "reward", "--rising", "--limit", "12")
    yield Odd("a limit that is passed", reward, "reaches its limit", low, 3)
    yield Odd("a limit of a loss", base, "Give --rising", ("--limit", "3"), 2)
    pass_k = mapped(acc, lambda r: r | {"pass@1": r["acc"] / 3})
    yield Odd("pass@1", pass_k, "pass@1 rises", ("--target", "pass@1"), 4)


def unlike() -> Iterator[Odd]:
    base = ladder()

    def by_size(column: str, small: Any, big: Any, factor: float) -> list[Row]:
        return mapped(
            base,
            lambda r: {
                **r,
                column: big if large(r) else small,
                "loss": r["loss"] * (factor if large(r) else 1),
            },
        )

    for column, small, big, factor in (
        ("tokenizer", "gpt2", "llama3", 1.12),
        ("config/tokenizer", "a b", 'the "new" one', 0.9),
        ("vocab_size", 32000, 128256, 1.1),
        ("gradient_accumulation_steps", 1, 8, 8.0),
        ("seq_len", 1024, 8192, 0.97),
        ("dataset", "c4", "fineweb", 0.93),
        ("eval_set", "pile", "c4", 1.06),
        ("annealed", "True", "False", 1.05),
        ("schedule", "cosine", "constant", 1.04),
        ("label_smoothing", 0.0, 0.1, 1.2),
    ):
        yield Odd(
            f"two of {column}", by_size(column, small, big, factor), f"{column}.* differs", ()
        )
    alternate = [
        r | {"dataset": "ab"[i % 2], "loss": r["loss"] * (1.03 if i % 2 else 1)}
        for i, r in enumerate(base)
    ]
    yield Odd("two data sets in turn", alternate, "dataset differs")
    alike = [
        r | {"seq_len": (1024, 2048)[i % 2], "optimizer": "ab"[i // 3 % 2]}
        for i, r in enumerate(base)
    ]
    yield Odd("a context that does not matter", alike, "", silent="differs", law=TRUE)
    names = mapped(base, lambda r: r | {"family": f"m{int(r['params'])}"})
    yield Odd("a name of the size", names, "", silent="differs", law=TRUE)
    unique = mapped(base, lambda r: r | {"unique_tokens": min(r["tokens"], 2e8)})
    worn = mapped(
        unique,
        lambda r: (
            r
            | {
                "loss": loss(
                    r["params"],
                    r["unique_tokens"]
                    * (1 + 15 * (1 - np.exp(-(r["tokens"] / r["unique_tokens"] - 1) / 15))),
                )
            }
        ),
    )
    yield Odd("repeated", worn, "data were seen up to")
    epochs = mapped(
        worn,
        lambda r: (
            {k: v for k, v in r.items() if k != "unique_tokens"}
            | {"epochs": r["tokens"] / r["unique_tokens"]}
        ),
    )
    yield Odd("epochs", epochs, "epochs <= 4")
    fresh = mapped(base, lambda r: r | {"epochs": 1})
    yield Odd("one epoch", fresh, "", silent="data were seen", law=TRUE)


def unfinished() -> Iterator[Odd]:
    base = ladder()
    some = {"r120-20", "r300-50"}

    def marked(column: str, good: Any, bad: Any, **wrong: float) -> list[Row]:
        return mapped(
            base,
            lambda r: {
                **r,
                column: bad if r["run"] in some else good,
                **(wrong if r["run"] in some else {}),
            },
        )

    for column, good, bad in (
        ("state", "finished", "crashed"),
        ("State", "finished", "running"),
        ("status", "completed", "KILLED"),
        ("diverged", "False", "True"),
        ("is_diverged", 0, 1),
        ("finished", "yes", "no"),
        ("run_state", "ok", "preempted"),
    ):
        rows = marked(column, good, bad, loss=5.5)
        yield Odd(f"{column} is {bad}", rows, "2 run\\(s\\) are left out.*--where", law=TRUE)
    kept = ("--where", 'state == "finished" or state == "crashed"')
    yield Odd(
        "asked for",
        marked("state", "finished", "crashed"),
        "",
        kept,
        silent="are left out",
        law=TRUE,
    )
    every = mapped(base, lambda r: r | {"state": "running"})
    yield Odd("all of them", every, "", silent="are left out", law=TRUE)
    for mark in (0, -1, 999, 1e10, 100, 9999.0):
        rows = mapped(
            base, lambda r, mark=mark: r | {"loss": mark if r["run"] in some else r["loss"]}
        )
        yield Odd(f"a loss of {mark:g}", rows, "2 run\\(s\\) are left out, as loss is", law=TRUE)
    zeros = [r | {"loss": 0.0, "ce_loss": r["loss"]} for r in base]
    yield Odd("all zero", zeros, "--map loss=ce_loss", (), 3)


def counted() -> Iterator[Odd]:
    base = ladder()
    for N, D in (
        ("params (M)", "tokens (B)"),
        ("params_M", "tokens_B"),
        ("N [1e6]", "D [1e9]"),
        ("Model size (millions)", "train tokens (billions)"),
        ("params in M", "tokens in B"),
    ):
        rows = renamed(scaled(base, params=1e6, tokens=1e9), params=N, tokens=D)
        yield Odd(f"{N}, {D}", rows, "N 20M to 700M", law=TRUE)
    yield Odd(
        "N in millions",
        scaled(base, params=1e6, tokens=1e9),
        "params_scale=1e6 --set tokens_scale=1e9",
        (),
        3,
    )
    yield Odd("N in billions", scaled(base, params=1e9, tokens=1e9), "params_scale=1e9", (), 3)
    said = ("--set", "params_scale=1e6", "--set", "tokens_scale=1e9")
    yield Odd("mended", scaled(base, params=1e6, tokens=1e9), "N 20M to 700M", said, law=TRUE)
    exact = mapped(base, lambda r: r | {"flops": 6 * r["params"] * r["tokens"]})
    typo = mapped(
        exact, lambda r: r | {"params": r["params"] * (1000 if r["run"] == "r120-20" else 1)}
    )
    yield Odd("a typing error", typo, "0.001 in r120-20.*--where")
    halves = [r | {"tokens": r["tokens"] * (1, 2, 4)[i % 3]} for i, r in enumerate(exact)]
    yield Odd("tokens off by a batch", halves, "of 6ND in .* points, but")
    heads = mapped(exact, lambda r: r | {"flops": r["flops"] * (1 + (2e7 / r["params"]) ** 0.6)})
    yield Odd("embeddings counted", heads, "they were counted", silent="wrong in these", law=TRUE)
    steps = mapped(base, lambda r: r | {"batch_tokens": 250000, "steps": r["tokens"] / 2e6})
    yield Odd("a batch of one device", steps, "tokens are 8 times step x batch_tokens")
    perplexities = [
        {k: v for k, v in r.items() if k != "loss"} | {"perplexity": np.exp(r["loss"])}
        for r in base
    ]
    yield Odd("perplexity", perplexities, "the logarithm of perplexity", law=TRUE)
    yield Odd(
        "ppl", renamed(perplexities, perplexity="val_ppl"), "the logarithm of val_ppl", law=TRUE
    )
    yield Odd(
        "mapped",
        perplexities,
        "the logarithm of perplexity",
        ("--map", "loss=perplexity"),
        law=TRUE,
    )
    called = renamed(perplexities, perplexity="loss")
    yield Odd("perplexities called loss", called, "more than any vocabulary")
    bits = renamed(base, loss="bpc")
    yield Odd("bits per character", bits, "bits/char", ("--target", "bpc"))


def slices() -> Iterator[Odd]:
    four = budgets((1e18, 3e18, 1e19, 3e19), 4)
    yield Odd("four sizes", four, "4 budgets of logged compute, 4 with", law=TRUE)
    three = budgets((1e18, 3e18, 1e19, 3e19), 3)
    yield Odd("three sizes", three, "4 budgets of logged compute, 4 with")
    double = budgets((1e18, 3e18, 1e19, 3e19), 5, count=1.5)
    yield Odd("counted compute", double, "of logged compute, 4 with", law=TRUE)
    hill = [
        r | {"loss": r["loss"] * (1.08 if i % 4 in (1, 2) and r["flops"] < 5e18 else 1)}
        for i, r in enumerate(four)
    ]
    yield Odd("open downwards", hill, "open downwards")
    budget_only = [{k: v for k, v in r.items() if k != "tokens"} for r in four]
    yield Odd("N and C", budget_only, "flops_convention=6ND", (), 3)
    yield Odd(
        "N and C, said",
        budget_only,
        "as flops_convention=6ND says",
        ("--set", "flops_convention=6ND"),
        law=TRUE,
    )


def all_of_them() -> list[Odd]:
    return [*directions(), *unlike(), *unfinished(), *counted(), *slices()]


def wrong(odd: Odd, code: int, text: str, parameters: dict[str, float]) -> str:
    """Return what is wrong with an answer, or nothing."""
    flat = re.sub(r"\s+", " ", text)
    if code != odd.code:
        return f"exit {code}, not {odd.code}: {flat[-300:]}"
    if odd.says and not re.search(odd.says, flat):
        return f"does not say {odd.says!r}: {flat[:1500]}"
    if odd.silent and re.search(odd.silent, flat):
        return f"says {odd.silent!r}"
    off = {
        k: parameters.get(k) for k, v in odd.law.items() if abs(parameters.get(k, 0) / v - 1) > 0.1
    }
    return f"{off} where {odd.law} is true" if off else ""


def answer(odd: Odd, folder: Path) -> str:
    """Fit a table as a user does, and return what is wrong with the answer."""
    import json

    from command_line import run

    path, fit = folder / "t.csv", folder / "fit.json"
    path.write_text(odd.text(), encoding="utf8")
    fit.unlink(missing_ok=True)
    result = run("fit", str(path), "--bootstrap", "0", "--full", "-o", str(fit), *odd.options)
    parameters = json.loads(fit.read_text())["parameters"] if fit.exists() else {}
    return wrong(odd, result.exit_code, result.stdout + result.stderr, parameters)


if __name__ == "__main__":
    import tempfile

    tables = all_of_them()
    told = {}
    with tempfile.TemporaryDirectory() as place:
        for odd in tables:
            if len(sys.argv) > 1 and sys.argv[1] not in odd.name:
                continue
            if problem := answer(odd, Path(place)):
                told[odd.name] = problem
                print(f"{odd.name}: {problem}", flush=True)
    print(f"{len(tables)} tables, {len(told)} answered wrongly")
    sys.exit(bool(told))
