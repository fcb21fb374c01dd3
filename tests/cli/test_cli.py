"""The command line as a whole: help, exit codes, the two streams, what is imported when."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import run
from processes import HEAVY, loaded_by_command, python
from refusals import refused

from scaling_cli import __version__
from scaling_cli.cli import BRIEF, _commands, _exits, _options, _terminal, app
from scaling_cli.cli._commands import Commands
from scaling_cli.vocabulary import errors, progress

GOLDEN = Path(__file__).parent / "golden"
ORDER = ["ingest", "runs", "fit", "backtest", "predict", "check", "laws", "data"]


def failing(error: BaseException):
    """Return a command that fails like this."""

    def fail(**options: Any) -> None:
        raise error

    return fail


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch):
    """Replace what `scaling laws` does by a failure of choice."""

    def replace(error: BaseException) -> None:
        command = _commands.get("laws")
        monkeypatch.setattr(command, "callback", failing(error))

    return replace


# --- help -----------------------------------------------------------------------------------


def test_bare_call_prints_a_short_help_and_succeeds() -> None:
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (0, BRIEF, "")


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"scaling {__version__}\n")


def test_commands_are_the_files_of_the_folder_in_the_order_of_work() -> None:
    assert [name for name in _commands.in_order() if name in ORDER] == ORDER
    files = {p.stem for p in Path(_commands.__file__).parent.glob("[a-z]*.py")}
    assert set(_commands.in_order()) == files


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_short_and_long_help_flags(flag: str) -> None:
    result = run("predict", flag)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: scaling predict [OPTIONS]\n")


def help_text(*path: str) -> str:
    """Return a command's help, 100 columns wide, as it is printed in a terminal."""
    command: Any = typer.main.get_command(app)
    context = command.make_context(
        "scaling", list(path), resilient_parsing=True, terminal_width=100
    )
    for name in path:
        command = command.get_command(context, name)
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    return context.get_help() + "\n"


def pages() -> list[tuple[str, ...]]:
    """Return the path of every command, parts of commands included."""
    found: list[tuple[str, ...]] = [()]
    for name in _commands.in_order():
        parts = getattr(_commands.get(name), "commands", {})
        found += [(name,), *((name, part) for part in parts)]
    return found


HELP_PAGES = pages()


@pytest.mark.parametrize("path", HELP_PAGES, ids=" ".join)
def test_help_pages(path: tuple[str, ...]) -> None:
    """SCALING_GOLDEN=write rewrites the pages; read the difference before you commit it."""
    written_with = GOLDEN / "typer-version.txt"
    file = GOLDEN / f"{'-'.join(('scaling', *path))}.txt"
    text = help_text(*path)
    if os.environ.get("SCALING_GOLDEN") == "write":
        file.write_text(text)
        written_with.write_text(typer.__version__ + "\n")
    if typer.__version__ != written_with.read_text().strip():
        pytest.skip(f"help pages were written by Typer {written_with.read_text().strip()}")
    assert text == file.read_text()


@pytest.mark.parametrize("path", HELP_PAGES, ids=" ".join)
def test_every_help_has_an_example(path: tuple[str, ...]) -> None:
    example = help_text(*path).partition("Example:\n")[2]
    assert example.strip().startswith(" ".join(("scaling", *path)).strip())


LEAVES = [p for p in HELP_PAGES if not any(q[: len(p)] == p and q != p for q in HELP_PAGES)]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_takes_json_quiet_and_debug(path: tuple[str, ...]) -> None:
    words = help_text(*path).split()
    assert {"--json", "-q,", "--quiet", "--debug", "-h,", "--help"} <= set(words)


def test_completion_is_offered() -> None:
    assert "--install-completion" in help_text()


def test_names_are_completed() -> None:
    assert _options.complete("plots.names")("re") == ["residuals"]
    assert _options.complete("verbs.fit.laws")("a") == [
        *("average_parameters", "average", "annealing", "annealing_size", "area_exponential")
    ]
    both = _options.complete(_options.FITS, _options.RECIPES)
    assert both("multi_power/luo-2025-25") == ["multi_power/luo-2025-25m"]
    assert both("li-2025-ro") == ["li-2025-rounded"]


def test_pairs_of_the_command_line() -> None:
    read = _options.pairs("map").read
    assert read(["loss=eval/c4", "a=b=c"]) == {"loss": "eval/c4", "a": "b=c"}
    told = refused(errors.UsageError, read, ["loss"])
    assert str(told) == "cannot read 'loss' for --map. Write --map NAME=VALUE."
    told = refused(errors.UsageError, read, ["a=1", "a=2"])
    assert str(told) == "--map gives a twice: 1 and 2."


# --- an option given twice --------------------------------------------------------------------


def takes_one(option: Any) -> bool:
    return option.param_type_name == "option" and not (option.multiple or option.is_flag)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_no_option_of_one_value_is_silently_replaced(path: tuple[str, ...]) -> None:
    """Typer takes the last of two; each option of each command is tried."""
    command: Any = _commands.get(path[0])
    for name in path[1:]:
        command = command.commands[name]
    needed = ["X" for p in command.params if p.param_type_name == "argument" and p.required]
    for option in filter(takes_one, command.params):
        name = option.opts[0]
        value = "1" if option.type_descriptor.annotation in (int, float) else "X"
        result = run(*path, *needed, name, value, name, value)
        asked = " ".join(("scaling", *path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"error: {name} is given 2 times, and '{asked}' takes one.\n"
            f"hint: Keep one, or run '{asked}' once for each.\n"
        )


def test_two_fits_are_one_question_each() -> None:
    result = run("predict", "--fit", "A", "--params", "7B", "--tokens", "1T", "--fit=B", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == {
        "code": "usage",
        "message": "--fit is given 2 times, and 'scaling predict' takes one.",
        "hint": "Keep one, or run 'scaling predict' once for each.",
        "file": None,
        "row": None,
        "column": None,
    }


def test_lists_flags_and_help_may_stand_twice() -> None:
    lists = run(
        "predict",
        "--params",
        "7B",
        "--params",
        "8B",
        "--tokens",
        "1T",
        "--fit",
        "none",
        "--quiet",
        "--quiet",
    )
    assert "is given" not in lists.stderr
    assert run("predict", "--fit", "A", "--fit", "B", "--help").exit_code == 0


# --- exit codes and messages ----------------------------------------------------------------

FAMILIES = [
    (errors.CheckFailed, 1),
    (errors.UsageError, 2),
    (errors.DataError, 3),
    (errors.MismatchError, 3),
    (errors.FitError, 4),
]


@pytest.mark.parametrize(("family", "code"), FAMILIES)
def test_families_of_errors_have_their_exit_codes(broken: Any, family: Any, code: int) -> None:
    broken(family("the loss is NaN.", hint="Drop it.", file="a.csv", row=6, column="loss"))
    result = run("laws")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == (
        "error: a.csv, row 6, column 'loss': the loss is NaN.\nhint: Drop it.\n"
    )


@pytest.mark.parametrize(("family", "code"), FAMILIES)
def test_errors_as_json(broken: Any, family: Any, code: int) -> None:
    broken(family("the loss is NaN.", hint="Drop it.", file="a.csv", row=6, column="loss"))
    result = run("laws", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == {
        "schema_version": 1,
        "error": {
            "code": family.code,
            "message": "the loss is NaN.",
            "hint": "Drop it.",
            "file": "a.csv",
            "row": 6,
            "column": "loss",
        },
    }


def test_a_defect_is_one_line_and_exit_code_5(broken: Any) -> None:
    broken(ZeroDivisionError("division by zero"))
    result = run("laws")
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr == (
        "internal error: ZeroDivisionError: division by zero\n"
        "hint: Run again with --debug to see where.\n"
    )


def test_a_place_that_is_not_ours_is_no_defect(broken: Any) -> None:
    broken(PermissionError(errno.EACCES, "Permission denied", "closed/x.csv"))
    result = run("laws")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "error: closed/x.csv: permission denied.\n"
        "hint: Choose another place, or get the right to use this one.\n"
    )


def test_debug_shows_the_traceback(broken: Any) -> None:
    broken(errors.DataError("no rows."))
    result = run("laws", "--debug")
    assert result.exit_code == 3
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert result.stderr.endswith("error: no rows.\n")


def test_quiet_does_not_silence_errors(broken: Any) -> None:
    broken(errors.DataError("no rows."))
    assert run("laws", "-q").stderr == "error: no rows.\n"


def test_interrupt_ends_with_130(broken: Any) -> None:
    broken(KeyboardInterrupt())
    result = run("laws")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")


def test_unknown_command_suggests_a_near_one() -> None:
    result = run("predct")
    names = ", ".join(_commands.in_order())
    assert result.exit_code == 2
    assert result.stderr == (
        "Usage: scaling [OPTIONS] COMMAND [ARGS]...\n"
        "error: there is no command 'predct'. Did you mean predict or forecast? "
        f"Commands: {names}.\n"
        "hint: all options: scaling --help\n"
    )


def test_unknown_option_suggests_a_near_one() -> None:
    result = run("predict", "--parms", "7B")
    assert result.exit_code == 2
    assert result.stderr == (
        "Usage: scaling predict [OPTIONS]\n"
        "error: no such option: --parms. Did you mean --params or --sparsity?\n"
        "hint: for example: scaling predict --params 7B --tokens 1T (all options: "
        "scaling predict --help)\n"
    )


def test_missing_source_is_a_usage_error_with_an_example() -> None:
    result = run("fit")
    assert result.exit_code == 2
    assert result.stderr == (
        "Usage: scaling fit [OPTIONS] SRC...\n"
        "error: missing argument 'SRC...'.\n"
        "hint: for example: scaling fit runs/*.csv -o fit.json (all options: scaling fit --help)\n"
    )


def test_usage_error_of_the_parser_as_json() -> None:
    result = run("fit", "--json", "--bootstrap", "many", "x.csv")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "usage"
    assert error["message"].startswith("invalid value for '--bootstrap': ")
    assert set(error) == {"code", "message", "hint", "file", "row", "column"}


def test_json_after_a_double_dash_is_a_file_name() -> None:
    assert _exits.report(errors.DataError("x."), ["fit", "--", "--json"]) == 3


def test_a_reader_that_went_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scaling_cli", "laws", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors_seen = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors_seen) == (_commands.BROKEN_PIPE, "")


def test_module_and_command_are_the_same_door() -> None:
    assert python("-m", "scaling_cli", "--version").stdout == f"scaling {__version__}\n"


# --- what is imported -----------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], [], ["fit", "--help"], ["predict", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = loaded_by_command(*arguments)
    assert "scaling_cli" in modules
    assert not modules & {*HEAVY, "numpy", "rich"}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_predict_imports_neither_jax_nor_pandas(flags: list[str]) -> None:
    modules = loaded_by_command("predict", "--params", "7B", "--tokens", "1T", *flags)
    assert "numpy" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("arguments", [["laws"], ["show", "chinchilla/ladder", "--full"]])
def test_what_is_stored_imports_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by_command(*arguments) & HEAVY


def test_describing_a_schedule_imports_nothing_heavy() -> None:
    assert not loaded_by_command("schedule", "linear:peak=1e-3,steps=9") & HEAVY


# --- the two streams ------------------------------------------------------------------------


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_colour_on_a_terminal_only(plain: pytest.MonkeyPatch) -> None:
    assert _terminal.style(Screen()).colour
    assert not _terminal.style(io.StringIO()).colour


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(plain: pytest.MonkeyPatch, name: str, value: str) -> None:
    plain.setenv(name, value)
    assert not _terminal.style(Screen()).colour


def test_a_pipe_has_80_columns_and_a_terminal_its_own(plain: pytest.MonkeyPatch) -> None:
    plain.setenv("COLUMNS", "60")
    assert _terminal.style(io.StringIO()).width == 80
    assert _terminal.style(Screen()).width == 60
    plain.setenv("COLUMNS", "20")
    assert _terminal.style(Screen()).width == 40


def test_status_line_on_a_terminal_only(plain: pytest.MonkeyPatch) -> None:
    def shown(stream: io.StringIO, **options: bool) -> str:
        plain.setattr(sys, "stderr", stream)
        with _terminal.Terminal(**options).status("fitting"):
            pass
        return stream.getvalue()

    assert shown(Screen()) == "fitting ...\r\033[K"
    assert shown(io.StringIO()) == ""
    assert shown(Screen(), quiet=True) == ""
    assert shown(Screen(), json=True) == ""
    plain.setenv("CI", "true")
    assert shown(Screen()) == ""


def test_a_person_who_watches_is_told_how_far_it_is(plain: pytest.MonkeyPatch) -> None:
    """Seldom: what follows at once is not shown."""
    plain.setattr(sys, "stderr", Screen())
    with _terminal.Terminal().status("reading"):
        assert list(progress.counted("abc")) == ["a", "b", "c"]
    told = "reading ...\rreading ... 0 of 3\033[K\r\033[K"
    assert isinstance(sys.stderr, Screen)
    assert sys.stderr.getvalue() == told
    assert list(progress.counted("abc")) == ["a", "b", "c"]
    assert sys.stderr.getvalue() == told


def test_names_that_the_stream_cannot_encode_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    _terminal.Terminal().write("run \u00e9\n")
    _terminal.Terminal(json=True).result(list, {"run": "\u00e9"})
    sys.stdout.flush()
    text, _, record = raw.getvalue().decode("ascii").partition("\n")
    assert text == "run \\xe9"
    assert json.loads(record) == {"schema_version": 1, "run": "\u00e9"}


def test_main_ignores_standalone_mode() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, Commands)
    error = refused(
        SystemExit, command.main, ["nothing"], prog_name="scaling", standalone_mode=False
    )
    assert error.code == 2
