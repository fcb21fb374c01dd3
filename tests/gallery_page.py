"""Draw docs/gallery: one figure of each kind, of what this project measured, and their page.

python tests/gallery_page.py draws; a figure is made of runs and fits in the repository, so anyone
gets the same. Pictures are small: a palette of 96 colours holds what lines and points need.
"""

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import scaling_cli as sc
from scaling_cli import plots
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.plots import _compare
from scaling_cli.verbs.compare import pairs_of

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "gallery"
PAGE = ROOT / "docs" / "gallery.md"
# What 0.1.0 wrote of the shipped runs; a test holds that it still loads.
STORED = ROOT / "tests" / "artefacts" / "v0.1.0"
COLOURS = 96
HEAD = """\
# Gallery

One figure of each kind that `scaling plot FIT --kind NAME` draws, of this project's own runs (for
`isoflop` they are simulated). What lies beyond the fitted runs is dashed or shaded.
Which kinds a fit has: [figures](fitting.md#figures). This page is written from the files of
`scaling_cli/plots/` by `python tests/gallery_page.py`.
"""
# Figures that a command of their own draws of things that are not stored.
OTHERS = {"compare": "scaling compare A B -o compare.png"}


def drawn(kind: str) -> Any:
    """Return what a figure is drawn of here."""
    if kind == "isoflop":
        return slices()
    stored = sc.load(STORED / f"{plots.draws(kind)[0]}.json")
    if kind == "schedules":
        return replace(stored, runs=stored.runs[:4])
    return stored


@cache
def slices() -> Any:
    """Return a fit of 35 simulated runs at five budgets: the ladder's budgets are one run each."""
    law = Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28)
    budget, ratio = (
        grid.ravel() for grid in np.meshgrid(np.geomspace(1e18, 1e20, 5), np.geomspace(0.2, 5, 7))
    )
    best = np.asarray(law.optimal_params(C=budget))
    N, D = best * ratio, budget / (6 * best * ratio)
    noise = np.exp(0.002 * np.random.default_rng(0).standard_normal(len(N)))
    return sc.fit({"params": N, "tokens": D, "loss": law(N=N, D=D) * noise}, bootstrap=0)


def table(kind: str) -> Any:
    """Return the numbers of a figure."""
    return sc.plot(drawn(kind), kind).table


def compared() -> Any:
    """Return the numbers of the figure of three recipes: models of three widths."""
    runs = sc.read(ROOT / "data" / "ladder" / "runs.csv")
    first, pairs = pairs_of(sc.compare(runs, by="width", fitting={"law": "kaplan_d"}))
    return _compare.table(f"width {first}", {f"width {n}": pairs[n] for n in ("48", "96")})


def picture(kind: str) -> bytes:
    """Return a figure as a small PNG file."""
    other = kind in OTHERS
    figure = plots.drawn(_compare, compared()) if other else plots.figure(kind, table(kind))
    large, stream = plots.png(figure), io.BytesIO()
    small = Image.open(io.BytesIO(large)).convert("RGB").quantize(COLOURS)
    small.save(stream, format="png", optimize=True)
    return stream.getvalue()


def page() -> str:
    """Return the page: a heading, what a figure shows, and the figure, of each kind."""
    return HEAD + "".join(map(_entry, sorted([*plots.names(), *OTHERS])))


def _entry(kind: str) -> str:
    """Return what a figure's file says of it in its first paragraph, and its picture."""
    module = _compare if kind in OTHERS else plots.get(kind)
    said = " ".join((module.__doc__ or "").partition("\n\n")[0].split())
    how = f" (`{OTHERS[kind]}`)" if kind in OTHERS else ""
    return f"\n## {kind}\n\n{said}{how}\n\n![{kind}](gallery/{kind}.png)\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in (*plots.names(), *OTHERS):
        (FOLDER / f"{name}.png").write_bytes(picture(name))
    PAGE.write_text(page(), encoding="utf8")
