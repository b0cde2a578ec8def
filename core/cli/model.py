"""`--model`, the same for every verb: a known model, a weight file, or package.module:function."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def option(help: str = "") -> Callable[[Any], Any]:
    """Hands the verb a name that `zoo` knows."""
    return click.option("--model", default="scenes", show_default=True, callback=lambda ctx, param, value: _named(value),
                        help=f"{help or 'A known model'}, a weight file, or package.module:function.")


def _named(text: str) -> str:
    from core import zoo

    return zoo.pick(text)
