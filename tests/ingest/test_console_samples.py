"""Consoles of real runs: what each has, as counted beside it."""

from pathlib import Path

import numpy as np
import pytest

from scaling_cli import ingest
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary.errors import DataError

# run: training losses (how many, first, last), held-out losses, and facts.
Ends = tuple[int, tuple[float, float], tuple[float, float]] | None
NEOX = (8, (10, 11.38679), (80, 7.580786))
READ: dict[str, dict[str, tuple[Ends, Ends, dict[str, float | str]]]] = {
    "build-nanogpt": {
        "log": ((5952, (0, 11.087302), (5951, 3.245213)), (24, (0, 11.0864), (5750, 3.1847)), {}),
        "console": (
            (2007, (0, 11.087302), (2006, 3.543916)),
            (9, (0, 11.0864), (2000, 3.5405)),
            {"batch_tokens": 524288, "params": 253886464 + 215040},
        ),
    },
    "composer-console": {
        "llmfoundry_mpt_old": ((4, (1, 10.9736), (4, 10.6459)), None, {"step": 100})
    },
    "fairseq-log": {
        "hydra_train_json": (
            (23, (200, 9.276), (4600, 3.922)),
            (10, (479, 6.389), (4791, 3.792)),
            {"params": 95044608, "step": 400000, "loss_convention": "bits/token"},
        )
    },
    "gpt-neox-stdout": {
        "neox_stdout": (NEOX, None, {"params": 678446592, "batch_tokens": 72 * 2048})
    },
    "internlm-console": {
        "internlm_issue22_nvlink": ((1, (36, 5.459033), (36, 5.459033)), None, {})
    },
    "key-value-console": {
        "ezpz_train_step:3": ((19, (10, 1.009584), (190, 0.10581)), None, {}),
    },
    "litgpt-console": {
        "litgpt_finetune_lora": (
            (5, (1, 1.66), (5, 1.524)),
            None,
            {"params": 2791910400, "step": 5},
        )
    },
    "llamafactory-trainer-log": {
        "trainer_log": ((744, (5, 1.7484), (3720, 1.2816)), None, {"step": 8712})
    },
    "llmc-main-log": {
        "main_124M": ((4884, (0, 11.0116), (4883, 3.5976)), (20, (0, 11.0095), (4750, 3.5685)), {}),
        "f66d43d7_adamw": (
            (9536, (0, 10.965596), (9535, 3.34018)),
            (76, (0, 10.968871), (9536, 3.275959)),
            {},
        ),
    },
    "mae-log-txt": {
        "mae_finetune_log": (
            (100, (0, 2.847620341512892), (99, 0.7228040)),
            (100, (0, 2.6379966735839844), (99, 0.2093240)),
            {"params": 85810960},
        )
    },
    "maxtext-console": {
        "maxtext_deepseek2-16b": (
            (10, (0, 12.038), (9, 10.374)),
            None,
            {"params": 15.933e9, "step": 10, "batch_tokens": 196608},
        )
    },
    "megatron-deepspeed-stdout": {
        "meg_gpt2_base_n4": (
            (20, (10, np.nan), (200, 7.365868)),
            (2, (100, 8.017406), (200, 7.487306)),
            {"params": 18775080960, "step": 1000, "batch_tokens": 4096},
        ),
        "meg_ds_zero_n16": (
            (3, (1, 12.52221), (3, 40.75231)),
            None,
            {"params": 52.005e9, "step": 1000},
        ),
        "megatron_rank_prefixed": (
            (3, (25, 10.86954), (27, 10.87129)),
            None,
            {"step": 73242187, "batch_seqs": 2},
        ),
        "tr8_104B_diverging_11446": (
            (3, (11446, 3.062589), (11448, 7.71234)),
            None,
            {"batch_seqs": 432},
        ),
        "auroragpt_consumed_tokens": (
            (2, (199, 5.905366), (200, 5.897035)),
            None,
            {"step": 317892, "batch_tokens": 3145728},
        ),
    },
    "megatron-stdout": {
        "megatron_excerpt": ((9, (3322, 3.130209), (3330, 3.226893)), None, {"step": 10000})
    },
    "mmengine-vis-data": {
        "scalars": (
            (789, (1, 0.42191), (789, 0.08151)),
            None,
            {"loss_convention": "not per token"},
        ),
        "20230605_200941": ((615, (1, 0.421912), (615, 0.094732)), None, {"step": 1800}),
    },
    "nanochat-console": {
        "base_train": (
            (20, (0, 10.396327), (19, 10.38246)),
            None,
            {"params": 36700242, "batch_tokens": 512, "step": 20},
        )
    },
    "nanogpt-variants": {
        "pgolf_baseline_train": (
            (285, (1, 6.9408), (13750, 1.991)),
            (70, (0, 6.937), (13780, 2.0606)),
            {"params": 17059912, "batch_tokens": 524288, "step": 13780},
        ),
        "nanogpt_seis_train_ctx4k": (
            (800, (10, 8.8782), (8000, 2.1367)),
            (17, (0, 9.8482), (8000, 2.288)),
            {"batch_tokens": 393216, "vocab_size": 16384},
        ),
    },
    "olmo-console": {
        "OLMo-1B-training-head": (
            (596, (1, 2.998), (596, 3.069)),
            None,
            {"step": 15000, "batch_tokens": 2097152, "params": 1279787008},
        )
    },
    "paddle-console": {
        "ernie_dicts_pr1761": ((6, (150, 0.1856), (200, 0.1252)), None, {}),
    },
    "speech-console": {
        "espnet2_asr_issue2183": ((3, (682, 123.963), (2046, 61.936)), None, {}),
        "wenet_issue941": (
            (2, (203700, 16.420336666666667), (203800, 22.519507)),
            (1, (203800, 27.9), (203800, 27.9)),
            {"loss_convention": "not per token"},
        ),
    },
    "torchtitan-console": {
        "titan_dsv3_debugmodel": (
            (10, (1, 4.09409), (10, 1.93761)),
            None,
            {"params": 33014016, "params_active": 28098816, "batch_tokens": 32768, "step": 10},
        )
    },
    "xtuner-console": {
        "xtuner_v1_one_rank:1": ((13, (1, 12.075), (13, 9.129)), None, {"step": 13}),
        "xtuner_v1_one_rank:2": ((21, (1, 5.852), (21, 5.2)), None, {"step": 109}),
    },
}
REFUSED = {"hf-console": "console of huggingface", "xlm-log": "console of xlm"}


@pytest.mark.parametrize("sample", READ)
def test_what_a_console_holds(shared: Path, sample: str) -> None:
    runs = ingest.read(shared / "samples" / sample)
    rows, owner = runs.order
    steps = floats(runs.points["step"])[rows]
    names = runs.runs["run_id"].to_pylist()
    assert READ[sample].keys() <= set(names)
    for run, (loss, held, facts) in READ[sample].items():
        mine = owner == names.index(run)
        for column, ends in (("loss", loss), ("val_loss", held)):
            there = mine & runs.points[column].is_valid().to_numpy()[rows]
            values, at = floats(runs.points[column])[rows][there], steps[there]
            if ends is None:
                assert not len(values)
            else:
                first, last = (at[0], values[0]), (at[-1], values[-1])
                assert len(values) == ends[0]
                np.testing.assert_allclose([first, last], ends[1:], rtol=5e-6, atol=5e-6)
        row = runs.runs.to_pylist()[names.index(run)]
        assert {name: row[name] for name in facts} == facts


@pytest.mark.parametrize("sample", REFUSED)
def test_consoles_without_a_loss(shared: Path, sample: str) -> None:
    with pytest.raises(DataError, match=f"{REFUSED[sample]}.* no loss was logged"):
        ingest.read(shared / "samples" / sample)
