"""Three writers of one report: nothing is lost, too wide, or foreign to what it is shown in."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from scaling_cli import reports
from scaling_cli.reports import _text
from scaling_cli.reports._blocks import Command, Labelled, Notes, Table, Text, filled, section
from scaling_cli.reports._text import Style

WORDS = st.text("abcdefgh", min_size=1, max_size=12)
SENTENCES = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(WORDS, WORDS, SENTENCES, SENTENCES), min_size=1, max_size=6)
HEADERS = ["name", "value", "meaning", "why"]
ESCAPES = re.compile(r"\033\[[0-9;]*m")
SPECIAL = ["a|b", "<script>", "*bold*", "`code`", "[x](y)", "a & b", "# no", "~~no~~", "$x_1$"]


def written(*parts: reports.Block, style: Style | None = None) -> str:
    return reports.text(list(parts), style)


@given(ROWS, st.integers(min_value=40, max_value=120))
def test_a_table_fits_and_every_word_is_there(
    rows: list[tuple[str, str, str, str]], width: int
) -> None:
    text = written(Table(HEADERS, rows, "<>^^"), style=Style(width=width))
    assert max(map(len, text.splitlines())) <= width
    words = [word for row in rows for cell in row for word in cell.split()]
    assert not set(words) - set(text.split())


@given(ROWS)
def test_a_table_that_fits_has_a_line_per_row(rows: list[tuple[str, str, str, str]]) -> None:
    lines = written(Table(HEADERS, rows, "<>^^"), style=Style(width=1000)).splitlines()
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split() == " ".join(row).split()


def test_columns_are_shrunk_then_the_first_goes_above_then_values_have_their_headers() -> None:
    table = Table(["run", "a", "b"], [["x" * 20, "1 2 3 4 5 6", "one two three"]], "<^^")
    assert written(table, style=Style(width=44)) == (
        "run                   a           b\n"
        "xxxxxxxxxxxxxxxxxxxx  1 2 3 4 5   one two\n"
        "                      6           three\n"
    )
    wide = Table(["run", "first", "second"], [["x" * 20, "y" * 15, "z" * 15]], "<><")
    assert written(wide, style=Style(width=40)) == (
        f"run\n            first  second\n{'x' * 20}\n  {'y' * 15}  {'z' * 15}\n"
    )
    assert written(wide, style=Style(width=30)) == (
        f"{'x' * 20}\n  first {'y' * 15}\n  second {'z' * 15}\n"
    )


def test_blocks_of_a_kind_stand_together_and_others_apart() -> None:
    text = written(
        Text(["one", "two"]),
        Labelled("data", ["24 runs"]),
        Command("next", ["scaling predict"]),
        Notes("info", ["first"]),
        Notes("warn", ["second", "third"]),
        Notes("fail", ["fourth"]),
        section("title", ["below"]),
        Table(["a", ""], [["1", "2"]], "<>", title="table", notes=["a note"]),
    )
    assert text == (
        "one\ntwo\n\n"
        "data      24 runs\nnext      scaling predict\n\n"
        "first\n! second\n! third\nFAIL fourth\n\n"
        "title\n  below\n\n"
        "table\n  a\n  1  2\n  a note\n"
    )


@pytest.mark.parametrize(
    "block",
    [
        Text([]),
        Text([""]),
        Labelled("x", []),
        section("x", []),
        Notes("warn", []),
        Command("x", []),
    ],
)
def test_what_is_empty_is_not_written(block: reports.Block) -> None:
    assert written(block) == ""
    assert written(Table(["a"], [], "<", title="t")) == ""
    assert written(Text(["a"]), block, Text(["b"])) == "a\n\nb\n"


def test_text_is_wrapped_and_numbers_keep_their_percent_sign() -> None:
    assert _text.wrap("about 12 % of it", 9) == ["about", "  12\u00a0% of", "  it"]
    assert written(Labelled("label", ["word " * 20])).splitlines()[1].startswith(" " * 10 + "word")
    long = "scaling predict --fit a.json --schedule " + "x" * 50
    assert written(Command("next", [long])) == (
        "next      scaling predict \\\n"
        f"            --fit a.json \\\n            --schedule {'x' * 50}\n"
    )


def test_columns_without_content_are_left_out() -> None:
    kept = filled(Table(["a", "b", "c"], [["", "", "1"], ["", "", ""]], "<^>"))
    assert (kept.headers, kept.rows, kept.align) == (["a", "c"], [["", "1"], ["", ""]], "<>")


def test_a_table_is_said_column_by_column() -> None:
    columns = [
        ("n", ">", str),
        ("nothing", "^", lambda n: ""),
        ("square", "<", lambda n: f"{n * n}"),
    ]
    made = Table.of([2, 10], columns, "squares", "a note", "another")
    assert written(made) == "squares\n   n  square\n   2  4\n  10  100\n  a note\n  another\n"
    assert Table.of([], columns).rows == []


def test_colour_marks_words_and_moves_no_column() -> None:
    parts = [
        Table(["", "n"], [["FAIL", "1"], ["x", "22"]], "<>", title="title"),
        Notes("warn", ["look"]),
        Labelled("checks", ["WARN code: message"]),
    ]
    coloured = written(*parts, style=Style(colour=True))
    assert "\033[1;31mFAIL\033[0m" in coloured
    assert "\033[1;33mWARN\033[0m" in coloured
    assert "\033[1;33m!\033[0m look" in coloured
    assert "\033[1mtitle\033[0m" in coloured
    assert ESCAPES.sub("", coloured) == written(*parts)


HOSTILE = "run\033[31m\r\n\u202e\x07end"
SHOWN = r"run\x1b[31m\r\n\u202e\x07end"


@pytest.mark.parametrize("write", [reports.text, reports.markdown, reports.html])
def test_control_characters_are_shown_as_escapes(write) -> None:
    parts = [
        Text([HOSTILE]),
        Labelled(HOSTILE, [HOSTILE]),
        Notes("warn", [HOSTILE]),
        section(HOSTILE, [HOSTILE]),
        Command("next", [HOSTILE]),
        Table([HOSTILE], [[HOSTILE]], "<", title=HOSTILE, notes=[HOSTILE]),
    ]
    text = write(parts)
    assert not set(text) & set("\033\r\u202e\x07")
    assert text.replace("\\\\", "\\").replace("\\[", "[").count(SHOWN) == 11


class Elements(HTMLParser):
    """Checks that every element is closed in order, and gathers what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.names: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def parsed(text: str) -> Elements:
    elements = Elements()
    elements.feed(text)
    elements.close()
    assert elements.opened == []
    return elements


def everything() -> list[reports.Block]:
    return [
        Text(SPECIAL),
        Labelled("label", SPECIAL),
        section("title <b>", SPECIAL),
        Notes("warn", SPECIAL),
        Command("next", ["scaling fit 'a & b' <x>"]),
        Table(["a|b", "c"], [[word, word] for word in SPECIAL], "<>", title="t*", notes=SPECIAL),
    ]


def test_html_is_well_formed_and_escaped() -> None:
    elements = parsed(reports.html(everything()))
    known = "div p b br ul li pre table thead tbody tr th td"
    assert set(elements.names) == set(known.split())
    assert elements.names.count("tr") == 1 + len(SPECIAL)
    for word in SPECIAL:
        assert elements.seen.count(word) == 7
    assert "scaling fit 'a & b' <x>" in elements.seen


def test_markdown_shows_what_was_written() -> None:
    page = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    elements = parsed(page.render(reports.markdown(everything())))
    assert not set(elements.names) & {"script", "em", "a", "h1", "s"}
    assert elements.names.count("tr") == 1 + len(SPECIAL)
    assert elements.names.count("code") == 1  # the command
    for word in SPECIAL:
        assert sum(word == seen.strip() for seen in elements.seen) >= 6
    assert "scaling fit 'a & b' <x>\n" in elements.seen
