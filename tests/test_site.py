"""The site's pages: every member of a registry has one, and every link leads to a page."""

from pathlib import Path

import pytest
import site_pages
from site_pages import Page

from scaling_cli import curve_laws, laws, learning_curves
from scaling_cli.cli import _commands
from scaling_cli.ingest import formats
from scaling_cli.ingest._trainers import dialects
from scaling_cli.point_fits.checklist import ITEMS
from scaling_cli.verbs import laws as catalogue


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return {page.place: page for page in site_pages.pages(figures=False)}


def test_every_member_of_a_registry_has_a_page(pages: dict[str, Page]) -> None:
    every = (*laws.names(), *curve_laws.names(), *learning_curves.names())
    expected = {f"laws/{name}.md" for name in every}
    expected |= {f"checks/{item.code}.md" for item in ITEMS}
    expected |= {f"log/{name}.md" for name in (*formats(), *(d.names[0] for d in dialects()))}
    expected |= {f"commands/{name}.md" for name in _commands.names()}
    assert expected - pages.keys() == set()


def test_every_link_leads_to_a_page_or_a_picture(pages: dict[str, Page]) -> None:
    docs = Path(__file__).parents[1] / "docs"
    aside = {str(p.relative_to(docs)) for p in docs.rglob("*") if p.suffix in site_pages.ASIDE}
    lost = {p.place: site_pages.links(p) - pages.keys() - aside for p in pages.values()}
    assert {place: targets for place, targets in lost.items() if targets} == {}


def test_every_page_is_in_the_navigation_once(pages: dict[str, Page]) -> None:
    lines = site_pages.navigation([*pages.values()]).splitlines()
    placed = [line.rpartition(": ")[2] for line in lines if line.startswith("      - ")]
    assert sorted(placed) == sorted(pages)


def test_an_overview_links_to_the_pages_of_its_members(pages: dict[str, Page]) -> None:
    assert "| [`chinchilla`](laws/chinchilla.md) |" in pages["laws.md"].text
    assert "| R1 | [`data.range`](checks/data.range.md) |" in pages["checklist.md"].text
    assert "|  | [`data.alike`](checks/data.alike.md) |" in pages["checklist.md"].text
    assert "[docs/report.md](report.md)" in pages["index.md"].text


def test_the_page_of_a_law_tells_what_its_file_declares(tmp_path: Path) -> None:
    record = catalogue.laws("kaplan_n").to_dict()["laws"][0]
    page = site_pages.law(record, figures=True)
    assert page.figure == ("kaplan_n/kaplan-2020", "loss")
    assert "L(N) = (Nc/N)^alpha" in page.text
    assert "Nc = 8.8e+13, alpha_N = 0.076" in page.text  # arXiv:2001.08361, table 5
    assert "$ scaling check kaplan_n/kaplan-2020" in page.text
