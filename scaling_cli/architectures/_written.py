"""Settings as files state them: JSON, YAML, TOML, Python, command lines, the arguments of a log."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.vocabulary import arithmetic, plain_yaml
from scaling_cli.vocabulary.errors import DataError

# What configurations are called that lie beside the log of their run, the first there is counts.
CONFIGS = ("config.json", "model_config.json", "config.yaml", "config.yml", "hparams.yaml")
# `num_layers ........ 12`, and behind it what GPT-NeoX says of its origin.
_DOTTED = re.compile(
    r"^(?:\[[^\]\n]*\]:? *+)*+(?:\d+: )? *+(?P<name>\w+) \.{2,} (?P<value>\S.*)", re.MULTILINE
)
_ORIGINS = ("updated", "default")
_TYPED = re.compile(r"(?<![\w-])--(?P<name>[a-z][\w-]*)(?:[= ]+(?!--)(?P<value>[^\s\\]+))?")
_ASSIGNED = re.compile(
    r"^(?:Overriding: )?(?P<name>[A-Za-z_]\w*) = (?P<value>[^#\r\n]+)", re.MULTILINE
)
# What llm.c prints as a table: `| num_layers L | 12 |`.
_TABLED = re.compile(
    r"^\| (?P<name>[a-z_]\w+)(?: [A-Z]\w*)? +\| (?P<value>\S+) +\|\r?$", re.MULTILINE
)
# What transformers prints: `Model config GPT2Config {`, and what its scripts say after that.
_MODEL = re.compile(r"Model config \w+ (?P<json>\{.*?^\})", re.MULTILINE | re.DOTALL)
_OVERRIDING = re.compile(r"Overriding config: (?P<pairs>\w+=.*)")
_OLMO = re.compile(r"\bmodel=ModelConfig\((?P<pairs>.*)")  # as Python shows a dataclass
_PAIR = re.compile(r"(?P<name>\w+)=(?P<value><[^>]*>|[^,()\[\]\s]+)")
_PADDED = re.compile(r"padded vocab \(size: \d+\) with \d+ dummy tokens \(new size: (\d+)\)")
_LONGEST = 60  # characters of a number, or of a product of some
_WORDS = {"none": None, "null": None, "true": True, "false": False}
_UNREAD = "Give a config.json, YAML, TOML, arguments (--num-layers 24) or name = value lines."


def settings(text: str, file: str) -> dict[str, Any]:
    """Return what a text states: names and values, which may lie in each other.

    Raises
    ------
    DataError
        If it is none of the kinds that are known.
    """
    stated = _whole(text, file)
    if stated is None:
        stated = loose(text)
    if not stated:
        raise DataError("no settings are stated here.", file=file, hint=_UNREAD)
    return named(stated)


def named(stated: Mapping[Any, Any]) -> dict[str, Any]:
    """Return settings whose names are spelled one way: `num-layers` is `num_layers`."""
    return {
        str(name).replace("-", "_"): named(value) if isinstance(value, Mapping) else value
        for name, value in stated.items()
    }


def _whole(text: str, file: str) -> dict[str, Any] | None:
    """Return what a text is as a whole; None if it is loose lines."""
    ending = file.lower().rpartition(".")[2]
    begins = text.lstrip()[:1]
    if ending == "json" or begins == "{":
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError("the file is not whole JSON.", file=file, hint=_UNREAD) from error
        return whole if isinstance(whole, dict) else {}
    if ending == "toml":
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"the file is not TOML: {error}.", file=file) from error
    return plain_yaml.mapping(text) if ending in ("yaml", "yml") else None


def loose(text: str) -> dict[str, Any]:
    """Return what the lines of a log, a script or a Python file state; later ones count."""
    return dict(_lines(text))


def printed(text: str) -> dict[str, Any]:
    """Return the settings that a log prints of its model, as trainers do; later ones count."""
    pairs = [m for kind in (_TABLED, _DOTTED) for m in kind.finditer(text)]
    said = {match["name"]: _value(_without_origin(match["value"])) for match in pairs}
    padded, models = _PADDED.findall(text), list(_MODEL.finditer(text))
    for block in (*_OLMO.finditer(text), *_OVERRIDING.finditer(text)):
        said |= {m["name"]: _value(m["value"]) for m in _PAIR.finditer(block["pairs"])}
    model = _object(models[-1]["json"]) if models else {}
    return model | said | ({"padded_vocab_size": int(padded[-1])} if padded else {})


def _object(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return whole if isinstance(whole, dict) else {}


def _without_origin(text: str) -> str:
    """Return a value without what GPT-NeoX says behind it: `12....updated`."""
    plain = text.rstrip()
    origin = next((word for word in _ORIGINS if plain.endswith(word) and plain != word), "")
    return plain.removesuffix(origin).rstrip(".") if origin else plain


def _lines(text: str) -> Iterator[tuple[str, Any]]:
    for match in (*_ASSIGNED.finditer(text), *_TYPED.finditer(text)):
        value = match["value"]
        yield match["name"].replace("-", "_"), True if value is None else _value(value)
    yield from printed(text).items()


def _value(text: str) -> Any:
    """Return a number, a switch or a word."""
    plain = text.strip().rstrip(",;").strip("'\"")
    if plain.lower() in _WORDS:
        return _WORDS[plain.lower()]
    if len(plain) > _LONGEST:
        return plain
    try:
        return arithmetic.evaluate(plain, {})
    except (SyntaxError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return plain
