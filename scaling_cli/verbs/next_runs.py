"""`sc.next_runs`: the runs under a budget that tighten the forecast at a target most."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import (
    Beside,
    Prediction,
    by_symbol,
    completed,
    decades,
    read_inputs,
    recipe,
    taken,
)
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws import name_of
from scaling_cli.laws._law import Law
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.numerics.quantiles import central, quantile
from scaling_cli.planning import candidates as runs_that_may_be
from scaling_cli.planning import known as knowledge
from scaling_cli.planning.candidates import Candidates
from scaling_cli.planning.design import Chosen, Design, Reach
from scaling_cli.planning.futures import Futures
from scaling_cli.planning.known import Known
from scaling_cli.point_fits.certainty import companion
from scaling_cli.point_fits.fitted import Company
from scaling_cli.verbs import _stored
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import parse_number

COST = "cost"
OTHERS = (1 / 3, 3.0)  # times the budget, told beside it
SPARE = 2  # first runs beyond as many as there are parameters
Columns = Mapping[str, np.ndarray]


def next_runs(
    fit: kinds.Named | None = None,
    *,
    budget: float | str,
    runs: Any = None,
    candidates: Any = None,
    fitting: Mapping[str, Any] | None = None,
    level: float = 0.9,
    **target: Any,
) -> Answer:
    """Choose the runs under a budget after which the forecast at a target is surest.

    Parameters
    ----------
    fit : Fit, path or name, optional
        Default: ./fit.json if it is there. Without any, and with a published fit, first runs are
        proposed, with the published numbers as a prior.
    budget : float or str
        What the runs may cost together, in FLOP, or as the candidates' column says.
    runs : whatever `read` understands, optional
        Fitted first, in place of `fit`, with the options `fitting` of `sc.fit`.
    candidates : mapping, DataFrame or Arrow table of columns, optional
        Runs to choose from: the law's inputs, maybe a cost. Default: a grid about the runs there
        are, towards the target.
    level : float
        Nominal coverage of the ranges.
    **target : float or str
        Where the forecast is wanted, by symbol or column, as in `predict`.

    Raises
    ------
    UsageError
        If the target or the candidates are not the law's, or no candidate is in the budget.
    """
    check_level(level)
    stored, name, told = _meant(fit, runs, fitting)
    spent = parse_number(budget) if isinstance(budget, str) else float(budget)
    if not (np.isfinite(spent) and spent > 0):
        raise UsageError(f"budget must be a positive number, not {budget!r}.")
    columns = read_inputs(
        stored.law, completed(stored.law, by_symbol(taken(stored.law), dict(target)))
    )
    if len(next(iter(columns.values()))) > 1:
        raise UsageError("next takes one target.", hint="Ask for each by itself.")
    asked = _Asked(stored, _known(stored, columns), columns, candidates, level)
    proposal = asked.proposal(spent)
    return Answer(
        {
            "fit": name,
            "law": name_of(stored.law),
            "target": stored.target,
            "fitted_as": None if stored.turned is None else str(stored.turned),
            "first": proposal.known.sds is not None,
            "level": level,
            **proposal.record(),
            "other_budgets": list(asked.others(spent)),
            "cost_of_target": float(runs_that_may_be.costs_of(type(stored.law), columns)[0])
            if stored.law.growing() and candidates is None
            else None,
            "assumptions": list(_assumed(proposal, given=candidates is not None)),
            "notes": told,
        },
        "next_runs",
        stored,
    )


def _meant(
    fit: kinds.Named | None, runs: Any, fitting: Mapping[str, Any] | None
) -> tuple[Fit, str, list[str]]:
    """Return the fit that is asked, its name, and what is to be said of that."""
    if runs is None:
        if fitting:
            raise UsageError(f"{next(iter(fitting))} is for runs: a fit is taken as it is.")
        thing, told = _stored.default() if fit is None else (fit, "")
        return kinds.load(thing, Fit), kinds.name_of(thing), [f"{told}."] if told else []
    if fit is not None:
        raise UsageError("give runs, or --fit, not both.")
    from scaling_cli.verbs.fit import fit as fit_runs

    options: dict[str, Any] = {"law": "chinchilla", **(fitting or {})}
    made = fit_runs(runs, **options)
    return kinds.load(made, Fit), "a fit of these runs", []


def _known(fit: Fit, target: Columns) -> Known:
    """Return what is known before: by a fit of runs, or by published numbers alone."""
    if fit.uncertainty is None or fit.origin.get("kind") == "published":
        return knowledge.of_numbers(fit.law, target)
    return knowledge.of_fit(fit)


def _candidates(fit: Fit, known: Known, target: Columns, budget: float, given: Any) -> Candidates:
    """Return the runs to choose from that the budget buys.

    Raises
    ------
    UsageError
        If it buys none.
    """
    law, at = type(fit.law), {s: float(v[0]) for s, v in target.items()}
    if given is not None:
        may = _given(law, given)
    elif known.sds is not None:
        may = runs_that_may_be.first(law, at, budget)
    else:
        may = runs_that_may_be.about(law, _runs(fit, known), at, np.inf)
    if not len(may) or may.costs.min() > budget:
        least = f": the cheapest costs {may.costs.min():.3g}" if len(may) else ""
        raise UsageError(f"no run to choose from is in the budget of {budget:g}{least}.")
    return may.take(np.flatnonzero(may.costs <= budget))


def _runs(fit: Fit, known: Known) -> Columns:
    """Return the inputs of the runs there are; their ranges where they are not at hand."""
    if known.measured:
        return known.problem.inputs
    ranges = fit.data.get("ranges") or {}
    lacking = [s for s in fit.law.inputs() if s not in ranges]
    if lacking:
        raise DataError("the fit does not say where its runs are.", hint="Give --candidates FILE.")
    return {s: np.array(ranges[s], float) for s in fit.law.inputs()}


def _given(law: type[Law], given: Any) -> Candidates:
    """Return the candidates of a table."""
    columns = given.to_pydict() if hasattr(given, "to_pydict") else dict(given)
    costs = columns.pop(COST, None)
    told = by_symbol(law.inputs(), {str(n): list(v) for n, v in columns.items()})
    inputs = read_inputs(law, {s: v for s, v in told.items() if s in law.inputs()})
    if costs is None:
        return Candidates(inputs, runs_that_may_be.costs_of(law, inputs))
    numbers = np.asarray(list(costs), float)
    if not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise DataError("every candidate needs a positive cost.", column=COST)
    return Candidates(inputs, numbers)


@dataclass(frozen=True)
class _Asked:
    """What is asked, whatever the budget."""

    fit: Fit
    known: Known
    target: Columns
    candidates: Any
    level: float

    def proposal(self, budget: float) -> "_Proposal":
        """Return what is proposed for a budget."""
        may = _candidates(self.fit, self.known, self.target, budget, self.candidates)
        return _Proposal(self.fit, self.known, may, self.target, budget, self.level)

    def others(self, budget: float) -> Iterator[dict[str, Any]]:
        """Yield what less and more than the budget would come to, where that buys any runs."""
        for times in OTHERS:
            with suppress(UsageError):
                told = self.proposal(times * budget).record()
                yield {
                    "times": times,
                    "runs": len(told["runs"]),
                    "spent": told["spent"],
                    "half_width": told["half_width"]["after"],
                }


@dataclass(frozen=True)
class _Proposal:
    """What is known, what may be run, and what comes of it."""

    fit: Fit
    known: Known
    may: Candidates
    target: Columns
    budget: float
    level: float

    @property
    def law(self) -> type[Law]:
        """The law."""
        return type(self.fit.law)

    @cached_property
    def before(self) -> Prediction | None:
        """The forecast as it is; None before any run."""
        if self.known.sds is not None:
            return None
        columns = {s: v.tolist() for s, v in self.target.items()}
        return self.fit.as_fitted().predict(level=self.level, **columns)

    @cached_property
    def beside(self) -> list[Beside]:
        """The laws beside, as a fit of all runs will have them."""
        others = companion.problems(self.futures.joint, self._company)
        return [Beside(self.fit.law, weight) for _, weight in others]

    @property
    def _company(self) -> Company:
        return Company.of(self.fit.selection)

    @cached_property
    def design(self) -> Design:
        """The criterion."""
        known, sure = self.known, self.fit.uncertainty
        rows = known.few(self.target)
        drift, largest = recipe([Beside(self.fit.law, 1.0)])[0], {}
        if sure is not None and known.sds is None:
            drift, largest = sure.drift, dict(sure.largest)
        return Design(
            known.covariance(rows),
            known.slopes(rows, self.may.inputs),
            known.slopes(rows, self.target),
            known.noise,
            self.may.costs,
            Reach.of(self.law, self.target, drift, self.may.inputs, largest),
        )

    @cached_property
    def chosen(self) -> Chosen:
        """The runs."""
        fewest = len(self.known.problem.frame.names) + SPARE if self.known.sds is not None else 0
        chosen = self.design.best(self.budget, fewest=fewest)
        if len(chosen.rows) < fewest:
            raise UsageError(
                f"{len(chosen.rows)} of the runs to choose from are in the budget; "
                f"{name_of(self.law)} needs {fewest} first runs.",
                hint="Give a larger --budget, or cheaper --candidates.",
            )
        return chosen

    @property
    def runs(self) -> Candidates:
        """The runs, in the order of choice."""
        return self.may.take(list(self.chosen.rows))

    @cached_property
    def futures(self) -> Futures:
        """What they may bring."""
        return Futures(self.known, self.runs.inputs, self.target)

    @cached_property
    def errors(self) -> np.ndarray | None:
        """Ln forecast - ln truth in simulated futures; None where there is nothing to refit."""
        if not self.chosen.rows or not (self.known.measured or self.known.sds is not None):
            return None
        return self.futures.errors()

    def record(self) -> dict[str, Any]:
        """Return what was chosen and what is expected of it."""
        parts = self._parts()
        before, after = (self._total(parts, i) for i in (0, 1))
        return {
            "at": {s: float(v[0]) for s, v in self.target.items()},
            "budget": self.budget,
            "spent": float(np.sum(self.runs.costs)),
            "candidates": len(self.may),
            "power": self.chosen.power,
            "noise": self.known.noise,
            "runs": list(self._told()),
            "half_width": {"before": before, "after": after},
            "if_law_holds": {
                key: float(np.hypot(parts["parameters"][i], parts["noise"][i]))
                for i, key in enumerate(("before", "after"))
            },
            "parts": {n: {"before": p[0], "after": p[1]} for n, p in parts.items()},
            "simulated": self._simulated(),
            "extrapolation": self._extrapolation(),
        }

    def _total(self, parts: Mapping[str, Sequence[float]], which: int) -> float:
        """Return half the range of a new run: before, that of `predict`."""
        own, now = (float(np.sqrt(sum(p[i] ** 2 for p in parts.values()))) for i in (which, 0))
        widths = None if self.before is None else self.before.half_widths()
        return own if widths is None else float(widths[1][0]) * own / now

    def _told(self) -> Iterator[dict[str, Any]]:
        size, data = self.law.size_and_data() or ("", "")
        for i, left in enumerate(self.chosen.left):
            at = {s: float(v[i]) for s, v in self.runs.inputs.items()}
            yield {
                "params": at.get(size),
                "tokens": at.get(data),
                "cost": float(self.runs.costs[i]),
                "inputs": at,
                "left": float(np.sqrt(left)),
            }

    def _half(self, logs: np.ndarray) -> float:
        low, high = central(logs, self.level)
        return float(high - low) / 2

    @cached_property
    def narrowing(self) -> tuple[float, float]:
        """By what factor the law's own range narrows: by the criterion, and as simulated."""
        variances = [self.design.variance(rows) for rows in ((), self.chosen.rows)]
        linear = float(np.sqrt(np.mean(variances[1] / variances[0])))
        if self.errors is None:
            return linear, linear
        logs = self.known.logs(self.target)[:, 0]
        return linear, self._half(self.errors) / self._half(logs[np.isfinite(logs)])

    def _parts(self) -> dict[str, tuple[float, float]]:
        """Return half widths in ln output before and after, by what they are made of."""
        z, sure = quantile(self.level), self.fit.uncertainty
        logs = self.known.logs(self.target)[:, 0]
        own, wide = self._half(logs[np.isfinite(logs)]), 1.0
        now = {"parameters": own, "noise": z * self.known.noise, "drift": 0.0, "laws": 0.0}
        if self.before is not None and sure is not None:
            now, wide = {n: float(v[0]) for n, v in self.before.parts.items()}, sure.widening
        if not self.chosen.rows:
            return {n: (v, v) for n, v in now.items()}
        reach = self.design.reach
        far = decades(self.law, self.target, reach.after(self.chosen.rows)) if reach else 0.0
        drift, spread = recipe(self.beside) if self.before is None else self._recipe
        after = {
            "parameters": now["parameters"] * self.narrowing[1],
            "noise": now["noise"],
            "drift": wide * z * drift * float(np.ravel(far)[0]),
            "laws": now["laws"],
        }
        if spread and self.errors is not None:
            apart = self.futures.apart(self._company)
            share = z / NORMAL_90 * spread * apart[1]
            after["laws"] = share if self.before is None else now["laws"] * apart[1] / apart[0]
        return {n: (now[n], after[n]) for n in now}

    @property
    def _recipe(self) -> tuple[float, float]:
        sure = self.fit.uncertainty
        return (0.0, 0.0) if sure is None else (sure.drift, sure.spread)

    def _simulated(self) -> dict[str, Any] | None:
        """Return what futures say of the law's own range, beside the criterion."""
        if self.errors is None:
            return None
        logs = self.known.logs(self.target)[:, 0]
        own = self._half(logs[np.isfinite(logs)])
        linear = own * self.narrowing[0]
        return {
            "futures": len(self.futures.rows),
            "refitted": len(self.errors),
            "before": own,
            "after": self._half(self.errors),
            "criterion": linear,
            "inside": float(np.mean(np.abs(self.errors) <= linear)),
        }

    def _extrapolation(self) -> dict[str, float]:
        told = self.before.extrapolation if self.before is not None else {}
        return {s: float(v[0]) for s, v in told.items()}


def _assumed(proposal: _Proposal, *, given: bool) -> Iterator[str]:
    """Yield what the answer rests on, and what would change it."""
    name, known, spent = name_of(proposal.law), proposal.known, proposal.law.size_and_data()
    if known.sds is not None:
        yield (
            f"nothing is measured: the numbers of {proposal.fit.name} are a prior, terms within a "
            "factor of two. Ask again after the first runs."
        )
    else:
        yield f"{name} holds up to the target, and new runs are trained as the others were."
    how = proposal.law.compute_in_words() if spent else proposal.law.axis()
    cost = "as the file says" if given else how
    yield f"a run repeats within {100 * known.noise:.2g} % (1 sd) and costs {cost}."
    if proposal.errors is None and proposal.chosen.rows:
        yield "the fit's runs are not at hand: nothing was simulated, and laws part as before."
