"""The commands that read the published file: status, claims, report, query.

Here: their arguments and options. Not here: what status and claims print (summary). The warehouse is never read.
"""

from __future__ import annotations

import json
import sys
from datetime import date

import click

from assets.warehouse.home import Home, unwritable
from pipelines.cli.console import Console
from pipelines.cli.options import (
    NOT_PUBLISHED,
    WRONG_USAGE,
    as_json_value,
    as_of_option,
    fail,
    fail_of_another_version,
    home_option,
    one_line,
    open_published,
    past_day,
    source_option,
)
from pipelines.settings import home_folder

# How many rows of a query are shown on a terminal.
SHOWN_ROWS = 200


@click.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def status(source: str, home: str, as_of: str, as_json: bool) -> None:
    """Show freshness, failures, stages, breakouts and forecasts.

    A breakout is open for a fixed number of sessions (the parameter life_cycle). Until then it may be confirmed,
    retested or fail; after that it counts as holding unless it failed. The forecasts are those that were frozen at the
    latest breakout of small caps.

    \b
    cascade status --json | python3 -m json.tool
    """
    import duckdb

    from pipelines.cli import summary

    where = Home(home_folder(source, home))
    day = past_day(as_of)
    path = where.published(day)
    with open_published(where, source, day) as reader:
        try:
            if as_json:
                click.echo(json.dumps(summary.status(reader, path), default=as_json_value))
            else:
                summary.show_status(Console(), reader, path)
        except (duckdb.CatalogException, duckdb.BinderException, LookupError) as error:
            fail_of_another_version(error, where, source, day)


@click.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per claim, for scripts.")
def claims(source: str, home: str, as_of: str, as_json: bool) -> None:
    """Show the verdict on each claim of the article about the Russell 2000.

    Verdicts: supported, contradicted, insufficient_evidence (too few cases, no difference from chance, or no data) and
    not_testable. The table marts.claim_parts has the numbers of each part of a claim.
    """
    import duckdb

    from pipelines.cli import summary

    where = Home(home_folder(source, home))
    day = past_day(as_of)
    with open_published(where, source, day) as reader:
        try:
            if as_json:
                for claim in summary.claims(reader):
                    click.echo(json.dumps(claim, default=as_json_value))
            else:
                summary.show_claims(Console(), reader, where.published(day))
        except (duckdb.CatalogException, duckdb.BinderException, LookupError) as error:
            fail_of_another_version(error, where, source, day)


@click.command()
@source_option
@home_option
@as_of_option
def report(source: str, home: str, as_of: str) -> None:
    """Write the HTML report and print its path.

    It is one page that needs no network: open it in a browser. A run writes it too, unless it is a run with --as-of.
    """
    import duckdb

    from assets.report.page import write_report
    from assets.report.queries import NothingPublished

    where = Home(home_folder(source, home))
    day = past_day(as_of)
    published, target = where.published(day), where.report(day)
    open_published(where, source, day).close()
    try:
        write_report(published, target)
    except (NothingPublished, duckdb.Error) as error:
        fail_of_another_version(error, where, source, day)
    except OSError as error:
        fail(unwritable(where.folder, str(error)) or f"{target} cannot be written: {error}", NOT_PUBLISHED)
    click.echo(target)


@click.command()
@click.argument("sql")
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row, for scripts.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header.")
def query(sql: str, source: str, home: str, as_of: str, as_json: bool, as_csv: bool) -> None:
    """Run SQL on the published file (read-only).

    A table that is too wide for the terminal is split; the first column is repeated in each part. A single row is shown
    as a list.

    \b
    cascade query "select schema_name, table_name, comment from duckdb_tables()"
    cascade query "select column_name, column_type from (describe marts.cascade)"
    cascade query "from marts.breakouts where subject_id = 'RUT' limit 1"
    cascade query "from core.bars where instrument_id = 'BTC'" --csv

    See docs/cookbook.md for more queries, and docs/data-dictionary.md for every table and column.
    """
    import duckdb

    where, day = Home(home_folder(source, home)), past_day(as_of)
    with open_published(where, source, day) as reader:
        try:
            result = reader.execute(sql)
            if result is None:
                fail("the query is empty", WRONG_USAGE)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall() if as_json or as_csv else result.fetchmany(SHOWN_ROWS + 1)
        except duckdb.Error as error:
            fail(f"{where.published(day)}: {one_line(error)}", NOT_PUBLISHED)
    if as_json:
        for row in rows:
            click.echo(json.dumps(dict(zip(names, row, strict=True)), default=as_json_value))
    elif as_csv:
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([as_json_value(value) if isinstance(value, date) else value for value in row] for row in rows)
    else:
        console = Console()
        console.tables(names, rows[:SHOWN_ROWS])
        if len(rows) > SHOWN_ROWS:
            console.line(f"Only the first {SHOWN_ROWS} rows are shown; --csv or --json returns all.", wraps=True)
