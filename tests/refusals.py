"""What is refused, and in which words: tests compare whole messages."""

from collections.abc import Callable
from typing import Any

import pytest


def refusal(
    error: type[BaseException], call: Callable[..., Any], *arguments: Any, **options: Any
) -> str:
    """Return the whole message with which a call is refused."""
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)
