"""`check`: what passes, what fails and with which words, on fits made here of invented data."""

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refusal

from scaling_cli import assert_fit_matches, read, reference
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws.power_law import PowerLaw
from scaling_cli.point_fits import fitting, recompute
from scaling_cli.reference._result import Verdict
from scaling_cli.runs import store
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary import shipped
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

TRUE = PowerLaw(E=1.7, A=12.0, alpha=0.21)
X = np.geomspace(1e5, 1e9, 9)
NOISE = 0.004 * np.array([1, -2, 0.5, 1.5, -1, 0.3, -0.7, 1.2, -0.4])
POINTS = Points({"x": X}, TRUE(x=X) * np.exp(NOISE), [f"r{i}" for i in range(9)])
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def good() -> Fit:
    """A fit of POINTS with the points in it, and anchors as certified fits have them."""
    found = fitting.refit_objective(POINTS, "power_law")
    anchors = [{"inputs": {"x": x}, "value": float(found.law(x=x))} for x in (1e6, 1e10)]
    points = {"inputs": {"x": X.tolist()}, "output": POINTS.output.tolist(), "runs": POINTS.runs}
    size = float(found.law.derive("value_for_loss", L=2.0))
    return Fit(
        law=found.law,
        status=found.status,
        objective=Objective(),
        value=found.value,
        n_points=9,
        data={"sha256": POINTS.sha256(), "points": points},
        origin={"kind": "computed", "anchors": anchors},
        derived={"value_for_loss": [{"L": 2.0, "x": size}]},
        selection={"bootstrap": 0, "seed": 0, "level": 0.9},
    )


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., reference.CheckResult]:
    """Write a fit and check the file."""

    def check(fit: Fit, **options: Any) -> reference.CheckResult:
        fit.to_json(tmp_path / "fit.json")
        (result,) = reference.check([tmp_path / "fit.json"], **options)
        assert result.name == result.file == str(tmp_path / "fit.json")
        return result

    return check


def moved(fit: Fit, by: float) -> PowerLaw:
    """Return the law with its floor moved by a share of itself."""
    assert isinstance(fit.law, PowerLaw)
    return replace(fit.law, E=fit.law.E * (1 + by))


# ---- refits


def test_a_fit_that_reproduces(good: Fit, checked: Any) -> None:
    result = checked(good)
    assert result.status is Verdict.PASS
    assert result.max_relative_error <= 1e-9
    assert result.objective == pytest.approx(result.reference_objective, rel=1e-12)
    assert result.message.startswith("refitted: predictions within ")


def test_a_fit_as_the_command_writes_it(tmp_path: Path) -> None:
    fitting.fit(POINTS, law="power_law", bootstrap=20).to_json(tmp_path / "fit.json")
    (result,) = reference.check([str(tmp_path / "fit.json")])
    assert result.status is Verdict.PASS
    assert result.max_relative_error is not None
    assert result.max_relative_error <= 1e-9


def test_a_stored_objective_that_cannot_be_reached(good: Fit, checked: Any) -> None:
    assert good.value is not None
    result = checked(replace(good, value=good.value * (1 - 1e-6)))
    assert result.status is Verdict.FAIL
    stored = good.value * (1 - 1e-6)
    assert result.message == (
        f"a refit stops at objective {result.objective:.12g}, above the stored {stored:.12g} "
        "(by 1e-06 of it, allowed 1e-09)."
    )


def test_a_better_optimum_is_a_notice(good: Fit, checked: Any) -> None:
    assert good.value is not None
    result = checked(replace(good, value=good.value * 1.25, origin={"kind": "computed"}))
    assert result.status is Verdict.BETTER
    assert result.message == (
        f"a refit reaches objective {result.objective:.12g}, below the stored "
        f"{good.value * 1.25:.12g} (by 0.2 of it); predictions move by at most "
        f"{result.max_relative_error:.2g}."
    )


def test_update_writes_a_better_optimum(good: Fit, checked: Any) -> None:
    off = moved(good, 0.001)
    anchors = [
        {"inputs": a["inputs"], "value": float(off(**a["inputs"]))} for a in good.origin["anchors"]
    ]
    residuals = np.abs(np.log(off(x=X) / POINTS.output))
    stored = float(np.sum(np.where(residuals < 1e-3, residuals**2 / 2, 1e-3 * (residuals - 5e-4))))
    worse = replace(
        good, law=off, value=stored, derived={}, origin={"kind": "computed", "anchors": anchors}
    )
    assert checked(worse).status is Verdict.BETTER
    result = checked(worse, update=True)
    assert result.status is Verdict.PASS
    assert result.message.endswith(" Written.")
    written = kinds.load(result.file, Fit)
    assert written.value == pytest.approx(good.value, rel=1e-9)
    np.testing.assert_allclose(
        [a["value"] for a in written.origin["anchors"]],
        [a["value"] for a in good.origin["anchors"]],
        rtol=1e-9,
    )
    (again,) = reference.check([result.file])
    assert again.status is Verdict.PASS


def test_published_numbers_are_never_rewritten(good: Fit, checked: Any) -> None:
    assert good.value is not None
    origin = {**good.origin, "kind": "published"}
    printed = replace(good, value=good.value * 1.25, origin=origin, status=Status.PUBLISHED)
    assert checked(printed, update=True).status is Verdict.BETTER
    assert checked(printed).reference_objective == good.value * 1.25


def test_recompute_gives_published_numbers_the_draws_of_our_own_fit(good: Fit) -> None:
    origin = {**good.origin, "kind": "published"}
    printed = replace(good, law=moved(good, 1e-4), origin=origin, status=Status.PUBLISHED)
    found = recompute.recompute(printed, POINTS)
    assert (found.law, found.status, found.value) == (printed.law, printed.status, printed.value)
    assert found.origin == origin
    assert found.uncertainty is not None
    assert found.uncertainty.method.endswith("; of this package's default fit of the same points")
    interval = found.predict(x=1e8).mean
    assert interval is not None
    assert interval[0][0] < float(good.law(x=1e8)) < interval[1][0]


def test_recompute_keeps_points_out_that_were_not_in_the_file(good: Fit) -> None:
    data = {k: v for k, v in good.data.items() if k != "points"}
    found = recompute.recompute(replace(good, data=data), POINTS)
    assert "points" not in found.data
    assert found.data["sha256"] == POINTS.sha256()
    assert recompute.recompute(good, POINTS).data["points"]["runs"] == POINTS.runs


def test_published_numbers_have_the_tolerance_they_state(good: Fit, checked: Any) -> None:
    off = moved(good, 2e-5)
    anchors = [
        {"inputs": a["inputs"], "value": float(off(**a["inputs"]))} for a in good.origin["anchors"]
    ]

    def published(**tolerance: float) -> Fit:
        origin = {"kind": "published", "anchors": anchors, "tolerance": tolerance}
        return replace(good, law=off, derived={}, origin=origin, status=Status.PUBLISHED)

    assert checked(published(objective=1e-3, prediction=1e-4)).status is Verdict.PASS
    result = checked(published(objective=1e-3, prediction=1e-7))
    assert result.status is Verdict.FAIL
    # The floor is nearly all of the loss at x = 1e10, so it moves by nearly 2e-5.
    share = off.E / float(off(x=1e10))
    assert result.max_relative_error == pytest.approx(2e-5 * share, rel=1e-3)
    assert result.message == (
        f"a refit predicts losses that differ by up to {result.max_relative_error:.2g} "
        "(allowed 1e-07) at the same objective."
    )


# ---- data


def test_changed_data_are_said_to_have_changed(good: Fit, checked: Any) -> None:
    points = json.loads(json.dumps(good.data["points"]))
    points["output"][3] *= 1.001
    changed = replace(good, data={**good.data, "points": points})
    result = checked(changed)
    assert result.status is Verdict.FAIL
    other = changed.points().sha256()
    assert result.message == (
        f"the data have changed since this fit: 9 points, SHA-256 {other[:12]}, the file was "
        f"fitted to 9 points, SHA-256 {POINTS.sha256()[:12]}. "
        "Fit again, or bring back the data that were fitted."
    )


def test_order_of_the_points_does_not_matter(good: Fit, checked: Any) -> None:
    stored = good.data["points"]
    points = {"inputs": {"x": stored["inputs"]["x"][::-1]}, "output": stored["output"][::-1]}
    assert checked(replace(good, data={**good.data, "points": points})).status is Verdict.PASS


def test_without_data_the_anchors_are_checked(good: Fit, checked: Any) -> None:
    result = checked(replace(good, data={}))
    assert result.status is Verdict.PASS
    assert result.objective is None
    assert result.message == "right at 2 anchor points; it carries no data to refit."


def test_nothing_to_check_is_said(good: Fit, checked: Any) -> None:
    result = checked(replace(good, data={"sources": ["gone.csv"]}, origin={}))
    assert result.status is Verdict.SKIPPED
    assert result.message == (
        "nothing to check: no anchor points, no data, and its sources are gone."
    )


def test_the_user_s_own_files_are_read_again(good: Fit, checked: Any, tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    rows = zip(good.data["points"]["runs"], X.tolist(), POINTS.output.tolist(), strict=True)
    lines = [f"{run},{x!r},{loss!r}\n" for run, x, loss in rows]
    table.write_text("run_id,x,loss\n" + "".join(lines) + "big,1e12,9.9\n")
    data = {"sha256": POINTS.sha256(), "sources": [{"path": str(table)}]}
    selection = {**good.selection, "where": "loss < 9"}
    fit = replace(good, data=data, selection=selection)
    assert checked(fit).message.startswith("refitted: predictions within ")
    table.write_text("run_id,x,loss\n" + "".join(lines[1:]))
    result = checked(fit)
    assert result.status is Verdict.FAIL
    assert result.message.startswith("the data have changed since this fit: 8 points, ")


# ---- the law


def test_an_anchor_that_no_longer_comes_out(good: Fit, checked: Any) -> None:
    anchors = [{"inputs": {"x": 1e6}, "value": float(good.law(x=1e6)) / (1 + 3e-9)}]
    result = checked(replace(good, origin={"anchors": anchors}))
    assert result.status is Verdict.FAIL
    assert result.message == (
        "the law no longer gives the stored predictions: off by 3e-09 of the loss at an anchor "
        "point (allowed 1e-12)."
    )


def test_what_the_points_gave_is_not_asked_of_the_law(good: Fit, checked: Any) -> None:
    slices = {"optimal_params_isoflop": [{"C": 1e20, "N": 1e9, "level": 0.9}]}
    assert checked(replace(good, derived=slices)).status is not Verdict.FAIL


@pytest.mark.parametrize(
    "derived",
    [{"value_for_loss": [{"L": 2.0, "x": 123.0}]}, {"optimal_params": [{"C": 1e20, "N": 1e9}]}],
)
def test_a_derived_quantity_that_no_longer_comes_out(
    good: Fit, checked: Any, derived: dict[str, Any]
) -> None:
    result = checked(replace(good, derived=derived))
    assert result.status is Verdict.FAIL
    assert result.message == f"stored derived quantities differ: {next(iter(derived))}."


# ---- files


def test_a_file_that_is_not_a_fit(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{}")
    (result,) = reference.check([path])
    assert result.status is Verdict.FAIL
    assert result.message == (
        f"{path}: not a file of schema version 1. Write it again with 'scaling fit ... -o "
        "fit.json'."
    )


def test_folders_are_searched(good: Fit, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    good.to_json(tmp_path / "a" / "b" / "one.json")
    good.to_json(tmp_path / "a" / "two.json")
    assert [Path(r.file).name for r in reference.check([tmp_path])] == ["one.json", "two.json"]


def test_a_folder_without_fits(tmp_path: Path) -> None:
    said = refusal(UsageError, reference.check, [tmp_path])
    assert said == f"no fit file (*.json) in the folder {tmp_path}."


def test_a_named_file_that_is_no_fit(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert refusal(DataError, reference.check, [empty]) == (
        f"{empty}: not a fit file. Name fit files (*.json) or folders of them."
    )


def test_an_unknown_path() -> None:
    assert refusal(UsageError, reference.check, ["kaplan_n/kaplan-2021"]) == (
        "'kaplan_n/kaplan-2021' is neither a file nor a certified fit or recipe. "
        "Did you mean kaplan_n/kaplan-2020 or kaplan_nd/kaplan-2020? "
        "'scaling laws --full' lists the certified fits."
    )


def test_one_certified_fit_by_name() -> None:
    (result,) = reference.check(["kaplan_n/kaplan-2020"])
    assert result.to_dict() == {
        "name": "kaplan_n/kaplan-2020",
        "status": "pass",
        "max_relative_error": result.max_relative_error,
        "objective": None,
        "reference_objective": None,
        "message": "right at 4 anchor points; it carries no data to refit.",
        "file": str(reference.folder("fits") / "kaplan_n" / "kaplan-2020.json"),
    }


# ---- a card's data


@pytest.fixture
def carded(good: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a card, a certified fit of it, a mirror, and an empty cache."""
    table = tmp_path / "mirror" / "we" / "data" / COMMIT / "runs.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["size", "loss"])
        writer.writerows(zip(X.tolist(), POINTS.output.tolist(), strict=True))
        writer.writerow([1e4, 9.9])
    content = table.read_bytes()
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "card.toml").write_text(
        f"""
        schema_version = 1
        title = "t"
        licence = "MIT"
        citation = "@misc{{x}}"
        layout = "csv_runs"
        source = {{owner = "we", repo = "data", commit = "{COMMIT}", url = "https://h/{{path}}"}}
        [[file]]
        path = "runs.csv"
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        size = {len(content)}
        [[column]]
        name = "run_id"
        from = "run"
        [[column]]
        name = "params"
        from = "size"
        unit = "parameters"
        convention = "total"
        [[column]]
        name = "loss"
        from = "loss"
        unit = "nats/token"
        """
    )
    (tmp_path / "fits" / "power_law").mkdir(parents=True)
    selection = {"where": "loss < 9", "columns": {"x": "params"}}
    data = {k: v for k, v in good.data.items() if k != "points"}
    origin = {**good.origin, "card": "mine"}
    fit = replace(good, name="power_law/mine", selection=selection, data=data, origin=origin)
    fit.to_json(tmp_path / "fits" / "power_law" / "mine.json")
    monkeypatch.setattr(shipped, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(reference, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(kinds, "folder", lambda name: tmp_path / name)
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_card_data_not_at_hand(carded: Path) -> None:
    (result,) = reference.check()
    assert (result.name, result.status) == ("power_law/mine", Verdict.SKIPPED)
    assert result.message == (
        "right at 2 anchor points, not refitted: get the data with 'scaling data fetch mine'."
    )


def test_card_data_in_the_mirror_then_in_the_cache(carded: Path) -> None:
    for mirror in (carded / "mirror", None):
        (result,) = reference.check(mirror=mirror)
        assert result.status is Verdict.PASS
        assert result.message.startswith("refitted: ")


def test_a_row_that_the_selection_lets_in(carded: Path) -> None:
    path = carded / "fits" / "power_law" / "mine.json"
    fit = kinds.load(path, Fit)
    replace(fit, selection={"columns": {"x": "params"}}).to_json(path)
    (result,) = reference.check(mirror=carded / "mirror")
    assert result.status is Verdict.FAIL
    assert result.message.startswith("the data have changed since this fit: 10 points, ")


def test_a_column_that_the_card_lacks(carded: Path) -> None:
    path = carded / "fits" / "power_law" / "mine.json"
    replace(kinds.load(path, Fit), selection={"where": "loss < 9"}).to_json(path)
    (result,) = reference.check(mirror=carded / "mirror")
    card = carded / "data" / "mine" / "card.toml"
    assert result.message == f"{card}: data set mine has no column x."


def test_a_store_in_a_folder_is_left_out(good: Fit, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,tokens,loss\n1,1000,3.5\n2,2000,3.4\n")
    store.append(tmp_path / "demo" / "store", read(log))
    nothing = f"no fit file (*.json) in the folder {tmp_path}."
    assert refusal(UsageError, reference.check, [tmp_path]) == nothing
    for name in ("manifest.json", "fit.json"):  # a fit may have any name
        good.to_json(tmp_path / "demo" / name)
    results = reference.check([tmp_path])
    assert [Path(r.name).name for r in results] == ["fit.json", "manifest.json"]
    assert {r.status for r in results} == {Verdict.PASS}


def test_an_empty_path_is_refused() -> None:
    said = "a path is empty. The folder that you are in is '.'."
    assert refusal(UsageError, reference.check, [""]) == said


# ---- the certified fits


def test_certified_fits_refit_from_the_original_files(shared: Path) -> None:
    results = {r.name: r for r in reference.check(mirror=shared / "upstream")}
    assert {name: r.message for name, r in results.items() if r.status is not Verdict.PASS} == {}
    epoch = results["chinchilla/epoch-240"]
    assert epoch.objective == pytest.approx(1.018274017800598e-3, rel=1e-9)
    for name in ("chinchilla/besiroglu-2024", "overtraining/gadre-2024-c4"):
        assert results[name].message.startswith("refitted: ")
    # An independent linear-programming descent on the same points stops at 1.12949465362.
    published = results["chinchilla/besiroglu-2024"].objective
    assert published == pytest.approx(1.12949465362, rel=2e-7)


def test_a_fit_matches_its_reference(good: Fit, tmp_path: Path) -> None:
    """By file or in memory; another objective of the same surface is no failure."""
    good.to_json(tmp_path / "fit.json")
    assert_fit_matches(good, tmp_path / "fit.json")
    assert_fit_matches("chinchilla/ladder", "chinchilla/ladder")
    assert good.value is not None
    assert_fit_matches(replace(good, value=0.9 * good.value), good)


def test_a_fit_that_does_not_match_says_where(good: Fit) -> None:
    """A is 1 % larger: at x = 1e6 the reducible loss is 12 x 1e6^-.21 of the loss, so it moves."""
    assert isinstance(good.law, PowerLaw)
    assert good.value is not None
    other = replace(good, law=replace(good.law, A=1.01 * good.law.A), value=None)
    reducible = good.law(x=1e6) - good.law.E
    error = 0.01 * reducible / good.law(x=1e6)
    assert refusal(AssertionError, assert_fit_matches, other, good) == (
        f"at x = 1e+06 the loss differs by {error:.2g} of the reference's (allowed 1e-06)."
    )
    assert_fit_matches(other, good, tolerance=2 * error)
    worse = replace(good, value=1.5 * good.value)
    assert refusal(AssertionError, assert_fit_matches, worse, good) == (
        f"the objective is {worse.value:.12g}, above the reference's {good.value:.12g} (by 0.5 of "
        "it, allowed 1e-09)."
    )
    assert refusal(AssertionError, assert_fit_matches, good, "chinchilla/ladder") == (
        "the law is PowerLaw, that of the reference Chinchilla."
    )
