"""Counts and units: what a header says, what no model has, what compute and steps contradict."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import header, is_perplexity, recognise


def points(source: object, options: dict[str, Any] | None = None, **selection: Any) -> Points:
    return select(ingest.read(source, **(options or {})), Chinchilla, **selection)


@pytest.mark.parametrize(
    ("name", "base", "factor"),
    [
        ("params (M)", "params", 1e6),
        ("tokens_B", "tokens", 1e9),
        ("N [1e6]", "N", 1e6),
        ("compute (PF-days)", "compute", 8.64e19),
        ("compute_pf_days", "compute", 8.64e19),
        ("size in millions", "size", 1e6),
        ("Model Size (M params)", "Model Size", 1e6),
        ("params/1e6", "params", 1e6),
        ("tokens (x 10^9)", "tokens", 1e9),
        ("FLOPs [ZFLOP]", "FLOPs", 1e21),
        ("flops (1e18 FLOPs)", "flops", 1e18),
        ("train_tokens (billions)", "train_tokens", 1e9),
        ("non_embedding_params_M", "non_embedding_params", 1e6),
        ("params (1000000)", "params", 1e6),
        ("N_M", "N", 1e6),
        ("n_b", "n_b", 1.0),
        ("d_k", "d_k", 1.0),
        ("size_mb", "size_mb", 1.0),
        ("params_total", "params_total", 1.0),
        ("loss (M)", "loss (M)", 1.0),
    ],
)
def test_a_header_states_its_unit(name: str, base: str, factor: float) -> None:
    assert header(name) == (base, pytest.approx(factor))
    assert (recognise(name) is None) == (recognise(base) is None)


def test_names_of_perplexities() -> None:
    assert all(map(is_perplexity, ("perplexity", "val_ppl", "eval/perplexity", "PPL")))
    assert not any(map(is_perplexity, ("loss", "ppl_loss", "apple", "perplexity_source")))


def test_units_in_headers_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "params (M),tokens_B,loss\n70,1,3.5\n160,9,3.2\n")
    found = points(file)
    np.testing.assert_array_equal(found.inputs["N"], [7e7, 1.6e8])
    np.testing.assert_array_equal(found.inputs["D"], [1e9, 9e9])
    suffixed = write(tmp_path, "u.csv", "params (M),tokens_B,loss\n70M,1B,3.5\n160M,9B,3.2\n")
    np.testing.assert_array_equal(points(suffixed).inputs["N"], [7e7, 1.6e8])
    said = points(file, {"set": {"params_scale": "1e3"}})  # what is said goes before the header
    np.testing.assert_array_equal(said.inputs["N"], [7e4, 1.6e5])


def test_a_loss_column_of_zeros(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "step,loss,ce_loss\n1,0,9.1\n2,0,8.2\n3,0,7.7\n")
    assert refusal(DataError, points, file) == (
        f"{file}, row 2, column 'loss': loss (cross-entropy loss) must be positive, found 0. "
        "Another column may be it: --map loss=ce_loss."
    )


def test_sizes_that_no_model_has(tmp_path: Path) -> None:
    table = "run_id,params,tokens,loss\na,70,2,3.5\nb,160,9,3.2\n"
    file = write(tmp_path, "t.csv", table)
    assert refusal(DataError, points, file) == (
        f"{file}: params and tokens look as if given in millions and billions (they are 70 to 160 "
        "and 2 to 9): no model is as small. --set params_scale=1e6 --set tokens_scale=1e9 multiply "
        "the columns. --set params_scale=1 --set tokens_scale=1 say that they are right."
    )
    units = {"set": {"params_scale": "1e6", "tokens_scale": "1e9"}}
    np.testing.assert_array_equal(points(file, units).inputs["N"], [7e7, 1.6e8])
    right = points(file, {"set": {"params_scale": "1", "tokens_scale": "1"}})
    np.testing.assert_array_equal(right.inputs["N"], [70, 160])


def test_tokens_that_no_model_is_trained_on(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "params,tokens,loss\n7e7,0.5,3.5\n1.6e8,9,3.2\n")
    assert refusal(DataError, points, file) == (
        f"{file}: tokens look as if given in billions (they are 0.5 to 9): no model learns from "
        "as few. --set tokens_scale=1e9 multiplies the column. --set tokens_scale=1 says that they "
        "are right."
    )
    for scale in (1, 1e9):
        found = points(file, {"set": {"tokens_scale": str(scale)}})
        np.testing.assert_array_equal(found.inputs["D"], [0.5 * scale, 9 * scale])


def test_counts_too_small_for_a_ratio_are_asked_about(tmp_path: Path) -> None:
    """tokens / params lies below the doubles: its logarithm was taken, and NumPy warned."""
    file = write(tmp_path, "t.csv", "params,tokens,loss\n1e-3,1e-322,3.5\n2e-3,2e-322,3.2\n")
    assert refusal(DataError, points, file) == (
        f"{file}: params and tokens look as if given in millions and trillions (they are 0.001 to "
        "0.002 and 9.881e-323 to 1.976e-322): no model is as small. --set params_scale=1e6 --set "
        "tokens_scale=1e12 multiply the columns. --set params_scale=1 --set tokens_scale=1 say "
        "that they are right."
    )


def test_tokens_that_compute_tells(tmp_path: Path) -> None:
    table = "run_id,params,compute_budget,loss\na,1e7,6e17,3.5\nb,2e7,6e17,3.2\n"
    file = write(tmp_path, "t.csv", table)
    assert refusal(DataError, points, file) == (
        f"{file}: law chinchilla needs tokens (D, training tokens); no run has it. If flops are 6 "
        "x params x tokens, --set flops_convention=6ND takes tokens as flops / (6 x params); else "
        "--map tokens=COLUMN or --meta runs.csv. Columns found: run_id, compute_budget, loss, "
        "params."
    )
    found = points(file, {"set": {"flops_convention": "6ND"}})
    np.testing.assert_allclose(found.inputs["D"], [1e10, 5e9])
    assert "tokens: flops / (6 x params), as flops_convention=6ND says (2 point(s))." in found.notes
    assert found.compute is not None


def test_perplexities_are_read_as_losses(tmp_path: Path) -> None:
    table = "run_id,params,tokens,val_ppl\na,1e7,2e9,20\nb,2e7,2e9,15\n"
    found = points(write(tmp_path, "t.csv", table))
    np.testing.assert_allclose(found.output, np.log([20, 15]))
    assert found.notes[0] == ("target: val_loss. It is the logarithm of val_ppl, in nats/token.")
    assert found.conventions["L"] == "nats/token"
    both = table.replace("val_ppl", "loss,c4_ppl").replace(",20", ",3,20").replace(",15", ",2.9,15")
    asked = points(write(tmp_path, "b.csv", both), target="c4_ppl")
    np.testing.assert_allclose(asked.output, np.log([20, 15]))
    assert (asked.target, asked.conventions["L"]) == ("loss", "nats/token")
    bad = write(tmp_path, "u.csv", table.replace("15", "0.9"))
    assert refusal(DataError, points, bad).startswith(
        f"{bad}, row 3, column 'val_ppl': 0.9 is no perplexity, which is 1 or more."
    )


def test_compute_that_contradicts_some_runs(tmp_path: Path) -> None:
    rows = [(f"r{i}", (i + 1) * 1e7, (9 - i) * 1e9) for i in range(8)]
    lines = [f"{r},{N:g},{D * (4 if r == 'r3' else 1):g},{6 * N * D:g},3" for r, N, D in rows]
    file = write(tmp_path, "t.csv", "\n".join(["run_id,params,tokens,flops,loss", *lines]))
    found = points(file)
    (told,) = [note for note in found.notes if note.startswith("flops")]
    assert told == (
        "flops are 1 of 6ND in 7 of 8 points, but 0.25 in r3: params, tokens or flops are wrong in "
        "these. Mend them, or leave them out (--where '0.8 < flops / (6 * params * tokens) < "
        "1.25')."
    )
    kept = points(file, where="0.8 < flops / (6 * params * tokens) < 1.25")
    assert list(kept.runs) == [r for r, *_ in rows if r != "r3"]


def test_a_loss_in_bits_beside_its_perplexity(tmp_path: Path) -> None:
    rows = [f"r{i},{i}e8,2e9,{np.log2(p):.3f},{p:.2f}\n" for i, p in ((1, 20.07), (2, 17.15))]
    file = write(tmp_path, "t.csv", "run_id,params,tokens,loss,perplexity\n" + "".join(rows))

    def told(**options: Any) -> tuple[list[str], str | None]:
        runs = ingest.read(file, **options)
        (loss,) = (c for c in runs.to_dict()["columns"] if c["canonical"] == "loss")
        return [note.message for note in runs.notes if note.code == "units"], loss["convention"]

    assert told() == (
        [
            "loss is the base-2 logarithm of perplexity: bits, not nats. --set "
            "loss_convention=bits/token says so; --map loss=perplexity reads nats."
        ],
        None,
    )
    assert told(set={"loss_convention": "bits/token"}) == ([], "bits/token")
    assert told(map={"loss": "perplexity"})[0] == []


def test_tokens_against_steps(tmp_path: Path) -> None:
    table = "run_id,params,tokens,steps,batch_tokens,loss\n" + "".join(
        f"r{i},{i + 1}e7,{8 * (i + 1)}e8,{i + 1}e3,1e5,3\n" for i in range(3)
    )
    found = points(write(tmp_path, "t.csv", table))
    assert found.notes[-1] == (
        "tokens are 8 times step x batch_tokens: one of them counts a part (a device, a micro "
        "batch) or another unit. Mend it with --set tokens_scale=... or --set batch_tokens=..."
    )


def test_tokens_that_compute_in_another_unit_would_make_are_refused(tmp_path: Path) -> None:
    """PF-days in a column that does not say so: tokens of 1e-12 were fitted."""
    rows = [(N, 6 * N * D / 8.64e19, 3.0) for N in (1e8, 1e9) for D in (2e9, 2e10)]
    cells = "\n".join(f"r{i},{N},{C},{L}" for i, (N, C, L) in enumerate(rows))
    file = write(tmp_path, "t.csv", f"run_id,params,cpu,loss\n{cells}\n")
    options: dict[str, Any] = {"map": {"flops": "cpu"}, "set": {"flops_convention": "6ND"}}
    assert refusal(DataError, points, file, options) == (
        f"{file}: tokens, worked out as flops / (6 x params), are 2.31e-11 to 2.31e-10: no model "
        "learns from as few. If flops are given in PF-days, --set flops_scale=8.64e19 multiplies "
        "the column, if in exaFLOP --set flops_scale=1e18; --set flops_scale=1 says that they are "
        "right."
    )
    options["set"]["flops_scale"] = "8.64e19"
    assert points(file, options).inputs["D"] == pytest.approx([2e9, 2e10] * 2)
