"""`sc.cite`: what to cite for a stored thing: its law, its source, its data, this package."""

from pathlib import Path
from typing import Any

from scaling_cli import __version__, datasets
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.verbs._answer import Answer
from scaling_cli.verbs.laws import laws

SOFTWARE = """@software{{scaling_cli,
  title={{scaling-cli: from training logs to a scaling law, a forecast and its interval}},
  author={{{{The scaling-cli authors}}}},
  version={{{version}}}}}"""


def cite(fit: Record | str | Path) -> Answer:
    """Return what to cite for a fit of any kind.

    Parameters
    ----------
    fit : stored thing, path or name

    Returns
    -------
    Answer
        `laws` with reference and BibTeX, the `source` of the numbers, the `data` with licence and
        citation where they are a known data set, `software`.
    """
    record = (fit if isinstance(fit, Record) else kinds.load(fit)).to_dict()
    origin = record.get("origin") or {}
    said = {"name": record.get("name") or str(fit), "kind": record["kind"]}
    return Answer(
        {
            **said,
            "laws": _laws(record.get("law")),
            "source": origin.get("source"),
            "data": _data(origin.get("card")),
            "software": {"version": __version__, "bibtex": SOFTWARE.format(version=__version__)},
        },
        "cite",
    )


def _laws(name: str | None) -> list[dict[str, str]]:
    if name is None:
        return []
    described = laws(name)
    every = [law for kind in ("laws", "curve_laws", "learning_curves") for law in described[kind]]
    return [{key: law[key] for key in ("name", "reference", "bibtex")} for law in every]


def _data(card: str | None) -> dict[str, Any] | None:
    """Return what a data set says of itself."""
    if card is None:
        return None
    told = datasets.card(card).to_dict()
    return {key: told[key] for key in ("name", "title", "licence", "citation")}
