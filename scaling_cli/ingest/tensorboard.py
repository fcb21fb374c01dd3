"""Event files of TensorBoard, whatever wrote them: every scalar of every file of a run.

A folder is a run. Files that a run wrote one after another follow each other in time; where a step
goes back, or a writer says that it began anew, the log was resumed. Of two files that were written
at the same time the second gives what the first lacks. Folders named after a set (`train`,
`validation`) and those that `add_scalars` makes belong to the run above them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import _settings
from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._events import Events, begins_with_event, read_events
from scaling_cli.ingest._series import Series, side_by_side
from scaling_cli.ingest._sources import Raw, place
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary import plain_yaml
from scaling_cli.vocabulary.errors import DataError, some
from scaling_cli.vocabulary.quantities import plain_name

VERSION = "2"
NAMES = ("tensorboard",)
LOOKED_FOR = "event files of TensorBoard"
RESUMED = (
    "from the step at which a writer says that it began anew, or goes back, what files written "
    "before logged is superseded"
)
_MARK = "tfevents"
_HELD = frozenset(("val", "valid", "validation", "eval", "evaluation", "dev", "test"))
_TRAIN = frozenset(("train", "training"))
_TWIN = " vs samples"  # what Megatron logs a second time, over samples
_TEXTS = "/text_summary"
_SETTINGS = "hparams.yaml"  # what Lightning writes beside its event files
_NO_SCALARS = "Are the scalars in another file of the run? Give the folder that holds them all."


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like an event file, or settings beside one."""
    if begins_with_event(head):
        return 1.0
    if place(path).name == _SETTINGS:
        return 0.9 if _logged(place(path).parent) else 0.0
    return 0.5 if _MARK in place(path).name and len(head) <= 64 else 0.0


def read(path: str, content: bytes) -> list[Raw]:
    """Read the scalars of an event file as they were written, a row each.

    A row without a tag says that a writer began anew at its step.

    Raises
    ------
    DataError
        If no event is whole.
    """
    if Path(path).name == _SETTINGS:
        config = plain_yaml.mapping(content.decode(errors="replace"))
        bare = Raw(path, {}, np.zeros(0, int), np.zeros(0, np.int16), size=len(content))
        part = Path(path).parent.as_posix()
        return [replace(bare, facts=_settings.facts(config), part_of=part)]
    events = read_events(content)
    if not len(events.record) and not events.texts and not events.others:
        garbled = events.garbled and "what it begins with is no event"
        message = garbled or ("no event is whole." if content else "the file is empty")
        raise DataError(f"no scalars: {message.rstrip('.')}.", file=path, hint=_NO_SCALARS)
    run, prefix = _run_of(path, events)
    names = pa.array([_called(tag, prefix) for tag in events.tags], pa.string())
    codes = pa.array(events.tag, mask=events.tag < 0)
    columns = {
        "tag": pa.DictionaryArray.from_arrays(codes, names),
        "step": pa.array(events.step),
        "value": pa.array(events.value),
        "wall_time": pa.array(events.time),
    }
    segments = np.zeros(len(events.record), np.int16)
    notes = tuple(_notes(path, events))
    raw = Raw(path, columns, events.record, segments, facts=_facts(events.texts), notes=notes)
    return [replace(raw, part_of=run, size=len(content))]


def _run_of(path: str, events: Events) -> tuple[str, str]:
    """Return the folder of the run that a file belongs to, and what goes before its tags."""
    folder = Path(path).parent
    if len(events.tags) == 1 and (series := _series_of(folder, events.tags[0])):
        return series
    above, name = folder.parent, plain_name(folder.name)
    if name in _HELD:
        return above.as_posix(), "test" if name == "test" else "val"
    if name in _TRAIN and any(_logged(above / held) for held in _HELD):
        return above.as_posix(), ""
    return folder.as_posix(), ""


def is_set(name: str) -> bool:
    """Say whether a folder of this name may be a part of the run above it."""
    return plain_name(name) in _HELD | _TRAIN


def _series_of(folder: Path, tag: str) -> tuple[str, str] | None:
    """Return the run and the metric of a folder that `add_scalars` made for one of its series.

    PyTorch calls it TAG_SERIES, tensorboardX TAG/SERIES, below the folder of the run.
    """
    above = folder.parents[min(tag.count("/") + 1, len(folder.parents) - 1)]
    if folder.parent.relative_to(above).as_posix() == tag and _logged(above):
        return above.as_posix(), f"{tag}/{folder.name}"
    series = folder.name.removeprefix(f"{tag.replace('/', '_')}_")
    if series != folder.name and _logged(folder.parent):
        return folder.parent.as_posix(), f"{tag}/{series}"
    return None


def _logged(folder: Path) -> bool:
    return any(_MARK in path.name for path in folder.glob(f"*{_MARK}*"))


def _called(tag: str, prefix: str) -> str:
    """Return what a tag is called in its run; Keras writes `epoch_` before its metrics."""
    if "/" in prefix:
        return prefix
    plain = tag.removeprefix("epoch_")
    plain = plain if canonical_of(plain) in ("loss", "lr") else tag
    held = prefix and canonical_of(plain) == "loss"
    return "val_loss" if held and prefix == "val" else f"{prefix}_{plain}" if prefix else plain


def _facts(texts: dict[str, str]) -> dict[str, object]:
    """Return what the texts of a file say of its run: a configuration as JSON, or a text each."""
    config: dict[str, object] = {}
    for tag, text in texts.items():
        whole = _settings.from_json(text)
        config |= whole or {tag.removesuffix(_TEXTS): text}
    return _settings.facts(config)


def _notes(path: str, events: Events) -> Iterator[Note]:
    if events.others:
        told = f"{len(events.others)} tag(s) hold no scalars (histograms, images) and were passed"
        yield Note("no-scalars", "info", f"{told} over: {some(events.others)}.", path)
    if events.damaged:
        message = f"{len(events.damaged)} record(s) are damaged and left out; the first is here."
        yield Note("damaged-records", "warn", message, path, events.damaged[0])
    if events.cut:
        message = f"the last {events.cut} bytes are the beginning of a record; left out."
        yield Note("cut-record", "info", message, path)
    if events.garbled:
        message = f"the last {events.garbled} bytes are no records; left out."
        yield Note("damaged-records", "warn", message, path)


@dataclass(frozen=True)
class _Part:
    """The scalars of one file of a run, and the steps that its sessions say they begin at."""

    series: Series
    begins: dict[int, int]

    @classmethod
    def of(cls, raw: Raw) -> "_Part":
        tag, there = raw.columns["tag"], raw.columns["tag"].is_valid().to_numpy(False)
        codes = np.asarray(tag.indices.fill_null(-1), int)
        session = np.cumsum(~there)
        step, value, time = (
            raw.columns[name].to_numpy(False) for name in ("step", "value", "wall_time")
        )
        whole = Series(tag.dictionary.to_pylist(), codes, step, value, time, session)
        begins = dict(zip(session[~there].tolist(), whole.step[~there].tolist(), strict=True))
        return cls(whole.take(there), begins)

    def __len__(self) -> int:
        return len(self.series.step)

    @property
    def span(self) -> tuple[float, float]:
        """Return when the first and the last scalar were written."""
        time = self.series.time[~np.isnan(self.series.time)]
        return (float(time.min()), float(time.max())) if len(time) else (np.inf, np.inf)


def join(folder: str, parts: Sequence[Raw]) -> Raw:
    """Return the scalars of the files of a run side by side.

    Raises
    ------
    DataError
        If none of them holds a scalar.
    """
    files = [part for part in map(_Part.of, filter(len, parts)) if len(part)]
    if not files:
        raise DataError("no scalars: texts, images or histograms.", file=folder, hint=_NO_SCALARS)
    files.sort(key=lambda part: part.span)
    notes = [note for part in parts for note in part.notes]
    series = _in_order(folder, files, notes)
    twins = [name for name in series.names if name.endswith(_TWIN)]
    if twins and len(twins) < len(series.names):
        message = f"{len(twins)} metric(s) are logged a second time, over samples; left out."
        notes.append(Note("second-axis", "info", message, folder))
        series = series.without(twins)
    size = sum(part.size for part in parts)
    raw = side_by_side(folder, series, size)
    facts = {name: value for part in parts for name, value in part.facts.items()}
    return replace(raw, facts=facts, notes=(*notes, *raw.notes), size=size)


def _in_order(folder: str, files: Sequence[_Part], notes: list[Note]) -> Series:
    """Return the scalars of all files in the order in which they count."""
    names = [*dict.fromkeys(name for part in files for name in part.series.names)]
    streams: list[list[_Part]] = []
    for part in files:
        # A file goes on with what one that had ended logged; of several, with what is most alike.
        ended = [stream for stream in streams if stream[-1].span[1] <= part.span[0]]
        alike = [len({*stream[-1].series.names} & {*part.series.names}) for stream in ended]
        if ended:
            ended[int(np.argmax(alike))].append(part)
        else:
            streams.append([part])
    joined = [_after_another(names, stream) for stream in streams]
    main = joined.pop(int(np.argmax([len(part) for part in joined])))
    whole, began = main.series, main.span[0]
    for other in joined:
        own = other.series
        for session, step in other.begins.items():
            own = _purged(folder, own, session, step, notes)
        first = other.span[0] < began
        whole = _completed(folder, whole, own, notes, ours=not first)
    for session, step in main.begins.items():
        whole = _purged(folder, whole, session, step, notes)
    return whole


def _after_another(names: Sequence[str], files: Sequence[_Part]) -> _Part:
    """Return what files that were written one after another hold together."""
    whole, begins = Series.empty(names), {}
    for part in files:
        first = int(whole.session.max(initial=-1)) + 1
        own = part.series.named(names)
        begins |= {first + session: step for session, step in part.begins.items()}
        whole = whole.followed_by(replace(own, session=own.session + first))
    return _Part(whole, begins)


def _purged(folder: str, whole: Series, session: int, step: int, notes: list[Note]) -> Series:
    """Leave out what a session took back, from the step that it says to the first it logged."""
    later = whole.session >= session
    if not step or not later.any():
        return whole
    first = whole.step[later].min()
    stale = ~later & (whole.step >= step) & (whole.step < first)
    if stale.any():
        message = f"the log was taken back to step {step}: {stale.sum()} value(s) are left out."
        notes.append(Note("resumed", "info", message, folder))
    return whole.take(~stale)


def _completed(folder: str, whole: Series, own: Series, notes: list[Note], *, ours: bool) -> Series:
    """Add what a file that was written at the same time has; `ours` counts where both have it."""
    places = {key: i for i, key in enumerate(whole.places())}
    known = np.array([places.get(key, -1) for key in own.places()], int)
    again = known >= 0
    if not again.any():
        return whole.with_inserted(own)
    differ = (own.value[again] != whole.value[known[again]]).sum()
    others = f", {differ} of them with other values" if differ else ""
    message = f"two files were written at the same time: {again.sum()} value(s) stand in both"
    message += f"{others}; those of the file that began first count."
    notes.append(Note("written-twice", "info", message, folder))
    if not ours:
        value = whole.value.copy()
        value[known[again]] = own.value[again]
        whole = replace(whole, value=value)
    return whole.with_inserted(own.take(~again))
