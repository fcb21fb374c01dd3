"""What a logged training loss is: of one batch, a mean, a sum, smoothed; and how that is known."""

import enum
import re


class LossKind(enum.StrEnum):
    """What was averaged into a training loss."""

    STEP = "step"
    MICRO_BATCH = "micro_batch"
    INTERVAL_MEAN = "interval_mean"
    RUNNING_MEAN = "running_mean"
    WINDOW_MEAN = "window_mean"
    ACCUMULATED_SUM = "accumulated_sum"
    EVALUATION = "evaluation"

    @property
    def words(self) -> str:
        """Return it in words."""
        return _WORDS[self]

    @property
    def shifts(self) -> bool:
        """Say whether it lies off the loss of a step, and not only nearer to its mean."""
        return self in (LossKind.RUNNING_MEAN, LossKind.WINDOW_MEAN, LossKind.ACCUMULATED_SUM)


_WORDS = {
    LossKind.STEP: "that of the batch of a step",
    LossKind.MICRO_BATCH: "that of one micro-batch",
    LossKind.INTERVAL_MEAN: "the mean over the steps since the line before",
    LossKind.RUNNING_MEAN: "a running mean, which lags behind",
    LossKind.WINDOW_MEAN: "smoothed over a window",
    LossKind.ACCUMULATED_SUM: "a sum over accumulated batches",
    LossKind.EVALUATION: "a mean over held-out batches",
}
FACT, KNOWN = "loss_kind", "loss_kind_known"
TRAINER, BY_NAME, DECLARED, ASSUMED = "its trainer", "its name", "declared", "assumed"
CONFIGURED = "the configuration"
_NAMES = (
    (LossKind.RUNNING_MEAN, re.compile(r"(^|[_/. -])(ema|smooth(ed)?|running|moving)([_/. -]|$)")),
    (LossKind.INTERVAL_MEAN, re.compile(r"(^|[_/. -])epoch$")),
)


def by_name(column: str) -> LossKind | None:
    """Return what the name of a column says: `loss_ema`, `train_loss_epoch`."""
    return next((kind for kind, name in _NAMES if name.search(column.casefold())), None)


def stated(kind: LossKind | None, known: str) -> dict[str, str]:
    """Return the facts of a run: what its loss is, and how that is known."""
    return {} if kind is None else {FACT: str(kind), KNOWN: known}
