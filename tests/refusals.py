"""What is refused, and in which words: tests compare whole messages."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Refused = TypeVar("Refused", bound=BaseException)


def refused(
    error: type[Refused], call: Callable[..., Any], *arguments: Any, **options: Any
) -> Refused:
    """Return the error with which a call is refused."""
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return caught.value


def refusal(
    error: type[BaseException], call: Callable[..., Any], *arguments: Any, **options: Any
) -> str:
    """Return the whole message with which a call is refused."""
    return str(refused(error, call, *arguments, **options))
