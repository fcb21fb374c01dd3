"""MaxText."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written

DIALECT = Dialect(
    names=("maxtext",),
    lines=(
        Line(
            r"completed step: <step>, ", Written.WORDS, names=(("total_weights", "batch_tokens"),)
        ),
        Line(
            r"eval metrics after step: <step>, ",
            Written.WORDS,
            names=(("loss", "val_loss"),),
            apart="val/",
        ),
    ),
    facts=(
        Fact(r"config param steps: <step>$"),
        Fact(r"config param max_target_length: <seq_len>$"),
        Fact(r"config param vocab_size: <vocab_size>$"),
        Fact(r"number parameters: <params> (?P<scale>million|billion|trillion)$"),
    ),
)
