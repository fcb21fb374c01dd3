"""`python -m scaling_cli` and the `scaling` command: the same door."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from scaling_cli.cli import _process, app

        _process.claim()
        app(prog_name="scaling")
    except KeyboardInterrupt:  # while modules are still loading
        sys.exit(130)


if __name__ == "__main__":
    main()
