"""What the configuration of a run says plainly about it, whatever logged it."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scaling_cli.architectures import architecture, describes
from scaling_cli.architectures._written import named
from scaling_cli.runs.curves import WARMUPS
from scaling_cli.vocabulary import loss_kinds, quantities
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.quantities import B_TOKENS, N, U, plain_name, recognise

# What a run is planned to last, as configurations call it.
_PLANNED = (
    *("max_steps", "max_iters", "train_iters", "total_steps", "num_iterations", "total_iters"),
    *("num_train_steps", "max_train_steps", "training_steps", "total_iterations"),
    *("num_training_steps", "total_train_steps"),
)
_LENGTHS = (
    *("seq_length", "seq_len", "sequence_length", "block_size", "context_length", "ctx_len"),
    *("max_seq_len", "max_seq_length", "max_sequence_length", "max_target_length", "n_ctx"),
)
_BATCHES = ("global_batch_size", "global_train_batch_size", "total_train_batch_size")
_TOKENS = ("tokens_per_iter", "tokens_per_iteration", "tokens_per_batch", "total_batch_tokens")
_VOCABULARIES = ("padded_vocab_size", "vocab_size", "vocabulary_size", "n_vocab")
_RATES = ("learning_rate", "lr", "max_lr", "peak_lr", "peak_learning_rate")
_NANOGPT = ("batch_size", "block_size", "gradient_accumulation_steps")
_LONGEST = 200  # characters of a setting that is worth keeping
_MOST = 400  # settings of a run
_NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)
PREFIX = "config/"
COMPUTED = "computed of "
KNOWN = "params_known"  # how the parameters are known, where they are not stated
COUNTS = ("params", "params_convention", "params_non_embedding", "params_active", KNOWN)


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a configuration says of its run, by canonical name, and every other setting.

    Parameters
    ----------
    config : mapping
        Names and values; nested ones are joined by `/`. Texts that are numbers count as such.

    Returns
    -------
    facts : dict
        params, batch_tokens, step (the planned length), seq_len, vocab_size, unique_tokens,
        peak_lr, warmup_steps where one value is stated, and the settings themselves under
        `config/NAME`. Parameters that are not stated are computed of the architecture.
    """
    flat = dict(list(_flat(config))[:_MOST])
    short: dict[str, set[Any]] = {}
    for name, value in flat.items():
        short.setdefault(plain_name(re.split(r"[/.]", name)[-1]), set()).add(value)
    stated = {name: next(iter(values)) for name, values in short.items() if len(values) == 1}
    known = {"step": _first(stated, _PLANNED), "seq_len": _first(stated, _LENGTHS)}
    known |= {"peak_lr": _first(stated, _RATES), "batch_tokens": _batch(stated)}
    known |= {"vocab_size": _first(stated, _VOCABULARIES)}
    known |= {U.column: _first(stated, [name for name in stated if recognise(name) is U])}
    known |= {name: _first(stated, (name,)) for name in WARMUPS}
    said = {name: value for name, value in known.items() if value is not None}
    said |= _kind(stated)
    size = _size(stated)
    size |= {} if size else computed(config)
    return said | size | {PREFIX + name: value for name, value in flat.items()}


def _kind(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return what the losses are that Hugging Face's trainer logs: means over `logging_steps`."""
    if not {"logging_steps", "lr_scheduler_type", "per_device_train_batch_size"} <= stated.keys():
        return {}
    kind = LossKind.STEP if stated["logging_steps"] == 1 else LossKind.INTERVAL_MEAN
    return loss_kinds.stated(kind, loss_kinds.CONFIGURED)


def computed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the architecture that a configuration describes, if any.

    Returns
    -------
    facts : dict
        `params` counts all, or what has no embedding where the vocabulary is not stated;
        `params_known` says that it was computed.
    """
    if not describes(config):
        return {}
    try:
        model = architecture(named(config))
    except DataError:
        return {}
    total, inner = model.params(), model.non_embedding()
    active = {"params_active": model.params(active=True)} if model.is_mixture else {}
    counts = {"params": inner if total is None else total, "params_non_embedding": inner, **active}
    return {
        **{name: float(count) for name, count in counts.items() if count is not None},
        "params_convention": "non_embedding" if total is None else "total",
        KNOWN: f"{COMPUTED}{model.kind}: {model.layers} layers, width {model.width}",
    }


def apart(facts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the facts that are stated, and those of them that were computed."""
    if KNOWN not in facts:
        return dict(facts), {}
    counts = {name: facts[name] for name in COUNTS if name in facts}
    return {name: value for name, value in facts.items() if name not in counts}, counts


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}/")
        elif isinstance(value, bool):
            yield name, str(value)
        elif isinstance(value, int | float):
            yield name, float(value) if abs(value) < 1e300 else str(value)
        elif isinstance(value, str) and 0 < len(value) <= _LONGEST:
            yield name, _number(value)


def _number(text: str) -> float | str:
    try:
        return float(text) if _NUMBER.fullmatch(text) else text
    except ValueError:
        return text


def _first(stated: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """Return the one positive number that stands under any of these names."""
    held = {stated[name] for name in names if name in stated}
    held = {v for v in held if isinstance(v, float) and math.isfinite(v) and v > 0}
    return held.pop() if len(held) == 1 else None


def _batch(stated: Mapping[str, Any]) -> float | None:
    """Return the tokens of a step: stated, or sequences of a step times their length."""
    own = [name for name in stated if recognise(name) is B_TOKENS]
    tokens = _first(stated, (*own, *_TOKENS))
    if tokens is not None:
        return tokens
    if all(name in stated for name in _NANOGPT):
        sizes = [_first(stated, (name,)) for name in _NANOGPT]
        return math.prod(size for size in sizes if size) if all(sizes) else None
    sequences, length = _first(stated, _BATCHES), _first(stated, _LENGTHS)
    return sequences * length if sequences and length else None


def _size(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a configuration counts, and how it counts them."""
    held = {}
    for name, value in stated.items():
        if recognise(name) is not N or len(name) == 1 or name in ("size", "model_size"):
            continue
        try:
            count = value if isinstance(value, float) else quantities.parse_number(value, N)
        except UsageError:
            continue
        if math.isfinite(count) and count > 0:
            held[name] = count
    name = next(iter(held), None)
    if name is None or len(set(held.values())) > 1:
        return {}
    convention = quantities.convention_of(name, N)
    return {"params": held[name]} | ({"params_convention": convention} if convention else {})


def from_json(text: str | bytes) -> dict[str, Any]:
    """Return the object that a text is; nothing if it is none."""
    whole = value_of(text)
    return whole if isinstance(whole, dict) else {}


def value_of(text: str | bytes) -> Any:
    """Return what a text is as JSON; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
