"""What trainers print, made up after their print statements, and what must be read of it.

The numbers of a log are those of `LOSS` and `HELD`; a log writes them as its trainer does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

STEPS = (10, 20, 30, 40, 50, 60)
LOSS = {10: 7.125, 20: 6.5, 30: 5.875, 40: 5.25, 50: 4.75, 60: 4.5}
RATE = {step: 1e-5 * step for step in STEPS}

# What nanoGPT and llm.c print, and what goes into the latter's main.log; modded-nanogpt.
NANOGPT = """\
tokens per iteration will be: 491,520
number of parameters: 123.59M
using fused AdamW: True
step 0: train loss 10.9876, val loss 10.9877
iter 0: loss 10.9881, time 43000.12ms, mfu -100.00%
iter 10: loss 9.5432, time 250.12ms, mfu 41.20%
step 20: train loss 7.9876, val loss 7.9900
iter 20: loss 8.0432, time 251.00ms, mfu 41.20%
"""
LLM_C = """\
s:0 tel:11.0092
s:0 trl:11.0091 lr:0.000001 norm:15.37
s:1 trl:10.8140 lr:0.000002 norm:12.01
s:2 eval:0.2987
s:2 trl:nan lr:0.000003 norm:inf
s:3 trl:10.5
"""
PRINTED = """\
step    1/19560 | loss 11.009100 (+nanz)| norm 15.3700 (+nanz)| lr 8.57e-07 | 1500.10 ms | 45.0%
step    2/19560 | loss 10.900000 (+0.11z)| norm 14.0000 (-1.20z)| lr 1.71e-06 | 300.10 ms | 45.0%
"""
MODDED = """\
import torch
print(f"step:{step}/{steps} train_loss:{loss}")
step:0/6000 val_loss:11.0149 train_time:305ms step_avg:nanms
step:1/6000 train_loss:11.0091 train_time:24179ms step_avg:nanms
step:2/6000 train_loss:11.0001 train_time:25s step_avg:nanms
step:2/6000 val_loss:11.0002 train_time:25.5s step_avg:nanms
step:3/6000 train_time:26.123s step_avg:12.5ms
"""


@dataclass(frozen=True)
class Log:
    """A log, its losses by step, its held-out losses by step, and facts of its run."""

    text: str
    loss: Mapping[int, float] = field(default_factory=lambda: dict(LOSS))
    held: Mapping[int, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def _lines(line: Callable[[int, float], str], steps: tuple[int, ...] = STEPS) -> str:
    return "".join(line(step, LOSS[step]) + "\n" for step in steps)


def _megatron(s: int, loss: float) -> str:
    return (
        f" [2026-03-01 10:00:{s:02d}.123456] iteration {s:8d}/      60 | consumed samples: "
        f"{8 * s:12d}"
        f" | elapsed time per iteration (ms): 812.4 | learning rate: {RATE[s]:.6E} | global batch "
        f"size:     8 | lm loss: {loss:.6E} | load_balancing_loss: 1.010000E+00 | loss scale: "
        f"1.0 | "
        "grad norm: 0.412 | number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def _neox(s: int, loss: float) -> str:
    return (
        f" samples/sec: 36.917 | iteration {s:8d}/     100 | elapsed time per iteration (ms): "
        f"1950.3 "
        f"| learning rate: {RATE[s]:.3E} | approx flops per GPU: 59.4TFLOPS | lm_loss: "
        f"{loss:.6E} | "
        "number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def _nemo(s: int, loss: float) -> str:
    held = "" if s < 30 else f" | val_loss: {6.25 if s < 50 else 5.5}"
    return (
        f"Training epoch 0, iteration {s - 1}/59 | lr: {RATE[s]} | consumed_samples: {8 * s} | "
        f"global_batch_size: 8 | global_step: {s} | reduced_train_loss: {loss} | "
        f"train_step_timing in "
        f"s: 0.0315{held}"
    )


def _nanochat(s: int, loss: float) -> str:
    return (
        f"step {s:05d}/00060 ({100 * s / 60:.2f}%) | loss: {loss:.6f} | lrm: 1.00 | dt: 512.34ms | "
        f"tok/sec: 1,023,456 | bf16_mfu: 45.67 | epoch: 1 pq: 3 rg: 1 | total time: 1.02m | eta: "
        f"40.1m"
    )


def _build(s: int, loss: float) -> str:
    return (
        f"step {s:5d} | loss: {loss:.6f} | lr {RATE[s]:.4e} | norm: {1.5:.4f} | dt: "
        f"{704.72:.2f}ms | "
        f"tok/sec: {743961.34:.2f}"
    )


def _titan(s: int, loss: float) -> str:
    return (
        f"[titan] 2026-05-04 13:58:41,4{s:02d} - root - INFO - \x1b[31mstep: {s:2d}  \x1b[32mloss: "
        f"{loss:8.5f}  \x1b[38;2;180;60;0mgrad_norm: {1.25:7.4f}  \x1b[36mmemory:  3.18GiB(1.70%)  "
        "\x1b[34mtps: 31,371  \x1b[36mtflops: 17.03  \x1b[35mmfu: 0.68%\x1b[39m"
    )


def _olmo(s: int, loss: float) -> str:
    return (
        f"2026-01-12 11:05:{s:02d}.009\thost0:0\tolmo.train:979\tINFO\t[step={s}/60,epoch=0]\n"
        f"    optim/total_grad_norm=0.2370\n    train/CrossEntropyLoss={loss:.3f}\n"
        f"    train/Perplexity=1,242\n    throughput/total_tokens={s * 2097152:,d}\n"
        "    System/Peak GPU Memory (MB)=20,487"
    )


def _core(s: int, loss: float) -> str:
    return (
        f"2026-01-12 "
        f"11:05:{s:02d}.009\thost0:0\tolmo_core.train.callbacks.console_logger:71\tINFO\t"
        f"[step={s}/1,000,epoch=1,eta=1:00:00]\n    optim/LR (group 0)={RATE[s]:.2E}\n"
        f"    throughput/total tokens=1.234B\n    train/CE loss={loss:.3f}"
    )


def _composer(s: int, loss: float) -> str:
    return (
        f"[batch={s}/60]:\n\t Train loss/train/total: {loss}\n\t Train metrics/train/"
        f"LanguageCrossEntropy: {loss}\n\t Train time/batch: {s}"
    )


def _litgpt(s: int, loss: float) -> str:
    def line(i: int, at: int, value: float, end: str) -> str:
        return (
            f"Epoch 1 | iter {i} step {at} | loss train: {value:.3f}, val: n/a | iter time: "
            f"548.72 ms"
            f"{end}"
        )

    return f"{line(2 * s - 1, s - 1, 9.125, '')}\n{line(2 * s, s, loss, ' (step)')}"


def _levanter(s: int, loss: float) -> str:
    return (
        f"2026-02-01T10:00:{s:02d} - 0 - levanter.callbacks - loggers.py:70 - INFO :: Progress "
        f"on:train "
        f"{s}it/60.0it rate:3.3it/s remaining:00:33 elapsed:00:01 postfix:loss={loss}"
    )


def _huggingface(s: int, loss: float) -> str:
    return (
        f" {s}%|███       | {s}/60 [00:10<00:20,  1.00it/s]\r{{'loss': {loss}, 'grad_norm': 1.25, "
        f"'learning_rate': {RATE[s]}, 'epoch': {s / 100}}}"
    )


def _paddle(s: int, loss: float) -> str:
    return (
        f"[2026-02-23 09:46:27,311] [    INFO] - loss: {loss:.8f}, learning_rate: {RATE[s]:g}, "
        f"global_step: {s}, interval_runtime: 2.5065, interval_samples_per_second: 7.979, epoch: "
        f"0.0"
    )


def _maxtext(s: int, loss: float) -> str:
    return (
        f"I0301 12:00:00.123456 140737 metric_logger.py:100] completed step: {s}, seconds: 5.658, "
        f"TFLOP/s/device: 135.158, Tokens/s/device: 8687.815, total_weights: 196608, loss: "
        f"{loss:.3f}"
    )


def _internlm(s: int, loss: float) -> str:
    return (
        "2026-07-10 14:26:28,977\tINFO train.py:317 in record_current_batch_training_metrics -- "
        f"tflops=188.02,step={s},loss={loss},tgs (tokens/gpu/second)=4233.73,lr={RATE[s]},"
        f"loss_scale=65536.0,grad_norm=12.5,micro_num=4,num_consumed_tokens={(s + 1) * 131072}"
    )


def _xtuner(s: int, loss: float) -> str:
    return (
        f"[XTuner][RANK 0][2026-09-08 03:04:13][INFO] Step {s}/60 data_time: 0.0091 lr: "
        f"{RATE[s]:.6f} "
        f"time: 0.6024 text_tokens: 4054.0 total_loss: 99.5, reduced_llm_loss: {loss:.3f} "
        f"max_memory: "
        "5.36 GB reserved_memory: 7.05 GB grad_norm: 15.847 tgs: 6729.9 e2e_tgs: 6630.0"
    )


def _mmengine(s: int, loss: float) -> str:
    epoch, batch = divmod(s - 1, 20)
    return (
        f"2026/06/05 20:10:{s:02d} - mmengine - INFO - Epoch(train)   "
        f"[{epoch + 1}][{batch + 1:2d}/20]  "
        f"lr: {RATE[s]:.6e}  eta: 4:59:11  time: 9.978710  data_time: 9.013012  loss: {loss:.6f}  "
        f"loss_kpt: {loss:.6f}  acc_pose: 0.007440"
    )


def _detectron(s: int, loss: float) -> str:
    return (
        f"[11/01 11:27:{s:02d} d2.utils.events]:  eta: 8:05:12  iter: {s}  total_loss: {loss}  "
        f"loss_cls: "
        f"0.714  loss_box_reg: 0.291  time: 0.3322  data_time: 0.0334  lr: {RATE[s]:.6f}  "
        f"max_mem: 3961M"
    )


def _fairseq(s: int, loss: float) -> str:
    return (
        f"2026-03-01 10:00:{s:02d} | INFO | train_inner | epoch 001: {s:6d} / 60 loss={loss}, "
        f"nll_loss="
        f"{loss - 0.5}, ppl=37.61, wps=52922, ups=0.5, wpb=104928, bsz=5325, num_updates={s}, "
        f"lr={RATE[s]}, gnorm=1.543, loss_scale=2, train_wall=25, wall=882"
    )


def _fairseq_json(s: int, loss: float) -> str:
    return (
        f'[2026-03-01 10:00:{s:02d},123][train_inner][INFO] - {{"epoch": 1, "update": 0.4, "loss": '
        f'"{loss}", "ntokens": "116171", "num_updates": "{s}", "lr": "{RATE[s]}", "gnorm": "1.4"}}'
    )


def _xlm(s: int, loss: float) -> str:
    return (
        f"INFO - 10/04/26 14:41:{s:02d} - 0:11:11 - {s:7d} - {56.12:7.2f} sent/s - {2143.8:8.2f} "
        f"words/s"
        f" - MLM-en: {loss:7.4f} || MLM-fr: {9.125:7.4f} -  - model LR: {RATE[s]:.4e}"
    )


def _espnet(s: int, loss: float) -> str:
    return (
        f"[host:0/2] 2026-07-19 08:49:04,080 (trainer:464) INFO: 1epoch:train:{s - 9}-{s}batch: "
        f"iter_time=2.878e-04, forward_time=0.134, loss={loss}, loss_att=77.448, loss_ctc=232.499, "
        f"acc=0.013, lr_0={RATE[s]:.3e}, train_time=1.816"
    )


def _wenet(s: int, loss: float) -> str:
    ranks = ((0, loss - 0.5), (1, loss + 0.5))
    return "\n".join(
        f"2026-01-30 18:47:07,107 DEBUG TRAIN Batch 4/{s} loss {value:.6f} loss_att 10.921429 "
        f"loss_ctc "
        f"16.671551 lr {RATE[s]:.8f} rank {rank}"
        for rank, value in ranks
    )


def _icefall(s: int, loss: float) -> str:
    return (
        f"2026-06-08 08:01:22,072 INFO [train.py:815] (0/2) Epoch 1, batch {s}, "
        f"loss[simple_loss=1.206, "
        f"pruned_loss=9.481, loss={loss}, over 5392.00 frames.], tot_loss[loss=0.7444, "
        f"simple_loss=1.489"
        f", pruned_loss=9.21, over 31213.18 frames.], batch size: 18, lr: {RATE[s]:.2e}"
    )


HELD = {20: 6.625, 40: 5.375, 60: 4.625}
LOGS = {
    "megatron": Log(
        " > number of parameters on (tensor, pipeline) model parallel rank (0, 0): 1000000\n"
        " > number of parameters on (tensor, pipeline) model parallel rank (1, 0): 1200000\n"
        "  seq_length ...................................... 1024\n"
        "  tensor_model_parallel_size ...................... 2\n"
        "  pipeline_model_parallel_size .................... 1\n"
        + _lines(_megatron, STEPS[:2])
        + " validation loss at iteration 20 | lm loss value: 6.625000E+00 | lm loss PPL: "
        "7.536E+02 | \n" + _lines(_megatron, STEPS[2:]),
        held={20: 6.625},
        facts={"params": 2200000, "batch_tokens": 8192, "seq_len": 1024, "step": 60},
    ),
    "gpt-neox": Log(
        "  seq_length ...................... 2048........................updated\n"
        "  train_batch_size ................ 72..........................updated\n"
        "  model_parallel_size ............. 1...........................default\n"
        "> number of parameters on model parallel rank 0: 678446592\n" + _lines(_neox),
        facts={"params": 678446592, "batch_tokens": 72 * 2048, "step": 100},
    ),
    "nemo": Log(_lines(_nemo), held={30: 6.25, 50: 5.5}),
    "nanochat": Log(
        "Vocab size: 32,768\n"
        '  "sequence_len": 512,\n'
        "Parameter counts:\nwte                     : 8,388,608\ntotal                   : "
        "36,700,242\n"
        "Total batch size 524,288 => gradient accumulation steps: 1\n"
        "Step 00010 | Validation bpb: 1.512345\n" + _lines(_nanochat),
        facts={"params": 36700242, "batch_tokens": 524288, "vocab_size": 32768, "step": 60},
    ),
    "build-nanogpt": Log(
        "total desired batch size: 524288\n"
        "num decayed parameter tensors: 50, with 124,354,560 parameters\n"
        "num non-decayed parameter tensors: 98, with 121,344 parameters\n"
        "validation loss: 7.2500\nHellaSwag accuracy: 2508/10042=0.2498\n" + _lines(_build),
        held={10: 7.25},
        facts={"params": 124475904, "batch_tokens": 524288},
    ),
    "torchtitan": Log(
        "[titan] 2026-05-04 13:58:17,242 - root - INFO - Model llama3 debugmodel size: "
        "33,014,016 total "
        "parameters\n"
        "[titan] 2026-05-04 13:58:21,899 - root - INFO - Trainer is initialized with local batch "
        "size 8, "
        "global batch size 16, gradient accumulation steps 1, sequence length 2048, total steps 60 "
        "(warmup 2)\n"
        + _lines(_titan, STEPS[:2])
        + "[titan] 2026-05-04 13:58:42,000 - root - INFO - validate step: 20  loss:  6.6250  "
        "memory:  "
        "3.18GiB(1.70%)  tps: 31,371\n" + _lines(_titan, STEPS[2:]),
        held={20: 6.625},
        facts={"params": 33014016, "batch_tokens": 32768, "step": 60},
    ),
    "olmo": Log(
        "2026-01-12 11:03:43.336\thost0:0\ttrain:141\tINFO\tTotal number of parameters: "
        "1,279,787,008\n" + _lines(_olmo),
        facts={"params": 1279787008, "batch_tokens": 2097152, "step": 60},
    ),
    "olmo-core": Log(_lines(_core), facts={"step": 1000}),
    "composer": Log(_lines(_composer), facts={"step": 60}),
    "litgpt": Log(
        "Number of trainable parameters: 12,226,560\nNumber of non-trainable parameters: "
        "2,779,683,840\n"
        + _lines(_litgpt, STEPS[:4])
        + "iter 80: val loss 5.3750, val time: 3778.02 ms\n"
        + _lines(_litgpt, STEPS[4:]),
        held={40: 5.375},
        facts={"params": 2791910400},
    ),
    "levanter": Log(_lines(_levanter)),
    "levanter-json": Log(
        _lines(
            lambda s, loss: (
                "2026-02-01T10:00:00 - 0 - levanter.tracker - json_logger.py:70 - INFO :: "
                f'{{"tracker": "json", "step": {s}, "metrics": {{"train/loss": {loss}}}}}'
            )
        )
    ),
    "mlx": Log(
        _lines(
            lambda s, loss: (
                f"Iter {s}: Val loss {loss + 0.125}, Val took 10.1s\n"
                f"Iter {s}: Train loss {loss}, Learning Rate 1.000e-05, It/sec 1.2, Peak mem 1.1 GB"
            )
        ),
        held={s: loss + 0.125 for s, loss in LOSS.items()},
    ),
    "torchtune": Log(
        _lines(lambda s, loss: f"1|{s}|Loss: {loss}:   5%|#   | {s}/60 [00:10<01:00]\r")
    ),
    "lingua": Log(
        _lines(
            lambda s, loss: (
                f"0: INFO    26-11-01 10:00:00.123456 - 0:00:10 - step: {s}  acc: 0  loss: "
                f"{loss:7.4f}  "
                f"grad:  1.2e+00  lr: {RATE[s]:.2e}"
            )
        )
    ),
    "huggingface": Log(
        "***** Running training *****\n  Total optimization steps = 60\n"
        "  Number of trainable parameters = 124,439,808\n"
        + _lines(_huggingface)
        + "{'train_runtime': 919.1, 'train_loss': 5.6666, 'epoch': 0.6}\n",
        facts={"params": 124439808, "header/step": 60},
    ),
    "paddlenlp": Log(_lines(_paddle)),
    "maxtext": Log(
        "I0301 12:00:00.123456 140737 max_utils.py:700] number parameters: 15.933 billion\n"
        "Config param steps: 61\n" + _lines(_maxtext),
        facts={"params": 15933000000, "batch_tokens": 196608, "step": 61},
    ),
    "internlm": Log(_lines(_internlm), facts={"batch_tokens": 131072}),
    "xtuner": Log(_lines(_xtuner), facts={"step": 60}),
    "mmengine": Log(
        "max_epochs = 30\n" + _lines(_mmengine),
        facts={"step": 600, "loss_convention": "not per token"},
    ),
    "detectron2": Log(_lines(_detectron), facts={"loss_convention": "not per token"}),
    "fairseq": Log(
        _lines(_fairseq, STEPS[:2])
        + "2026-03-01 10:01:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 6.625 "
        "| nll_loss"
        " 6.1 | ppl 68.6 | wps 169012 | wpb 14470.6 | bsz 42 | num_updates 20\n"
        "2026-03-01 10:01:00 | INFO | train | epoch 001 | loss 6.8125 | nll_loss 6.3 | "
        "num_updates 20\n" + _lines(_fairseq, STEPS[2:]),
        held={20: 6.625},
        facts={"loss_convention": "bits/token"},
    ),
    "fairseq-json": Log(
        "[2026-03-01 09:59:59,353][fairseq_cli.train][INFO] - num. shared model params: "
        "95,044,608 (num. "
        "trained: 95,044,608)\n"
        + _lines(_fairseq_json, STEPS[:2])
        + '[2026-03-01 10:01:00,035][valid][INFO] - {"epoch": 1, "valid_loss": "6.625", '
        '"valid_num_updates": "20"}\n' + _lines(_fairseq_json, STEPS[2:]),
        held={20: 6.625},
        facts={"params": 95044608, "val_loss_convention": "bits/token"},
    ),
    "xlm": Log(
        "INFO - 10/04/26 14:00:00 - 0:00:07 - Number of parameters (model): 126169291\n"
        + _lines(_xlm),
        facts={"params": 126169291},
    ),
    "espnet": Log(_lines(_espnet), facts={"loss_convention": "not per token"}),
    "wenet": Log(_lines(_wenet), facts={"loss_convention": "not per token"}),
    "icefall": Log(
        _lines(_icefall, STEPS[:2])
        + "2026-06-08 08:02:00,072 INFO [train.py:903] (0/2) Epoch 1, validation: loss=6.625, "
        "simple_loss"
        "=1.1, pruned_loss=9.2, over 1000.00 frames.\n" + _lines(_icefall, STEPS[2:]),
        held={20: 6.625},
    ),
    "equals": Log(_lines(lambda s, loss: f"step={s} loss={loss} lr={RATE[s]} mfu=41.2%")),
    "colons": Log(_lines(lambda s, loss: f"INFO: Step: {s}, Loss: {loss}, LR: {RATE[s]}")),
    "bars": Log(
        _lines(lambda s, loss: f"| step {s:5d}/60 | lm-loss: {loss:.4f} | lr: {RATE[s]} |"),
        facts={"step": 60},
    ),
    "words": Log(_lines(lambda s, loss: f"Iteration {s} lm loss = {loss} took 0.3 s")),
    "both": Log(
        _lines(lambda s, loss: f"global_step: {s} - train_loss: {loss} - val_loss: {loss + 0.125}"),
        held={s: loss + 0.125 for s, loss in LOSS.items()},
    ),
    "progress-bar": Log(
        _lines(
            lambda s, loss: f"train: {s}%|###   | {s}/60 [00:10<00:20,  1.00it/s, loss={loss}]\r"
        ),
        facts={"step": 60},
    ),
}
