"""The command line: `python -m core VERB …`, one module a verb, each a thin wrapper on the function of the same name.

Results go through the same Store as the dashboard's, so a run made here shows up there.
"""
from __future__ import annotations

import importlib
import sys

import click

from core.errors import GanLabError

VERBS = ("artifacts", "causes", "dissect", "inpaint", "models", "paint")


class Verbs(click.Group):
    """Loads a verb's module only when it is asked for, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"core.cli.{cmd_name}").command
        return command


@click.group(cls=Verbs)
def main() -> None:
    """Open up a GAN generator: dissect it, find what causes what, paint with units, compare with inpainting."""


def run() -> None:
    """Entry point: errors meant for people become one sentence on stderr and exit status 2."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit("cancelled")
    except GanLabError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(2)
