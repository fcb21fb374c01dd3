"""The table a law is fitted to: one row per observation, its run, and everything left out.

`select` turns ingested runs into `Points`; it drops nothing without listing it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import NOT_PER_TOKEN, L

COUNTED = "laws in C here use"  # in the note that compute was counted in another way


@dataclass(frozen=True)
class Points:
    """What a law is fitted to.

    Parameters
    ----------
    inputs : mapping of symbol to array, shape (n,)
        The law's inputs in SI units, float64, finite, each in its domain.
    output : array, shape (n,)
        The measured output, in its unit (a loss in nats/token unless `conventions` says otherwise).
    runs : sequence of str, length n
        Run of each point: the unit that is resampled, held out and named in messages.
    conventions : mapping
        Counting convention or unit by symbol, such as {"N": "total", "L": "nats/token"}.
    left_out : sequence of LeftOut
        Every run that was seen and is not here.
    notes : sequence of str
        What was assumed in selecting (final value taken from which rows, and so on).
    compute : array, shape (n,), optional
        Measured training compute in FLOP where the table has it; checked against the law's.
    weight : array, shape (n,), optional
        How much each point counts, positive: a relative precision, so that four times the weight
        stands for half the noise. All count alike where it is absent.
    counts : mapping of convention to array, shape (n,)
        Model sizes counted in other ways than the fitted one, where every point has them.
    target : str
        The column of the output.
    turned : Turned, optional
        What the output is of the target, where it is not the target itself.
    settings : mapping of column to object array, shape (n,)
        What is known to make losses of runs differ (tokenizer, context, schedule), where two or
        more of its values are there.
    passes : mapping of column to array, shape (n,)
        How often the data were seen, by the column that tells it.
    unseen : mapping of column to array, shape (n,)
        Size and tokens, of a law that sees them through a loss alone.
    """

    inputs: Mapping[str, np.ndarray]
    output: np.ndarray
    runs: Sequence[str]
    conventions: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()
    notes: Sequence[str] = ()
    compute: np.ndarray | None = None
    weight: np.ndarray | None = None
    counts: Mapping[str, np.ndarray] = field(default_factory=dict)
    target: str = L.column
    turned: Turned | None = None
    settings: Mapping[str, np.ndarray] = field(default_factory=dict)
    passes: Mapping[str, np.ndarray] = field(default_factory=dict)
    unseen: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.output)

    def take(self, rows: np.ndarray) -> "Points":
        """Return the points at these rows (boolean mask or indices), nothing else changed."""
        index = np.arange(len(self))[rows].tolist()
        return replace(
            self,
            inputs={symbol: values[index] for symbol, values in self.inputs.items()},
            output=self.output[index],
            runs=[str(self.runs[i]) for i in index],
            compute=None if self.compute is None else self.compute[index],
            weight=None if self.weight is None else self.weight[index],
            counts={convention: sizes[index] for convention, sizes in self.counts.items()},
            settings={name: values[index] for name, values in self.settings.items()},
            passes={name: values[index] for name, values in self.passes.items()},
            unseen={name: values[index] for name, values in self.unseen.items()},
        )

    def measured(self) -> np.ndarray:
        """Return the target as it was measured, shape (n,)."""
        return self.output if self.turned is None else self.turned.back(self.output)

    def measures_loss(self) -> bool:
        """Say whether the target is a loss: its unit is known, or its name says so."""
        unit = self.conventions.get(L.symbol, "as given")
        return unit not in ("as given", NOT_PER_TOKEN) or L.column in self.target.lower()

    def weights(self) -> np.ndarray:
        """Return how much each point counts, shape (n,)."""
        return np.ones(len(self)) if self.weight is None else np.asarray(self.weight, float)

    def sha256(self) -> str:
        """Return a digest of inputs, output and weights, independent of the order of rows."""
        columns = [np.asarray(self.inputs[s], np.float64) for s in sorted(self.inputs)]
        columns.append(np.asarray(self.output, np.float64))
        names = [*sorted(self.inputs), "output"]
        if self.weight is not None:
            columns.append(self.weights())
            names.append("weight")
        table = np.stack(columns, axis=1)
        order = np.lexsort(table.T[::-1])
        head = ",".join(names).encode()
        return hashlib.sha256(head + np.ascontiguousarray(table[order]).tobytes()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the points as a fit file holds them: weights only where there are some."""
        inputs = {symbol: np.asarray(values).tolist() for symbol, values in self.inputs.items()}
        output, runs = np.asarray(self.measured()).tolist(), list(self.runs)
        weight = {} if self.weight is None else {"weight": self.weights().tolist()}
        return {"inputs": inputs, "output": output, "runs": runs, **weight}

    def ranges(self, law: type[Law] | Law) -> dict[str, list[float]]:
        """Return [smallest, largest] of every input, of the output and of the law's axis."""
        columns = {**self.inputs, law.output().symbol: self.measured()}
        columns |= {law.axis(): law.along(self.inputs)} if law.axis() else {}
        return {s: [float(np.min(v)), float(np.max(v))] for s, v in columns.items()}


def straddled(
    runs: Sequence[str], values: np.ndarray, cuts: Iterable[tuple[float, Sequence[str]]]
) -> int:
    """Return at how many cuts a run has rows on both sides.

    Its end is then forecast from its own beginning, which is easier than a run not seen at all.

    Parameters
    ----------
    runs : sequence of str
        Run of each point.
    values : array, shape (n,)
        Points along the axis that is cut.
    cuts : iterable of (largest value fitted, runs held back)
    """
    smallest: dict[str, float] = {}
    for run, value in zip(runs, values.tolist(), strict=True):
        smallest[run] = min(value, smallest.get(run, value))
    return sum(any(smallest[run] <= edge for run in held) for edge, held in cuts)
