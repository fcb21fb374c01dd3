"""Consoles of nobody in particular: a step and a loss by name on one line, a progress bar, epochs.

They are read where no line of the file is of a known trainer.
"""

from scaling_cli.ingest.dialects._dialect import Dialect, Line, Of, Written

_STEP = (
    r"(?:global|train|training|optimi[sz]er|current)?[ _-]?(?:steps?|iter(?:ation)?s?|it|updates?)"
)
_KIND = r"(?:lm|ce|ntp|cross[ _-]entropy|total)[ _-]"
_SETS = ("val", "valid", "validation", "eval", "evaluation", "dev", "test", "best", "min", "smooth")
_APART = "".join(rf"(?<!{name}[ _/.-])" for name in _SETS)
_TRAIN = rf"{_APART}(?:tr(?:ain(?:ing)?)?[ _/.-])?(?:{_KIND})?loss(?:/mean)?"
_HELD = rf"(?:val(?:id(?:ation)?)?|eval(?:uation)?|dev)[ _/.-](?:{_KIND})?loss"
_BEFORE = r"(?:^|(?<=[\s\[({,|]))"
_ENDS = (
    r"(?![\w.%:]|,[\d.])(?=\s*(?:$|[,;|)\]}/]|\(\d|-\s|[A-Za-z_][\w./()@ -]*(?:[=:]|\s+[-+.\d])))"
)


_ALSO = tuple(
    rf"{_BEFORE}{loss}['\"]?\s*[=:]?\s*<{column}>{_ENDS}"
    for loss, column in ((_TRAIN, "train_loss"), (_HELD, "val_loss"))
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
)
