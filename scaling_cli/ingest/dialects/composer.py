"""Composer and LLM Foundry: a line for the batch, and below it one for each number."""

from scaling_cli.ingest.dialects._dialect import Dialect, Line, Written

DIALECT = Dialect(
    names=("composer", "llm-foundry"),
    lines=(
        Line(
            r"\[(?:epoch=\d+(?:/\d+)?\]\[)?batch=<step>/<planned>\]",
            Written.WORDS,
            names=(
                ("train languagecrossentropy", "train_loss"),
                ("train metrics/train/languagecrossentropy", "train_loss"),
                ("train loss/train/total", "train_loss"),
                ("eval metrics/eval/languagecrossentropy", "val_loss"),
                ("eval languagecrossentropy", "val_loss"),
            ),
            heads=True,
        ),
        Line(
            r"\[eval batch=\d+/\d+\]",
            Written.WORDS,
            names=(
                ("eval metrics/eval/languagecrossentropy", "val_loss"),
                ("eval languagecrossentropy", "val_loss"),
            ),
            apart="val/",
            heads=True,
        ),
    ),
    kind=None,
)
