"""litgpt: a line for each micro-batch; `(step)` ends those whose update was made."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line
from scaling_cli.vocabulary.loss_kinds import LossKind

_BEGINS = r"(?:epoch <epoch> \| )?{}iter +\d+ (?:\| )?step +<step>(?: \||:) "
_LOSS = (
    r"loss (?:train: )?<train_loss>(?:, val: (?:[\d.]+|n/a))?(?: \||,) iter time: [\d.]+ ?m?s\b.*"
)

DIALECT = Dialect(
    names=("litgpt",),
    lines=(
        Line(_BEGINS.format(r"(?=.*\((?:optimizer\.)?step\))"), _LOSS),
        Line(_BEGINS.format(""), _LOSS, minor=True),
        Line(r"iter \d+: (?=val loss [^,]*, val time)", r"val loss <val_loss>, val time: .*"),
        Line(r"final evaluation \| ", r"val loss: <val_loss>\b.*"),
    ),
    facts=(
        Fact(r"^total parameters: <params>$"),
        Fact(r"^number of trainable parameters: <params_a>$"),
        Fact(r"^number of non-trainable parameters: <params_b>$"),
        Fact(r"\bglobal_batch_size=<batch_seqs>,"),
        Fact(r"\bmax_steps=<step>,"),
        Fact(r"\bmax_seq_length=<max_seq_len>,"),
    ),
    loss="that of one micro-batch",
    kind=LossKind.MICRO_BATCH,
)
