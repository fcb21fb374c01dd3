"""The page in a real browser: no network, no error, and what a slider says is what Python says."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cli_fits
import pytest

import scaling_cli as sc

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[tuple[Any, list[str]]]:
    """The page of a fit, loaded without network, and what its console complained of."""
    sc.report(cli_fits.fit()).save(tmp_path / "report.html")
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 800})
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: complaints.append(r.url) if r.url.startswith("http") else None)
    page.goto((tmp_path / "report.html").as_uri())
    yield page, complaints
    context.close()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def said(page: Any) -> list[float]:
    return [*numbers(page.inner_text("#told-forecast")), *numbers(page.inner_text("#told-range"))]


def expected(**inputs: float) -> list[float]:
    told = cli_fits.fit().predict(**inputs)
    assert told.new_run is not None and told.mean is not None
    every = [told.forecast, *told.new_run, *told.mean]
    return [float(value[0]) for value in every]


def test_it_loads_without_network_and_says_the_headline(shown: tuple[Any, list[str]]) -> None:
    page, complaints = shown
    assert page.inner_text("h1").startswith("chinchilla fitted to")
    assert page.is_visible("#try")
    assert said(page) == pytest.approx(expected(**cli_fits.OPTIMUM_AT_1E23), abs=6e-5)
    assert complaints == []


def test_typing_and_moving_ask_for_another_run(shown: tuple[Any, list[str]]) -> None:
    page, complaints = shown
    page.fill("#in-N", "7B")
    page.fill("#in-D", "140B")
    assert said(page) == pytest.approx(expected(N=7e9, D=1.4e11), abs=6e-5)
    page.focus("#move-N")
    page.keyboard.press("Home")
    low = float(page.get_attribute("#move-N", "data-low"))
    assert said(page) == pytest.approx(expected(N=low, D=1.4e11), abs=6e-5)
    page.fill("#in-C", "1e24")
    law = cli_fits.LAW
    best = {"N": law.optimal_params(1e24), "D": law.optimal_tokens(1e24)}
    assert said(page) == pytest.approx(expected(**best), abs=6e-5)
    assert page.locator("#curve circle").count() == 2
    page.fill("#in-N", "many")
    assert page.inner_text("#wrong") == "That is no number: write 7B, 300M or 1e24."
    assert complaints == []


def test_it_fits_a_phone_and_works_without_scripts(browser: Any, tmp_path: Path) -> None:
    sc.report(cli_fits.fit()).save(tmp_path / "report.html")
    context = browser.new_context(
        offline=True, java_script_enabled=False, viewport={"width": 390, "height": 800}
    )
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert not page.is_visible("#try")
    assert page.is_visible(".answer")
    page.set_viewport_size({"width": 390, "height": 800})
    box = page.locator("main").bounding_box()
    assert box["x"] + box["width"] <= 390
    context.close()
