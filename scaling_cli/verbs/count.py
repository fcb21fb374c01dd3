"""`sc.count`: parameters and FLOP of an architecture, by every way of counting."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaling_cli.architectures import Architecture, architecture
from scaling_cli.architectures._written import named, settings
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import D, parse_number
from scaling_cli.vocabulary.reading import read_file

Quantity = float | str
_MOST = 1 << 24  # bytes of a log in which its arguments are looked for


def count(
    *configs: Any,
    seq_len: Quantity | None = None,
    tokens: Quantity | None = None,
    vocabulary: Quantity | None = None,
) -> Answer:
    """Count the parameters of architectures, and the FLOP of training them and of using them.

    Parameters
    ----------
    *configs : path or mapping
        Each a config.json, YAML, TOML, nanoGPT's config, Megatron's arguments or the log that
        they are printed in; or the settings themselves.
    seq_len : float or str, optional
        Tokens of a sequence, which attention depends on. Default: what the configuration states.
    tokens : float or str, optional
        Training tokens: the FLOP of the whole run too.
    vocabulary : float or str, optional
        Entries of the embedding, where the configuration does not state them.
    """
    if not configs:
        raise UsageError("no configuration was given.", hint="Give a config.json.")
    length, size = _whole("seq_len", seq_len), _whole("vocabulary", vocabulary)
    trained = None if tokens is None else parse_number(tokens, D)
    if trained is not None and not trained > 0:
        raise UsageError(f"tokens must be positive, not {trained:g}.")
    read = [_read(config, size) for config in configs]
    return Answer({"configs": [record(a, f, length, trained) for f, a in read]}, "count")


def _whole(name: str, given: Quantity | None) -> int | None:
    number = None if given is None else parse_number(given)
    if number is not None and not (number >= 1 and number == int(number)):
        raise UsageError(f"{name} must be a whole number above zero, not {given}.")
    return None if number is None else int(number)


def _read(config: Any, vocabulary: int | None) -> tuple[str, Architecture]:
    """Return what a configuration is called, and what it describes."""
    if isinstance(config, Mapping):
        file, stated = "", named(config)
    elif isinstance(config, str | Path):
        file = str(config)
        content, _ = read_file(Path(config), file, _MOST)
        stated = settings(content.decode("utf-8", errors="replace"), file)
    else:
        raise UsageError(f"a {type(config).__name__} is no configuration.", hint="Give a path.")
    return file, architecture(stated, file, vocabulary=vocabulary)


def record(
    counted: Architecture, file: str, seq_len: int | None, tokens: float | None
) -> dict[str, Any]:
    """Return what `scaling count --json` prints of a configuration."""
    length = seq_len or counted.seq_len
    training = counted.training(length)
    run = {name: cost and tokens and cost * tokens for name, cost in training.items()}
    return {
        "file": file,
        "kind": counted.kind,
        "layers": counted.layers,
        "width": counted.width,
        "heads": counted.heads,
        "vocabulary": counted.vocabulary,
        "tied_embeddings": counted.tied,
        "seq_len": length,
        "seq_len_from": None if length is None else "given" if seq_len else "config",
        "params": {
            "total": counted.params(),
            "non_embedding": counted.non_embedding(),
            "embedding": counted.of("embedding", "position"),
            "head": counted.of("head"),
            "active": counted.params(active=True),
            "active_non_embedding": counted.non_embedding(active=True),
        },
        "mixture": counted.is_mixture,
        "parts": counted.by_kind(),
        "training_flop_per_token": training,
        "inference_flop_per_token": counted.inference(length),
        "run": {"tokens": tokens, "flops": run} if tokens else None,
        "notes": list(counted.notes),
    }
