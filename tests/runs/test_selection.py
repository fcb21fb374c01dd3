"""Selection: which row of each run is fitted, and why every other one is not."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from log_files import TABLE, write
from refusals import refusal

from scaling_cli import ingest, laws
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError

CHINCHILLA = laws.get("chinchilla")
ASSUMED = (
    "convention assumed: N counts all parameters (total); --set params_convention=non_embedding or "
    "=active says otherwise."
)


def points(source: object, options: dict[str, Any] | None = None, **selection: Any) -> Points:
    law = laws.get(selection.pop("law", "chinchilla"))
    return select(ingest.read(source, **(options or {})), law, **selection)


def left(found: Points) -> dict[str, str]:
    return {item.run: item.reason for item in found.left_out}


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    """Three runs: one whole, one that diverges, one that is evaluated before its end."""
    head = "step,tokens,loss,val_loss\n"
    write(tmp_path, "whole.csv", head + "1,1e6,5,\n2,2e6,4,4.5\n3,3e6,3,3.5\n4,4e6,2,2.5\n")
    write(tmp_path, "broken.csv", head + "1,1e6,5,\n2,2e6,4,4.5\n3,3e6,nan,\n")
    write(tmp_path, "early.csv", head + "1,1e6,5,\n2,2e6,4,4.25\n3,3e6,3.5,\n")
    meta = "run_id,params,role,steps\nwhole,1e6,fit,4\nbroken,2e6,fit,4\nearly,3e6,test,4\n"
    write(tmp_path, "meta/runs.csv", meta)
    return tmp_path


def of(curves: Path, **selection: Any) -> Points:
    return points(str(curves / "*.csv"), {"meta": curves / "meta/runs.csv"}, **selection)


def test_the_target_is_the_held_out_loss_where_there_is_one(curves: Path) -> None:
    found = of(curves)
    assert list(found.runs) == ["early", "whole"]
    np.testing.assert_array_equal(found.output, [4.25, 2.5])
    np.testing.assert_array_equal(found.inputs["N"], [3e6, 1e6])
    np.testing.assert_array_equal(found.inputs["D"], [2e6, 4e6])
    assert left(found) == {"broken": "loss is NaN at its last step 3; the run diverged"}
    assert found.notes[0] == "target: val_loss, not loss (the training loss)."
    assert found.notes[1] == (
        "1 run(s) stopped short of their planned steps, so their learning rate may not have "
        "decayed: early."
    )


def test_a_named_target_is_taken_as_it_is(curves: Path) -> None:
    found = of(curves, target="loss")
    np.testing.assert_array_equal(found.output, [3.5, 2])
    assert left(found) == {"broken": "loss is NaN at its last step 3; the run diverged"}


def test_all_rows(curves: Path) -> None:
    found = of(curves, at="all", target="loss")
    np.testing.assert_array_equal(found.output, [5, 4, 3.5, 5, 4, 3, 2])
    np.testing.assert_array_equal(found.inputs["D"], [1e6, 2e6, 3e6, 1e6, 2e6, 3e6, 4e6])
    assert list(found.runs) == ["early"] * 3 + ["whole"] * 4


def test_the_mean_of_the_last_rows(curves: Path) -> None:
    found = of(curves, at="last:2")
    np.testing.assert_array_equal(found.output, [4.25, 3.0])
    np.testing.assert_array_equal(found.inputs["D"], [2e6, 4e6])
    assert "2 run(s) have fewer than 2 rows of val_loss; all were averaged." in found.notes


@pytest.mark.parametrize("at", ["first", "last", "last:0", "last:x"])
def test_at_that_cannot_be_read(curves: Path, at: str) -> None:
    said = refusal(UsageError, of, curves, at=at)
    assert said == f"--at must be final, all or last:K with K at least 1, not {at!r}."


def test_where_is_judged_on_the_point_that_at_picks(curves: Path) -> None:
    found = of(curves, where='role == "fit" and tokens > 2.5e6')
    assert list(found.runs) == ["whole"]
    reason = 'where: not role == "fit" and tokens > 2.5e6'
    # broken was picked at step 2, where it was last evaluated
    assert left(found) == {"early": reason, "broken": reason}


def test_names_of_the_file_are_understood_in_where_and_target(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "run,n_params,n_tokens,train/loss\na,1e6,2e7,3\nb,2e6,2e7,2\n")
    found = points(file, target="train/loss", where="n_params > 1.5M and `train/loss` < 3")
    assert list(found.runs) == ["b"]


def test_any_column_can_be_the_target(tmp_path: Path) -> None:
    file = write(
        tmp_path, "t.csv", "run_id,N,D,loss_c4,bpb_code\na,1e6,2e7,3,1.5\nb,2e6,2e7,2,1.25\n"
    )
    found = points(file, target="bpb_code")
    np.testing.assert_array_equal(found.output, [1.5, 1.25])
    assert found.conventions == {"N": "total", "L": "bits/byte"}
    assert points(file, target="loss_c4").conventions["L"] == "nats/token"


def test_missing_inputs_are_listed_by_run(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "t.csv",
        "run_id,params,tokens,loss\na,1e6,2e7,3\nb,,2e7,2\nc,1e6,,2\nd,2e6,3e7,\n",
    )
    found = points(file)
    assert list(found.runs) == ["a"]
    assert left(found) == {
        "b": "params is missing",
        "c": "tokens is missing (not logged, no batch_tokens to multiply step with, and no total "
        "that the run is known to have reached)",
        "d": "loss is missing",
    }


def test_a_loss_that_is_not_finite_is_left_out_by_name(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", TABLE + "d,1e6,2e7,nan\ne,1e6,2e7,inf\n")
    found = points(file)
    assert list(found.runs) == ["a", "b", "c"]
    assert left(found) == {
        "d": "loss is NaN; the run diverged",
        "e": "loss is infinite; the run diverged",
    }


def test_nothing_is_left(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", TABLE.replace("3.5", "nan"))
    assert refusal(DataError, points, file, where="params < 2M") == (
        "no run is left to fit loss to. Left out: 2 run(s): where: not params < 2M; 1 run(s): loss "
        "is NaN; the run diverged."
    )


# --- tokens ------------------------------------------------------------------------------------


def test_the_other_loss_is_named_where_no_run_has_this_one(tmp_path: Path) -> None:
    text = "run_id,params,tokens,loss,val_loss\na,1e6,2e7,3,\nb,2e6,4e7,,2.8\n"
    assert refusal(DataError, points, write(tmp_path, "t.csv", text), where="params < 2M") == (
        "no run is left to fit val_loss to. Left out: 1 run(s): val_loss is missing; 1 run(s): "
        "where: not params < 2M. Another column is fitted by --target loss."
    )


def test_an_unknown_column_names_those_that_are_there(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "n_params,tokens,loss\n1e9,2e10,3\n2e9,4e10,2.9\n")
    assert refusal(UsageError, points, file, where="foo > 3") == (
        "--where 'foo > 3': there is no column 'foo'. Columns: tokens, loss, n_params. Text "
        "stands in quotes."
    )


def test_tokens_are_steps_times_batch_where_none_are_logged(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n10,4\n20,3\n")
    found = points(file, {"set": {"params": "1M", "batch_tokens": "500k"}})
    np.testing.assert_array_equal(found.inputs["D"], [1e7])
    assert "tokens: step x batch_tokens, as none are logged (1 point(s))." in found.notes


def test_a_total_counts_only_if_the_run_reached_it(tmp_path: Path) -> None:
    for name, last in (("whole", 100), ("half", 50)):
        write(tmp_path, f"{name}.csv", f"step,loss\n10,4\n{last},3\n")
    table = "run_id,params,tokens,steps\nwhole,1e6,1e9,100\nhalf,1e6,1e9,100\n"
    found = points(str(tmp_path / "*.csv"), {"meta": write(tmp_path, "meta/m.csv", table)})
    assert list(found.runs) == ["whole"]
    np.testing.assert_array_equal(found.inputs["D"], [1e9])
    assert left(found)["half"].startswith("tokens is missing (not logged")
    assert found.notes[1] == (
        "tokens: the total of the run, taken as reached at its last step, as none are logged (1 "
        "point(s))."
    )


def test_a_curve_before_its_first_token_is_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,tokens,loss\n0,0,7\n1,5e5,5\n2,1e6,4\n")
    found = points(file, {"set": {"params": "10k"}}, at="all")
    np.testing.assert_array_equal(found.inputs["D"], [5e5, 1e6])
    assert left(found) == {"f": "tokens is 0"}


# --- units and conventions ---------------------------------------------------------------------


def with_compute(tmp_path: Path, tokens: float, factor: float = 1.0, params: float = 1e8) -> str:
    rows = [
        f"r{i},{params * i},{tokens * i},{factor * 6e8 * i * 2e9 * i},{3 - i / 10}"
        for i in (1, 2, 3)
    ]
    return write(tmp_path, "t.csv", "run_id,params,tokens,flops,loss\n" + "\n".join([*rows, ""]))


def test_compute_that_agrees_is_kept(tmp_path: Path) -> None:
    found = points(with_compute(tmp_path, 2e9))
    assert found.compute is not None
    np.testing.assert_allclose(found.compute, 6 * found.inputs["N"] * found.inputs["D"])
    assert found.notes == ["target: loss.", ASSUMED]


@pytest.mark.parametrize(
    ("tokens", "params", "message"),
    [
        (
            2,
            1e8,
            "flops contradict 6ND: the median of flops / 6ND is 1e+09 (params "
            "100M to 300M, tokens 2 to 6, flops 1.2e+18 to 1.08e+19). tokens look as if given in "
            "billions: --set tokens_scale=1e+09 multiplies the column.",
        ),
        (
            2e9,
            100,
            "flops contradict 6ND: the median of flops / 6ND is 1e+06 (params "
            "100 to 300, tokens 2B to 6B, flops 1.2e+18 to 1.08e+19). params look as if given in "
            "millions: --set params_scale=1e+06 multiplies the column.",
        ),
        (
            2,
            0.1,
            "flops contradict 6ND: the median of flops / 6ND is 1e+18 (params 0.1 to "
            "0.3, tokens 2 to 6, flops 1.2e+18 to 1.08e+19). params and tokens look as if given in "
            "billions: --set params_scale=1e+09 --set tokens_scale=1e+09 multiplies the columns.",
        ),
        (
            1e10,
            1e8,
            "flops contradict 6ND: the median of flops / 6ND is 0.2 (params 100M to "
            "300M, tokens 10B to 30B, flops 1.2e+18 to 1.08e+19). Check which columns were read as "
            "params, tokens and flops (--map), whether params of a mixture count active ones only, "
            "or give flops a factor: --set flops_scale=5.",
        ),
    ],
)
def test_compute_that_contradicts_6nd_is_refused(
    tmp_path: Path, tokens: float, params: float, message: str
) -> None:
    file = with_compute(tmp_path, tokens, params=params)
    assert refusal(MismatchError, points, file) == f"{file}: {message}"
    assert [n.level for n in ingest.read(file).notes if n.code == "units"] == ["fail"]


def test_what_the_message_says_mends_it(tmp_path: Path) -> None:
    found = points(with_compute(tmp_path, 2), {"set": {"tokens_scale": "1e+09"}})
    np.testing.assert_array_equal(found.inputs["D"], [2e9, 4e9, 6e9])


def test_counted_compute_is_noted(tmp_path: Path) -> None:
    assert points(with_compute(tmp_path, 2e9, factor=1.25)).notes[-1] == (
        "flops are 1.25 of 6ND (median; 1.25 to 1.25): they were counted, not computed as 6ND; "
        "laws in C here use 6ND."
    )


def averaged(tmp_path: Path, factor: float = 1.0, size: str = "average_params") -> str:
    """Return a table of pruned runs: 0.3 of the parameters on average, flops 6 N_avg D."""
    rows = [
        f"r{i},{1e8 * i},{3e7 * i},{2e9 * i},{factor * 6 * 3e7 * i * 2e9 * i},{3 - i / 10}"
        for i in (1, 2, 3)
    ]
    head = f"run_id,params,{size},tokens,flops,loss\n"
    return write(tmp_path, "t.csv", head + "\n".join([*rows, ""]))


def test_compute_is_compared_with_what_the_law_makes_of_its_size(tmp_path: Path) -> None:
    file = averaged(tmp_path)
    assert [n for n in ingest.read(file).notes if n.code in ("units", "counted-flops")] == []
    found = points(file, law="average_parameters")
    assert found.compute is not None
    np.testing.assert_allclose(found.compute, 6 * found.inputs["N_avg"] * found.inputs["D"])
    assert found.notes == [
        "target: loss.",
        "convention assumed: N_avg counts all parameters (total); --set "
        "average_params_convention=non_embedding or =active says otherwise.",
    ]
    assert refusal(MismatchError, points, file) == (
        f"{file}: flops contradict 6ND: the median of flops / 6ND is 0.3 (params 100M to 300M, "
        "tokens 2B to 6B, flops 3.6e+17 to 3.24e+18). Check which columns were read as params, "
        "tokens and flops (--map), whether params of a mixture count active ones only, or give "
        "flops a factor: --set flops_scale=3.33."
    )
    wrong = averaged(tmp_path, factor=0.1)
    assert refusal(MismatchError, points, wrong, law="average_parameters") == (
        f"{wrong}: flops contradict 6N_avgD: the median of flops / 6N_avgD is 0.1 (average_params "
        "30M to 90M, tokens 2B to 6B, flops 3.6e+16 to 3.24e+17). Check which columns were read "
        "as average_params, tokens and flops (--map), whether params of a mixture count active "
        "ones only, or give flops a factor: --set flops_scale=10."
    )


class Attending(laws.get("chinchilla")):
    """A law that counts thrice what 6ND does."""

    @classmethod
    def compute(cls, **inputs: Any) -> Any:
        """Return 18ND."""
        return 18 * inputs["N"] * inputs["D"]


def test_compute_is_counted_as_a_law_counts_it(tmp_path: Path) -> None:
    runs = ingest.read(with_compute(tmp_path, 2e9, factor=3))
    found = select(runs, Attending)
    assert found.notes == ["target: loss.", ASSUMED]
    assert select(ingest.read(with_compute(tmp_path, 2e9, factor=3.75)), Attending).notes[-1] == (
        "flops are 1.25 of the law's compute (median; 1.25 to 1.25): they were counted, not "
        "computed as the law's compute; laws in C here use the law's compute."
    )


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("unique_tokens", "2e9 2e9 6e9", "unique_tokens: 1 run(s)"),
        ("epochs", "1 4 4", "epochs: 2 run(s)"),
        ("epochs", "1 1 0.5", None),
        ("unique_tokens", "2e9 4e9 7e9", None),
    ],
)
def test_tokens_that_were_seen_again_are_noted(
    tmp_path: Path, column: str, values: str, told: str | None
) -> None:
    seen = [f"r{i},1e8,{2e9 * i},{v},3\n" for i, v in enumerate(values.split(), 1)]
    file = write(tmp_path, "t.csv", f"run_id,params,tokens,{column},loss\n" + "".join(seen))
    said = f"{told} saw tokens more than once, and the law does not see that."
    assert points(file).notes == ["target: loss.", *([said] if told else []), ASSUMED]
    assert points(file, law="kaplan_n").notes == ["target: loss.", ASSUMED]


def test_how_an_average_counts_is_read_and_compared(tmp_path: Path) -> None:
    file = averaged(tmp_path)
    options = {"set": {"average_params_convention": "active"}}
    found = points(file, options, law="average_parameters")
    assert found.conventions == {"N_avg": "active", "L": "nats/token"}
    named = averaged(tmp_path, size="params_active")
    found = points(named, {"map": {"average_params": "params_active"}}, law="average_parameters")
    assert found.conventions["N_avg"] == "active"
    assert found.notes == ["target: loss."]
    named = averaged(tmp_path, size="params_total")
    found = points(named, {"map": {"average_params": "params_total"}}, law="average_parameters")
    assert found.notes == [
        "target: loss.",
        "N_avg is counted as total here; average_parameters was published for N_avg active.",
    ]


def test_tokens_in_millions_without_compute(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "params,tokens,loss\n1e9,2e4,3\n2e9,4e4,2.9\n")
    message = (
        "tokens look as if given in millions (they are 20k to 40k): if so, --set tokens_scale=1e6 "
        "multiplies the column."
    )
    assert points(file).notes[-1] == message
    assert [str(n) for n in ingest.read(file).notes if n.code == "units"] == [message]


def test_counts_of_two_kinds_are_not_pooled(tmp_path: Path) -> None:
    one = write(tmp_path, "one.csv", "run_id,params_total,tokens,loss\na,1e6,2e7,3\n")
    two = write(tmp_path, "two.csv", "run_id,params_non_embedding,tokens,loss\nb,1e6,2e7,2\n")
    assert refusal(MismatchError, select, ingest.read(one, two), CHINCHILLA) == (
        f"parameters are counted in two ways: total in {one} (run 'a'), non_embedding in {two} "
        "(run 'b'). Use one: fit them apart with --where, or say what they share with --set "
        "params_convention=..."
    )
    found = select(ingest.read(one, two), CHINCHILLA, where="params_total > 0")
    assert found.conventions["N"] == "total"


def test_losses_in_two_units_are_not_pooled(tmp_path: Path) -> None:
    one = write(tmp_path, "one.csv", "run_id,params_total,tokens,loss\na,1e6,2e7,3\n")
    two = write(tmp_path, "two.csv", "run_id,params_total,tokens,bpb\nb,1e6,2e7,1\n")
    assert refusal(
        MismatchError, select, ingest.read(one, two, map={"loss": "bpb"}), CHINCHILLA
    ) == (
        f"losses have two units: nats/token (assumed) in {one} (run 'a'), bits/byte in {two} (run "
        "'b'). Use one: fit them apart with --where, or say what they share with --set "
        "loss_convention=..."
    )


def test_sizes_counted_otherwise_come_along_where_every_run_has_them(tmp_path: Path) -> None:
    head = "run_id,params_total,params_non_embedding,params_active,tokens,loss\n"
    rows = "a,2e6,1e6,,2e7,3\nb,4e6,3e6,5e5,4e7,2.9\nc,6e6,5e6,,6e7,nan\n"
    found = points(write(tmp_path, "counts.csv", head + rows))
    assert found.conventions["N"] == "total"
    assert {name: sizes.tolist() for name, sizes in found.counts.items()} == {
        "non_embedding": [1e6, 3e6]
    }
    other = points(
        write(tmp_path, "counts.csv", head + rows), {"map": {"params": "params_non_embedding"}}
    )
    assert {name: sizes.tolist() for name, sizes in other.counts.items()} == {"total": [2e6, 4e6]}


def test_a_count_that_the_law_was_not_published_for_is_noted(tmp_path: Path) -> None:
    table = "run_id,params_non_embedding,params_total,tokens,loss\na,1e6,2e6,2e7,3\n"
    file = write(tmp_path, "t.csv", table)
    found = points(file, {"map": {"params": "params_non_embedding"}})
    assert found.conventions["N"] == "non_embedding"
    assert found.notes[1] == (
        "N is counted as non_embedding here; chinchilla was published for N total. --map "
        "params=params_total takes the other."
    )


# --- what is not there -------------------------------------------------------------------------


def test_no_loss_column(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "run_id,params,tokens,eval/c4_nll\na,1e6,2e7,3\n")
    assert refusal(DataError, points, file) == (
        f"{file}: there is no loss column. Columns found: run_id, tokens, params, eval/c4_nll. Say "
        "which it is: --map loss=eval/c4_nll, or fit another column with --target eval/c4_nll."
    )


def test_no_such_target(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", TABLE)
    assert refusal(DataError, points, file, target="los") == (
        f"{file}: there is no column 'los'. Did you mean loss? Columns found: run_id, tokens, "
        "loss, params."
    )


def test_a_target_of_text(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "run_id,params,tokens,loss,score\na,1,2e7,3,1.5\nb,2,2e7,2,x\n")
    assert refusal(DataError, points, file, target="score") == (
        f"{file}, row 3, column 'score': 'x' is not a number. Mend the cell, or leave it empty if "
        "there is no value."
    )


def test_a_target_below_zero_is_selected_as_it_is(tmp_path: Path) -> None:
    table = "run_id,params,tokens,score\na,1e6,2e7,1.5\nb,2e6,2e7,-1.2\n"
    found = points(write(tmp_path, "t.csv", table), target="score")
    np.testing.assert_array_equal(found.output, [1.5, -1.2])


@pytest.mark.parametrize(
    ("law", "table", "message"),
    [
        (
            "chinchilla",
            "run_id,tokens,loss\na,2e7,3\n",
            "law chinchilla needs params (N, model "
            "parameters); no run has it. Give it with --set params=124M, --meta runs.csv, --name "
            "'{params}_{tokens}' or --map params=COLUMN. Columns found: run_id, tokens, loss.",
        ),
        (
            "chinchilla",
            "run_id,params,loss\na,2e7,3\n",
            "law chinchilla needs tokens (D, training tokens); no run has it. Give it with --set "
            "batch_tokens=512k (tokens are then step x batch_tokens), --meta runs.csv or --map "
            "tokens=COLUMN. Columns found: run_id, loss, params.",
        ),
        (
            "power_law",
            "run_id,flops,loss\na,2e7,3\n",
            "law power_law needs x (x, the one variable of a one-variable law); no run has it. Say "
            "which column it is: --map x=flops (or tokens, params, step). Columns found: run_id, "
            "flops, loss.",
        ),
        (
            "average_parameters",
            "run_id,params,tokens,loss\na,1,2e7,3\n",
            "law average_parameters needs average_params (N_avg, parameter count averaged over "
            "training tokens); no run has it. For dense runs it is the parameter count: --map "
            "average_params=params. Columns found: run_id, tokens, loss, params.",
        ),
    ],
)
def test_an_input_that_no_run_has(tmp_path: Path, law: str, table: str, message: str) -> None:
    file = write(tmp_path, "t.csv", table)
    assert refusal(DataError, points, file, law=law) == f"{file}: {message}"


WEIGHED = "run_id,params,tokens,loss,w\na,1e6,1e8,3,2\nb,2e6,1e8,2.9,0\nc,4e6,1e8,2.8,0.5\n"


def test_a_column_of_weights(tmp_path: Path) -> None:
    found = points(write(tmp_path, "runs.csv", WEIGHED), weight="w")
    np.testing.assert_array_equal(found.weights(), [2, 0.5])
    np.testing.assert_array_equal(found.output, [3, 2.8])
    np.testing.assert_array_equal(found.inputs["N"], [1e6, 4e6])
    assert left(found) == {"b": "w (its weight) is 0"}
    assert points(tmp_path / "runs.csv").weight is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            "",
            "the weight of run b is missing; it must be a number, not negative. Mend the cell; "
            "0 leaves a point out.",
        ),
        (
            "-2",
            "the weight of run b is -2; it must be a number, not negative. Mend the cell; "
            "0 leaves a point out.",
        ),
        (
            "inf",
            "the weight of run b is inf; it must be a number, not negative. Mend the cell; "
            "0 leaves a point out.",
        ),
        ("high", "'high' is not a number. Mend the cell; 0 leaves a point out."),
    ],
)
def test_weights_that_are_none(tmp_path: Path, cell: str, message: str) -> None:
    path = write(tmp_path, "runs.csv", WEIGHED.replace("2.9,0", f"2.9,{cell}"))
    assert refusal(DataError, points, path, weight="w") == f"{path}, row 3, column 'w': {message}"


def test_weights_that_leave_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "runs.csv", WEIGHED.replace(",2\n", ",0\n").replace("0.5", "0"))
    assert refusal(DataError, points, path, weight="w") == (
        "no run is left to fit loss to. Left out: 3 run(s): w (its weight) is 0."
    )


def test_no_column_of_weights(tmp_path: Path) -> None:
    path = write(tmp_path, "runs.csv", WEIGHED)
    assert refusal(DataError, points, path, weight="ww") == (
        f"{path}: there is no column 'ww'. Did you mean w? Columns found: run_id, tokens, loss, "
        "params, w."
    )


def test_one_variable_is_mapped(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "run_id,params,tokens,flops,loss\na,1,2e7,1.2e8,3\n")
    found = points(file, {"map": {"x": "flops"}}, law="power_law")
    np.testing.assert_array_equal(found.inputs["x"], [1.2e8])
    found = points(file, {"map": {"average_params": "params"}}, law="average_parameters")
    np.testing.assert_array_equal(found.inputs["N_avg"], [1])


# --- the same answer from everywhere -----------------------------------------------------------


def test_the_same_points_from_every_format_and_order(tmp_path: Path) -> None:
    header, *rows = TABLE.splitlines(keepends=True)
    digests = {
        points(write(tmp_path, "a.csv", TABLE)).sha256(),
        points(write(tmp_path, "b.csv", "".join([header, *reversed(rows)]))).sha256(),
        points(
            write(tmp_path, "c.tsv.gz", gzip.compress(TABLE.replace(",", "\t").encode()))
        ).sha256(),
        points(pd.read_csv(tmp_path / "a.csv")).sha256(),
    }
    assert len(digests) == 1


def test_runs_are_sorted_by_name_with_numbers_by_value(tmp_path: Path) -> None:
    rows = [f"r{i},1e6,{i}e7,3\n" for i in (10, 9, 1)]
    found = points(write(tmp_path, "t.csv", "run_id,params,tokens,loss\n" + "".join(rows)))
    assert list(found.runs) == ["r1", "r9", "r10"]


def test_the_ladder_of_this_project(root: Path) -> None:
    ladder = root / "data" / "ladder"
    if not (ladder / "runs.csv").exists():
        pytest.skip("the ladder is not here")
    runs = ingest.read(str(ladder / "runs" / "*.csv"), meta=ladder / "runs.csv")
    table = pd.read_csv(ladder / "runs.csv").set_index("run_id")
    found = select(runs, CHINCHILLA, where='role == "fit"')
    expected = table[table["role"] == "fit"]
    assert set(found.runs) == set(expected.index)
    facts = expected.loc[list(found.runs)]
    np.testing.assert_array_equal(found.inputs["N"], facts["params_total"])
    np.testing.assert_array_equal(found.inputs["D"], facts["tokens"])
    np.testing.assert_array_equal(found.output, facts["final_loss"])
    assert found.conventions == {"N": "total", "L": "nats/token"}
    assert found.notes[0] == "target: val_loss, not loss (the training loss)."
