"""Forecast where a running job will end, with an interval, and watch it."""

from typing import Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

EXAMPLE = """
scaling forecast run.csv --until 24000 --schedule cosine:peak=3e-4,warmup=2000,steps=24000
scaling forecast run.csv --until '1.5T tokens' --siblings 'finished/*.csv' -o forecast.png
scaling forecast run.csv --json > forecast.json && scaling forecast run.csv --against forecast.json
"""
ORDER = 42

RunSources = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Logs of running jobs: files, folders, globs, a store, or -.",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="STEP|TOKENS",
        help="Where they end: 24000, 24k, '1.5T tokens'; steps, unless it says tokens or is 1e9 "
        "or more. Default: the end of the schedule.",
    ),
]
ScheduleText = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        metavar="TEXT",
        help="The learning rate of the whole run: FAMILY:option=value,... ('scaling schedule').",
    ),
]
Siblings = Annotated[
    list[str] | None,
    typer.Option(metavar="SRC", help="Finished runs on the same data; they inform the forecast."),
]
CurveFitFile = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FILE|NAME",
        help="A fit of loss curves: what it predicts under the run's schedule is one sibling.",
        autocompletion=options.complete_fit,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="law; families: learning curves over the area under the learning rate, or over steps "
        "where none is known; power: a power law in steps, which sees no rate.",
    ),
]
Combine = Annotated[
    str,
    typer.Option(
        metavar="HOW", help="Weights of families: stack, average (Bayesian, by BIC) or equal."
    ),
]
UniqueTokens = Annotated[
    str | None,
    typer.Option(metavar="U", help="Distinct training tokens: too many passes are warned about."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The figure as .png, .svg or .pdf, or the forecast as .json.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--levels",
        metavar="NATS",
        help="Add the levels of anticipation: from where forecasts can be believed, and where no "
        "more than this is left to gain.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A stored forecast (--json): exit 1 if the losses logged since have left its band.",
    ),
]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow",
        help="Forecast again as the log grows; exit 1 when it leaves the band of the first "
        "forecast (or of --against).",
    ),
]
Every = Annotated[
    float, typer.Option(metavar="SECONDS", help="How often --follow looks at the log.")
]
Patience = Annotated[
    int, typer.Option(metavar="K", help="Checks outside the band in a row that count as leaving.")
]


def forecast(
    *,
    sources: RunSources,
    until: Until = None,
    schedule: ScheduleText = None,
    siblings: Siblings = None,
    fit: CurveFitFile = None,
    level: options.ConfidenceLevel = 0.9,
    method: Method = "law",
    combine: Combine = "stack",
    target: options.Target = None,
    unique_tokens: UniqueTokens = None,
    threshold: Threshold = None,
    against: Against = None,
    follow: Follow = False,
    every: Every = 30.0,
    patience: Patience = 3,
    output: Output = None,
    mapped: options.Map = None,
    constants: options.Set = None,
    meta: options.Meta = None,
    name: options.Name = None,
    format: options.Format = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Forecast where a running job will end, with an interval, and watch it.

    The schedule is the first of: --schedule, the column of that name, what the logged learning
    rate follows, the shape of siblings; without any, three scenarios are printed side by side and
    the headline is marked as assumed.
    """
    del debug
    from scaling_cli.cli._forecast import Asked
    from scaling_cli.vocabulary.errors import UsageError

    terminal = Terminal(json=json, quiet=quiet)
    how = {"mapped": mapped, "constants": constants, "meta": meta, "name": name, "format": format}
    asked = Asked(
        sources,
        siblings or [],
        how,
        target,
        terminal,
        {
            "until": until,
            "schedule": schedule,
            "level": level,
            "method": method,
            "unique_tokens": _unique(unique_tokens),
            "fit": _fit(fit),
            "threshold": threshold,
            "combine": combine,
        },
        full,
    )
    path = _writable(output)
    if patience < 1:
        raise UsageError(f"--patience must be 1 or more, not {patience}.")
    if follow:
        _refuse_file(path)
        asked.follow(against, every, patience)
    elif against is not None:
        _refuse_figure(path)
        asked.compare(against, patience, path)
    else:
        asked.once(path)


def _unique(text: str | None) -> float | None:
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import U, parse_number

    value = None if text is None else parse_number(text, U)
    if value is not None and not value > 0:
        raise UsageError(f"--unique-tokens must be positive, not {text}.")
    return value


def _fit(path: str | None) -> Any:
    """Return the stored fit of loss curves."""
    if path is None:
        return None
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.curve_fit import CurveFit

    return kinds.load(path, CurveFit)


def _writable(path: str | None) -> str | None:
    from pathlib import Path

    from scaling_cli import plots
    from scaling_cli.cli._output import writable
    from scaling_cli.vocabulary.errors import UsageError

    if path is not None and Path(path).suffix.lower() not in (*plots.SUFFIXES, ".json"):
        raise UsageError(
            f"cannot write {path}: it is neither a figure nor .json.",
            hint=f"Use a name that ends in {', '.join((*plots.SUFFIXES, '.json'))}.",
        )
    return writable(path)


def _refuse_file(path: str | None) -> None:
    from scaling_cli.vocabulary.errors import UsageError

    if path is not None:
        raise UsageError("--follow writes no file.", hint="Leave -o out, or --follow.")


def _refuse_figure(path: str | None) -> None:
    from scaling_cli.vocabulary.errors import UsageError

    if path is not None and not path.lower().endswith(".json"):
        raise UsageError("--against writes .json, no figure.", hint="Leave --against out for one.")
