"""`scaling count`: what a configuration file describes, on the screen and as JSON."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import command_line
import pytest
from architecture_configs import CONFIGS

import scaling_cli as sc
from scaling_cli.architectures._written import settings

run = partial(command_line.run, "count")
GPT2 = str(Path(__file__).parents[2] / "examples" / "gpt2.json")
NANOGPT = """\
# trains a small model
out_dir = 'out'
batch_size = 12
block_size = 1024
gradient_accumulation_steps = 5 * 8
n_layer = 12
n_head = 12
n_embd = 768 # as GPT-2
vocab_size = 50257
bias = True
"""
SCRIPT = """\
torchrun pretrain_gpt.py \\
    --num-layers 12 \\
    --hidden-size=768 --num-attention-heads 12 \\
    --max-position-embeddings 1024 --seq-length 1024 \\
    --vocab-size 50257 --tensorboard-dir runs
"""
LOG = """\
[default0]:using world size: 16
[default0]:------------------------ arguments ------------------------
[default0]:  hidden_size ..................................... 768
[default0]:  kv_channels ..................................... 64
[default0]:  max_position_embeddings ......................... 1024
[default0]:  num_attention_heads ............................. 12
[default0]:  num_layers ...................................... 12
[default0]:  seq_length ...................................... 1024
[default0]:  swiglu .......................................... False
[default0]: > padded vocab (size: 50200) with 57 dummy tokens (new size: 50257)
"""
YAML = """\
model:
  n_layer: 12
  n_head: 12
  n_embd: 768
  block_size: 1024
  vocab_size: 50257
  bias: true
data: openwebtext
"""
WANDB = "\n".join(
    f"{name}:\n  desc: null\n  value: {str(value).lower()}"
    for name, value in {**CONFIGS["gpt2"], "learning_rate": 6e-4}.items()
)
TOML = 'title = "small"\n[model]\n' + "\n".join(
    f"{name} = {json.dumps(value)}" for name, value in CONFIGS["gpt2"].items()
)
# GPT-2's sizes in the words of each; all describe one model of 124,439,808 parameters.
FILES = {
    "config.json": json.dumps(CONFIGS["gpt2"]),
    "train.py": NANOGPT,
    "train.sh": SCRIPT,
    "train.log": LOG,
    "model.yaml": YAML,
    "config.yaml": WANDB,
    "small.toml": TOML,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def counted(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)["configs"]


def test_the_first_screen() -> None:
    result = run(GPT2, "--tokens", "2.5B")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = result.stdout.replace(GPT2, "gpt2.json")
    assert shown == (
        """\
model     gpt2.json
          gpt2: 12 layers, width 768, 12 heads, vocabulary 50.26k, tied

parameters
embedding            38,597,376
position                786,432
attention            28,348,416
mlp                  56,669,184
norm                     38,400
all (N total)       124,439,808
without embeddings   85,056,000

training      FLOP a token  / 6 N    of 2.5B
6nd_total        7.466e+08   1.00  1.867e+18  6 N
6nd_nonembed     5.103e+08   0.68  1.276e+18  6 N without embeddings
kaplan            5.67e+08   0.76  1.417e+18  6 N without embeddings, causal
                                              attention
palm             8.544e+08   1.14  2.136e+18  6 x matrices with the head, full
                                              attention
palm_causal      7.978e+08   1.07  1.995e+18  6 x matrices with the head, causal
                                              attention
chinchilla_f     1.087e+09   1.46  2.718e+18  palm, softmax, the embedding as a
                                              matrix

generating   FLOP a token  / 2 N
2n_total        2.489e+08   1.00  2 N
2n_nonembed     1.701e+08   0.68  2 N without embeddings
at_the_end      2.848e+08   1.14  2 x matrices with the head, full attention

attention is that of sequences of 1,024 tokens, as the configuration states.
"""
    )


def test_a_mixture_shows_what_a_token_passes_through(here: Path) -> None:
    Path("config.json").write_text(json.dumps(CONFIGS["mixtral-8x7b"]), encoding="utf8")
    shown = run("config.json", "--seq-len", "4096").stdout
    assert "all (N total)       46,702,792,704  12,879,925,248\n" in shown
    assert "attention is that of sequences of 4,096 tokens.\n" in shown
    assert "N of a mixture in FLOP is what a token passes through.\n" in shown


def test_several_are_one_table(here: Path) -> None:
    for name in ("gpt2", "mixtral-8x7b"):
        Path(f"{name}.json").write_text(json.dumps(CONFIGS[name]), encoding="utf8")
    assert run("gpt2.json", "mixtral-8x7b.json").stdout == (
        """\
config              total  active  non-embedding        6 N       palm
gpt2.json          124.4M                 85.06M  7.466e+08  8.544e+08
mixtral-8x7b.json   46.7B  12.88B         46.44B  7.728e+10   1.28e+11
6 N and palm: FLOP of training on a token
"""
    )
    assert "model     gpt2.json\n" in run("gpt2.json", "mixtral-8x7b.json", "--full").stdout


@pytest.mark.parametrize("name", FILES)
def test_every_way_of_writing_it_down(name: str, here: Path) -> None:
    Path(name).write_text(FILES[name], encoding="utf8")
    (record,) = counted(name)
    assert record["params"]["total"] == 124_439_808
    assert (record["seq_len"], record["seq_len_from"]) == (1024, "config")


def test_the_flop_of_a_run_and_a_length_that_is_given() -> None:
    (record,) = counted(GPT2, "--tokens", "1e9", "--seq-len", "2k")
    assert (record["seq_len"], record["seq_len_from"]) == (2000, "given")
    each = record["training_flop_per_token"]
    assert record["run"] == {"tokens": 1e9, "flops": {n: v * 1e9 for n, v in each.items()}}


def test_a_vocabulary_that_is_not_stated(here: Path) -> None:
    Path("train.py").write_text(NANOGPT.replace("vocab_size = 50257\n", ""), encoding="utf8")
    (record,) = counted("train.py")
    assert record["params"]["total"] is None
    assert record["params"]["non_embedding"] == 85_056_000
    told = "vocab_size is not stated: only what has no embedding is counted (--vocabulary N"
    assert told in run("train.py").stdout
    (record,) = counted("train.py", "--vocabulary", "50257")
    assert record["params"]["total"] == 124_439_808


PRINTED = {
    # llm.c pads the vocabulary to 50304: 47 x 768 more.
    "llm.c": (
        "| num_layers L          | 12   |\n| num_heads NH          | 12   |\n"
        "| channels C            | 768  |\n| max_sequence_length T | 1024 |\n"
        "| vocab_size V          | 50257 |\n| padded_vocab_size Vp  | 50304 |\n",
        124_475_904,
    ),
    "transformers": (
        "[INFO|configuration_utils.py:553] >> Model config GPT2Config {\n"
        + "".join(f'  "{k}": {json.dumps(v)},\n' for k, v in CONFIGS["gpt2"].items())
        + '  "use_cache": true\n}\n',
        124_439_808,
    ),
    "its scripts": (
        "Model config GPT2Config {\n"
        + "".join(f'  "{k}": {json.dumps(v)},\n' for k, v in CONFIGS["gpt2"].items())
        + '  "use_cache": true\n}\nOverriding config: n_embd=1024,n_head=16,n_layer=24\n',
        354_823_168,
    ),
    # OLMo 1B with a head of its own: its log prints this count
    "olmo": (
        "INFO TrainConfig(run_name='a', model=ModelConfig(d_model=2048, n_heads=16, n_layers=16, "
        "mlp_ratio=8, activation_type=<ActivationType.swiglu: 'swiglu'>, rope=True, "
        "layer_norm_type=<LayerNormType.default: 'default'>, layer_norm_with_affine=False, "
        "weight_tying=False, include_bias=False, vocab_size=50280, embedding_size=50304, "
        "max_sequence_length=2048, betas=(0.9, 0.95)), seed=6198)\n",
        1_279_787_008,
    ),
    "garbled": (LOG + "Model config GPT2Config {\n oh\n}\n", 124_439_808),
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_trainers_print_of_their_models(name: str, here: Path) -> None:
    text, params = PRINTED[name]
    Path("train.log").write_text(f"starting\n{text}step 1\n", encoding="utf8")
    assert counted("train.log")[0]["params"]["total"] == params


@pytest.mark.parametrize("line", ["a = {} b", "a ....... {}", "| a | {}", "[x] {}"])
def test_long_lines_take_no_longer(line: str) -> None:
    for filler in (" ", ".", "(", "=", "-"):
        text = LOG + line.format(filler * 200_000) + "\n"
        assert settings(text, "a.log")["num_layers"] == 12


def test_later_lines_of_a_log_count() -> None:
    started_again = LOG + LOG.replace(
        "num_layers ...................................... 12",
        ("num_layers ...................................... 24"),
    )
    assert settings(started_again, "a.log")["num_layers"] == 24


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.json",
            "{",
            "error: a.json: the file is not whole JSON. hint: Give a config.json, YAML, TOML, "
            "arguments (--num-layers 24) or name = value lines.\n",
        ),
        (
            "notes.txt",
            "nothing here",
            "error: notes.txt: no settings are stated here. hint: Give a config.json, YAML, TOML, "
            "arguments (--num-layers 24) or name = value lines.\n",
        ),
        (
            "train.sh",
            SCRIPT.replace("--num-layers 12", "--num-layers $LAYERS"),
            "error: train.sh: num_layers must be a whole number, not '$LAYERS'.\n",
        ),
    ],
)
def test_what_is_wrong_with_a_file(name: str, content: str, message: str, here: Path) -> None:
    Path(name).write_text(content, encoding="utf8")
    result = run(name)
    assert (result.exit_code, result.stdout) == (3, "")
    assert " ".join(result.stderr.split()) == message.strip()


def test_what_is_asked_wrongly() -> None:
    result = run(GPT2, "--seq-len", "0")
    assert result.exit_code == 2
    assert "seq_len must be a whole number above zero, not 0.0." in result.stderr
    result = run(GPT2, "--tokens", "0")
    assert result.exit_code == 2
    assert "tokens must be positive, not 0." in result.stderr
    assert run("nothing.json").exit_code == 3


def test_in_python_settings_are_welcome() -> None:
    answer = sc.count({"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024})
    assert answer["configs"][0]["params"]["non_embedding"] == 144 * 768**2 + 25 * 768
    with pytest.raises(sc.UsageError, match="no configuration was given"):
        sc.count()
    with pytest.raises(sc.UsageError, match="a int is no configuration"):
        sc.count(3)


def test_the_arguments_of_real_logs(shared: Path) -> None:
    samples = shared / "samples"
    neox, deepspeed = counted(
        str(samples / "gpt-neox-stdout" / "neox_stdout.txt"),
        str(samples / "megatron-deepspeed-stdout" / "meg_ds_zero_n16.out"),
    )
    assert neox["params"]["total"] == 678_446_592  # as the log prints
    olmo, llmc = counted(
        str(samples / "olmo-console" / "OLMo-1B-training-head.log"),
        str(samples / "llmc-main-log" / "gpt2_train_stdout_all_nan.log"),
    )
    assert olmo["params"]["total"] == 1_279_787_008  # as the log prints
    assert llmc["params"]["total"] == 124_475_904  # as the log prints
    assert deepspeed["params"]["total"] == 51_970_064_384  # 52.005 B with what ranks repeat
