"""Write docs/formats.md from the readers and the dialects: python tests/formats_page.py"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import console_logs

from scaling_cli.forecasting.explanation import LATER_COUNTS
from scaling_cli.ingest import console, formats
from scaling_cli.ingest._trainers import LEVELS, Console, dialects, listen
from scaling_cli.ingest.dialects._dialect import Dialect, Line
from scaling_cli.vocabulary.quantities import QUANTITIES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
HEAD = """\
# Formats

Point any command at files or at a folder of mixed things: each file is recognised by its content,
what was not understood is named with the reader that it comes nearest to. This page is written
from the files of `scaling_cli/ingest/` and `scaling_cli/ingest/dialects/` by `python
tests/formats_page.py`; what a console gives is what is read of its logs in
`tests/console_logs.py`.

## Files

Losses, steps, tokens, learning rates and compute are columns or metrics, recognised by their
names (below) or `--map loss=COLUMN`. *Facts* are parameters, tokens of a step, planned length,
warm-up: from other columns, from the configuration of the run, or from the header of a console.
What a loss is (of a step, a mean, smoothed) is what the tool is known to log, what the column's
name says, else assumed to be that of a step; `scaling runs --full` says which.

| `--format` | files | such as | facts from | a run in several files | where a run was resumed |
|---|---|---|---|---|---|
"""
CONSOLES = """
## Elsewhere

`s3://BUCKET/PREFIX` and `gs://BUCKET/PREFIX` are read as folders are (also an object, or a glob),
by fsspec: `pip install 'scaling-cli[s3]'` or `[gs]`; credentials are those of the environment.
`wandb://ENTITY/PROJECT` (or `.../RUN`) asks the API of Weights & Biases for whole histories: the
extra `wandb`. A store knows all of these by their address. Spreadsheets need the extra `xlsx`.

## Logs that grow

Where a store has read a CSV, a log of JSON lines, a console or a log by `--pattern`, and the file
has grown, what is new goes behind what is there. That the file begins with all that was read, its
SHA-256 says. Then it is read twice, as it was and as it is (of more than 2.5 MB without its
middle), and what the second says more must follow the first: any other difference (a step that goes
back, another column, a type, a note, a cell that differs) and the file is read whole. For a large
file this rests on the beginning and the last MB showing what kind of log it is; a column that only
the middle has, or a restart there, is seen by comparison with what the store holds.

## Consoles of trainers

Colours, prefixes of launchers and loggers and progress bars are looked through, lines that
measure nothing are counted. A log that goes over the same steps again is one run that was started
again; where another end is planned, or what came before had reached its end, it is another run,
named `FILE:2`. Values of several ranks at one step are averaged, and told. A line that begins as
a measurement and goes on otherwise is left out, and told. Megatron leaves out a loss that is not
finite: such a line is NaN. Of files in which no loss was logged the trainer that they come
nearest to is named.

Any other line is read by an expression of yours, whose named groups are columns. It is searched
in every line, by RE2: its time grows with the length of the line and no faster.

```
scaling runs train.log --pattern 'step=(?P<step>\\d+) loss=(?P<loss>\\S+)'
```

No console says its schedule: it is identified from the learning rate.

| consoles of | val loss | step | tokens | lr | N | batch | plan | the training loss is |
|---|---|---|---|---|---|---|---|---|
"""
NAMES = """
## Names of columns

Capitals and the characters between words do not matter.

| column | unit | names that mean it |
|---|---|---|
"""
# Whose files of a general form are known, by the tests of tests/ingest/.
SUCH_AS = {
    "xlsx": "a sheet of finished runs, a sheet for each curve",
    "delimited": "Lightning's metrics.csv, Keras' CSVLogger, W&B's exports of charts and "
    "histories, TensorBoard's CSV, DVCLive's folders, tables of finished runs or of checkpoints",
    "jsonl": "trainer_state.json of Hugging Face, trainer_log.jsonl of LLaMA-Factory, scalars.json "
    "of MMEngine and detectron2, log.txt of MAE, TensorBoard's JSON, histories of W&B",
    "parquet": "exports of W&B, whatever pandas, Polars and DuckDB write",
}
_WITHIN = re.compile(r"<(\w+)>")
_SIZES = {"params", "params_a", "params_of_header", "params_non_embedding", "params_active"}
_FACTS = {
    "N": {*_SIZES},
    "batch": {"batch_tokens", "batch_seqs"},
    "plan": {"step", "planned", "epochs"},
}
_ALONG = {"val loss": {"val_loss"}, "step": {"step"}, "lr": {"lr"}}
_ALONG |= {"tokens": {"tokens", "consumed_samples"}, "batch": {"batch_seqs"}, "plan": {"planned"}}
_COLUMNS = ("val loss", "step", "tokens", "lr", "N", "batch", "plan")


def page() -> str:
    """Return the page."""
    files = "".join(_file(name, module) for name, module in formats().items())
    given = _given()
    consoles = "".join(_console(dialect, given[dialect.names[0]]) for dialect in dialects())
    names = "".join(
        f"| `{q.column}` | {q.unit} | {_names((q.symbol, *q.aliases))} |\n"
        for q in QUANTITIES.values()
    )
    return HEAD + files + CONSOLES + consoles + NAMES + names


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _file(name: str, module: ModuleType) -> str:
    """Return the row of a reader."""
    called = _names(
        [name, *(n for n in module.NAMES if n != name)] if module is not console else []
    )
    facts = "its configuration" if hasattr(module, "_settings") else "columns"
    facts = "its header" if module is console else facts
    several = "yes" if hasattr(module, "join") else ""
    such = SUCH_AS.get(name, "")
    told = (called or "`console`, or a program below", module.LOOKED_FOR, such, facts, several)
    return f"| {' | '.join(told)} | {getattr(module, 'RESUMED', LATER_COUNTS)} |\n"


def _given() -> dict[str, set[str]]:
    """Return what is read of the logs of each dialect, by its first name."""
    given: dict[str, set[str]] = {dialect.names[0]: set() for dialect in dialects()}
    texts = [log.text for log in console_logs.LOGS.values()]
    texts += [console_logs.NANOGPT, console_logs.LLM_C, console_logs.PRINTED, console_logs.MODDED]
    for text in texts:
        for row in heard(text.encode()).rows:
            given[row.dialect.names[0]] |= row.numbers.keys()
    return given


def heard(content: bytes) -> Console:
    """Return what is read of a log, at the first level at which there is a loss."""
    heard = [listen(content, level) for level in LEVELS]
    losses = [c for c in heard if any("train_loss" in row.numbers for row in c.rows)]
    return (losses or heard)[0]


def _console(dialect: Dialect, given: set[str]) -> str:
    """Return the row of a dialect: what its logs give, and what its header can."""
    stated = {name for fact in dialect.facts for name in _WITHIN.findall(fact.pattern)}
    given |= {column for line in dialect.lines for column in _declared(line)}
    cells: Mapping[str, bool] = {
        name: bool(_ALONG.get(name, set()) & given or _FACTS.get(name, set()) & stated)
        for name in _COLUMNS
    }
    words = {name: "yes" if cells[name] else "" for name in _COLUMNS}
    if not cells["val loss"] and "val_bpb" in given:
        words["val loss"] = "bits/byte"
    shown = " | ".join(words.values())
    return f"| {', '.join(dialect.names)} | {shown} | {_loss(dialect)} |\n"


def _declared(line: Line) -> Iterator[str]:
    """Yield the columns that a line is declared to have."""
    yield from (column for _, column in line.names)
    patterns = (line.begins, *line.also, *([line.rest] if isinstance(line.rest, str) else []))
    yield from (name for pattern in patterns for name in _WITHIN.findall(pattern))


def _loss(dialect: Dialect) -> str:
    """Return what the training loss is: of the dialect, and of lines that differ."""
    own = dialect.loss or (dialect.kind.words if dialect.kind else "not known")
    others = {line.kind.words for line in dialect.lines if line.kind not in (None, dialect.kind)}
    unit = [dialect.convention] if dialect.convention else []
    return ", ".join([own, *sorted(f"or {words}" for words in others), *unit])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
