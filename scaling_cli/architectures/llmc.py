"""llm.c: GPT-2 in the words of the table that it prints."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import BIASED, Transformer

_FOUR = 4


def _llmc(config: Config) -> Transformer:
    width, heads = config.size("channels"), config.size("num_heads")
    length = config.size("max_sequence_length")
    return Transformer(
        layers=config.size("num_layers"),
        width=width,
        heads=heads,
        inner=_FOUR * width,
        vocabulary=config.optional("padded_vocab_size", "vocab_size"),
        tied=True,
        gated=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        norm=BIASED,
        positions=length,
        seq_len=length,
    )


KEYS = {frozenset(("num_layers", "num_heads", "channels")): _llmc}
