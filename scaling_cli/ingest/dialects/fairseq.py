"""fairseq: losses in bits, as text or as JSON, under one name for the interval and the epoch."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written
from scaling_cli.vocabulary.loss_kinds import LossKind

_STEP = (("num_updates", "step"), ("train_num_updates", "step"), ("valid_num_updates", "step"))
_HELD = (*_STEP, ("valid_loss", "val_loss"), ("loss", "val_loss"))
_EPOCH = (*_STEP, ("train_loss", "mean_train_loss"), ("loss", "mean_train_loss"))
_LOGGER = r"(?:\[{0}\](?:\[\w+\])? - |{0} \| )"

DIALECT = Dialect(
    names=("fairseq",),
    lines=(
        Line(_LOGGER.format("train_inner") + r"(?=\{)", Written.OBJECT, _STEP),
        Line(_LOGGER.format("valid") + r"(?=\{)", Written.OBJECT, _HELD, apart="val/"),
        Line(_LOGGER.format("train") + r"(?=\{)", Written.OBJECT, _EPOCH, apart="epoch/"),
        Line(r"(?:train_inner \| )?epoch <epoch>: +\d+ / \d+ ", Written.WORDS, _STEP),
        Line(
            r"(?:\w+ \| )?epoch <epoch> \| valid on '\w+' subset (?=\|)",
            Written.CELLS,
            _HELD,
            apart="val/",
        ),
        Line(
            r"(?:train \| )?epoch <epoch> (?=\| (?:train_)?loss )",
            Written.CELLS,
            _EPOCH,
            apart="epoch/",
        ),
    ),
    facts=(
        Fact(r"num\. (?:shared )?model params: <params> \("),
        Fact(r"'max_update': <step>\b"),
    ),
    loss="the mean over the updates since the line before",
    kind=LossKind.INTERVAL_MEAN,
    convention="bits/token",
)
