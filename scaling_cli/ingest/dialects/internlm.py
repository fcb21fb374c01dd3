"""InternLM and XTuner."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written

DIALECT = Dialect(
    names=("internlm", "xtuner"),
    lines=(
        Line(
            r"tflops=[\d.]+[, ] ?(?=.*\bstep=)",
            Written.WORDS,
            names=(("num_consumed_tokens", "tokens"), ("step", "step")),
        ),
        Line(
            r"step <step>/<planned> (?=\w+: .*\b(?:reduced_llm_loss|total_loss|loss): )",
            Written.WORDS,
            names=(("reduced_llm_loss", "train_loss"),),
        ),
    ),
    facts=(Fact(r"total parameters: <params>(?P<scale>[KMBT])$"),),
)
