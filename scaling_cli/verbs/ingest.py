"""`sc.ingest`: logs into the Parquet store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_cli.runs.again import Asked
    from scaling_cli.runs.store import StoreReport
    from scaling_cli.runs.table import Runs

HERE = "serial"
_ALONE = {"mlflow"}  # readers that look at what lies above a file


def ingest(data: Any, store: str | Path = "runs.store", *, executor: Any = HERE) -> "StoreReport":
    """Add runs to a store, or make it; doing it twice changes nothing.

    Parameters
    ----------
    data : whatever `read` understands
    store : path
    executor : str or Executor
        Where files are read: `serial`, this machine; or `dask:tcp://HOST:PORT`, the workers of
        that scheduler, which see the files under the same paths. The store is the same.
    """
    from scaling_cli.ingest import are_several
    from scaling_cli.runs.store import append
    from scaling_cli.runs.table import Runs

    if not isinstance(data, Runs):
        return put(data if are_several(data) else [data], store, executor=executor)[1]
    report = append(store, data)
    return replace(report, notes=(*data.notes, *report.notes))


def put(
    sources: Sequence[Any],
    store: str | Path,
    question: "Asked | None" = None,
    *,
    executor: Any = HERE,
    **said: Any,
) -> "tuple[Runs, StoreReport]":
    """Return what was read of sources, with the options of `read`, and what the store made of it.

    Files that the store holds as they are are not read again. To the same question the store has
    the answer from now on.
    """
    from scaling_cli.ingest import read, read_beside
    from scaling_cli.runs import again
    from scaling_cli.runs.change import OutdatedError
    from scaling_cli.runs.store import append

    with _elsewhere(executor) as mapped:
        beside = read_beside(store, *sources, elsewhere=mapped, **said)
    runs = beside.runs

    def told(report: "StoreReport") -> None:
        if question and not report.notes and _ALONE.isdisjoint(runs.sources["reader"].to_pylist()):
            record = {"report": _unchanged(report, runs).to_dict(), "sized": _sized(runs)}
            again.keep(question, record)

    try:
        report = append(
            store,
            runs,
            unread=beside.unread,
            later=beside.later,
            grown=beside.grown,
            told=told,
        )
    except OutdatedError:  # another process has changed it since
        runs = read(*sources, **said)
        report = append(store, runs)
    return runs, replace(report, notes=(*runs.notes, *report.notes))


def filled(
    sources: Sequence[Any],
    store: str | Path,
    said: Mapping[str, Any],
    begin: Callable[[], None] = lambda: None,
    executor: Any = HERE,
) -> tuple[dict[str, Any], bool]:
    """Return what `scaling ingest --json` prints, and whether a run has a size.

    Where neither the files nor the store have changed since, it is what was found then.

    Parameters
    ----------
    sources : sequence
    store : path
    said : mapping
        Options of `read`.
    begin : callable
        Called before anything is read.
    executor : str or Executor
        Where files are read.
    """
    from scaling_cli.runs import again

    question = again.asked(store, sources, said)
    kept = again.answer(question) if question else None
    if kept is not None:
        return kept["report"], kept["sized"]
    begin()
    runs, report = put(sources, store, question, executor=executor, **said)
    return report.to_dict(), _sized(runs)


@contextmanager
def _elsewhere(executor: Any) -> "Iterator[Any]":
    """Give what maps functions over pieces on other machines; None to read here."""
    if executor == HERE:
        yield None
        return
    from scaling_cli.engine import executors

    with executors.opened(executor) as opened:
        yield opened.map


def _sized(runs: "Runs") -> bool:
    return runs.runs["params"].null_count < len(runs)


def _unchanged(report: "StoreReport", runs: "Runs") -> "StoreReport":
    """Return what is to be said if the same files are put into the same store again."""
    names = {run for row in runs.sources["run_ids"].to_pylist() for run in row}
    return replace(
        report, added=(), replaced=(), removed=(), unchanged=tuple(sorted(names)), notes=runs.notes
    )
