"""Points with the facts of their run beside them: one place to look any column up."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.runs.table import Layout, Runs, floats
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, C, Quantity, recognise

# A run's planned total stands for what it reached if it came within this of its planned steps.
REACHED = 0.99
# Measured along the run: a fact of that name (a plan, a summary) is not a value of its points.
_ALONG = ("step", "loss", "val_loss")
_HIDDEN = {"segment", "flags", "source_id", "line", "rows"}


@dataclass(frozen=True)
class View:
    """Points that count, in order, and the row of the table of runs each belongs to."""

    runs: Runs
    rows: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, runs: Runs) -> "View":
        """Return all points that count."""
        return cls(runs, *runs.order)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.rows)

    def take(self, index: np.ndarray) -> "View":
        """Return these points only."""
        return View(self.runs, self.rows[index], self.owner[index])

    def last_of(self, index: np.ndarray) -> np.ndarray:
        """Return, of these points, the last of each run."""
        if not len(index):
            return index
        return index[np.append(np.diff(self.owner[index]) != 0, True)]

    def names(self) -> list[str]:
        """Return all column names, canonical ones first."""
        there = [*self.runs.points.column_names, *self.runs.runs.column_names]
        return [name for name in dict.fromkeys(there) if name not in _HIDDEN]

    def original_names(self) -> list[str]:
        """Return the columns as the files call them, without empty ones."""
        called: dict[str, str] = {}
        for reading in self.runs.columns:
            if not reading.column.startswith(("--", "(")):
                called.setdefault(reading.canonical, reading.column)
        names = [
            called.get(name, name)
            for name in self.names()
            if not name.endswith("_convention") and (name != "run_id" or name in called)
            if not self.missing(name).all()
        ]
        return list(dict.fromkeys(names))

    def resolve(self, name: str) -> str | None:
        """Return the column a name means: itself, or the canonical one it was read as."""
        names = self.names()
        if name in names:
            return name
        for reading in self.runs.columns:
            if reading.column == name and reading.canonical in names:
                return reading.canonical
        quantity = recognise(name)
        return quantity.column if quantity is not None and quantity.column in names else None

    def called(self, quantity: Quantity) -> str | None:
        """Return the name under which a quantity is known here, or None."""
        names = (quantity.column, quantity.symbol, *quantity.aliases)
        return next((name for name in names if self.resolve(name) is not None), None)

    def column(self, name: str) -> np.ndarray:
        """Return a column at the points: float64 (missing: NaN) or objects (missing: None).

        `tokens` are those reached at the point: logged, else step x batch_tokens, else the
        run's total where it is complete. So is `flops`, without the product.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        resolved = self.resolve(name)
        if resolved is None:
            raise KeyError(name)
        if resolved == "tokens":
            return self.tokens[0]
        if resolved == "flops":
            logged = self._at_points("flops")
            return np.where(np.isnan(logged), self._total("flops"), logged)
        cells = self.cells(resolved)
        if pa.types.is_string(cells.type):
            return np.array([*cells.to_pylist(), None], object)[:-1]
        return floats(cells)

    def missing(self, name: str) -> np.ndarray:
        """Say where a column has no value; NaN is a value."""
        if name in ("tokens", "flops"):
            return np.isnan(self.column(name))
        return np.asarray(self.cells(name).is_null().to_numpy(zero_copy_only=False))

    @cached_property
    def tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens at the points, and where from.

        0 logged, 1 step x batch, 2 total, 3 compute over size, where compute is said to be 6ND.
        """
        logged = self._at_points("tokens")
        product = self._at_points("step") * self._batch
        total = self._total("tokens")
        ways = np.stack([logged, product, total, self._spent()])
        known = ~np.isnan(ways)
        source = np.where(known.any(axis=0), np.argmax(known, axis=0), 2)
        return np.take_along_axis(ways, source[None], axis=0)[0], source

    def _spent(self) -> np.ndarray:
        """Return compute over 6 x size where `flops_convention` says that this is the data."""
        if "flops_convention" not in self.runs.runs.column_names:
            return np.full(len(self), np.nan)
        said = np.array([s == C.conventions[0] for s in self.column("flops_convention").tolist()])
        spent = self.column("flops") / (FLOPS_PER_PARAM_TOKEN * floats(self.cells("params")))
        return np.where(said, spent, np.nan)

    def tokens_by_steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return logged tokens, the step and its tokens, at the points."""
        logged = self._at_points("tokens")
        logged = np.where(np.isnan(logged), self._total("tokens"), logged)
        steps = self._at_points("step")
        return logged, np.where(np.isnan(steps), self._facts("step"), steps), self._batch

    @property
    def _batch(self) -> np.ndarray:
        """The tokens of a step; a batch that varies along the run is no fact of it."""
        return self._facts("batch_tokens")

    def own(self, name: str) -> np.ndarray:
        """Say which points have a value of their own in a column, not their run's."""
        if name not in self.runs.points.column_names:
            return np.zeros(len(self), bool)
        cells = self.runs.points[name].take(pa.array(self.rows))
        return ~np.asarray(cells.is_null().to_numpy(zero_copy_only=False))

    def run_ids(self) -> list[str]:
        """Return the run of each point."""
        return self.runs.runs["run_id"].take(pa.array(self.owner)).to_pylist()

    def file_of(self, row: int) -> str:
        """Return the file of a point, as shown in messages."""
        source = self.runs.points["source_id"][int(self.rows[row])].as_py()
        place = self.runs.sources["source_id"].to_pylist().index(source)
        return self.runs.sources["file"][place].as_py()

    def line_of(self, row: int) -> int:
        """Return the line of a point in its file."""
        return int(self.runs.points["line"][int(self.rows[row])].as_py())

    def refused(
        self, message: str, row: int, column: str | None = None, *, hint: str | None = None
    ) -> DataError:
        """Return the refusal of what stands at a point."""
        file, line = self.file_of(row), self.line_of(row)
        return DataError(message, hint=hint, file=file, row=line, column=column)

    def files(self) -> str:
        """Return the files, for messages about all of them."""
        names = self.runs.sources["file"].to_pylist()
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    def cells(self, name: str) -> pa.Array:
        """Return a column: the points' own values, else their run's."""
        points, facts = self.runs.points, self.runs.runs
        found = None
        if name in points.column_names:
            found = points[name].take(pa.array(self.rows)).combine_chunks()
            if name in _ALONG and points[name].null_count < points.num_rows:
                return found
        if name not in facts.column_names:
            return pa.nulls(len(self), pa.float64()) if found is None else found
        fact = facts[name].take(pa.array(self.owner)).combine_chunks()
        if found is None:
            return fact
        text = pa.types.is_string(found.type) or pa.types.is_string(fact.type)
        kind = pa.string() if text else pa.float64()
        return pc.call_function("coalesce", [pc.cast(found, kind), pc.cast(fact, kind)])

    def _at_points(self, name: str) -> np.ndarray:
        return floats(self.runs.points[name].take(pa.array(self.rows)))

    def _facts(self, name: str) -> np.ndarray:
        if name not in self.runs.runs.column_names:
            return np.full(len(self), np.nan)
        return floats(self.runs.runs[name].take(pa.array(self.owner)))

    def _total(self, name: str) -> np.ndarray:
        """Return the run's total of a quantity at points where the run is complete."""
        steps, planned = self._at_points("step"), self._facts("step")
        end = np.where(np.isnan(planned), self.runs.last_step[self.owner], planned)
        one_row = np.array([rows == Layout.RUN for rows in self.runs.runs["rows"].to_pylist()])
        complete = one_row[self.owner] | (steps >= REACHED * end)
        return np.where(complete, self._facts(name), np.nan)
