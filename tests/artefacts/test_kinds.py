"""Kinds: files of version 0.1.0, refusals of one kind for another, and files that are broken."""

import copy
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from refusals import refused

import scaling_cli as sc
from scaling_cli import reference, reports
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.forecast import Forecasts
from scaling_cli.artefacts.grouped_fit import GroupedFit
from scaling_cli.artefacts.hparams import Recipe, advise
from scaling_cli.artefacts.saved_prediction import SavedPrediction
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError
from scaling_cli.vocabulary.registry import files_of

FILES = Path(__file__).parent / "v0.1.0"
KINDS = {
    "backtest": Backtest,
    "batch_fit": BatchFit,
    "curve_fit": CurveFit,
    "fit": Fit,
    "forecast": Forecasts,
    "grouped_fit": GroupedFit,
    "hparams": Recipe,
    "saved_prediction": SavedPrediction,
}
each_kind = pytest.mark.parametrize("kind", KINDS)
SCHEDULE = "cosine:peak=0.0113,warmup=102,min=0.00113,steps=4096"
MUTATIONS = 80  # of each kind
SEED = 10


def record_of(kind: str) -> dict[str, Any]:
    return json.loads((FILES / f"{kind}.json").read_text(encoding="utf8"))


def ends(*pairs: Any) -> list[float]:
    return [float(np.ravel(end)[-1]) for pair in pairs if pair is not None for end in pair]


def says(thing: Any) -> list[float]:
    """Return numbers that a thing gives when it is asked, not when it is read."""
    if isinstance(thing, Fit):
        inputs = dict.fromkeys(type(thing.law).inputs(), 5e7) | {"N": 4e6}
        p = thing.predict(**{s: inputs[s] for s in type(thing.law).inputs()})
        return [float(p.value[0]), *ends(p.mean, p.new_run)]
    if isinstance(thing, CurveFit):
        p = thing.predict(SCHEDULE)
        return [float(p.value[-1]), *ends(p.mean, p.new_run)]
    if isinstance(thing, BatchFit):
        at = thing.interval(lambda t: t.cost(1.75).B_crit)
        return [float(thing.trajectory.cost(1.75).B_crit), *ends(at)]
    if isinstance(thing, Recipe):
        rate = advise(thing, 3e6, 3e7).learning_rate
        return [float(rate.value[0]), *ends(rate.new_run)]
    if isinstance(thing, Backtest):
        reach = vars(thing.by_reach()[0])
        return [float(value) for key, value in reach.items() if key != "high"]
    return kept_numbers(thing)


def kept_numbers(thing: Any) -> list[float]:
    if isinstance(thing, GroupedFit):
        return [float(thing.group("300M").law(x=16)), float(thing.group("E").law(x=7e9))]
    if isinstance(thing, SavedPrediction):
        return [thing.told(promise.inputs) for promise in thing.predictions]
    return [
        number
        for run in thing.runs
        for number in (run.value, *run.interval, *run.one_value, *run.path.loss[-1:].tolist())
    ]


# What version 0.1.0 said of the files in v0.1.0/ (commit 8819681), which it had written from the
# runs of data/ladder and data/batch_sweep; draws were thinned to twenty to keep the files small.
# Predictions are saved since; theirs is E + A/N^alpha + B/D^beta of the file's own parameters.
SAID = {
    "fit": [
        0.9648407055723752,
        0.8031360102607773,
        1.004178831215018,
        0.8018762054235243,
        1.0057786807745848,
    ],
    "curve_fit": [
        1.2453865206889985,
        1.2073249613089065,
        1.2846479909040935,
        1.204753666137102,
        1.2873898038317697,
    ],
    "batch_fit": [7216.515949715568, 5886.770883563144, 8846.633151276536],
    "hparams": [0.004475667380715222, 0.0015650753931177681, 0.009291411095526],
    "backtest": [
        1.0,
        1,
        -0.0265493878060285,
        0.026200051195091344,
        0.031096713758283125,
        1.0,
        0.030887687106635447,
        1.0,
    ],
    "forecast": [
        1.5622911710760368,
        1.5525153373864933,
        1.5721285609525142,
        1.5450947494346519,
        1.5796789835155438,
        1.5622911710760368,
    ],
    # By hand: E + A/x^alpha of one group, and of the law through the limits E of all.
    "grouped_fit": [
        3.337597270970966 + 0.2557506422465064 / 16**0.9568410032813778,
        3.172140264977673 + 105876750.27975269 / 7e9**1.0369004792076584,
    ],
    "saved_prediction": [
        0.8087002681238871
        + 41.961709470738136 / 1.271e6**0.4221143863258361
        + 330.8873661252299 / tokens**0.46463878796688407
        for tokens in (9.437e6, 2.36e6)
    ],
}


def test_every_kind_has_its_record_its_check_and_its_schema() -> None:
    assert kinds.KINDS.names() == tuple(sorted(KINDS))
    assert {name: kinds.KINDS.get(name) for name in KINDS} == KINDS
    assert files_of(reference.__name__) == kinds.KINDS.names()
    schemas = Path(sc.__file__).parent / "artefacts" / "schemas"
    assert {path.stem for path in schemas.glob("*.json")} == {*KINDS, "parts"}
    for kind in KINDS.values():
        assert kind.what.startswith("a ")
        assert kind.use.startswith("scaling ")
        assert kind.written_by.startswith("scaling ")


@each_kind
def test_files_of_version_010_load_and_say_the_same(kind: str) -> None:
    thing = sc.load(FILES / f"{kind}.json")
    assert type(thing) is KINDS[kind]
    # The stretches in which drops of the rate are summed are counted from where they begin since.
    near = 1e-9 if kind == "curve_fit" else 1e-13
    np.testing.assert_allclose(says(thing), SAID[kind], rtol=near, atol=0)


def renamed(record: Any) -> Any:
    """Return what 0.1.0 wrote with the names of today, without what drift was learned from."""
    if isinstance(record, list):
        return [renamed(item) for item in record]
    if not isinstance(record, dict):
        return record
    told = {key: renamed(value) for key, value in record.items()}
    if "axis_max" in told:
        other, axis = told.pop("companion"), told.pop("axis")
        told["beside"] = [{"law": other, "weight": 1.0}] if other else []
        told["largest"] = {axis: told.pop("axis_max")}
    if "rms" in told:  # a cut of a fit: its coverage was that of the law alone
        told |= {"coverage_law": told["coverage"], "coverage": None, "half_width": None}
    if "drift_learned" in told:
        told = {
            k: v for k, v in told.items() if k not in ("drift", "drift_learned", "learned_from")
        }
    return told


def kept(after: Any, before: Any) -> Any:
    """Return of a record what another names."""
    if isinstance(before, list):
        return [kept(a, b) for a, b in zip(after, before, strict=True)]
    if isinstance(before, dict):
        return {key: kept(after[key], value) for key, value in before.items()}
    return after


@each_kind
def test_nothing_of_a_file_is_lost(kind: str, tmp_path: Path) -> None:
    before = record_of(kind)
    thing = kinds.load(FILES / f"{kind}.json")
    thing.to_json(tmp_path / "again.json")
    after = json.loads((tmp_path / "again.json").read_text(encoding="utf8"))
    before.pop("file", None)  # where version 0.1.0 wrote a forecast
    expected = renamed(before)
    assert kept(after, expected) == expected
    assert after["schema_version"] == 1
    assert after["kind"] == kind
    assert kinds.load(tmp_path / "again.json").to_dict() == thing.to_dict()


@each_kind
def test_loading_needs_numpy_alone(kind: str) -> None:
    code = (
        "import sys, scaling_cli as sc\n"
        f"sc.load({str(FILES / f'{kind}.json')!r})\n"
        "slow = {'jax', 'scipy', 'pandas', 'pyarrow', 'matplotlib', 'typer', 'jsonschema'}\n"
        "print(sorted(slow & {m.split('.')[0] for m in sys.modules}), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"


@each_kind
def test_show_prints_it_again_and_check_passes_it(kind: str) -> None:
    file = str(FILES / f"{kind}.json")
    shown = run("show", file)
    assert shown.exit_code == 0, shown.output
    assert len(shown.stdout.splitlines()) > 3
    printed = run("show", file, "--json")
    assert json.loads(printed.stdout) == kinds.load(file).to_dict()
    (result,) = reference.check([file])
    assert result.status == "pass", result.message


def test_names_are_shown_too() -> None:
    for name in ("chinchilla/besiroglu-2024", "li-2025", "multi_power/luo-2025-25m"):
        assert run("show", name).exit_code == 0


# --- one kind where another is wanted ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "what", "use"),
    [
        (
            "predict --params 1M --tokens 1M --fit",
            "forecast",
            "a forecast of running jobs, not a fit of a law of points",
            "scaling forecast RUN --against FILE",
        ),
        (
            "profile",
            "hparams",
            "a recipe for learning rate and batch, not a fit of a law of points",
            "scaling hparams --fit FILE --params N --tokens D",
        ),
        (
            "batch --target-loss 2 --fit",
            "fit",
            "a fit of a law of points, not a fit of the critical batch",
            "scaling predict --fit FILE --params 4M --tokens 50M",
        ),
        (
            "hparams --params 1M --tokens 1M --fit",
            "backtest",
            "a backtest, not a recipe for learning rate and batch",
            "scaling show FILE",
        ),
        (
            f"predict --schedule {SCHEDULE} --fit",
            "batch_fit",
            "a fit of the critical batch, not a fit of loss curves",
            "scaling batch --fit FILE --target-loss L",
        ),
    ],
)
def test_another_kind_is_refused_with_the_command_that_takes_it(
    arguments: str, kind: str, what: str, use: str
) -> None:
    file = str(FILES / f"{kind}.json")
    result = run(*arguments.split(), file, "--json")
    assert result.exit_code == 2, result.output
    assert json.loads(result.stdout)["error"]["message"] == (
        f"{file} is {what}: use it with '{use.replace('FILE', shlex.quote(file))}'."
    )


@pytest.mark.parametrize("name", kinds.fit_names(of_curves=False))
def test_the_command_that_a_refusal_names_runs(name: str) -> None:
    thing = kinds.load(name)
    assert run(*shlex.split(thing.usage(name))[1:]).exit_code == 0
    assert thing.usage("my fit.json").startswith("scaling predict --fit 'my fit.json' --")


@pytest.mark.parametrize(
    ("kind", "what", "figures"),
    [
        ("curve_fit", "a fit of loss curves", "collapse, curves or schedules"),
        ("hparams", "a recipe for learning rate and batch", "valley"),
    ],
)
def test_a_figure_of_points_names_those_of_another_kind(kind: str, what: str, figures: str) -> None:
    file = str(FILES / f"{kind}.json")
    result = run("plot", file, "--json")
    assert json.loads(result.stdout)["error"]["message"] == (
        f"{file} is {what}, which the figure loss does not draw: take --kind {figures}."
    )


def test_a_stored_backtest_is_drawn(tmp_path: Path) -> None:
    file, figure = FILES / "backtest.json", str(tmp_path / "backtest.png")
    drawn = run("plot", str(file), "--kind", "backtest", "-o", figure)
    assert (drawn.exit_code, drawn.stdout, drawn.stderr) == (0, f"{figure}\n", "")
    numbers = json.loads(run("plot", str(file), "--kind", "backtest", "--json").stdout)["numbers"]
    cuts = record_of("backtest")["cuts"]
    assert sorted(numbers["factor"]) == sorted(cut["factor"] for cut in cuts)
    for arguments, message in (
        ([], "which the figure loss does not draw: take --kind backtest or predicted."),
        (
            ["--kind", "curves"],
            "which the figure curves does not draw: take --kind backtest or predicted.",
        ),
    ):
        refusal = json.loads(run("plot", str(file), *arguments, "--json").stdout)["error"]
        assert refusal["message"] == f"{file} is a backtest, {message}"
    measured = run("plot", str(file), "--kind", "backtest", "--measured", "x.csv", "--json")
    assert json.loads(measured.stdout)["error"]["message"] == (
        f"{file} is a backtest, drawn by itself: leave --measured out."
    )


def test_unknown_names() -> None:
    error = refused(UsageError, kinds.load, "li-2024")
    assert error.message == "'li-2024' is neither a file nor a certified fit or recipe."
    assert str(error.hint).startswith("Did you mean li-2025")


# --- broken files --------------------------------------------------------------------------------

NO_RESULT = (
    "A result that scaling wrote with -o or --json is wanted here. Logs and tables of runs are for "
    "'scaling runs', 'fit' and 'forecast'; points to predict at, for --points."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"not JSON: Expecting value. {NO_RESULT}"),
        (b"\x89PNG\r\n\x1a\n", f"not JSON: not even text. {NO_RESULT}"),
        (
            b'{"a": 1',
            "not JSON: Expecting ',' delimiter. The file breaks off or was changed: write it again "
            "with the command that wrote it.",
        ),
        (b'{"schema_version": NaN}', "not JSON that can be read: NaN is no number."),
        (b"[" * 100_000, "not JSON that can be read: too deep."),
        (
            b"[]",
            "not a file of schema version 1. Write it again with 'scaling fit ... -o fit.json'.",
        ),
        (
            b'{"schema_version": 1, "kind": "cake"}',
            "there is no kind 'cake'. Files of this program are of the kinds backtest, batch_fit, "
            "curve_fit, fit, forecast, grouped_fit, hparams, saved_prediction.",
        ),
        (
            b'{"schema_version": 1, "kind": "batch_fit"}',
            "the file is broken: the file lacks parameters, objective, status, n_points, levels, "
            "replicates. Write it again with 'scaling batch ... -o batch.json'.",
        ),
        (
            b'{"schema_version": 1, "runs": 3}',
            "the file is broken: runs must be a list, not 3. Write it again with 'scaling "
            "forecast ... -o forecast.json'.",
        ),
    ],
)
def test_what_cannot_be_read_is_said(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    error = refused(DataError, kinds.load, path)
    assert error.file == str(path)
    place = f"{path}, row 1" if error.row else str(path)
    assert str(error) == f"{place}: {message}"


def nest(keys: tuple[Any, ...], value: Any) -> Callable[[Any], None]:
    """Return a change of a record: what stands at the keys becomes the value."""

    def change(record: Any) -> None:
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("kind", "keys", "value", "message"),
    [
        ("fit", ("parameters", "A"), -2.0, "A must be positive, not -2"),
        ("fit", ("parameters", "A"), 10**400, "parameters.A must be a finite number, not 1000000"),
        (
            "fit",
            ("parameters",),
            {"E": 1.0},
            "law chinchilla has parameters E, A, B, alpha, beta, the file has E",
        ),
        ("fit", ("law",), "chinchila", "there is no law 'chinchila'"),
        (
            "fit",
            ("uncertainty", "draws", "E"),
            [1.0],
            "draws must be 20 numbers of each of E, A, B, alpha, beta",
        ),
        ("fit", ("uncertainty", "draws", "E", 3), -1.0, "E must be positive, not -1"),
        (
            "fit",
            ("status",),
            "fine",
            "status must be one of converged, at_bound, "
            'ill_conditioned, not_converged, published, not "fine"',
        ),
        (
            "curve_fit",
            ("members", 0, "parameters", "L0"),
            None,
            "members[0].parameters.L0 must be a finite number, not null",
        ),
        ("curve_fit", ("data", "points"), {"a": {"step": [1], "loss": [2]}}, "data.points lacks "),
        ("batch_fit", ("parameters", "Sc"), -1.0, "Sc must be positive"),
        (
            "backtest",
            ("cuts", 0, "forecasts", 0, "measured"),
            "2",
            'cuts[0].forecasts[0].measured must be a finite number, not "2"',
        ),
        ("hparams", ("learning_rate", "parameters", "c"), 0.0 - 1, "c must be positive, not -1"),
        ("forecast", ("runs", 0, "interval"), [1.0], "runs[0].interval must hold 2 items, not 1"),
        ("saved_prediction", ("predictions", 0, "inputs"), {"N": 1.0}, "predictions must have "),
    ],
)
def test_what_is_wrong_and_where(
    kind: str, keys: tuple[Any, ...], value: Any, message: str, tmp_path: Path
) -> None:
    record = record_of(kind)
    nest(keys, value)(record)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(record), encoding="utf8")
    error = refused(DataError, kinds.load, path)
    assert error.file == str(path)
    assert error.message.startswith(f"the file is broken: {message}")
    assert error.hint == f"Write it again with '{KINDS[kind].written_by}'."


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys to everything in a record."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:3])
    for key, inner in items:
        yield (*at, key)
        yield from places(inner, (*at, key))


def mutated(record: Any, choose: random.Random) -> tuple[Any, Any]:
    """Return a record with one thing in it lost, or made something else, and what that was."""
    record = copy.deepcopy(record)
    *way, last = choose.choice(list(places(record)))
    parent = record
    for key in way:
        parent = parent[key]
    other = choose.choice([None, "12", "", -1.0, 1e999, 0, [], {}, True, [[1]], 10**400, "delete"])
    if other == "delete":
        del parent[last]
    else:
        parent[last] = other
    return record, (*way, last, other)


@each_kind
def test_a_mutated_file_is_refused_or_works(kind: str, tmp_path: Path) -> None:
    """Whatever a file holds: it is a DataError, or what it says can be asked for and printed."""
    choose, whole = random.Random(f"{SEED} {kind}"), record_of(kind)
    path, refused = tmp_path / "x.json", 0
    for _ in range(MUTATIONS):
        record, what = mutated(whole, choose)
        path.write_text(json.dumps(record).replace("Infinity", "1e999"), encoding="utf8")
        try:
            thing = kinds.load(path)
        except DataError as error:
            assert error.file == str(path), what
            refused += 1
            continue
        assert_usable(thing, what)
    assert refused > MUTATIONS // 4


def assert_usable(thing: Record, what: Any) -> None:
    try:
        with np.errstate(all="ignore"):  # a coefficient of zero is one: its logarithm is infinite
            says(thing)
            for full in (False, True):
                reports.text(reports.blocks(thing, full=full))
        json.dumps(thing.to_dict(), allow_nan=False)
    except ScalingError:
        return
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error


@each_kind
def test_a_file_cut_off_is_no_json(kind: str, tmp_path: Path) -> None:
    text = (FILES / f"{kind}.json").read_text(encoding="utf8").rstrip()
    path = tmp_path / "x.json"
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        path.write_text(text[: int(share * (len(text) - 1))], encoding="utf8")
        with pytest.raises(DataError, match="not JSON"):
            kinds.load(path)
