"""OLMo and OLMo-core: a line for the step, and below it one for each number."""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Written

DIALECT = Dialect(
    names=("olmo", "olmo-core"),
    lines=(
        Line(
            r"\[step=<step>/<planned>(?:,epoch=<epoch>)?[^\]]*\]",
            Written.WORDS,
            names=(
                ("train/crossentropyloss", "train_loss"),
                ("train/ce loss", "train_loss"),
                ("throughput/total_tokens", "tokens"),
                ("throughput/total tokens", "tokens"),
                ("optim/total_grad_norm", "grad_norm"),
                ("optim/total grad norm", "grad_norm"),
                ("optim/lr (group 0)", "lr"),
                ("optim/learning_rate_group0", "lr"),
            ),
            heads=True,
        ),
    ),
    facts=(
        Fact(r"total number of parameters: <params>$"),
        Fact(r"number of non-embedding parameters: <params_non_embedding>$"),
        Fact(r"[( ]max_sequence_length=<seq_len>,"),
        Fact(r"[( ]vocab_size=<vocab_size>,"),
        Fact(r"[( ]global_train_batch_size=<batch_seqs>,"),
    ),
)
