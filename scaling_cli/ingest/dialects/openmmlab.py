"""MMEngine and MMCV, detectron2: sums of losses that are no cross-entropies per token."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written
from scaling_cli.vocabulary.loss_kinds import LossKind

DIALECT = Dialect(
    names=("mmengine", "mmcv", "detectron2"),
    lines=(
        Line(r"epoch\(train\) +\[ *<epoch>\]\[ *<batch>/<per_epoch>\]", Written.WORDS),
        Line(r"iter\(train\) +\[ *<step>/<planned>\]", Written.WORDS),
        Line(r"epoch \[<epoch>\]\[<batch>/<per_epoch>\]", Written.WORDS),
        Line(r"iter \[<step>/<planned>\]", Written.WORDS),
        Line(
            r"(?:epoch|iter)\((?:val|test)\) +\[ *\d+\]",
            Written.WORDS,
            names=(("loss", "val_loss"),),
            apart="val/",
        ),
        Line(r"eta: \S+ +iter: <step> ", Written.WORDS, names=(("total_loss", "train_loss"),)),
    ),
    facts=(Fact(r"^max_epochs = <epochs>$"),),
    loss="a sum of losses, smoothed over a window",
    kind=LossKind.WINDOW_MEAN,
    convention="not per token",
)
