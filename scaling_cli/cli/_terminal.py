"""Where words go: the result to standard output, everything else to standard error."""

import json as json_module
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from scaling_cli.vocabulary.progress import watched

if TYPE_CHECKING:
    from scaling_cli.reports._blocks import Block
    from scaling_cli.reports._text import Style

LONGEST = 2000  # characters of a message: --json has all of it
SELDOM = 0.1  # seconds between two words on how far something is
NARROWEST = 40  # columns: a narrower terminal breaks lines itself


@dataclass(frozen=True)
class Terminal:
    """The two streams under the options `--json` and `--quiet`."""

    json: bool = False
    quiet: bool = False

    def result(self, render: "Callable[[], list[Block]]", record: Mapping[str, Any]) -> None:
        """Write the result: one JSON object, or as text the report that `render` makes."""
        if self.json:
            from scaling_cli.vocabulary.jsonfile import stamped, to_json

            self.write(_ascii(to_json(stamped(record))) + "\n")
        else:
            self.report(render())

    def report(self, blocks: "list[Block]") -> None:
        """Write a report to standard output."""
        from scaling_cli import reports  # late, here and below: --help needs none

        self.write(reports.text(blocks, style(sys.stdout)))

    def write(self, text: str) -> None:
        """Write to standard output as it is."""
        sys.stdout.write(_encodable(text, sys.stdout))

    def say(self, text: str) -> None:
        """Tell a person something that is not the result."""
        if not self.quiet:
            self._talk(_shown(text))

    def complain(self, text: str) -> None:
        """Tell a person what went wrong; --quiet does not silence it."""
        text = _shown(text)
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]} ... (cut here)"
        word, colon, rest = text.partition(": ")
        if colon and word in ("error", "internal error"):
            text = style(sys.stderr).paint(f"{word}:", "bold", "red") + f" {rest}"
        self._talk(text)

    def _talk(self, text: str) -> None:
        if sys.stderr.isatty():  # a person reads whole words; a program reads whole lines
            from scaling_cli.reports._text import wrap

            width = style(sys.stderr).width
            text = "\n".join(part for line in text.split("\n") for part in wrap(line, width))
        sys.stderr.write(_encodable(text + "\n", sys.stderr))

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Show a line while something slow runs, and how far it is; only where a person watches."""
        if self.quiet or self.json or not _watched(sys.stderr):
            yield
            return
        sys.stderr.write(f"{text} ...")
        sys.stderr.flush()
        shown = 0.0

        def show(done: int, size: int) -> None:
            nonlocal shown
            if (now := time.monotonic()) > shown + SELDOM:
                shown = now
                sys.stderr.write(f"\r{text} ... {done:,} of {size:,}\033[K")
                sys.stderr.flush()

        try:
            with watched(by=show):
                yield
        finally:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def style(stream: TextIO) -> "Style":
    """Return how text may look on a stream: NO_COLOR, TERM=dumb and pipes are respected."""
    from scaling_cli.reports._text import PAGE, Style

    on_terminal = stream.isatty()
    forced = bool(os.environ.get("FORCE_COLOR"))
    refused = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    columns = shutil.get_terminal_size((PAGE, 24)).columns
    return Style(
        colour=(on_terminal or forced) and not refused,
        width=max(NARROWEST, columns) if on_terminal else PAGE,
    )


def _watched(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def _shown(text: str) -> str:
    """Return text with control characters as escapes, line by line: names are other people's."""
    from scaling_cli.reports._blocks import visible

    return "\n".join(map(visible, text.split("\n")))


def _encodable(text: str, stream: TextIO) -> str:
    """Replace what the stream cannot encode by escapes, so that a name never stops a result."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _ascii(text: str) -> str:
    """Escape JSON text for a stream that is not Unicode: outside strings it is ASCII already."""
    if (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf"):
        return text
    return "".join(c if ord(c) < 128 else json_module.dumps(c)[1:-1] for c in text)
