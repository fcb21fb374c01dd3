"""Which law: those that were tried, how far off each was, and the sentence that explains it."""

from scaling_cli.artefacts._choice import Choice, HeldBack, Ranked
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Table

LISTED = 6  # laws on the first screen
MEANS = "off by: root mean square of ln forecast - ln measured, the geometric mean over cuts."


def blocks(choice: Choice | None, *, full: bool) -> list[Block]:
    """Return the ranked table, and in full what every law missed at every cut."""
    if choice is None:
        return []
    listed = [one for one in choice.laws if full or one.error is not None]
    columns = [
        ("", "<", lambda one: one.law),
        ("inputs", "<", lambda one: ", ".join(one.inputs)),
        ("parameters", ">", lambda one: str(one.parameters)),
        ("off by", ">", _off),
        ("share", ">", lambda one: _numbers.share(one.weight) if one.weight else ""),
        ("", "^", lambda one: one.told),
    ]
    notes = [choice.reason, *[MEANS] * full]
    limit = None if full else LISTED
    ranked = Table.of(listed, columns, "laws tried on runs held back", *notes, limit=limit)
    return [ranked, *([_by_cut(choice)] if full else [])]


def _off(one: Ranked) -> str:
    return "-" if one.error is None else _numbers.percent(one.error)


def _by_cut(choice: Choice) -> Table:
    names = [one.law for one in choice.laws if one.error is not None][:LISTED]

    def error(name: str, cut: HeldBack) -> str:
        return _numbers.percent(cut.errors[name]) if name in cut.errors else "-"

    columns = [
        ("largest in", "<", lambda cut: cut.axis),
        ("fitted", ">", lambda cut: str(cut.n_train)),
        ("held back", ">", lambda cut: str(cut.n_test)),
        *((name, ">", lambda cut, name=name: error(name, cut)) for name in names),
    ]
    return Table.of(choice.cuts, columns, "how far off, by cut")
