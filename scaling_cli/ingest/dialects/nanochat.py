"""nanochat: its loss is a running mean, its held-out loss is in bits per byte."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written
from scaling_cli.vocabulary.loss_kinds import LossKind

DIALECT = Dialect(
    names=("nanochat",),
    lines=(
        Line(
            r"step <step>/<planned> \([\d.]+%\) (?=\| loss: )",
            Written.CELLS,
            names=(("lrm", "lr_multiplier"),),
        ),
        Line(r"step <step> \| validation bpb: ", r"<val_bpb>"),
    ),
    facts=(
        Fact(r"^total batch size <batch_tokens> =>"),
        Fact(r"^vocab size: <vocab_size>$"),
        Fact(r'^"sequence_len": <seq_len>,?$'),
        Fact(r"^total +: <params>$"),
        Fact(r"^number of parameters: <params>(?: \(.*\))?$"),
    ),
    loss="a running mean (0.9 of the step before)",
    kind=LossKind.RUNNING_MEAN,
)
