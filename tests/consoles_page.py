"""Write docs/consoles.md from the dialects: python tests/consoles_page.py"""

import re
from pathlib import Path

from scaling_cli.ingest._trainers import dialects
from scaling_cli.ingest.dialects._dialect import Dialect

PAGE = Path(__file__).resolve().parents[1] / "docs" / "consoles.md"
HEAD = """\
# Consoles of trainers

Point any command at what a trainer printed: colours, prefixes of launchers and loggers and
progress bars are looked through, lines that measure nothing are counted. This page is written from
the files of `scaling_cli/ingest/dialects/` by `python tests/consoles_page.py`.

A log that goes over the same steps again is one run that was started again; where another end is
planned, or what came before had reached its end, it is another run, named `FILE:2`. Values of
several ranks at one step are averaged, and told. A line that begins as a measurement and goes on
otherwise is left out, and told. Megatron leaves out a loss that is not finite: such a line is NaN.
Of files in which no loss was logged the trainer that they come nearest to is named.

Any other line is read by an expression of yours, whose named groups are columns. It is searched in
every line, by RE2: its time grows with the length of the line and no faster.

```
scaling runs train.log --pattern 'step=(?P<step>\\d+) loss=(?P<loss>\\S+)'
```

| consoles of | facts in their headers | the training loss, if it is not that of a step |
|---|---|---|
"""
_WITHIN = re.compile(r"<(\w+)>")
_MADE = {"params_a": "params", "params_b": "params", "params_of_header": "params"}
_HIDDEN = {"tensor_parts", "pipeline_parts", "epochs", "max_seq_len", "scale", "place"}


def row(dialect: Dialect) -> str:
    """Return the row of a dialect."""
    names = [name for fact in dialect.facts for name in _WITHIN.findall(fact.pattern)]
    facts = dict.fromkeys(str(_MADE.get(name, name)) for name in names if name not in _HIDDEN)
    shown = ["planned steps" if fact == "step" else fact for fact in facts]
    loss = ", ".join(part for part in (dialect.loss, dialect.convention) if part)
    return f"| {', '.join(dialect.names)} | {', '.join(shown)} | {loss} |\n"


def page() -> str:
    """Return the page."""
    return HEAD + "".join(map(row, dialects()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
