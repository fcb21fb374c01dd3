"""Plan: the best size and tokens for a budget or a loss, with ranges, costs and alternatives."""

from dataclasses import dataclass

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling plan --compute 1e24
scaling plan --fit fit.json --compute 1e22,1e23 --overtrain 3,10,30 --gpu h100 --gpus 1024
scaling plan --target-loss 2.1 --max-params 8B
scaling plan --target-loss 2.1 --inference-tokens 2T
"""
ORDER = 42


def _multiples(text: str) -> list[float]:
    from scaling_cli.cli._inputs import read_list
    from scaling_cli.vocabulary.quantities import Quantity

    of = Quantity("K", "overtrain", "multiple of the best tokens per parameter", "1")
    return read_list([text], of, listed=True)


@dataclass(frozen=True)
class Wanted:
    """What for, and what is decided already."""

    fit: str | None = options.fit_name()
    compute: list[float] | None = options.option(
        "C", "Budgets in FLOP: 1e24; 1e22,1e23.", read=options.numbers("C")
    )
    target_loss: list[float] | None = options.option(
        "L", "Losses to reach at the least cost: 2.5.", read=options.numbers("L", real=True)
    )
    params: float | None = options.option(
        "N", "The size, where it is decided: 7B.", read=options.number("N")
    )
    ratio: float | None = options.option("D/N", "Tokens per parameter, where they are decided: 20.")
    max_params: float | None = options.option(
        "N", "A ceiling on the size: 8B.", read=options.number("N")
    )
    max_tokens: float | None = options.option(
        "D", "The tokens that there are: 15T.", read=options.number("D")
    )
    unique_tokens: float | None = options.option(
        "U",
        "Distinct tokens; a law that knows of repeats may repeat them.",
        read=options.number("U"),
    )
    inference_tokens: float | None = options.option(
        "T",
        "Tokens that the model will read and write after training: 2 FLOP per parameter each, "
        "paid from the same budget.",
        read=options.number("D"),
    )
    overtrain: list[float] | None = options.option(
        "K,K,...",
        "What so many times the best tokens per parameter cost: 3,10,30.",
        read=options.Read(_multiples),
    )
    input: list[str] | None = options.option(
        "NAME=VALUE", "Inputs of the law that do not grow: --input R=4."
    )
    level: float = options.level()


@dataclass(frozen=True)
class Hardware:
    """What it is trained on."""

    gpu: str | None = options.option(
        "NAME",
        "Hours, energy and money on this accelerator: h100.",
        complete=options.complete("planning.hardware.names"),
    )
    gpus: int | None = options.option("K", "How many: days are told.")
    mfu: float = options.option("SHARE", "Share of the peak that is reached.", default=0.4)
    price: float | None = options.option("DOLLARS", "For an hour of one. Default: a dated list.")
    vocabulary: int = options.option(
        "V", "Entries of the embedding of the sketched model.", "--vocab", default=0
    )


@options.command
def plan(wanted: Wanted, hardware: Hardware, asking: options.Telling) -> None:
    """Find the best size and tokens for a budget, or the least budget for a loss.

    Sizes come with the range that the fit's draws give, each with its own best split, and with
    the sizes that lose next to nothing: where that valley is wide, take what suits you. Losses
    are forecasts, with the range of a new run.
    """
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.cli._inputs import read_others
    from scaling_cli.verbs import _stored
    from scaling_cli.verbs import plan as verb

    law = kinds.load(wanted.fit or _stored.default()[0], Fit).law
    others = {s: v[0] for s, v in read_others(wanted.input, law).items()}
    asked = {**vars(wanted), **vars(hardware), **others}
    fit, budgets, _ = (asked.pop(name) for name in ("fit", "compute", "input"))
    answer = verb.plan(fit, C=budgets or (), **asked)
    asking.tell(answer)
