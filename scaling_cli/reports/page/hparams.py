"""The page of a recipe for learning rate and batch."""

from collections.abc import Iterator

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.hparams import Advice, Recipe, advise
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports import hparams as report
from scaling_cli.reports._blocks import Block, Labelled, Text
from scaling_cli.reports.page import _origins, _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture
from scaling_cli.vocabulary.quantities import D, N

ASSUMED = (
    "That the best learning rate and batch of larger runs follow the laws through the optima of "
    "these, with the same optimiser, schedule and data.",
)
UNCHECKED = "No checklist is kept with a recipe: look at its cells below, and at how flat they are."
TYPICAL = {N.symbol: 7e9, D.symbol: 1e12}


def of(recipe: Recipe, name: str) -> Page:
    """Return the page of a recipe."""
    asked = advise(recipe, **_largest(recipe))
    checks = [check for fit in recipe.fits().values() for check in fit.checks]
    left = _fitted.left_out(recipe.left_out, full=True)
    rate = recipe.learning_rate
    picture = Picture(
        "loss", "The learning rate of least loss", "Optima as dots, the law as a line.", None
    )
    pictures, why = _parts.pictures(rate, picture) if rate.data.get("points") else ([], "")
    return Page(
        title=f"A recipe of {_numbers.count(len(recipe.cells), 'cell')}" if recipe.cells else name,
        what=recipe.what,
        name=name,
        answer=[*_answer(asked)],
        careful=_parts.careful(checks) if checks else [Text([UNCHECKED])],
        checked=_parts.passed(checks),
        backtest=[fit_report.backtest(f) for f in recipe.fits().values() if f.backtest],
        assumed=[Text(ASSUMED), Labelled("notes", recipe.notes)],
        exact=[
            *report.blocks(recipe, full=True),
            *(part for fit in recipe.fits().values() for part in _law(fit)),
        ],
        left_out=[Labelled("runs", left or ["none"])],
        numbers=[*_numbers_of(recipe, asked)],
        command=[*_parts.commands(recipe.command, name)],
        pictures=pictures,
        without_pictures=why,
        facts={"warnings": _parts.warnings(checks)},
    )


def _largest(recipe: Recipe) -> dict[str, float]:
    """Return the largest size and data that a law was fitted to."""
    ranges = [fit.data.get("ranges") or {} for fit in recipe.fits().values()]
    return {s: max((r[s][1] for r in ranges if s in r), default=v) for s, v in TYPICAL.items()}


def _answer(asked: Advice) -> Iterator[str]:
    size, tokens = _numbers.rounded(asked.N), _numbers.rounded(asked.D)
    rate, batch = asked.learning_rate, asked.batch
    told = f"learning rate of about {float(rate.value[0]):.2g}"
    if rate.new_run is not None:
        low, high = (float(end[0]) for end in rate.new_run)
        told += f" ({_numbers.level(asked.level)} range {low:.2g} to {high:.2g})"
    if batch is not None:
        told += f" and a batch of about {_numbers.rounded(float(batch.value[0]))} tokens"
    yield f"A model of {size} parameters on {tokens} tokens trains best with a {told}."


def _law(fit: Fit) -> list[Block]:
    data, law = fit_report.specification(fit)
    return [data, law, Labelled("digests", _origins.digests(fit.data))]


def _numbers_of(recipe: Recipe, asked: Advice) -> Iterator[Number]:
    for made in (asked.learning_rate, asked.batch):
        if made is None:
            continue
        ends = [float(end[0]) for end in made.new_run] if made.new_run else None
        at = f"{made.column}, N = {asked.N:.3g}, D = {asked.D:.3g}"
        yield Number(at, float(made.value[0]), Origin.COMPUTED, "the law", "", ends, asked.level)
    for fit in recipe.fits().values():
        units = {name: p.unit for name, p in fit.law.parameters().items()}
        values = {f"{laws.name_of(fit.law)}.{k}": v for k, v in fit.parameters.items()}
        spans = {f"{laws.name_of(fit.law)}.{k}": v for k, v in fit.intervals.items()}
        held, published = fit.selection.get("fix") or {}, fit.origin.get("kind") == "published"
        yield from _origins.parameters(values, spans, units, held, published)
        yield from _origins.ranges(fit.data, {})
    for cell in recipe.cells:
        at = f"best rate at N = {cell['N']:.3g}, D = {cell['D']:.3g}"
        yield Number(at, cell["lr"], Origin.COMPUTED, f"{cell['runs']} runs")
    yield Number("runs left out", float(len(recipe.left_out)), Origin.READ, "listed above")
