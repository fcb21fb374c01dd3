"""`sc.check`: stored fits refitted and compared; the same of two fits, for a test of one's own."""

import itertools
from pathlib import Path

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.fit import Fit
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


def assert_fit_matches(
    fit: Fit | str | Path, reference: Fit | str | Path, *, tolerance: float = 1e-6
) -> None:
    """Assert, in a test of one's own, that a fit is the reference again.

    Coefficients are not compared (A and B of one surface differ by percents): the law is, the
    minimised sum where both are of the same data, and the predictions at the anchor points of the
    reference, else at the corners of its data.

    Parameters
    ----------
    fit, reference : Fit, path or name
        Of a law of points; what `sc.fit` returned, a file, or a certified fit.
    tolerance : float
        Largest relative difference of predictions; objectives may be worse by a thousandth of it.

    Raises
    ------
    AssertionError
        With what differs, and by how much.
    """
    new, old = (x if isinstance(x, Fit) else kinds.load(x, Fit) for x in (fit, reference))
    differences = (_of_laws(new, old), _of_objectives(new, old, tolerance / 1000))
    told = next((text for text in differences if text), None) or _of_losses(new, old, tolerance)
    if told:
        raise AssertionError(told)


def _of_laws(new: Fit, old: Fit) -> str | None:
    laws = [type(fit.law).__name__ for fit in (new, old)]
    return None if laws[0] == laws[1] else f"the law is {laws[0]}, that of the reference {laws[1]}."


def _of_objectives(new: Fit, old: Fit, allowed: float) -> str | None:
    """Return how much worse the minimised sum is, where both are of the same data."""
    from scaling_cli.reference import _result

    same = new.data.get("sha256") == old.data.get("sha256") and new.objective == old.objective
    if not same or new.value is None or old.value is None:
        return None
    excess = (new.value - old.value) / max(abs(old.value), _result.ZERO_OBJECTIVE)
    told = f"the objective is {new.value:.12g}, above the reference's {old.value:.12g}"
    return f"{told} (by {excess:.2g} of it, allowed {allowed:g})." if excess > allowed else None


def _of_losses(new: Fit, old: Fit, allowed: float) -> str | None:
    """Return where predictions differ most."""
    from scaling_cli.reference import _result

    pairs = [(_result.difference(new.law(**at), old.law(**at)), at) for at in _anchors(old)]
    error, at = max(pairs, key=lambda pair: pair[0])
    told = f"at {', '.join(f'{symbol} = {value:.6g}' for symbol, value in at.items())} the loss"
    told += f" differs by {error:.2g} of the reference's (allowed {allowed:g})."
    return told if error > allowed else None


def _anchors(fit: Fit) -> list[dict[str, float]]:
    """Return where predictions are compared: the stored anchors, else the corners of the data."""
    anchors = [anchor["inputs"] for anchor in fit.origin.get("anchors") or []]
    if anchors:
        return anchors
    ranges = {symbol: fit.data["ranges"][symbol] for symbol in fit.law.inputs()}
    return [dict(zip(ranges, ends, strict=True)) for ends in itertools.product(*ranges.values())]
