"""Rival laws: other laws of the same inputs, and which forecasts the held-back runs better.

Laws are compared by what they forecast, never by how well they fit what they saw: each rival is
refitted at the cuts of the backtest and scored on the same held-back runs. Rivals are found in
the catalogue of laws; none is known here by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Problem, frame
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty import companion
from scaling_cli.point_fits.certainty.companion import Companion
from scaling_cli.point_fits.certainty.uncertainty import Cut, fewest_training
from scaling_cli.point_fits.diagnosis.choices import Fitted, own_sum
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.quantities import X

MOST_RIVALS = 2


@dataclass(frozen=True)
class Rival:
    """Another law on the same data.

    Parameters
    ----------
    law : str
    parameters : mapping
        Fitted to all points.
    value : float
        Its minimised sum, of the fit's own objective.
    fit_value : float
        That of the fitted law.
    prediction : float
        At the headline.
    shift : float
        ln of its prediction over that of the fitted law.
    cuts : sequence of mapping
        Per cut that both laws forecast: train_max, n_test, mare (of the rival), own (of the
        fitted law).
    """

    law: str
    parameters: Mapping[str, float]
    value: float
    fit_value: float
    prediction: float
    shift: float
    cuts: Sequence[Mapping[str, float]]

    def errors(self) -> tuple[float, float] | None:
        """Return mean absolute errors of held-back runs, rival's and own: the mean over cuts."""
        if not self.cuts:
            return None
        return (
            float(np.mean([c["mare"] for c in self.cuts])),
            float(np.mean([c["own"] for c in self.cuts])),
        )

    def wins(self) -> int:
        """Return at how many cuts the rival forecast better."""
        return sum(c["mare"] < c["own"] for c in self.cuts)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        errors = self.errors()
        return {
            "law": self.law,
            "parameters": dict(self.parameters),
            "objective": self.value,
            "objective_ratio": self.value / self.fit_value if self.fit_value > 0 else None,
            "prediction": self.prediction,
            "headline_shift": self.shift,
            "held_out_error": None if errors is None else errors[0],
            "own_held_out_error": None if errors is None else errors[1],
            "cuts": [dict(c) for c in self.cuts],
        }


def candidates(law: type[Law], searched: int, count: int) -> list[tuple[str, dict[str, str]]]:
    """Return the rivals of a law that so many points can support, nearest in parameters first.

    Each with the map from its inputs to those of the fitted law.
    """
    found = []
    for name in laws.names():
        rival = laws.get(name)
        same = translation(law, rival)
        free = len(rival.parameters())
        if rival is not law and same is not None and count >= fewest_training(free):
            found.append((abs(free - searched), -free, name, same))
    return [(name, same) for *_, name, same in sorted(found, key=lambda f: f[:3])][:MOST_RIVALS]


def translation(law: type[Law], rival: type[Law]) -> dict[str, str] | None:
    """Return {input of the rival: input of the law}, or None if they are about other things.

    A law in any one variable is a rival of every law of one positive input.
    """
    if rival.output() != law.output():
        return None
    own, other = law.inputs(), rival.inputs()
    if own == other:
        return {s: s for s in other}
    growing = len(law.growing()) == len(own) == len(other) == 1
    if growing and list(other.values()) == [X]:
        return dict(zip(other, own, strict=True))
    return None


def rivals(
    fitted: Fitted,
    masks: Sequence[np.ndarray],
    cuts: Sequence[Cut],
    other: Companion | None = None,
) -> list[Rival]:
    """Fit every rival and score it at the cuts of the backtest.

    Parameters
    ----------
    fitted : Fitted
    masks : sequence of bool array, shape (n,)
        Training points of the cuts.
    cuts : sequence of Cut
        What the fitted law forecast there; a cut that it could not be refitted at is missing.
    other : Companion, optional
        A law that is fitted to all points and at the masks already.
    """
    points, problem, at = fitted.points, fitted.problem, fitted.target.inputs
    own = float(fitted.optimum.law(**at))
    found = []
    for name, rival, same in _chosen(problem):
        known = other is not None and type(other.law) is rival.law
        made = other if known else _refitted(rival, masks)
        if made is None:
            continue
        prediction = float(made.law(**{s: at[theirs] for s, theirs in same.items()}))
        found.append(
            Rival(
                law=name,
                parameters=made.law.values(),
                value=own_sum(rival, made.law),
                fit_value=own_sum(problem, fitted.optimum.law),
                prediction=prediction,
                shift=float(np.log(prediction / own)),
                cuts=_scored(points, rival, made.at_cuts, masks, cuts),
            )
        )
    return found


def problems(problem: Problem) -> list[Problem]:
    """Return the problems of fitting each rival to the same points."""
    return [rival for _, rival, _ in _chosen(problem)]


def _chosen(problem: Problem) -> list[tuple[str, Problem, dict[str, str]]]:
    """Return name, problem and map of inputs of each rival: a tied form first, then other laws.

    A form with twin exponents held equal needs nothing that the law itself has not compiled, and
    with the next richer law it brackets the one fitted.
    """
    own = {symbol: symbol for symbol in problem.inputs}
    forms = [(name, tied, own) for name, tied in tied_forms(problem)]
    known = candidates(problem.law, len(problem.frame.names), len(problem.output))
    others = [(name, _problem(problem, laws.get(name), same), same) for name, same in known]
    return [*forms, *others][:MOST_RIVALS]


def tied_forms(problem: Problem) -> list[tuple[str, Problem]]:
    """Return name and problem of a law with each pair of twin exponents held equal."""
    names = problem.frame.names
    found = []
    for name, declared in problem.law.parameters().items():
        twin = declared.twin
        if twin in names and len(names) == len(problem.law.parameters()):
            tie = {name: str(twin)}
            label = f"{laws.name_of(problem.law)} with {name} = {twin}"
            form = replace(problem, frame=frame(problem.law, {}, tie), penalty=None)
            found.append((label, _smooth(form)))
    return found


def _problem(problem: Problem, law: type[Law], same: Mapping[str, str]) -> Problem:
    return _smooth(
        replace(
            problem,
            law=law,
            inputs={s: problem.inputs[own] for s, own in same.items()},
            frame=frame(law, {}, {}),
            penalty=None,  # beliefs about one law's parameters say nothing about another's
        )
    )


def _smooth(problem: Problem) -> Problem:
    """Return a problem without least absolute deviations: Huber's limit is near enough here."""
    lad = problem.objective.name == "lad"
    objective = replace(problem.objective, name="huber") if lad else problem.objective
    return replace(problem, objective=objective)


def _refitted(rival: Problem, masks: Sequence[np.ndarray]) -> Companion | None:
    """Return the rival fitted to all points and at the cuts that leave enough of them."""
    fewest = fewest_training(len(rival.frame.names))
    enough = [i for i, mask in enumerate(masks) if np.sum(mask) >= fewest]
    everything = np.ones(len(rival.output))
    law, *found = companion.fitted(rival, [everything, *(masks[i].astype(float) for i in enough)])
    if law is None:
        return None
    at_cuts: list[Law | None] = [None] * len(masks)
    for i, one in zip(enough, found, strict=True):
        at_cuts[i] = one
    return Companion(law, at_cuts)


def _scored(
    points: Points,
    rival: Problem,
    at_cuts: Sequence[Law | None],
    masks: Sequence[np.ndarray],
    cuts: Sequence[Cut],
) -> list[dict[str, float]]:
    """Score the rival where both laws were refitted."""
    along = rival.law.along(rival.inputs)
    known = {cut.train_max: cut for cut in cuts}
    found = []
    for law, mask in zip(at_cuts, masks, strict=True):
        cut = known.get(float(np.max(along[mask])))
        if cut is None or law is None:
            continue
        forecast = np.asarray(law(**{s: v[~mask] for s, v in rival.inputs.items()}), float)
        mare = float(np.mean(np.abs(forecast / points.output[~mask] - 1)))
        found.append(
            {"train_max": cut.train_max, "n_test": cut.n_test, "mare": mare, "own": cut.mare}
        )
    return found
