"""The page of a thing that says no more of itself than its report: what is known in full."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli import reports
from scaling_cli.reports._blocks import Labelled, Text
from scaling_cli.reports.page import _parts
from scaling_cli.reports.page._page import Number, Origin, Page

MOST = 400  # numbers of a thing that are listed; --json has all


def of(thing: Any, name: str) -> Page:
    """Return a page with the whole report of a thing, and all its numbers as computed."""
    record = thing.to_dict()
    numbers = [*_flat(record)][:MOST]
    first = reports.text(reports.blocks(thing)).strip().partition("\n\n")[0]
    return Page(
        title=f"{getattr(thing, 'what', '') or thing.report}".capitalize(),
        what=getattr(thing, "what", thing.report),
        name=name,
        answer=[" ".join(first.split())],
        careful=[Text(["See what is said of it below."])],
        exact=reports.blocks(thing, full=True),
        left_out=[Labelled("runs", ["see above"])],
        numbers=numbers,
        command=[*_parts.commands(str(record.get("command") or ""), name)],
    )


def _flat(record: Any, path: str = "") -> Iterator[Number]:
    if isinstance(record, Mapping):
        for key, value in record.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(record, int | float) and not isinstance(record, bool):
        yield Number(path, float(record), Origin.COMPUTED, "as stored")
