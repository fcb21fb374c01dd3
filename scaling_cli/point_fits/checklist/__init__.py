"""The checklist that every fit prints: stable codes, pass/warn/fail, and what to do.

R1 to R20 are the items of the rigour list that practitioners ask for; each has one code, which
scripts may rely on. Four more codes split off what deserves its own line. A warning ends with
advice; a failure says what must not be done with the fit.
"""

from scaling_cli.point_fits.checklist import (
    alike,
    allocation,
    certainty,
    data,
    direction,
    fitted,
    record,
)
from scaling_cli.point_fits.checklist.evidence import Evidence, Item
from scaling_cli.vocabulary.outcomes import Check

__all__ = ["ITEMS", "Evidence", "checklist"]

ITEMS = tuple(
    value
    for module in (data, alike, fitted, direction, certainty, allocation, record)
    for value in vars(module).values()
    if isinstance(value, Item)
)


def checklist(evidence: Evidence) -> list[Check]:
    """Return every line of the checklist, in order."""
    return [item.check(evidence) for item in ITEMS]
