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
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty import companion
from scaling_cli.point_fits.cuts import fewest_training
from scaling_cli.point_fits.diagnosis.choices import own_sum
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.point_fits.held_out import HeldOut
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
        theirs, own = self.errors() or (None, None)
        return {
            "law": self.law,
            "parameters": dict(self.parameters),
            "objective": self.value,
            "objective_ratio": self.value / self.fit_value if self.fit_value > 0 else None,
            "prediction": self.prediction,
            "headline_shift": self.shift,
            "held_out_error": theirs,
            "own_held_out_error": own,
            "cuts": [dict(c) for c in self.cuts],
        }


def candidates(law: type[Law], searched: int, count: int) -> list[tuple[str, dict[str, str]]]:
    """Return the rivals of a law that so many points can support, nearest in parameters first.

    Each with the map from its inputs to those of the fitted law.
    """
    supported = []
    for name in laws.names():
        rival = laws.get(name)
        same = translation(law, rival)
        free = len(rival.parameters())
        if law.measured_by(rival) and same is not None and count >= fewest_training(free):
            supported.append((abs(free - searched), -free, name, same))
    nearest = sorted(supported, key=lambda rival: rival[:3])
    return [(name, same) for *_, name, same in nearest][:MOST_RIVALS]


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


def rivals(fitted: Fitted, tested: HeldOut) -> list[Rival]:
    """Fit every rival and score it at the cuts of the backtest.

    A law beside the fitted one is fitted to all points and at the cuts already.
    """
    problem, at = fitted.problem, fitted.target.inputs
    own, own_value = float(fitted.law(**at)), own_sum(problem, fitted.law)
    known = {beside.problem.law: beside.laws for beside in tested.companions}
    made = []
    for name, rival, same in _rivals(problem):
        refits = known.get(rival.law) or _refitted(rival, tested)
        if refits[0] is None:
            continue
        prediction = float(refits[0](**{s: at[theirs] for s, theirs in same.items()}))
        made.append(
            Rival(
                law=name,
                parameters=refits[0].values(),
                value=own_sum(rival, refits[0]),
                fit_value=own_value,
                prediction=prediction,
                shift=float(np.log(prediction / own)),
                cuts=_scored(rival, refits[1:], tested),
            )
        )
    return made


def problems(problem: Problem) -> list[Problem]:
    """Return the problems of fitting each rival to the same points."""
    return [rival for _, rival, _ in _rivals(problem)]


def _rivals(problem: Problem) -> list[tuple[str, Problem, Mapping[str, str]]]:
    """Return name, problem and map of inputs of each rival: a tied form first, then other laws.

    A form with twin exponents held equal needs nothing that the law itself has not compiled, and
    with the next richer law it brackets the one fitted. Beliefs about one law's parameters say
    nothing about another's.
    """
    law, names, alone = problem.law, problem.frame.names, replace(problem.smooth(), penalty=None)
    own = {symbol: symbol for symbol in problem.inputs}
    forms: list[tuple[str, Problem, Mapping[str, str]]] = [
        (
            f"{laws.name_of(law)} with {name} = {declared.twin}",
            replace(alone, frame=Frame.of(law, {}, {name: str(declared.twin)})),
            own,
        )
        for name, declared in law.parameters().items()
        if declared.twin in names and len(names) == len(law.parameters())
    ]
    for name, same in candidates(law, len(names), len(problem.output)):
        rival = laws.get(name)
        inputs = {symbol: problem.inputs[theirs] for symbol, theirs in same.items()}
        framed = Frame.of(rival, {}, {})
        forms.append((name, replace(alone, law=rival, inputs=inputs, frame=framed), same))
    return forms[:MOST_RIVALS]


def _refitted(rival: Problem, tested: HeldOut) -> list[Law | None]:
    """Return the rival fitted to all points, and at each cut."""
    cuts = [split.train.astype(float) for split in tested.splits]
    return companion.fitted(rival, [np.ones(len(rival.output)), *cuts])


def _scored(
    rival: Problem, refits: Sequence[Law | None], tested: HeldOut
) -> list[dict[str, float]]:
    """Score the rival where both laws were refitted, to as many points as the rival takes."""
    fewest, scores = fewest_training(len(rival.frame.names)), []
    for law, cut, split in zip(refits, tested.cuts, tested.splits, strict=True):
        if law is None or cut.n_train < fewest:
            continue
        held = {s: v[split.test] for s, v in rival.inputs.items()}
        mare = float(np.mean(np.abs(np.asarray(law(**held)) / rival.output[split.test] - 1)))
        told = {"train_max": cut.train_max, "n_test": cut.n_test}
        scores.append({**told, "mare": mare, "own": cut.own_error})
    return scores
