"""Cases after public reports: what `scaling fit` must say of each (they lie outside, in SHARED)."""

import json
import re
from pathlib import Path

import pytest
from command_line import run

# The case, what is typed, the exit code, and what must be said.
CASES = (
    ("bigcode_passk/evals.csv", "--target pass@10", 4, "rises with N .* --rising --limit 1"),
    ("bigcode_passk/evals.csv", "--target pass@10 --rising", 0, "fitted as 1 - pass@10"),
    ("bigcode_passk/evals.csv", "--target inv_pass@10", 0, "the interval is wider than"),
    (
        "nni_accuracy/full.csv",
        "--map x=epoch --target top1 --law power_law",
        4,
        "--rising --limit 1",
    ),
    ("isoflop_counted_flops/iso.csv", "", 0, "4 budgets of logged compute, 4 with"),
    ("isoflop-n-and-budget-only/isoflops.json", "", 3, "--set flops_convention=6ND"),
    ("isoflop-n-and-budget-only/isoflops.json", "--set flops_convention=6ND", 0, "3 with"),
    ("marinfold_untuned_cells/iso.csv", "", 0, "C = 3e\\+17, 1e\\+18: open downwards"),
    ("minimind_one_schedule/checkpoints.csv", "", 4, "takes only 1 distinct value"),
    (
        "minimind_one_schedule/checkpoints.csv",
        "--at all",
        0,
        "WARN assumptions: .* rows along them",
    ),
    ("params_typo/runs.csv", "", 0, "0.001 in 7.68M-20: .* --where"),
    ("counts-in-billions/runs.csv", "", 3, "--set params_scale=1e9 --set tokens_scale=1e9"),
    ("nanochat_tokens_hardcoded/results.csv", "", 0, "of 6ND in 16 of 28 points, but 1 in"),
    ("repeated_unique_tokens/runs.csv", "", 0, "'tokens <= 4\\*unique_tokens'"),
    ("two_tokenizers/runs.csv", "", 0, "tokenizer, vocab_size differs"),
    ("hf_grad_accum_loss/runs.csv", "", 0, "'gradient_accumulation_steps == 1'"),
    ("olmo_bad_rung/ladder.csv", "", 0, "190M-0.5xC"),
    ("loss-column-all-zero/log.csv", "", 3, "--map loss=ce_loss"),
    ("perplexity-table/runs.csv", "", 0, "It is the logarithm of perplexity, in nats/token"),
    ("perplexity-table/runs.csv", "--map loss=perplexity", 0, "the logarithm of perplexity"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case[:2]))
def test_a_case(shared: Path, tmp_path: Path, case: tuple[str, str, int, str]) -> None:
    name, typed, code, says = case
    options = [*typed.split(), "--bootstrap", "0", "--full", "-o", str(tmp_path / "fit.json")]
    result = run("fit", str(shared / "cases" / name), *options)
    assert result.exit_code == code
    assert re.search(says, re.sub(r"\s+", " ", result.stdout + result.stderr))


def test_forecasts_where_the_table_was_mended(shared: Path, tmp_path: Path) -> None:
    """The condition that is written out gives the forecast that the case holds to be true."""
    fit = tmp_path / "fit.json"
    for name, where, at, truth in (
        ("two_tokenizers/runs.csv", 'tokenizer == "gpt2"', ("7B", "140B"), 2.1215),
        ("hf_grad_accum_loss/runs.csv", "gradient_accumulation_steps == 1", ("4B", "80B"), 2.1993),
        ("repeated_unique_tokens/runs.csv", "tokens <= 4*unique_tokens", ("2B", "256B"), 2.1755),
    ):
        source = str(shared / "cases" / name)
        run("fit", source, "--where", where, "--bootstrap", "0", "-o", str(fit))
        asked = ("--fit", str(fit), "--params", at[0], "--tokens", at[1], "--json")
        (point,) = json.loads(run("predict", *asked).stdout)["predictions"]
        assert point["new_run"][0] <= truth <= point["new_run"][1], name
