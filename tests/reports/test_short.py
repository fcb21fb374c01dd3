"""`print(thing)`: one first screen for every kind, found by the kind's name alone."""

from dataclasses import replace
from pathlib import Path

import cli_fits
import numpy as np
import pytest

import scaling_cli as sc
from scaling_cli import reports
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.batch_fit import BatchFit, BatchTrajectory
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.forecast import Forecast, Forecasts, Known, Seen
from scaling_cli.artefacts.forecast import Path as Curve
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.reports import hparams, prediction
from scaling_cli.vocabulary.outcomes import Status
from scaling_cli.vocabulary.registry import files_of
from scaling_cli.vocabulary.shown import Shown

ROOT = Path(__file__).parents[2]
CURVES = "multi_power/luo-2025-25m"


def made(**changes: object) -> Forecast:
    known = Known("constant:peak=0.001", "given", "--schedule", None, 200.0)
    path = Curve(*[np.array([100.0, 200.0])] * 4)
    first = Forecast(
        run="a\033[1m",
        unit="steps",
        seen=Seen(100.0, None, 3.0, 20),
        until=200.0,
        value=2.5,
        level=0.9,
        interval=(2.4, 2.6),
        one_value=(2.3, 2.7),
        valid=True,
        method="law",
        schedule=known,
        path=path,
    )
    return replace(first, **changes)


def things() -> dict[str, object]:
    curves = kinds.load(CURVES, CurveFit)
    fit = cli_fits.fit()
    trajectory = BatchTrajectory(Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21, floor=1.5)
    return {
        "fit": fit,
        "published": cli_fits.published(),
        "prediction": fit.predict(N=7e9, D=1e12),
        "curve_fit": curves,
        "curve_prediction": curves.predict("cosine:peak=3e-4,warmup=2160,steps=24000"),
        "batch_fit": BatchFit(trajectory=trajectory, status=Status.PUBLISHED, n_points=0),
        "forecast": made(),
        "forecasts": Forecasts((made(), made(run="b"))),
        "runs": sc.read(str(ROOT / "data/ladder/runs.csv")),
    }


@pytest.mark.parametrize("name", things())
def test_every_kind_has_a_short_report(name: str) -> None:
    thing = things()[name]
    for text in (reports.short(thing), reports.text(reports.blocks(thing, full=True))):
        # A schedule's text is one word, however long.
        assert text and all(len(x) <= 80 or len(x.split()) == 1 for x in text.splitlines())
        assert "\033" not in text
    assert not reports.short(thing).endswith("\n")
    html = reports.short_html(thing)
    assert html.startswith("<div>") and html.endswith("</div>\n")


def test_a_recipe_shows_its_laws() -> None:
    text = reports.text(hparams.blocks(kinds.load("li-2025", Recipe)))
    assert text.startswith("step_learning_rate   lr = c N^alpha D^beta   ")
    assert "\nstep_batch   B = c D^beta   " in text
    assert max(map(len, text.splitlines())) <= 80


def test_short_is_the_first_screen() -> None:
    fit = cli_fits.fit()
    assert reports.short(fit) + "\n" == reports.text(reports.blocks(fit))
    assert reports.short(things()["forecast"]).startswith("a\\x1b[1m   100 of 200 steps")
    shown = reports.short(fit.predict(N=7e9, D=1e12))
    assert shown.splitlines()[0].split() == [
        "N",
        "D",
        "C",
        "loss",
        "90",
        "%",
        "new",
        "run",
        "beyond",
        "data",
    ]


def test_a_share_beyond_its_range_is_said_as_it_is() -> None:
    """Of what may be zero no factor says how far: the fitted range does."""
    inside = cli_fits.fit().predict(N=7e9, D=1e12)
    beyond = {"C": np.array([2.5]), "q": np.array([1.5])}
    shown = replace(inside, extrapolation=beyond, linear={"q": (0.0, 0.5)})
    assert prediction.reach(shown, 0) == "C\u00a0x2.5, q\u00a0outside\u00a00\u00a0to\u00a00.5"
    assert prediction.reach(replace(shown, extrapolation={}), 0) == "unknown"
    assert prediction.reach(replace(shown, extrapolation={"q": np.array([1.0])}), 0) == "inside"


def test_every_class_that_is_shown_names_its_report() -> None:
    shown = [
        thing
        for thing in map(sc.__getattr__, set(dir(sc)) - {"__version__"})
        if isinstance(thing, type)
    ]
    named = {of.report for of in shown if issubclass(of, Shown) and of is not sc.Answer}
    assert {"fit", "curve_fit", "hparams", "prediction", "runs", "forecast"} <= named
    assert named <= set(files_of("scaling_cli.reports"))
