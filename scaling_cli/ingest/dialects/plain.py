"""Consoles of nobody in particular: a step and a loss by name on one line, a progress bar, epochs.

They are read where no line of the file is of a known trainer.
"""

from scaling_cli.ingest.dialects._dialect import Dialect, Line, Of, Written

_STEP = (
    r"(?:global|train|training|optimi[sz]er|current)?[ _-]?(?:steps?|iter(?:ation)?s?|it|updates?)"
)
_ENTROPY = r"(?:lm|ce|ntp|cross[ _-]entropy)[ _-]"
_KIND = rf"(?:{_ENTROPY}|total[ _-])"
_SETS = ("val", "valid", "validation", "eval", "evaluation", "dev", "test", "best", "min", "smooth")
# Words before a loss that is a part of another, or that of another step or model.
_SETS += ("aux", "auxiliary", "z", "kd", "router", "balance", "balancing", "prev", "previous")
_APART = "".join(rf"(?<!{name}[ _/.-])" for name in _SETS)
_OF_TRAIN = rf"{_APART}(?:tr(?:ain(?:ing)?)?[ _/.-])?"
# From the least to the most like a cross-entropy per token: the last that a line has is taken.
_LOSSES = (
    rf"{_OF_TRAIN}(?:{_KIND})?loss(?:/mean)?",
    rf"(?<![a-z][ _/.-]){_OF_TRAIN}loss(?:/mean)?",
    rf"{_OF_TRAIN}{_ENTROPY}loss(?:/mean)?",
)
_HELD = rf"(?:val(?:id(?:ation)?)?|eval(?:uation)?|dev)[ _/.-](?:{_KIND})?loss"
_BEFORE = r"(?:^|(?<=[\s\[({,|]))"
_ENDS = (
    r"(?![\w.%:]|,[\d.])(?=\s*(?:$|[,;|)\]}/]|\(\d|-\s|[A-Za-z_][\w./()@ -]*(?:[=:]|\s+[-+.\d])))"
)


_ALSO = tuple(
    rf"{_BEFORE}{loss}['\"]?\s*[=:]?\s*<{column}>{_ENDS}"
    for loss, column in (*((loss, "train_loss") for loss in _LOSSES), (_HELD, "val_loss"))
)
_ALSO += (rf"{_BEFORE}epoch *[=:#\[ ] *<epoch>(?:/\d+)?\b(?!\.)",)


DIALECT = Dialect(
    names=("key-value", "progress-bar"),
    lines=(
        Line(
            rf"(?=.*loss)"
            rf".*?{_BEFORE}{_STEP} *[=:#\[ ] *<step>(?: *(?:/|of) *<planned>)?(?![\w.%-]|:\d)",
            Written.WORDS,
            also=_ALSO,
            level=1,
        ),
        Line(
            r"(?:[^|:]{1,40}: *)?\d+%"
            r"\|[^|]*\| *<step>/<planned> \["
            r"(?=.*loss)",
            Written.WORDS,
            also=_ALSO,
            level=2,
        ),
        Line(
            r"(?=.*loss)(?=.*\bepoch *[=:#\[ ] *\d)",
            Written.WORDS,
            also=_ALSO,
            of=Of.NONE,
            level=2,
        ),
    ),
    kind=None,
)
