"""`sc.check`: stored fits refitted and compared."""

from pathlib import Path

from scaling_cli.artefacts._record import Record
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.errors import CheckFailed, UsageError


def check(*paths: str | Path, update: bool = False, mirror: str | Path | None = None) -> Answer:
    """Refit stored fits and compare objective and predictions.

    Parameters
    ----------
    *paths : path or name
        Fit files, folders of them, certified names; all certified fits without one.
    update : bool
        Whether a computed fit is rewritten where a refit is better.
    mirror : path, optional
        Where the data of cards may be copied from; nothing is downloaded here.

    Returns
    -------
    Answer
        `made` holds one CheckResult per fit.

    Raises
    ------
    CheckFailed
        If there is no fit to check.
    UsageError
        If a fit itself is given, not its file.
    """
    from scaling_cli import reference

    if any(isinstance(path, Record) for path in paths):
        raise UsageError(
            "a fit in memory cannot be checked: what is checked is a file.",
            hint="Write it first: fit.to_json('fit.json').",
        )
    results = reference.check(list(paths) or None, update=update, mirror=mirror)
    if not results:
        raise CheckFailed("there is no fit to check.", hint="Name fit files or folders of them.")
    statuses = [str(result.status) for result in results]
    record = {
        "fits": [result.to_dict() for result in results],
        "passed": sum(status in ("pass", "better") for status in statuses),
        "failed": statuses.count("fail"),
        "skipped": statuses.count("skipped"),
    }
    return Answer(record, "check", results)
