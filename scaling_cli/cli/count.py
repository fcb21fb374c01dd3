"""Count the parameters and the FLOP of an architecture, by every way of counting."""

from dataclasses import MISSING, dataclass

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling count config.json
scaling count config.json --seq-len 4096 --tokens 1T
scaling count small/config.json large/config.json megatron.log
"""
ORDER = 26


@dataclass(frozen=True)
class Counted:
    """What is counted, and for which run."""

    configs: list[str] = options.argument(
        "CONFIG...",
        "config.json of Hugging Face, YAML or TOML, nanoGPT's config, Megatron's arguments.",
        default=MISSING,
    )
    seq_len: float | None = options.option(
        "N",
        "Tokens of a sequence. Default: what the configuration states.",
        read=options.number(),
    )
    tokens: float | None = options.option(
        "D", "Training tokens: the FLOP of the whole run, too.", read=options.number("D")
    )
    vocabulary: float | None = options.option(
        "N", "Entries of the embedding, where they are not stated.", read=options.number()
    )


@options.command
def count(counted: Counted, asking: options.Telling) -> None:
    """Count the parameters and the FLOP of an architecture, by every way of counting.

    What papers call N and C differs several times over for small models, by whether embeddings,
    the head and attention count. All ways stand side by side.
    """
    from scaling_cli.verbs import count as verb

    asked = dict(vars(counted))
    asking.tell(verb.count(*asked.pop("configs"), **asked))
