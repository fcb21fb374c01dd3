"""torchtune: epoch, step and loss in front of its progress bar."""

from scaling_cli.ingest.dialects._dialect import Dialect, Line

DIALECT = Dialect(
    names=("torchtune",),
    lines=(Line(r"<epoch>\|<step>\|loss: ", r"<train_loss>(?::.*)?"),),
)
