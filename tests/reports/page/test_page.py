"""A page to send: what stands on it, that nothing is fetched, that no name can end a script."""

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import cli_fits
import command_line
import jinja2
import pytest

import scaling_cli as sc
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.reports.page import Report, _writer, is_stored
from scaling_cli.reports.page._page import Origin
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level
from scaling_cli.vocabulary.quantities import parse_number

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "tests" / "artefacts" / "v0.1.0"
LADDER = ROOT / "data" / "ladder" / "runs.csv"
CERTIFIED = ("chinchilla/ladder", "multi_power/luo-2025-25m", "li-2025", "kaplan_n/kaplan-2020")
THINGS = (*(str(STORED / f"{kind}.json") for kind in kinds.KINDS.names()), *CERTIFIED)
SECTIONS = {"answer", "what-to-be-careful-about", "what-was-left-out", "to-make-it-again"}
NASTY = "<script>alert('x')</script>"
LOADS = ("src", "href", "xlink:href", "srcset", "data", "action", "poster")


class Elements(HTMLParser):
    """What a page holds: its elements with their attributes, and its words outside scripts."""

    VOID = frozenset(["meta", "link", "br", "input", "img"])

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.found if (value := attrs.get(name))]


def page_of(thing: Any) -> Elements:
    html = sc.report(thing).html()
    assert len(html.encode()) < 2**20
    return Elements(html)


@pytest.mark.parametrize("thing", THINGS, ids=lambda t: Path(t).stem)
def test_every_kind_has_a_whole_page_that_fetches_nothing(thing: str) -> None:
    page = page_of(thing)
    assert page.open == []
    assert page.found[0] == ("html", {"lang": "en"})
    identities = page.attributes("id")
    assert len(identities) == len(set(identities))
    assert set(identities) >= SECTIONS
    fetched = [v for name in LOADS for v in page.attributes(name) if v[:1] != "#"]
    assert [v for v in fetched if not v.startswith("data:")] == []
    (policy,) = (a["content"] for t, a in page.found if t == "meta" and "http-equiv" in a)
    assert (policy or "").startswith("default-src 'none'")
    headings = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    pictures = [attrs for tag, attrs in page.found if tag == "svg"]
    assert all(set((p["aria-labelledby"] or "").split()) <= set(identities) for p in pictures)


@pytest.mark.parametrize("thing", THINGS, ids=lambda t: Path(t).stem)
def test_the_same_thing_is_said_in_short_markdown_and_in_numbers(thing: str) -> None:
    report = sc.report(thing)
    text, record = report.markdown(), report.to_dict()
    assert len(text.encode()) < 60_000
    assert text.startswith("# ")
    assert "## Every number, and where it comes from" in text
    assert record["answer"] and record["numbers"]
    assert {n["origin"] for n in record["numbers"]} <= set(map(str, Origin))
    json.dumps(record, allow_nan=False)


@pytest.fixture(scope="module")
def ladder() -> Report:
    return sc.report("chinchilla/ladder")


def test_the_first_sentence_holds_the_answer_and_its_range() -> None:
    fit = replace(cli_fits.fit(), data={**cli_fits.fit().data, "points": None})
    prediction = fit.predict(**cli_fits.OPTIMUM_AT_1E23)
    assert prediction.new_run is not None
    report = sc.report(fit)
    first = report.page.answer[0]
    assert first.startswith("A run of 10 times the compute of the largest here should reach a loss")
    value, low, high = map(float, re.findall(r"\d\.\d+", first))
    assert value == pytest.approx(float(prediction.forecast[0]), abs=0.006)
    assert [low, high] == pytest.approx([float(e[0]) for e in prediction.new_run], abs=0.006)
    record = {n["name"]: n for n in report.to_dict()["numbers"]}
    told = record["loss, a new run"]
    assert told["value"] == float(prediction.forecast[0])
    assert told["interval"] == [float(end[0]) for end in prediction.new_run]


def test_numbers_say_whether_they_were_declared_read_assumed_or_computed() -> None:
    made = replace(
        cli_fits.fit(),
        selection={"level": 0.8, "seed": 0, "fix": {"E": 1.8172}},
        command="scaling fit runs.csv --level 0.8 --fix E=1.8172",
    )
    origins = {n["name"]: n["origin"] for n in sc.report(made).to_dict()["numbers"]}
    wanted = {
        "coverage of intervals": "declared",
        "seed of everything random": "assumed",
        "E": "declared",
        "alpha": "computed",
        "largest N (model parameters)": "read",
        "largest C (training compute)": "computed",
        "points": "read",
        "drift of the law per decade": "assumed",
        "objective": "computed",
    }
    assert {name: origins[name] for name in wanted} == wanted


def test_every_warning_and_every_run_that_was_left_out_is_told() -> None:
    warned = [Check(f"data.{i}", Level.WARN, f"warning {i} & more.") for i in range(5)]
    warned.append(Check("fit.spec", Level.FAIL, "a failure."))
    left = [LeftOut(f"run{i}", "its loss is NaN") for i in range(40)]
    fit = replace(cli_fits.fit(), checks=warned, left_out=left)
    words, text = page_of(fit).words, sc.report(fit).markdown()
    for check in warned:
        assert f"{check.code}: {check.message}" in words
        assert check.code in text
    for item in left:
        assert re.search(rf"{item.run}\b", words)
    record = sc.report(fit).to_dict()
    assert [w["code"] for w in record["facts"]["warnings"]] == [c.code for c in warned]


def test_no_name_becomes_markup() -> None:
    fit = cli_fits.fit()
    left = [LeftOut(NASTY, NASTY)]
    nasty = replace(
        fit,
        name=NASTY,
        left_out=left,
        checks=[Check("data.range", Level.WARN, NASTY)],
        selection={**fit.selection, "target": "</script><b>"},
        command=f"scaling fit '{NASTY}'",
    )
    html = sc.report(nasty).html()
    assert NASTY not in html
    assert "</script><b>" not in html
    page = Elements(html)
    assert page.words.count(NASTY) >= 4
    plain = Elements(sc.report(fit).html())
    assert [t for t, _ in page.found].count("script") == [t for t, _ in plain.found].count("script")
    lines = sc.report(nasty).markdown().splitlines()
    assert [line for line in lines if NASTY in line and not line.startswith("    ")] == []


def test_a_name_of_a_run_in_a_figure_is_no_markup() -> None:
    test = kinds.load(STORED / "backtest.json", Backtest)
    cut = replace(test.cuts[0], held_out=(NASTY,))
    assert NASTY not in sc.report(replace(test, cuts=(cut,), name=NASTY)).html()


def test_the_command_makes_the_thing_and_its_page_again() -> None:
    fit = str(STORED / "fit.json")
    report = sc.report(fit)
    made, page = report.page.command
    assert made == kinds.load(fit).command
    assert page == f"scaling report {fit} -o report.html"


def test_very_many_runs_and_drops_stay_below_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [LeftOut(f"run-of-a-long-name-{i}", "its loss is NaN") for i in range(4000)]
    fit = replace(cli_fits.fit(), left_out=left)
    report = sc.report(fit)
    assert len(report.html().encode()) < 2**20
    text = report.markdown()
    assert len(text.encode()) < 60_000
    page = Elements(report.html())
    assert page.found[[a.get("id") for _, a in page.found].index("what-was-left-out") + 1][0] == (
        "details"
    )
    assert "Too long for here: What was left out. The HTML report has it." in text
    monkeypatch.setattr(_writer, "LARGEST_DRAWING", 10)
    page = Elements(sc.report("chinchilla/ladder").html())
    shown = [a["src"] or "" for tag, a in page.found if tag == "img"]
    assert shown and all(s.startswith("data:image/png;base64,") for s in shown)
    assert all(a["alt"] for tag, a in page.found if tag == "img")


def test_without_jinja2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    _writer._template.cache_clear()
    with pytest.raises(UsageError) as refused:
        sc.report(cli_fits.fit()).html()
    assert (refused.value.message, refused.value.hint) == (
        "an HTML report needs the package jinja2, which is not installed.",
        "pip install 'scaling-cli[report]', or --format md",
    )


def test_the_template_escapes_by_itself() -> None:
    template = _writer._template()
    assert isinstance(template, jinja2.Template)
    assert template.environment.autoescape is True


def test_a_thing_without_a_page_of_its_own_has_its_whole_report() -> None:
    report = sc.report(sc.hparams(params=7e9, tokens=1e12))
    assert "learning rate" in report.page.answer[0]
    assert len(page_of(sc.hparams(params=7e9, tokens=1e12)).words) > 500


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("fit.json")
    return tmp_path


def test_the_page_is_written_where_it_is_wanted(here: Path) -> None:
    assert command_line.run("report", "fit.json").stdout == "report.html\n"
    assert (here / "report.html").read_text("utf8").startswith("<!doctype html>")
    result = command_line.run("report", "fit.json", "-o", "there.md")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "there.md\n", "")
    text = command_line.run("report", "fit.json", "--format", "md").stdout
    assert (here / "there.md").read_text("utf8") == text
    record = json.loads(command_line.run("report", "fit.json", "--json").stdout)
    assert (record["name"], record["file"]) == ("fit.json", None)
    assert sorted(p.name for p in here.iterdir()) == ["fit.json", "report.html", "there.md"]


def test_of_runs_it_says_what_was_understood(here: Path) -> None:
    result = command_line.run("report", LADDER, "--format", "md")
    assert result.exit_code == 0
    head = result.stdout.splitlines()[0]
    assert head.startswith("# What was understood of ") and head.endswith(" runs")
    assert f"scaling fit {LADDER} -o fit.json" in result.stdout
    table = {"N": [1e7, 1e8], "D": [1e9, 2e9], "loss": [3.1, 3.0]}
    bare = sc.report(sc.read({"run_id": ["a", "b"], "params": table["N"], "tokens": table["D"]}))
    assert bare.page.answer[0].startswith("2 runs can be read")
    spans = re.search(r"N from (\S+) to (\S+),", result.stdout)
    assert spans is not None
    low, high = map(parse_number, spans.groups())
    assert (low, high) == (pytest.approx(26124, rel=1e-3), pytest.approx(1271200, rel=1e-3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "report.pdf"],
            "error: cannot write a report as 'report.pdf'.\n"
            "hint: Use a name that ends in .html, .htm, .md.\n",
        ),
        (
            ["--map", "loss=ppl"],
            "error: fit.json is no log: --map says nothing about it.\nhint: Leave it out.\n",
        ),
        (["--format", "pdf"], "error: --format must be html or md, not 'pdf'.\n"),
        (
            ["--format", "md", "-o", "r.html"],
            "error: --format md and -o r.html contradict each other.\n",
        ),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], message: str, here: Path) -> None:
    result = command_line.run("report", "fit.json", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_stored_things_are_told_from_logs(here: Path) -> None:
    Path("trainer_state.json").write_text('{"log_history": []}', encoding="utf8")
    assert is_stored("fit.json") and is_stored("chinchilla/ladder") and is_stored("li-2025")
    assert not is_stored("trainer_state.json")
    assert not is_stored("runs/*.csv")
