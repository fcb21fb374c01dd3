"""The Trainer of Hugging Face and that of PaddleNLP: a dictionary for each measurement."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Of, Written
from scaling_cli.vocabulary.loss_kinds import LossKind

DIALECT = Dialect(
    names=("huggingface", "paddlenlp"),
    lines=(
        Line(
            r"(?=\{'(?:loss|eval_loss)': )",
            Written.OBJECT,
            names=(("global_step", "step"), ("eval_loss", "val_loss")),
            of=Of.NONE,
        ),
        # the last of them: its loss is the mean over the whole run
        Line(
            r"(?=\{'(?:train_loss|train_runtime)': )",
            Written.OBJECT,
            names=(("global_step", "step"), ("train_loss", "mean_train_loss")),
            of=Of.NONE,
        ),
        Line(r"(?=loss: .*\bglobal_step: )", Written.WORDS, names=(("global_step", "step"),)),
        Line(r"(?=eval_loss: )", Written.WORDS, names=(("eval_loss", "val_loss"),), apart="val/"),
    ),
    facts=(
        Fact(r"total optimization steps = <step>$"),
        Fact(r"number of trainable parameters = <params>$"),
        Fact(
            r"total train batch size \(w\. parallel, distributed & accumulation\) = <batch_seqs>$"
        ),
    ),
    loss="the mean over the steps since the line before",
    kind=LossKind.INTERVAL_MEAN,
)
