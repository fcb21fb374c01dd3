"""XLM: each objective has its loss; they are the mean of the steps since the line before."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line
from scaling_cli.vocabulary.loss_kinds import LossKind

DIALECT = Dialect(
    names=("xlm",),
    lines=(
        Line(
            r"<step> - +[\d.]+ sent/s - +[\d.]+ words/s - ",
            r"(?:MLM|CLM)-[\w-]+: +<train_loss>(?: \|\| [^|]*)* - +(?:- )?\w+ LR(?::| =) <lr>.*",
        ),
    ),
    facts=(Fact(r"number of parameters \(model\): <params>$"),),
    loss="the mean over the steps since the line before, of its first objective",
    kind=LossKind.INTERVAL_MEAN,
)
