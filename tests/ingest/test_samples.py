"""Files of real runs, read from the command line: what each has, as counted beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from read_by_command import Read, read, refused

# run: training losses (how many, first, last), held-out losses, and facts; of a column that goes
# along the run the same three, or its first and last value.
Ends = tuple[int, tuple[float, float], tuple[float, float]] | None
NEOX = (8, (10, 11.38679), (80, 7.580786))
YOLO = {
    "train/box_loss": (50, (0, 1.82539), (49, 1.28843)),
    "train/cls_loss": (50, (0, 1.29166), (49, 0.65842)),
    "val/box_loss": (50, (0, 1.49815), (49, 1.28664)),
    "lr": (3.32623e-03, 2.98e-04),
}
READ: dict[str, dict[str, tuple[Ends, Ends, dict[str, Any]]]] = {
    "build-nanogpt": {
        "log": ((5952, (0, 11.087302), (5951, 3.245213)), (24, (0, 11.0864), (5750, 3.1847)), {}),
        "console": (
            (2007, (0, 11.087302), (2006, 3.543916)),
            (9, (0, 11.0864), (2000, 3.5405)),
            {"batch_tokens": 524288, "params": 253886464 + 215040},
        ),
    },
    "catboost-learn-error": {
        "learn_error": (
            (500, (0, 1.086623), (499, 0.921759)),
            None,
            {"loss_convention": "nats/sample"},
        )
    },
    "composer-console": {
        "llmfoundry_mpt_old": ((4, (1, 10.9736), (4, 10.6459)), None, {"step": 100})
    },
    "dvclive": {
        "dvclive": (
            (14, (0, 6.2201), (13, 4.1297)),
            None,
            {"lr": (0.00099333, 0.00090667)},
        )
    },
    "fairseq-log": {
        "hydra_train_json": (
            (23, (200, 9.276), (4600, 3.922)),
            (10, (479, 6.389), (4791, 3.792)),
            {
                "params": 95044608,
                "step": 400000,
                "loss_convention": "bits/token",
                "lr": (3.125e-06, 7.1875e-05),
            },
        )
    },
    "gpt-neox-stdout": {
        "neox_stdout": (NEOX, None, {"params": 678446592, "batch_tokens": 72 * 2048, "step": 11000})
    },
    "hf-trainer-state": {
        "cpt/trainer_state": (
            (10, (500, 1.1409), (5000, 0.2645)),
            (10, (549, 0.659769), (5490, 0.491666)),
            {"step": 5490, "lr": (1.81785e-05, 1.78506e-06)},
        ),
        "giga/trainer_state": (
            (4, (10, 8.3368), (40, 0.427)),
            None,
            {"step": 45, "lr": (0.00016, 2.66667e-05)},
        ),
    },
    "internlm-console": {
        "internlm_issue22_nvlink": (
            (1, (36, 5.459033), (36, 5.459033)),
            None,
            {"lr": (7.6e-06, 7.6e-06), "tokens": (1, (36, 4849664), (36, 4849664))},
        )
    },
    # Of the two rows of step 65900 the later one counts.
    "jsonl-step-loss": {
        "train_log": (
            (1988, (50, 7.10175), (99400, 2.16813)),
            (3, (32926, 2.69912), (98778, 2.32165)),
            {"lr": (4.9e-06, 7.31e-06)},
        )
    },
    "keras-csvlogger": {
        "keras_training_log": (
            (9, (0, 0.20572), (8, 0.008866)),
            (9, (0, 0.112887), (8, 0.065673)),
            {"lr": (0.001, 0.0002)},
        ),
        "gru_training_log": (
            (9, (0, 0.112596), (8, 0.002801)),
            (9, (0, 0.069906), (8, 0.022805)),
            {},
        ),
    },
    "key-value-console": {
        "ezpz_train_step:3": ((19, (10, 1.009584), (190, 0.10581)), None, {}),
    },
    "lightning-metrics-csv": {
        "slm_v0/metrics": (
            (2814, (49, 7.62858), (140699, 3.565943)),
            (10, (14073, 4.132572), (140739, 3.570486)),
            {},
        ),
        "gpttt/metrics": (
            (10, (49, 2.620294), (499, 1.668699)),
            (2, (199, 2.394055), (399, 1.902305)),
            {},
        ),
    },
    "litgpt-console": {
        "litgpt_finetune_lora": (
            (5, (1, 1.66), (5, 1.524)),
            None,
            {"params": 2791910400, "step": 5},
        )
    },
    "llamafactory-trainer-log": {
        "trainer_log": (
            (744, (5, 1.7484), (3720, 1.2816)),
            None,
            {"step": 8712, "lr": (4.99999594e-05, 3.0701e-05)},
        )
    },
    "llmc-main-log": {
        "main_124M": (
            (4884, (0, 11.0116), (4883, 3.5976)),
            (20, (0, 11.0095), (4750, 3.5685)),
            {"lr": (1e-06, 5.30e-04), "accuracy": (19, (250, 0.2437), (4750, 0.2735))},
        ),
        "gpt2_train_stdout_all_nan": (
            (901, (1, np.nan), (901, np.nan)),
            (4, (0, np.nan), (750, np.nan)),
            {
                "step": 19560,
                "params": 124475904,
                "batch_tokens": 524288,
                "lr": (8.57e-07, 6.00e-04),
                "state": "diverged",
            },
        ),
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
            {"params": 85810960, "lr": (1.5802e-04, 1.2466e-06)},
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
            {"params": 18775080960, "step": 1000, "batch_tokens": 4096, "lr": (0, 1.342e-04)},
        ),
        "meg_ds_zero_n16": (
            (3, (1, 12.52221), (3, 40.75231)),
            None,
            {"params": 52.005e9, "step": 1000, "lr": (1.875e-05, 5.625e-05)},
        ),
        "megatron_rank_prefixed": (
            (3, (25, 10.86954), (27, 10.87129)),
            None,
            {"step": 73242187, "batch_seqs": 2, "lr": (1.638e-08, 1.769e-08)},
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
    "mlflow-filestore-derived": {"yolo26s-crowdhuman-head": (None, None, YOLO)},
    "mlflow-sqlite": {
        "yolo26s-crowdhuman-head": (None, None, YOLO),
        "yolo26m-crowdhuman-head4": (None, None, {}),
    },
    "mmengine-vis-data": {
        "scalars": (
            (789, (1, 0.42191), (789, 0.08151)),
            None,
            {"loss_convention": "not per token", "lr": (4e-08, 0.004)},
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
        "nanogpt_seis_log": (
            (17, (0, 9.8578), (8000, 2.6118)),
            (17, (0, 9.8535), (8000, 2.6645)),
            {"lr": (7.5e-07, 3.0e-05)},
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
        "ernie_dicts_pr1761": ((6, (150, 0.1856), (200, 0.1252)), None, {"lr": (4.5e-05, 4e-05)}),
    },
    "speech-console": {
        "espnet2_asr_issue2183": (
            (3, (682, 123.963), (2046, 61.936)),
            None,
            {"lr": (3.46e-06, 1.71e-05), "loss_convention": "not per token"},
        ),
        "wenet_issue941": (
            (2, (203700, 16.420336666666667), (203800, 22.519507)),
            (1, (203800, 27.9), (203800, 27.9)),
            {"loss_convention": "not per token"},
        ),
    },
    "swanlab": {
        "run-20250605_144317-a3b1799d": (
            (40, (10, 1.6216), (400, 1.1073)),
            (4, (100, 1.271772), (400, 1.21445)),
            {"lr": (1.95588e-04, 4.41176e-06)},
        )
    },
    "tensorboard-csv-export": {
        "run-.-tag-loss": ((361, (36, 0.00677078), (17376, 0.00155722)), None, {})
    },
    "tensorboard-event-files": {
        "neox-experts-8": (
            (80, (1, 11.9825), (80, 7.59461)),
            None,
            {
                "lr": (0, 0.000299995),
                "runtime/iteration_time": (8, (10, 1.56454), (80, 1.3156)),
                "timers/backward-allreduce": (80, (1, 0), (80, 0)),
            },
        )
    },
    "torchtitan-console": {
        "titan_dsv3_debugmodel": (
            (10, (1, 4.09409), (10, 1.93761)),
            None,
            {"params": 33014016, "params_active": 28098816, "batch_tokens": 32768, "step": 10},
        )
    },
    "trackio-sqlite": {
        "gpttt-values": (
            (10, (49, 2.620294), (499, 1.668699)),
            (2, (199, 2.394055), (399, 1.902305)),
            {"params": 12345678},
        )
    },
    "wandb-csv-export": {
        "history_api": (
            (2, (500, 1.1521), (1000, 0.9109)),
            None,
            {"lr": (1.1407e-05, 2.5926e-06)},
        ),
        "LEON_V24_350k_0001_5E_ST": (None, None, {}),
        "LEON_V25_1M_00005_4E_ST": (None, None, {}),
    },
    "wandb-history": {
        "wandb-history": (
            None,
            None,
            {
                "episodic_reward": (98, (0, 180), (196, 210)),
                "cumulative_avg_reward": (98, (1, 136.67), (197, 272.75)),
            },
        )
    },
    "wandb-offline": {
        "vgpqdf1r": (
            (21, (0, 12.520064), (5000, 1.516894)),
            (21, (0, 12.521757), (5000, 1.561654)),
            {"lr": (0, 0.0001)},
        )
    },
    "xtuner-console": {
        "xtuner_v1_one_rank:1": (
            (13, (1, 12.075), (13, 9.129)),
            None,
            {"step": 13, "lr": (6e-05, 4e-06)},
        ),
        "xtuner_v1_one_rank:2": ((21, (1, 5.852), (21, 5.2)), None, {"step": 109}),
    },
}
REFUSED = {"hf-console": "console of huggingface", "xlm-log": "console of xlm"}
IMAGES = {
    *(0.3188439607620239, 0.38698798418045044, 0.3374920189380646, 0.3920651972293854),
    *(0.366636723279953, 0.32907551527023315, 0.3224458694458008, 0.3276152014732361),
    0.3170156180858612,
}
# runs, points, and the first and last value of what is recognised
TABLES: dict[str, tuple[int, int, dict[str, tuple[float, float]]]] = {
    "kyo_takano_llm": (
        *(234, 234),
        {"params": (73824672, 6795614805), "loss": (3.405928, 2.077394)},
    ),
    "scaling_with_vocab": (1200, 1200, {}),
    "loss_to_loss": (
        *(484, 484),
        {"eval/c4_val/CrossEntropyLoss": (2.967465, 4.268529)},
    ),
    "data_mixing_slimpajama": (60, 649, {"params": (122e6, 122e6)}),
    "walt": (3, 3, {"params": (2847315, 9434497), "loss": (7.658e-04, 4.736e-04)}),
    "laion_comparison": (56, 56, {}),
}
ELSEWHERE = {"mlflow-mlruns", "scaling-tables"}  # tested below


def _seen(found: Read, run: str, column: str, wanted: Any) -> None:
    """Hold a column, or a fact, against what is right."""
    if not isinstance(wanted, tuple | None):
        assert found.runs[run][column] == wanted
        return
    steps, values = found.along(run, column)
    if wanted is None:
        assert not len(values)
        return
    ends = wanted[-2:] if len(wanted) == 2 else (wanted[1][1], wanted[2][1])
    np.testing.assert_allclose([values[0], values[-1]], ends, rtol=1e-4, atol=5e-7)
    if len(wanted) == 3:
        assert (len(values), steps[0], steps[-1]) == (wanted[0], wanted[1][0], wanted[2][0])


@pytest.mark.parametrize("sample", READ)
def test_what_a_sample_holds(shared: Path, tmp_path: Path, sample: str) -> None:
    found = read(shared / "samples" / sample, tmp_path)
    assert READ[sample].keys() <= found.runs.keys()
    for run, (loss, held, facts) in READ[sample].items():
        for column, wanted in {"loss": loss, "val_loss": held, **facts}.items():
            _seen(found, run, column, wanted)


@pytest.mark.parametrize("sample", REFUSED)
def test_consoles_without_a_loss(shared: Path, sample: str) -> None:
    told = refused(shared / "samples" / sample)
    assert f"it looks like the {REFUSED[sample]}" in told
    assert "but no loss was logged." in told


def test_runs_of_one_value(shared: Path, tmp_path: Path) -> None:
    found = read(shared / "samples" / "mlflow-mlruns", tmp_path)
    assert {found.along(run, "val_loss")[1].tolist()[0] for run in found.runs} == IMAGES


@pytest.mark.parametrize("table", TABLES)
def test_tables(shared: Path, tmp_path: Path, table: str) -> None:
    found = read(shared / "samples/scaling-tables" / table, tmp_path)
    runs, points, ends = TABLES[table]
    assert (len(found.runs), found.points.num_rows) == (runs, points)
    for column, wanted in ends.items():
        values = found.points[column].to_numpy()
        np.testing.assert_allclose([values[0], values[-1]], wanted, rtol=2e-4)


def test_the_axis_of_a_chart(shared: Path, tmp_path: Path) -> None:
    """It goes from 50 to 19800; at 50 every cell is empty."""
    runs = read(shared / "samples/wandb-csv-export", tmp_path).runs.values()
    ends = [(r["first_step"], r["last_step"]) for r in runs if r["run_id"] != "history_api"]
    assert (min(ends)[0], max(last for _, last in ends)) == (100, 19800)


def test_no_sample_is_left_out(shared: Path) -> None:
    folders = {path.name for path in (shared / "samples").iterdir() if path.is_dir()}
    assert folders == {*READ, *REFUSED, *ELSEWHERE}
    tables = {path.name for path in (shared / "samples/scaling-tables").iterdir() if path.is_dir()}
    assert tables == {*TABLES}


@pytest.mark.parametrize("name", ["5bdc3988", "d4bfb25f"])
def test_logs_of_modded_nanogpt(shared: Path, tmp_path: Path, name: str) -> None:
    found = read(shared / "logs" / f"modded-nanogpt-{name}.txt", tmp_path)
    index = (shared / "data/nanogpt_logs/index.csv").read_text("utf8").splitlines()
    header, row = (line.split(",") for line in (index[0], next(r for r in index if name in r)))
    facts = dict(zip(header, row, strict=True))
    (run,) = found.runs
    assert found.runs[run]["last_step"] == float(facts["total_steps"])
    for part, measured in (("train", "loss"), ("val", "val_loss")):
        [table] = (shared / "data" / "nanogpt_logs").glob(f"*{name}_{part}.csv")
        rows = np.loadtxt(table, delimiter=",", skiprows=1)
        pairs = dict(zip(*(v.tolist() for v in found.along(run, measured)), strict=True))
        assert [pairs[step] for step in rows[:, 0]] == rows[:, 1].tolist()
    np.testing.assert_allclose(
        found.along(run, "val_loss")[1][-1], float(facts["val_final"]), atol=5e-5
    )
