"""Say how sure a fit is of a parameter or a prediction, by several methods side by side."""

from dataclasses import MISSING, dataclass, replace
from typing import TYPE_CHECKING, Any

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options

if TYPE_CHECKING:
    from scaling_cli.laws._law import Law

EXAMPLE = """
scaling profile fit.json
scaling profile fit.json --of alpha --of E --method profile
scaling profile fit.json --of loss --params 7B --tokens 1T --method delta,nuts
scaling profile fit.json --of compute_for_loss --loss 2.5
"""
ORDER = 45


@dataclass(frozen=True)
class Of:
    """Of which numbers, and by which methods."""

    fit: str = options.argument(
        "FIT",
        "A fit file or a computed certified fit.",
        default=MISSING,
        complete=options.complete(options.FITS),
    )
    of: list[str] | None = options.option(
        "NAME",
        "A parameter; loss, at the inputs given; or a derived quantity such as "
        "optimal_params with --compute or compute_for_loss with --loss. Default: loss if inputs "
        "are given, else every parameter.",
    )
    method: list[str] | None = options.option(
        "delta|profile|bootstrap|nuts|backtested",
        "Methods, repeated or as a list. Default: all but nuts, which needs the extra "
        "posterior (pip install 'scaling-cli[posterior]').",
    )
    level: float = options.level()

    def at(self, law: "Law", point: options.Point, asking: options.Asking) -> dict[str, Any]:
        """Return what was typed: every combination, but for derived quantities alone."""
        from scaling_cli.verbs.profile import only_derived

        if not point.named() or only_derived(law, self.of or ()):
            return point.typed(law)
        beside = {"loss": point.loss} if point.loss and self.of else {}
        return {**replace(point, loss=None).grid(law, asking).combined, **beside}


@options.command
def profile(of: Of, point: options.Point, asking: options.Telling) -> None:
    """Say how sure a fit is of a parameter or a prediction, by several methods side by side.

    The delta method is the fast answer; the profile refits everything else at every value; the
    bootstrap resamples runs; nuts samples the posterior; backtested is the range that 'scaling
    predict' gives, the only one that allows for the law's own error.
    """
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.verbs import profile as verb

    fit = kinds.load(of.fit, Fit)
    at = of.at(fit.law, point, asking)
    methods = [name.strip() for text in of.method or () for name in text.split(",")]
    with asking.terminal.status("profiles"):
        _cache.enable()
        compared = verb.profile(fit, of.of, methods=methods, level=of.level, **at)
    asking.tell(compared, {"fit": of.fit})
