"""torchtitan."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written

DIALECT = Dialect(
    names=("torchtitan",),
    lines=(
        Line(r"step: +<step>  ", Written.WORDS),
        Line(
            r"validate step: +<step>  ", Written.WORDS, names=(("loss", "val_loss"),), apart="val/"
        ),
    ),
    facts=(
        Fact(r"size: <params> total parameters"),
        Fact(r"total parameter count: dense [\d,]+, sparse [\d,]+, active <params_active>$"),
        Fact(r"global batch size <batch_seqs>, .*sequence length <seq_len>, total steps <step>\b"),
    ),
)
