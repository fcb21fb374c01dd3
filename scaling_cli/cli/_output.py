"""Files that commands write: refused before the work, not after it, where they could not be."""

from collections.abc import Callable


def writable(path: str | None) -> str | None:
    """Return the path as it is, if a file can be written there.

    Raises
    ------
    UsageError
        If its folder is not there or cannot be written, or it is a folder itself.
    """
    import os
    from pathlib import Path

    from scaling_cli.vocabulary.errors import UsageError

    if path is None:
        return None
    folder = Path(path).parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {folder}.")
    if Path(path).is_dir():
        raise UsageError(f"cannot write {path}: it is a folder.", hint="Give a file name with -o.")
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"cannot write {path}: the folder {folder} is not writable.",
            hint="Give another place with -o.",
        )
    return path


def write(to_json: Callable[[str], None], path: str | None) -> str | None:
    """Write a fit file and return the sentence that says so.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    from pathlib import Path

    from scaling_cli.vocabulary.errors import UsageError

    if path is None:
        return None
    replaced = Path(path).exists()
    try:
        to_json(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error
    return f"{path} (the one before is replaced)" if replaced else path
