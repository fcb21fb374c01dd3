"""Checks of the data: every warning and failure from a table made for it, whole messages."""

from dataclasses import replace

import numpy as np
import pytest
from evidence import BUDGET, evidence, line, moved, slices
from tables import table, truth

from scaling_cli.point_fits.checklist.data import replicates
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Touches

TABLE = table("chinchilla")
C = 6 * TABLE.inputs["N"] * TABLE.inputs["D"]


def warn(code: str, message: str) -> Check:
    return Check(code, Level.WARN, message)


def note(code: str, message: str) -> Check:
    return Check(code, Level.PASS, message)


# --- R1 -------------------------------------------------------------------------------------


def test_few_levels_and_few_points() -> None:
    points = TABLE.take(np.array([0, 1, 2, 6, 7, 12, 14]))
    assert line(evidence(points), "data.range") == note(
        "data.range",
        "N takes only 3 values; 7 points leave 2 to spare for 5 parameters (7 points, 7 "
        "configurations: N 20M to 2B (2.0 decades, 3 levels); D 100M to 160B (3.2 decades, 7 "
        "levels); C 1.2e+16 to 1.92e+21 (5.2 decades); D/N 5 to 80 (1.2 decades)). Add runs "
        "before trusting exponents.",
    )


def test_too_few_configurations_fail() -> None:
    points = TABLE.take(np.array([0, 1, 2, 7, 7, 12]))
    assert line(evidence(points), "data.range") == Check(
        "data.range",
        Level.FAIL,
        "5 configurations for 5 parameters (6 points, 5 configurations: N 20M to 2B (2.0 decades, "
        "3 levels); D 100M to 10B (2.0 decades, 5 levels); C 1.2e+16 to 1.2e+20 (4.0 decades); "
        "D/N 5 to 80 (1.2 decades)). The law follows these points whatever they are: quote no "
        "parameter and no forecast from it. Add runs, or hold parameters with --fix or --tie.",
    )


def test_two_levels_fail() -> None:
    found = line(evidence(TABLE.take(np.arange(6))), "data.range")
    assert found.level is Level.FAIL
    assert found.message.startswith(
        "N takes only 2 values; 6 configurations for 5 parameters (6 points, 6 configurations: "
    )


# --- R2 -------------------------------------------------------------------------------------


def test_logged_compute_that_is_not_6ND() -> None:
    agrees = replace(TABLE, compute=C * np.linspace(0.95, 1.05, 15))
    assert line(evidence(agrees), "data.units") == Check(
        "data.units", Level.PASS, "logged compute agrees with 6ND."
    )
    budgets = (
        "Decades beyond the data are counted in 6ND; give budgets to 'scaling predict' in the same."
    )
    differs = replace(TABLE, compute=C * np.linspace(1.0, 2.0, 15))
    assert line(evidence(differs), "data.units") == warn(
        "data.units",
        "logged compute is 1 to 2 times 6ND: another way of counting, or tokens or parameters "
        f"in other units. {budgets}",
    )
    counted = replace(TABLE, compute=C * np.linspace(0.75, 1.25, 15))  # as embeddings do
    assert line(evidence(counted), "data.units") == Check(
        "data.units",
        Level.PASS,
        f"logged compute is 0.75 to 1.25 times 6ND: another way of counting. {budgets}",
        (Touches.OPTIMUM,),
    )


def test_tokens_in_billions() -> None:
    points = replace(TABLE, inputs={**TABLE.inputs, "D": TABLE.inputs["D"] / 1e9})
    assert line(evidence(points), "data.units") == warn(
        "data.units",
        "tokens look as if given in billions (they are 0.1 to 160): if so, --set "
        "tokens_scale=1e9 multiplies the column.",
    )


def test_parameters_in_millions() -> None:
    points = replace(TABLE, inputs={**TABLE.inputs, "N": TABLE.inputs["N"] / 1e6})
    told = (
        "params look as if given in millions (they are 20 to 2k): if so, --set params_scale=1e6 "
        "multiplies the column."
    )
    assert line(evidence(points), "data.units") == warn("data.units", told)
    # Compute that was logged and agrees shows that the unit is right.
    logged = replace(points, compute=C / 1e6)
    assert line(evidence(logged), "data.units").level is Level.PASS
    tiny = replace(TABLE, inputs={**TABLE.inputs, "N": TABLE.inputs["N"] / 2e4})  # up to 100k
    assert line(evidence(tiny), "data.units").level is Level.PASS


def test_columns_that_are_swapped() -> None:
    N, D = TABLE.inputs["N"], TABLE.inputs["D"]
    points = replace(TABLE, inputs={"N": D, "D": N})
    low, high = np.min(N / D), np.max(N / D)
    assert high < 1
    assert line(evidence(points), "data.units") == warn(
        "data.units",
        f"every run has fewer tokens than parameters ({low:.3g} to {high:.3g} of them): are the "
        "two columns swapped, or counted in other units? Name them with --map, or scale them with "
        "--set tokens_scale=1e3.",
    )


def test_perplexities() -> None:
    points = replace(TABLE, output=np.exp(TABLE.output), conventions={"L": "nats/token"})
    usual = float(np.median(points.output))
    assert line(evidence(points), "data.units") == warn(
        "data.units",
        f"half the losses are above {usual:.4g} nats/token, more than any vocabulary allows: "
        "perplexities, or sums over a sequence? Map perplexities from a column called perplexity, "
        "and divide sums by their tokens.",
    )
    bits = replace(points, conventions={"L": "as given"})
    assert line(evidence(bits), "data.units").level is Level.PASS


def test_a_run_entered_twice() -> None:
    rows = [*range(15), 3]
    twice = replace(TABLE.take(np.array(rows)), runs=[f"r{i}" for i in range(16)])
    assert line(evidence(twice), "data.units") == warn(
        "data.units",
        "2 points repeat each other exactly, loss included (r3, r15): one run entered twice counts "
        "twice. Leave the copies out with --where.",
    )


def test_two_copies_of_many_runs_are_a_note() -> None:
    many = TABLE.take(np.tile(np.arange(15), 3))
    many = replace(many, output=many.output * np.linspace(1.0, 1.001, 45))
    copied = many.take(np.array([*range(45), 3]))
    assert line(
        evidence(replace(copied, runs=[f"r{i}" for i in range(46)])), "data.units"
    ) == Check(
        "data.units",
        Level.PASS,
        "no logged compute to compare with 6ND. 2 points repeat each other exactly, loss included "
        "(r3, r45): one run entered twice counts twice. Leave the copies out with --where.",
    )


# --- R3 -------------------------------------------------------------------------------------


def test_another_way_of_counting() -> None:
    points = replace(TABLE, conventions={"N": "non_embedding"})
    assert line(evidence(points), "data.params_convention") == warn(
        "data.params_convention",
        "N is counted as non_embedding here and as total by the authors of chinchilla. Exponents "
        "are not comparable with the published ones; predict with the same count that was fitted.",
    )
    same = replace(TABLE, conventions={"N": "total", "L": "nats/token"})
    assert line(evidence(same), "data.params_convention") == Check(
        "data.params_convention", Level.PASS, "conventions: N total, L nats/token."
    )


@pytest.mark.parametrize(("shift", "level"), [(0.03, Level.PASS), (-0.04, Level.WARN)])
def test_the_other_count_is_tried_where_it_is_known(shift: float, level: Level) -> None:
    other = moved("convention", 0.4, shift, name="N counted non_embedding", optimum_shift=0.5)
    found = line(evidence(found={"choices": [other]}), "data.params_convention")
    told = {
        0.03: "conventions: none stated; with N counted non_embedding the prediction at 10x moves "
        "by +3.05 % and N* by a factor of 1.65.",
        -0.04: "with N counted non_embedding the prediction at 10x moves by -3.92 % and N* by a "
        "factor of 1.65, more than the interval: say which count you forecast in.",
    }
    assert found == Check("data.params_convention", level, told[shift])


# --- R4 and R5 ------------------------------------------------------------------------------


def test_what_was_left_out_is_listed() -> None:
    left = [LeftOut(f"r{i}", "no loss") for i in range(7)]
    some, many = (replace(TABLE, left_out=left[:n]) for n in (2, 7))
    assert line(evidence(some), "data.filters").message == (
        "2 left out, listed with reasons: r0, r1."
    )
    assert line(evidence(many), "data.filters").message == (
        "7 left out, listed with reasons: r0, r1, r2, r3, r4 and 2 more."
    )


def test_runs_that_stopped_early() -> None:
    note = (
        "2 run(s) stopped short of their planned steps, so their learning rate may not have "
        "decayed: a, b."
    )
    assert line(evidence(replace(TABLE, notes=[note])), "data.filters") == warn(
        "data.filters",
        "nothing was left out; 2 run(s) stopped short of their planned steps, so their learning "
        "rate may not have decayed: a, b. Leave them out with --where: a loss before the learning "
        "rate has decayed is not a final loss.",
    )


def test_unexplained_share_is_that_of_the_design() -> None:
    # ln D = ln N + ln ratio, independent: var(ln ratio) / (var(ln N) + var(ln ratio)) of ln D.
    ln_N, ln_D = np.log(TABLE.inputs["N"]), np.log(TABLE.inputs["D"])
    share = 1 - np.corrcoef(ln_N, ln_D)[0, 1] ** 2
    assert f"({100 * share:.0f} % unexplained)" in line(evidence(), "data.collinearity").message


def test_entangled_inputs() -> None:
    N = np.geomspace(1e7, 1e10, 15)
    D = 20 * N * np.tile([0.8, 1.0, 1.25], 5)
    points = Points({"N": N, "D": D}, truth("chinchilla")(N=N, D=D), [str(i) for i in range(15)])
    share = 1 - np.corrcoef(np.log(N), np.log(D))[0, 1] ** 2
    assert line(evidence(points), "data.collinearity") == warn(
        "data.collinearity",
        f"only {100 * share:.1f} % of the spread of one of N and D is independent of the other. "
        "Add runs at other ratios of tokens to parameters.",
    )


def test_one_input_cannot_be_entangled() -> None:
    found = line(
        evidence(law="power_law", found={"choices": [], "runs": [], "groups": []}),
        "data.collinearity",
    )
    assert (found.level, found.message) == (Level.PASS, "one input.")


def test_budgets_that_do_not_bracket_their_minimum() -> None:
    open_ = replace(BUDGET, optimum=None, reason="the minimum lies above the sizes that were run")
    most = slices(budgets=[BUDGET, open_, open_, open_])
    assert line(evidence(found={"isoflop": most}), "data.collinearity") == note(
        "data.collinearity",
        "3 of 4 isoFLOP budgets do not bracket their minimum (the minimum lies above the sizes "
        "that were run). Add sizes on that side.",
    )
    some = slices(budgets=[BUDGET, BUDGET, BUDGET, open_])
    assert line(evidence(found={"isoflop": some}), "data.collinearity") == Check(
        "data.collinearity",
        Level.PASS,
        "N and D vary independently (33 % unexplained); 3 of 4 isoFLOP budgets bracket their "
        "minimum.",
    )


# --- R6 -------------------------------------------------------------------------------------


def repeated(spread: list[float], miss: float = 0.0) -> Points:
    """Return the table with its first rows run again, off by `spread`; all miss by `miss`."""
    rows = np.array([*range(15), *range(len(spread))])
    signs = np.where(np.arange(15) % 2, 1.0, -1.0)
    off = np.concatenate([miss * signs, miss * signs[: len(spread)] + spread])
    points = TABLE.take(rows)
    return replace(
        points, output=points.output * np.exp(off), runs=[f"r{i}" for i in range(len(rows))]
    )


def test_sd_of_repeated_runs_has_a_closed_form() -> None:
    # Pairs that differ by d: the pooled variance is the mean of d^2 / 2.
    found = replicates(evidence(repeated([0.01, 0.02, 0.03])))
    assert found is not None
    assert found[0] == pytest.approx(np.sqrt(np.mean([1e-4, 4e-4, 9e-4]) / 2), rel=1e-10)
    assert found[1:] == (3, 3)


def test_rows_of_one_run_are_not_repeats() -> None:
    points = replace(repeated([0.01, 0.02]), runs=[*(f"r{i}" for i in range(15)), "r0", "r1"])
    assert replicates(evidence(points)) is None


def test_repeats_that_agree_with_the_residuals() -> None:
    found = line(evidence(repeated([0.01, -0.01, 0.01])), "data.noise")
    assert found == Check(
        "data.noise",
        Level.PASS,
        "3 configurations were repeated: sd 0.71 % between their runs; the law misses by no more.",
    )


def test_a_law_that_misses_by_more_than_the_repeats() -> None:
    points = repeated([0.002, -0.002, 0.002], miss=0.01)
    r = np.log(truth("chinchilla")(**points.inputs) / points.output)
    sd = 0.002 / np.sqrt(2)
    lack = np.sqrt((np.sum(r**2) - 3 * sd**2) / (18 - 5 - 3))
    assert line(evidence(points), "data.noise") == note(
        "data.noise",
        f"3 configurations were repeated: sd 0.14 % between their runs, but the law misses by "
        f"{100 * lack:.2g} %: its form is off, not the runs. Compare laws (fit.alternatives) "
        "before extrapolating.",
    )


def test_repeats_that_differ_in_more_than_their_seed() -> None:
    assert line(evidence(repeated([0.1, -0.1, 0.1])), "data.noise") == warn(
        "data.noise",
        "3 configurations were repeated: sd 7.1 % between their runs, more than seeds do: they "
        "differ in settings that the law does not see (learning rate, data). Fit one setting with "
        "--where, or a table of the best of each.",
    )
