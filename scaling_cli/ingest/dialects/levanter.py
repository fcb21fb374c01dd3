"""Levanter: its progress as lines, and the JSON lines of its logger."""

from scaling_cli.ingest.dialects._dialect import Dialect, Line, Written

DIALECT = Dialect(
    names=("levanter",),
    lines=(
        Line(
            r"progress on:train +<step>(?:it)?/",
            r"(?:<planned>it\b|\S+) rate:.* postfix:(?:.*,)? ?loss=<train_loss>",
        ),
        Line(
            r'(?=\{.*"(?:metrics|tracker)")(?=\{.*"step")',
            Written.OBJECT,
            names=(
                ("train/loss", "train_loss"),
                ("eval/loss", "val_loss"),
                ("throughput/total_tokens", "tokens"),
                ("optim/learning_rate", "lr"),
            ),
        ),
    ),
)
