"""Which files a source stands for: a file, a folder, a glob, standard input, a frame."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._raw import Raw, Source, head_of, named, stem
from scaling_cli.ingest.parquet import raw_of
from scaling_cli.runs.table import Note, natural
from scaling_cli.vocabulary.errors import DataError, UsageError

Recogniser = Callable[[str, bytes], str | None]


def expand(
    given: Sequence[Any],
    reader: str | None,
    recognise: Recogniser,
    looked_for: str,
    meta: str | Path | None,
) -> tuple[list[tuple[Source, str]], list[Note]]:
    """Return every file with the reader that understands it; a file is read once.

    Parameters
    ----------
    given : sequence
        Paths, globs, `-`, frames.
    reader : str, optional
        The format that the user named.
    recognise : callable
        Returns the reader of a file, or None.
    looked_for : str
        What is looked for in folders, for messages.
    meta : path, optional
        The table of metadata: not a log, even if it lies in the folder.

    Raises
    ------
    DataError
        If a path does not exist, or nothing of a known format is there.
    """
    if not given:
        raise UsageError("no source was given.", hint="Give files, a folder, a glob or a store.")
    if str(meta) == "-" and "-" in map(str, given):
        raise UsageError(
            "standard input cannot be both the log and --meta.", hint="Give one of them as a file."
        )
    apart = None if meta is None else Path(meta).resolve()
    found: dict[str, tuple[Source, str]] = {}
    skipped: list[str] = []
    for number, item in enumerate(given):
        for source, sure in _one(item, number):
            if source.uri in found or (source.path and source.path.resolve() == apart):
                continue
            how = reader or ("frame" if source.frame else recognise(source.name, head_of(source)))
            if how is not None:
                found[source.uri] = (source, how)
            elif sure:
                raise _unknown(source.name, looked_for)
            else:
                skipped.append(source.name)
    if not found:
        raise _nothing(given, skipped, looked_for)
    return list(found.values()), _skipped_note(skipped)


def _one(item: Any, number: int) -> list[tuple[Source, bool]]:
    """Return the files of one source, and whether the user named each of them."""
    held = _in_memory(item, number)
    if held is not None:
        return [(Source(held.file, None, held), True)]
    if not isinstance(item, str | Path):
        raise UsageError(f"cannot read runs from a {type(item).__name__}.")
    if str(item) == "-":
        return [(named(item), True)]
    path = Path(item)
    if path.is_dir():
        files = sorted(
            (p for p in path.rglob("*") if p.is_file() and not _hidden(p, path)),
            key=lambda p: natural(str(p)),
        )
        return [(Source(str(p), p), False) for p in files]
    if path.exists():
        return [(named(item), True)]
    if any(c in str(item) for c in "*?["):
        files = sorted(_glob(path), key=natural)
        return [pair for file in files for pair in _one(file, number)]
    raise DataError("there is no such file or folder.", file=str(item))


def _glob(pattern: Path) -> list[str]:
    """Return the paths a glob matches, written as the glob is."""
    parts = pattern.parts
    fixed = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
    root = Path(*parts[:fixed])
    return [str(path) for path in root.glob(str(Path(*parts[fixed:])))]


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _in_memory(item: Any, number: int) -> Raw | None:
    """Return a table that is held in memory: pandas, Arrow, polars and the like, or columns."""
    which = "" if number == 0 else f" {number + 1}"
    if type(item).__module__.startswith("pandas."):
        return _frame(f"<DataFrame{which}>", item)
    if isinstance(item, Mapping):
        return raw_of(f"<columns{which}>", pa.table(dict(item)))
    if isinstance(item, pa.Table):
        return raw_of("<table>", item)
    if hasattr(item, "__arrow_c_stream__"):
        return raw_of(f"<DataFrame{which}>", pa.table(item))
    if hasattr(item, "__dataframe__"):
        from pyarrow import interchange

        return raw_of(f"<DataFrame{which}>", interchange.from_dataframe(item))
    return None


def _frame(name: str, frame: Any) -> Raw:
    """Take a pandas DataFrame; NaN is a measurement in `loss`, a missing value elsewhere.

    pandas cannot tell the two apart: an evaluation loss is NaN wherever none was made, a
    training loss where the run diverged.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if "loss" in frame.columns and str(frame["loss"].dtype).startswith("float"):
        kept = pa.array(frame["loss"].to_numpy(), from_pandas=False)
        table = table.set_column(table.column_names.index("loss"), "loss", pc.cast(kept, "double"))
    return raw_of(name, table)


def _unknown(file: str, looked_for: str) -> DataError:
    return DataError(
        "the format is not known.",
        file=file,
        hint=f"Looked for {looked_for}. If it is one of these, say which with --format.",
    )


def _nothing(given: Sequence[Any], skipped: list[str], looked_for: str) -> DataError:
    shown = ", ".join(str(item) for item in given)
    there = f"{len(skipped)} file(s) of other kinds" if skipped else "no files"
    return DataError(f"no logs found ({there}).", file=shown, hint=f"Looked for {looked_for}.")


def _skipped_note(skipped: list[str]) -> list[Note]:
    if not skipped:
        return []
    shown = ", ".join(skipped[:5]) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
    message = f"{len(skipped)} file(s) are of no known format and were passed over: {shown}."
    return [Note("ignored-file", "info", message)]


def run_names(files: Sequence[str]) -> dict[str, str]:
    """Return what the run of each file is called: its stem, with folders where stems repeat."""
    names = {file: stem(file) for file in files}
    depth = 1
    while len(set(names.values())) < len(names) and depth <= max(map(_depth, files)):
        depth += 1
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        names = {
            file: _tail(file, depth) if counts[name] > 1 else name for file, name in names.items()
        }
    return names


def _depth(file: str) -> int:
    return len(Path(file).parts)


def _tail(file: str, depth: int) -> str:
    """Return the last folders and the stem: `b/c/log` for depth 3."""
    return "/".join([*Path(file).parts[-depth:-1], stem(file)])
