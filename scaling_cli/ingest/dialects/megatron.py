"""Megatron-LM, Megatron-DeepSpeed, GPT-NeoX, NeMo: cells between bars.

Megatron leaves out a loss that is not finite: a line without one is NaN. Each rank counts its own
parameters; the model has their sum.
"""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written
from scaling_cli.vocabulary.loss_kinds import LossKind

_ARGUMENT = r"^(?:\[[^\]]*\] *)*{name} \.+ <{fact}>(?:\.+\w+)?$"


def _argument(name: str, fact: str) -> Fact:
    return Fact(_ARGUMENT.format(name=name, fact=fact))


DIALECT = Dialect(
    names=("megatron", "deepspeed", "gpt-neox", "nemo"),
    lines=(
        Line(
            r"(?:samples/sec: [\d.]+ \| )?iteration +<step>/ *<planned> (?=\|)",
            Written.CELLS,
            lost=True,
        ),
        Line(
            r"(?:validation|valid) (?:loss|results) at (?:iteration <step>|the end of training)"
            r"(?![^|]*test set)[^|]*(?=\|)",
            Written.CELLS,
            names=(("lm loss value", "val_loss"), ("lm_loss value", "val_loss")),
            apart="val/",
        ),
        Line(
            r"(?:test loss|(?:validation|valid) (?:loss|results)) at [^|]*on test set\s*(?=\|)",
            Written.CELLS,
            names=(("lm loss value", "test_loss"), ("lm_loss value", "test_loss")),
            apart="test/",
        ),
        Line(
            r"training epoch <epoch>, iteration \d+/\d+ (?=\|)",
            Written.CELLS,
            names=(
                ("global_step", "step"),
                ("reduced_train_loss", "train_loss"),
                ("val_loss", "val_loss"),
            ),
            stale=("val_loss",),
        ),
        Line(r"steps: <step> (?=loss: )", Written.WORDS),
    ),
    facts=(
        Fact(
            r"number of parameters on (?:\(tensor, pipeline\) )?model parallel rank +"
            r"(?P<place>\(\d{1,9}, \d{1,9}\)|\d{1,9})(?::| ) *<params>(?: (?P<scale>billion))?$",
            of_rank=True,
        ),
        _argument("seq_length", "seq_len"),
        _argument("padded_vocab_size", "vocab_size"),
        _argument("train_batch_size", "batch_seqs"),
        _argument("global_batch_size", "batch_seqs"),
        _argument("tensor_model_parallel_size", "tensor_parts"),
        _argument("model_parallel_size", "tensor_parts"),
        _argument("pipeline_model_parallel_size", "pipeline_parts"),
        _argument("pipe_parallel_size", "pipeline_parts"),
        Fact(r"padded vocab \(size: \d+\) with \d+ dummy tokens \(new size: <vocab_size>\)"),
    ),
    loss="the mean over the steps since the line before",
    kind=LossKind.INTERVAL_MEAN,
)
