"""The options that several commands share. Here: how they are written and explained, once."""

from __future__ import annotations

import click

from pipelines.settings import SOURCES

source_option = click.option(
    "--source", type=click.Choice(SOURCES), default="demo", show_default=True, help="Where the data comes from."
)
home_option = click.option("--home", default="", metavar="DIR", help="Where the results lie.  [default: data/SOURCE]")
as_of_option = click.option("--as-of", default="", metavar="YYYY-MM-DD", help="A past day instead of the newest state.")
