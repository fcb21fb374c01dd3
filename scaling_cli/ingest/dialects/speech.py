"""ESPnet, WeNet and icefall: losses of sentences or of frames, by the batch of an epoch."""

from scaling_cli.ingest.dialects._dialect import Dialect, Line, Written

DIALECT = Dialect(
    names=("espnet", "wenet", "icefall"),
    lines=(
        Line(r"<epoch>epoch:train:\d+-<step>batch: ", Written.WORDS),
        Line(
            r"\d+epoch results: .*\[valid\] ", Written.WORDS, (("loss", "val_loss"),), apart="val/"
        ),
        Line(r"TRAIN (?:\| )?Batch <epoch>/<step> ", Written.SPACED),
        Line(
            r"CV (?:\| )?Batch \d+/\d+ ",
            Written.SPACED,
            (("history loss", "val_loss"), ("loss", "val/batch_loss"), ("rank", "rank")),
            apart="val/",
        ),
        Line(
            r"epoch <epoch>, batch <step>, ",
            r"(?:.*?, )?loss\[(?:[^\]]*, )?loss=<train_loss>,[^\]]*\](?:.*, lr: <lr>)?.*",
        ),
        Line(r"epoch \d+, validation: ", r"(?:.*?, )?loss=<val_loss>,.*"),
    ),
    loss="that of sentences or of frames",
    convention="not per token",
    kind=None,
)
