"""nanoGPT and what came of it: llm.c, build-nanogpt, modded-nanogpt, parameter golf.

nanoGPT and llm.c measure the loss at step s before its update, from s batches; nanoGPT's `iter` is
the loss of one micro-batch, its `step` lines are means over many. llm.c prints held-out losses of
the step before, build-nanogpt of the next.
"""

from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Of
from scaling_cli.vocabulary.loss_kinds import LossKind

DIALECT = Dialect(
    names=("nanogpt", "llm.c", "modded-nanogpt", "build-nanogpt"),
    lines=(
        # modded-nanogpt; its later records print the time alone, which is a row without a loss
        Line(
            r"step:<step>/<planned> ",
            r"(?:train_loss:<train_loss> ?)?(?:val_loss:<val_loss> ?)?(?:val_bpb:<val_bpb> ?)?"
            r"train_time:<train_time>(?P<unit>ms|s)\b.*",
        ),
        Line(
            r"iter <step>: (?=loss)",
            r"loss <train_loss>, time:? <iter_time>(?P<unit>ms)\b.*",
            kind=LossKind.MICRO_BATCH,
        ),
        Line(r"step <step>: (?=train loss)", r"train loss <mean_train_loss>, val loss <val_loss>"),
        Line(r"\[train\] iter <step>: ", r"loss <train_loss> [\d.]+ ms/iter"),
        Line(r"\[eval\] iter <step>: ", r"train <mean_train_loss> val <val_loss>(?: lr <lr>)?"),
        # llm.c: its main.log (`eval` is an accuracy), and what it prints
        Line(r"s:<step> trl:", r"<train_loss>(?: lr:<lr>)?(?: norm:<grad_norm>)?"),
        Line(r"s:<step> tel:", r"<val_loss>"),
        Line(r"s:<step> eval:", r"<accuracy>"),
        Line(
            r"step +<step>/<planned> \| loss (?!:)",
            r" *<train_loss> \(\S+\) *\| norm +<grad_norm> \(\S+\) *\| lr <lr> \|.*",
        ),
        Line(r"val loss ", r"<val_loss>"),
        # build-nanogpt: its log.txt (`hella` is an accuracy), and what it prints
        Line(r"<step> train ", r"<train_loss>"),
        Line(r"<step> val ", r"<val_loss>"),
        Line(r"<step> hella ", r"<accuracy>"),
        Line(r"validation loss: ", r"<val_loss>", of=Of.NEXT),
        Line(r"hellaswag accuracy: \d+/\d+=", r"<accuracy>", of=Of.NEXT),
        Line(r"step +<step> \| loss: ", r"<train_loss> \| lr <lr> \| norm: *<grad_norm> \|.*"),
    ),
    facts=(
        Fact(r"^tokens per iteration will be: <batch_tokens>$"),
        Fact(r"^number of parameters: <params_of_header>M$"),
        Fact(r"^\| num_parameters +\| <params> +\|$"),
        Fact(r"^\| total batch size +\| <batch_tokens> +\|$"),
        Fact(r"^\| max_sequence_length(?: T)? *\| <seq_len> +\|$"),
        Fact(r"^\| vocab_size(?: V)? *\| <vocab_size> +\|$"),
        Fact(r"^total desired batch size: <batch_tokens>$"),
        Fact(r"^num decayed parameter tensors: \d+, with <params_a> parameters$"),
        Fact(r"^num non-decayed parameter tensors: \d+, with <params_b> parameters$"),
        Fact(r"^model_params:<params>$"),
        Fact(r"^train_batch_tokens:<batch_tokens> train_seq_len:<seq_len> "),
        Fact(r"^stopping_early: .* step:<step>/\d+$"),
        Fact(
            r"tokens/iter = <batch_tokens> \| train tokens = <unique_tokens> "
            r"\| vocab = <vocab_size>$"
        ),
    ),
)
