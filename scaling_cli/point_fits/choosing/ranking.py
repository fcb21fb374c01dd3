"""The laws that were tried, best first; those that forecast together; and why others do not."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._choice import Choice, HeldBack, Ranked
from scaling_cli.point_fits.choosing.cuts import Cut
from scaling_cli.point_fits.choosing.tried import Tried
from scaling_cli.vocabulary.errors import FitError

NEAR = 1.25  # of the best error: the laws up to there forecast together
SAME = 0.01  # of their error: two laws whose forecasts differ by less are one
FAR = 3.0  # spreads of the near-best from their median: what lies further is left out
APART = 1e-9  # in ln output: less is rounding


def ranked(
    tried: Sequence[Tried], cuts: Sequence[Cut], unfit: Mapping[str, str]
) -> tuple[Choice, list[Tried]]:
    """Return the choice among laws, and those that forecast together, the one shown first.

    Raises
    ------
    FitError
        If no law has a forecast.
    """
    score = {one.name: _score(one, cuts) for one in tried}
    order = sorted(tried, key=lambda one: (score[one.name], len(one.law.parameters())))
    why: dict[str, str] = {}
    able = _able(order, why)
    if not able:
        raise FitError(
            "no law has a forecast of the runs that were held back.",
            hint="Name a law: 'scaling laws' lists them.",
        )
    best = able[0]
    near = [one for one in able if score[one.name] <= NEAR * score[best.name]]
    members = _together(near, why)
    share = {one.name: 1 / len(members) for one in members}
    listed = [_listed(one, score[one.name], share, why) for one in order]
    listed += [_unfit(name, reason) for name, reason in unfit.items()]
    held = [_held_back(i, cut, tried) for i, cut in enumerate(cuts)]
    return Choice(listed, held, " ".join(_reason(held, best, members))), members


def _score(one: Tried, cuts: Sequence[Cut]) -> float:
    """Return the geometric mean of errors over the cuts of an axis, then over axes."""
    with np.errstate(divide="ignore"):
        logs = np.log(one.errors())
    axes = np.array([cut.axis for cut in cuts])
    return float(np.exp(np.mean([np.mean(logs[axes == axis]) for axis in dict.fromkeys(axes)])))


def _able(order: Sequence[Tried], why: dict[str, str]) -> list[Tried]:
    """Return the laws that may have a share, best first, and add why the others may not."""
    able: list[Tried] = []
    for one in order:
        same = next((other.name for other in able if _same(one, other)), None)
        if not (np.all(np.isfinite(one.errors())) and np.all(np.isfinite(one.ahead))):
            why[one.name] = "not finite where it was asked"
        elif one.edge:
            why[one.name] = f"{', '.join(one.edge)} ran to the edge"
        elif same:
            why[one.name] = f"the same as {same} here"
        else:
            able.append(one)
    return able


def _same(one: Tried, other: Tried) -> bool:
    """Say whether two laws are one law here: they forecast the same at every cut."""
    pairs = zip(one.misses, other.misses, strict=True)
    with np.errstate(invalid="ignore"):
        apart = [np.sqrt(np.mean(np.square(a - b))) for a, b in pairs]
    return bool(np.all(apart <= SAME * other.errors()))


def _together(near: Sequence[Tried], why: dict[str, str]) -> list[Tried]:
    """Return the laws that forecast together, first the one of fewest parameters among them.

    It takes the inputs that the best takes; or other ones, if they are fewer. Laws that take more
    are no better for them; laws that take less cannot tell runs apart that differ in the rest.
    """
    fewer = [one for one in near if _apart(one, near[0])]
    wanted = min(fewer or near[:1], key=lambda one: len(one.law.inputs()))
    best = set(wanted.law.inputs())
    full = [one for one in near if best <= set(one.law.inputs())]
    named = min(full, key=lambda one: len(one.law.parameters()))
    own, kept = named.law.inputs().keys(), []
    for one in near:
        if more := [symbol for symbol in one.law.inputs() if symbol not in own]:
            why[one.name] = f"no better for {', '.join(more)}"
        elif less := [symbol for symbol in own if symbol not in one.law.inputs()]:
            why[one.name] = f"does not see {', '.join(less)}"
        else:
            kept.append(one)
    away = _away(kept)
    for one, far in zip(kept, away, strict=True):
        if far and one is not named:
            why[one.name] = "far from the others beyond the runs"
    return [named, *(one for one in kept if one is not named and one.name not in why)]


def _apart(one: Tried, best: Tried) -> bool:
    """Say whether a law takes fewer inputs than the best, and not of those."""
    own, its = set(one.law.inputs()), set(best.law.inputs())
    return len(own) < len(its) and not own <= its


def _away(kept: Sequence[Tried]) -> np.ndarray:
    """Say which of several laws forecast far from the others where they are asked."""
    if len(kept) < 3:
        return np.zeros(len(kept), bool)
    ahead = np.stack([one.ahead for one in kept])
    away = np.abs(ahead - np.median(ahead, axis=0))
    return np.any(away > FAR * np.median(away, axis=0) + APART, axis=1)


def _listed(one: Tried, error: float, share: Mapping[str, float], why: Mapping[str, str]) -> Ranked:
    return Ranked(
        one.name,
        list(one.law.inputs()),
        len(one.law.parameters()),
        error if np.isfinite(error) else None,
        share.get(one.name, 0.0),
        why.get(one.name, ""),
    )


def _unfit(name: str, reason: str) -> Ranked:
    law = laws.get(name)
    return Ranked(name, list(law.inputs()), len(law.parameters()), None, 0.0, reason)


def _held_back(i: int, cut: Cut, tried: Sequence[Tried]) -> HeldBack:
    told = {one.name: float(one.errors()[i]) for one in tried}
    errors = {name: error for name, error in told.items() if np.isfinite(error)}
    n_train = int(np.sum(cut.train))
    return HeldBack(cut.axis, cut.at, n_train, len(cut.train) - n_train, errors)


def _reason(held: Sequence[HeldBack], best: Tried, members: Sequence[Tried]) -> Iterator[str]:
    """Yield the sentences that explain the choice."""
    axes = ", ".join(dict.fromkeys(cut.axis for cut in held))
    cuts = f"{len(held)} cut{'s' * (len(held) > 1)} along {axes}"
    told, others = f"{best.name} came nearest to the runs held back in {cuts}", len(members) - 1
    if best not in members:
        names = ", ".join(one.name for one in members)
        yield (
            f"{names} came within {NEAR:g} times the error of {best.name}, the nearest to the runs "
            f"held back in {cuts}, from fewer inputs: {'they are' if others else 'it alone is'} "
            "the forecast."
        )
        return
    if not others:
        yield f"{told}: it alone is the forecast."
        return
    names = ", ".join(one.name for one in members if one is not best)
    yield f"{told}, {names} within {NEAR:g} times its error: the forecast is their equal mean."
    shown, first = members[0], len(best.law.parameters())
    if shown is not best:
        fewer = len(shown.law.parameters())
        yield f"{shown.name} is shown: it needs {fewer} parameters, not {first}."
