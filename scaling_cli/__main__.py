"""`python -m scaling_cli` and the `scaling` command: the same door."""

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from scaling_cli.cli import _process, app

        _process.claim()
        app(prog_name="scaling")
    except KeyboardInterrupt:  # while modules are still loading
        sys.exit(130)
    except SystemExit as end:
        _leave(end)


def _leave(end: SystemExit) -> None:
    """End the process at once: tearing down JAX takes 0.1 s, and the system frees it anyway.

    What the interpreter would still do, it does here: write out what is buffered. If that fails
    (the reader of a pipe has gone), the interpreter's own way out deals with it.
    """
    if not isinstance(end.code, int):
        raise end
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise end from None
    os._exit(end.code)


if __name__ == "__main__":
    main()
