"""Six hundred bad inputs: files and options, and the commands that meet them.

The suite gives every file to one command and types every option once; `python tests/bad_inputs.py
--all` gives each file to every command. None may end in a defect of ours (exit 5), a traceback, a
screen full of words or raw control characters.
"""

import contextlib
import gzip
import json
import math
import os
import shlex
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli_fits
from command_line import run

HEAD = "run_id,params,tokens,loss"
GRID = [(N, ratio * N) for N in (1e7, 3e7, 1e8, 3e8, 1e9) for ratio in (10, 40, 160)]


def loss(N: float, D: float) -> float:
    t = cli_fits.TRUTH
    return t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]


ROWS = [f"r{i},{N:.0f},{D:.0f},{loss(N, D)!r}" for i, (N, D) in enumerate(GRID)]
TABLE = "\n".join([HEAD, *ROWS]) + "\n"
CURVE = "step,tokens,loss\n" + "".join(
    f"{s},{s * 1000},{2 + s**-0.3!r}\n" for s in range(10, 400, 10)
)


def with_cell(cell: str, column: int = 3, row: int = 4) -> str:
    """Return the table with another text in one cell."""
    cells = [line.split(",") for line in ROWS]
    cells[row][column] = cell
    return "\n".join([HEAD, *map(",".join, cells)]) + "\n"


def runs(row: str) -> bytes:
    """Return a table of nine runs by the form of a row."""
    rows = [f"r{i},{row.format(i, i)}" for i in range(1, 10)]
    return "\n".join([HEAD, *rows, ""]).encode()


NUMBERS = [
    *("9" * 400, "1e400", "-1e400", "1e-400", "0", "-0.0", "-2.5", "nan", "inf", "-inf", "NaN"),
    *("1_000", "0x10", "1e", "e5", "--3", "+-1", "1,5", "1.5.2", "1 2", "½", "٣", "１", "²"),
    *("1j", "(0-1)**.1", "2**2**9", "1/0", "None", "null", "true", "", " ", "\t", "'3'", '"', '""'),
    *("\x00", "\x1b[31m3\x1b[0m", "3\x07", "\u202e3", "\ufeff3", "3\u200b", "=1+1", "#REF!", "$3"),
    *("3%", "1e3K", "7B", "8x7B", "many", "2024-10-15", "12/10", "1" * 5000, "0" * 400 + "3"),
]
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n\n\t\n",
    "nul bytes": bytes(4096),
    "random": bytes((i * 7919 + i // 13) % 256 for i in range(4096)),
    "utf-16": TABLE.encode("utf-16"),
    "utf-32": TABLE.encode("utf-32"),
    "latin-1": (TABLE + "r\xe9,1,2,3\n").encode("latin-1"),
    "cp437 id": b"run_id,params,tokens,loss\n\xff\xfe,1e6,1e7,3\n",
    "surrogate id": b"run_id,params,tokens,loss\n\xed\xa0\x80,1e6,1e7,3\n",
    "escape id": b"run_id,params,tokens,loss\n\x1b[31mred\x1b[0m,1e6,1e7,3\n",
    "bell header": b"run_id,pa\x07rams,tokens,loss\nr,1,2,3\n",
    "cr only": TABLE.replace("\n", "\r").encode(),
    "two crs": TABLE.replace("\n", "\r\r\n").encode(),
    "no end": TABLE.rstrip("\n").encode(),
    "open quote": (TABLE + '"r99,1e6,1e7,3\n').encode(),
    "quote inside": TABLE.replace("r3,", 'r"3,').encode(),
    "header alone": (HEAD + "\n").encode(),
    "header twice": f"{HEAD}\n{TABLE}".encode(),
    "no header": "\n".join(ROWS).encode(),
    "header of numbers": b"1,2,3,4\n" + "\n".join(ROWS).encode(),
    "same column twice": b"params,params,tokens,loss\n1,2,3,4\n",
    "empty column name": b",params,tokens,loss\nr,1e6,1e7,3\n",
    "blank column names": b" , ,tokens,loss\nr,1e6,1e7,3\n",
    "short row": (TABLE + "r99,1e6\n").encode(),
    "long row": (TABLE + "r99,1e6,1e7,3,4,5\n").encode(),
    "many commas": b"," * 5000 + b"\n" + b"," * 5000,
    "one long line": b"x" * 300_000,
    "many columns": (",".join(f"c{i}" for i in range(3000)) + "\n").encode() * 2,
    "semicolons": TABLE.replace(",", ";").encode(),
    "decimal commas": TABLE.replace(",", ";").replace(".", ",").encode(),
    "tabs and commas": TABLE.replace(",", ",\t").encode(),
    "spaces": TABLE.replace(",", " ").encode(),
    "pipes": TABLE.replace(",", "|").encode(),
    "same id": TABLE.replace("r1,", "r2,").encode(),
    "two losses of a run": (TABLE + "r0,10000000,100000000,9.5\n").encode(),
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "xml": b'<?xml version="1.0"?><a/>',
    "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "yaml": b"loss: 3\nparams: 7B\n",
    "python": b"print('loss', 3)\n",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "zip": b"PK\x03\x04" + bytes(64),
    "parquet magic": b"PAR1" + bytes(64) + b"PAR1",
    "gzip cut": gzip.compress(TABLE.encode())[:-20],
    "gzip damaged": gzip.compress(TABLE.encode())[:30] + bytes(40),
    "gzip of nothing": gzip.compress(b""),
    "gzip of gzip": gzip.compress(gzip.compress(TABLE.encode())),
    "zlib": zlib.compress(TABLE.encode()),
    "zstd magic": b"\x28\xb5\x2f\xfd" + bytes(40),
    "negative steps": b"step,loss\n-1,3\n-2,4\n",
    "broken steps": b"step,loss\n1.5,3\n2.5,4\n",
    "huge steps": b"step,loss\n1e300,3\n2e300,4\n",
    "nan steps": b"step,loss\nnan,3\ninf,4\n",
    "one point": b"step,loss\n1,3\n",
    "constant loss": b"step,tokens,loss\n" + b"".join(b"%d,%d,3\n" % (i, i * 9) for i in range(50)),
    "all nan": b"step,tokens,loss\n" + b"".join(b"%d,%d,nan\n" % (i, i * 9) for i in range(50)),
    "rising loss": "".join(
        ["step,tokens,loss\n", *(f"{i},{i * 9},{1 + i / 50}\n" for i in range(50))]
    ).encode(),
    "zero loss": b"step,tokens,loss\n" + b"".join(b"%d,%d,0\n" % (i, i * 9) for i in range(50)),
    "one size": runs("1e7,{}e8,3.{}"),
    "equal runs": runs("1e7,1e8,3"),
    "enormous sizes": runs("{}e300,1e8,3.{}"),
    "tiny sizes": runs("{}e-300,1e8,3.{}"),
    "enormous loss": runs("{0}e7,{0}e8,{0}e307"),
    "tiny loss": runs("{0}e7,{0}e8,{0}e-308"),
}
RECORDS: dict[str, str] = {
    "not json": "step 1 loss 3",
    "open brace": '{"step": 1, "loss": 3',
    "deep list": "[" * 100_000,
    "deep dict": '{"a":' * 100_000,
    "deep but closed": '{"step": 1, "loss": ' + "[" * 3000 + "]" * 3000 + "}",
    "lone surrogate": '{"run_id": "\\ud800", "step": 1, "loss": 3}\n' * 2,
    "surrogate key": '{"\\udfff": 1, "step": 1, "loss": 3}\n',
    "400 digits": '{"step": 1, "loss": ' + "9" * 400 + "}\n",
    "5000 digits": '{"step": 1, "loss": ' + "9" * 5000 + "}\n",
    "400 digits of step": '{"step": ' + "9" * 400 + ', "loss": 3}\n',
    "key twice": '{"step": 1, "loss": 3, "loss": 4}\n',
    "numbers": "1\n2\n3\n",
    "lists": "[1, 2]\n[3, 4]\n",
    "null": "null\n",
    "nested": '{"step": 1, "loss": {"a": [1, {"b": 2}]}}\n',
    "bool loss": '{"step": 1, "loss": true}\n',
    "text loss": '{"step": 1, "loss": "three"}\n',
    "nan": '{"step": 1, "loss": NaN}\n{"step": 2, "loss": Infinity}\n',
    "escape": '{"run_id": "\\u001b[2J", "step": 1, "loss": 3}\n' * 2,
    "nul": '{"run_id": "a\\u0000b", "step": 1, "loss": 3}\n' * 2,
    "one array": "[" + '{"step": 1, "loss": 3},' * 3 + "]",
    "empty objects": "{}\n{}\n",
    "mixed": '{"step": 1, "loss": 3}\n7\n{"step": 2, "loss": 2}\n',
}
# What stands in place of a value of a fit file; every path of `MUTATED` gets each of some.
VALUES: list[Any] = [
    *(
        None,
        -1,
        0,
        math.inf,
        math.nan,
        1e400,
        "x",
        [],
        {},
        [[]],
        True,
        "\ud800",
        "\x1b[31m",
        10**400,
    )
]
PATHS = (
    *("schema_version", "kind", "law", "parameters", "objective", "status", "n_points", "data"),
    *("checks", "derived", "intervals", "uncertainty", "selection", "origin", "backtest", "name"),
    *("parameters.E", "parameters.alpha", "objective.delta", "data.ranges", "data.conventions"),
)
OPTIONS: list[str] = [
    *("predict --params (0-1)**.1 --tokens 1T", "predict --params 1e400 --tokens 1T"),
    *("predict --params -7B --tokens 1T", "predict --params 0 --tokens 0"),
    *("predict --params nan --tokens inf", f"predict --params {'9' * 400} --tokens 1T"),
    *(
        f"predict --params {'(' * 300}1{')' * 300} --tokens 1T",
        "predict --params 9**9**9 --tokens 1",
    ),
    *(f"predict --params {'1+' * 5000}1 --tokens 1", "predict --params 1e308*10 --tokens 1"),
    *("predict --params 7B --tokens 1T --level 2", "predict --params 7B --tokens 1T --level nan"),
    *("predict --params 7B --tokens 1T --fit", "predict --params 7B --tokens 1T --fit ."),
    *("predict --params 7B --tokens 1T --fit /dev/null", "predict --params 7B --fit nowhere.json"),
    *(
        "predict --params 7B --tokens 1T --fit ''",
        "predict --compute 1e400",
        "predict --compute -1",
    ),
    *("predict --params 7B --tokens 1T --fit ../../etc/passwd", "predict --input =3"),
    *("predict --params 1e-300 --tokens 1e-300", "predict --params 1e300 --tokens 1e300"),
    *("predict --compute 1e300", "predict --compute 1e-300", "predict --params 7B,, --tokens 1T"),
    *("predict --points nowhere.csv", "predict --points .", "predict --points /dev/null"),
    *(
        "predict --params 7B --tokens 1T --points runs.csv",
        "predict --steps 3",
        "predict --every -1",
    ),
    *("predict --schedule constant:peak=-1,steps=0", "predict --schedule nonsense"),
    *(
        "profile nowhere",
        "profile chinchilla/besiroglu-2024 --of nothing",
        "profile fit.json --of ''",
    ),
    *("profile fit.json --of optimal_params", "profile fit.json --of optimal_params --compute -1"),
    *(
        "profile fit.json --method psychic",
        "profile fit.json --level 0",
        "profile fit.json --of loss",
    ),
    *(
        "profile fit.json --of compute_for_loss",
        "profile fit.json --of compute_for_loss --loss 0.1",
    ),
    *("profile fit.json --of compute_for_loss --loss nan", "profile fit.json --of E --loss 2.5"),
    *("fit", "fit nowhere.csv", "fit ''", "fit .", "fit /etc", "fit /dev/null", "fit -"),
    *("fit runs.csv --law nothing", "fit runs.csv --law ''", "fit runs.csv --law ../x"),
    *("fit runs.csv --fix E=nan", "fit runs.csv --fix E=-1", "fit runs.csv --fix E=1e400"),
    *(
        "fit runs.csv --fix E",
        "fit runs.csv --fix =3",
        "fit runs.csv --fix Z=3",
        "fit runs.csv --fix E=9",
    ),
    *("fit runs.csv --tie alpha=alpha", "fit runs.csv --tie alpha=Z", "fit runs.csv --tie E=A"),
    *(
        "fit runs.csv --bootstrap -1",
        "fit runs.csv --bootstrap 1000000000",
        "fit runs.csv --bootstrap x",
    ),
    *(
        "fit runs.csv --seed -1",
        "fit runs.csv --seed 99999999999999999999",
        "fit runs.csv --level 1",
    ),
    *("fit runs.csv --delta 0", "fit runs.csv --delta nan", "fit runs.csv --delta -1"),
    *("fit runs.csv --objective none", "fit runs.csv --space cubic", "fit runs.csv --at last:0"),
    *(
        "fit runs.csv --at last:99999999999999999999",
        "fit runs.csv --at first",
        "fit runs.csv --where (",
    ),
    *(
        "fit runs.csv --where 1",
        "fit runs.csv --where params",
        "fit runs.csv --where 'params > \"a\"'",
    ),
    *(f"fit runs.csv --where {'(' * 3000}", f"fit runs.csv --where {'not ' * 3000}1==1"),
    *("fit runs.csv --where '__import__(\"os\")'", "fit runs.csv --where 'params.real > 1'"),
    *(
        "fit runs.csv --where 'params > 1e99'",
        "fit runs.csv --where 'loss[0] > 1'",
        "fit runs.csv --where ''",
    ),
    *(
        "fit runs.csv --where 'params ** 9**9**9 > 1'",
        f"fit runs.csv --where 'params > {'9' * 400}'",
    ),
    *(
        "fit runs.csv --target run_id",
        "fit runs.csv --target nothing",
        "fit runs.csv --target params",
    ),
    *(
        "fit runs.csv --map loss=nothing",
        "fit runs.csv --map loss",
        "fit runs.csv --map loss=run_id",
    ),
    *(
        "fit runs.csv --map params=tokens",
        "fit runs.csv --map tokens=params",
        "fit runs.csv --map =x",
    ),
    *("fit runs.csv --set params=0", "fit runs.csv --set params=-1", "fit runs.csv --set params=x"),
    *(
        "fit runs.csv --set rows=x",
        "fit runs.csv --set tokens_scale=0",
        "fit runs.csv --set params=7B",
    ),
    *(
        "fit runs.csv --set params=1e400",
        "fit runs.csv --set loss_convention=bits",
        "fit runs.csv --set x=",
    ),
    *("fit runs.csv --meta nowhere", "fit runs.csv --meta .", "fit runs.csv --meta runs.csv"),
    *("fit runs.csv --meta /dev/null", "fit runs.csv --name '{'", "fit runs.csv --name '{a}{a}'"),
    *(
        "fit runs.csv --name '{params}{tokens}'",
        "fit runs.csv --name ''",
        "fit runs.csv --format none",
    ),
    *(
        "fit runs.csv --format parquet",
        "fit runs.csv --format nanogpt",
        "fit runs.csv --format jsonl",
    ),
    *(
        "fit runs.csv --weight nothing",
        "fit runs.csv --weight run_id",
        "fit runs.csv --prior alpha=x",
    ),
    *(
        "fit runs.csv --prior alpha=1+-0",
        "fit runs.csv --prior Z=1+-1",
        "fit runs.csv --prior alpha=-1+-1",
    ),
    *(
        "fit runs.csv --executor x",
        "fit runs.csv --executor dask:",
        "fit runs.csv --executor dask:x.json",
    ),
    *(
        "fit runs.csv -o .",
        "fit runs.csv -o nowhere/fit.json",
        "fit runs.csv -o ''",
        "fit runs.csv -o loop",
    ),
    *(
        "fit runs.csv runs.csv runs.csv --fix E=1 --fix E=2",
        "fit loop",
        "fit runs.csv/x",
        "fit '*.nothing'",
    ),
    *("fit runs.csv --allow x=1", "fit runs.csv --allow wait=0", "fit runs.csv --allow wait=x"),
    *(
        "fit runs.csv --law average",
        "fit runs.csv --law multi_power",
        "fit curve.csv",
        "fit curve.csv --law average",
    ),
    *(
        "runs loop",
        "runs 'a\x07b'",
        f"runs {'x' * 5000}",
        "runs .. --format x",
        "runs runs.csv --map loss=''",
    ),
    *(
        "ingest runs.csv --store runs.csv",
        "ingest runs.csv --store loop",
        "ingest runs.csv --store /proc/x",
    ),
    *(
        "ingest runs.csv --store ''",
        "ingest runs.csv --store runs.csv/x",
        "ingest runs.csv --store /dev/null",
    ),
    *(f"ingest runs.csv --store {'x' * 300}", "ingest nowhere", "ingest - --store s"),
    *(
        "forecast runs.csv",
        "forecast nowhere",
        "forecast curve.csv --until -5",
        "forecast curve.csv --until x",
    ),
    *(
        "forecast curve.csv --until nan",
        "forecast curve.csv --until 1e400",
        "forecast curve.csv --schedule x",
    ),
    *(
        "forecast curve.csv --until 10",
        "forecast curve.csv --level 7",
        "forecast curve.csv --fit runs.csv",
    ),
    *(
        "backtest runs.csv --cuts 0",
        "backtest runs.csv --on nothing",
        "backtest runs.csv --cuts 999999999",
    ),
    *("backtest curve.csv", "backtest nowhere", "backtest runs.csv --bootstrap -3"),
    *(
        "check nowhere",
        "check runs.csv",
        "check ''",
        "check loop",
        "check /dev/null",
        "check broken",
    ),
    *(
        "show nowhere",
        "show runs.csv",
        "show ''",
        "show .",
        "show loop",
        "show /dev/null",
        "show a/b/c",
    ),
    *(
        "plot nowhere",
        "plot fit.json --kind nothing",
        "plot fit.json -o x.txt",
        "plot fit.json -o nowhere/x.png",
    ),
    *(
        "laws nothing",
        "laws ''",
        "laws ../../x",
        "data",
        "data fetch nothing",
        "data fetch ../x",
        "data list x",
    ),
    *(
        "schedule nonsense",
        "schedule constant:peak=nan,steps=9",
        "schedule cosine:peak=1,steps=1e400",
    ),
    *(
        "schedule wsd:peak=1e-3,stable=7,steps=9",
        "schedule ''",
        "schedule runs.csv",
        "schedule curve.csv",
    ),
    *("hparams runs.csv", "hparams nowhere", "batch runs.csv", "batch nowhere", "batch", "hparams"),
    *("", "nothing", "--nothing", "fit --nothing", "fit runs.csv --json=3", "fit runs.csv -o"),
]


@dataclass(frozen=True)
class Case:
    """One bad input: what is made in the folder, and what is typed there."""

    name: str
    arguments: tuple[str, ...]
    file: str = ""
    content: bytes = b""


def files() -> Iterator[tuple[str, str, bytes]]:
    """Yield what a bad log is called, its file name and its bytes."""
    for i, text in enumerate(NUMBERS):
        for column in (1, 3):
            name = f"cell {i} {text[:12]!r} in column {column}"
            yield name, "bad.csv", with_cell(text, column).encode("utf8", "surrogatepass")
    for name, content in TEXTS.items():
        yield name, "bad.csv", content
    for name, content in {
        k: TEXTS[k] for k in ("random", "empty", "parquet magic", "html")
    }.items():
        for ending in ("parquet", "jsonl", "json", "log", "tsv", "csv.gz", "csv.zst"):
            yield f"{name} as {ending}", f"bad.{ending}", content
    for name, text in RECORDS.items():
        for ending in ("jsonl", "json"):
            yield f"{name} as {ending}", f"bad.{ending}", text.encode()


def stored() -> Iterator[tuple[str, bytes]]:
    """Yield what a mutated fit file is called, and its bytes."""
    whole = cli_fits.fit().to_dict()
    for number, path in enumerate(PATHS):
        for shift in range(5):
            value = VALUES[(number * 3 + shift * 4) % len(VALUES)]
            record = json.loads(json.dumps(whole))
            outer, _, key = path.rpartition(".")
            (record[outer] if outer else record)[key] = value
            yield f"fit: {path} = {str(value)[:12]!a}", json.dumps(record).encode()
    text = json.dumps(whole).encode()
    yield from ((f"fit cut at {n}", text[:n]) for n in (0, 1, 100, len(text) // 2, len(text) - 1))
    yield from {
        "fit: binary": bytes(range(256)) * 9,
        "fit: utf-16": text.decode().encode("utf-16"),
        "fit: deep": b"[" * 100_000,
        "fit: list": b"[]",
        "fit: number": b"7",
        "fit: 400 digits": b'{"schema_version": ' + b"9" * 5000 + b"}",
        "fit: other kind": b'{"schema_version": 1, "kind": "\\u001b[31mred"}',
    }.items()


def cases() -> Iterator[Case]:
    """Yield every case once: a file with the commands that read such, an option as it is typed."""
    for name, file, content in files():
        yield Case(f"runs: {name}", ("runs", file), file, content)
    for name, content in stored():
        yield Case(f"show: {name}", ("show", "bad.json", "--full"), "bad.json", content)
    for text in OPTIONS:
        yield Case(text[:60], tuple(_words(text)))


def at_full_size() -> Iterator[Case]:
    """Yield every file with every command that could read it."""
    yield from cases()
    for name, file, content in files():
        for typed in (("fit",), ("forecast",), ("ingest", "--store", "s"), ("backtest",)):
            yield Case(f"{typed[0]}: {name}", (typed[0], file, *typed[1:]), file, content)
        for typed in (("predict", "--points"), ("fit", "runs.csv", "--meta"), ("hparams",)):
            yield Case(f"{' '.join(typed)}: {name}", (*typed, file), file, content)
    for name, content in stored():
        for typed in ("check", "profile", "plot", "backtest", "batch --fit"):
            words = (*typed.split(), "bad.json")
            yield Case(f"{typed}: {name}", words, "bad.json", content)
        asked = ("predict", "--params", "7B", "--tokens", "1T", "--fit", "bad.json")
        yield Case(f"predict: {name}", asked, "bad.json", content)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """Be in a folder with a good table, a curve, a fit, a loop of links and a broken fit."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("runs.csv").write_text(TABLE)
            Path("curve.csv").write_text(CURVE)
            cli_fits.fit().to_json("fit.json")
            Path("loop").symlink_to("loop")
            Path("broken").mkdir()
            Path("broken/bad.json").write_bytes(bytes(range(256)))
            cli_fits.fit().to_json("broken/good.json")
            yield Path(folder)
        finally:
            os.chdir(before)


CONTROLS = {chr(c) for c in (*range(32), *range(127, 160))} - {"\n"}
LONGEST = 6000  # characters of a message: what is wrong, where, what to do


def wrong(case: Case) -> str | None:
    """Return what is wrong with the answer to a case; None if nothing is."""
    if case.file:
        Path(case.file).write_bytes(case.content)
    try:
        result = run(*case.arguments, input="")
    finally:
        if case.file:
            Path(case.file).unlink(missing_ok=True)
    told = result.stdout + result.stderr
    if result.exit_code not in range(5):
        return f"exit {result.exit_code}: {result.stderr[-300:]}"
    if "Traceback" in told or "internal error" in told:
        return told[-300:]
    if raw := CONTROLS & set(told):
        return f"control characters reach the terminal: {raw}"
    if len(result.stderr) > LONGEST:
        return f"a message of {len(result.stderr)} characters"
    if result.exit_code > 1 and "error: " not in result.stderr:
        return f"exit {result.exit_code} without a word: {told[-300:]}"
    return None


def main() -> int:
    """Run everything and print what is wrong."""
    failed, count = 0, 0
    chosen = at_full_size() if "--all" in sys.argv else cases()
    with place():
        for case in chosen:
            count += 1
            try:
                fault = wrong(case)
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            if fault:
                failed += 1
                print(f"{case.name!a}\n    {' '.join(case.arguments)[:100]!a}\n    {fault!a}")
    print(f"{failed} of {count} answers are wrong")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
