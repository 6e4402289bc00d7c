"""The commands that read the published file: status, claims, report, query.

Here: arguments and what is printed. The warehouse itself is never read.
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
    home_option,
    one_line,
    open_published,
    past_day,
    source_option,
)
from pipelines.settings import home_folder

# Rows of a query that a person is shown.
SHOWN_ROWS = 200


@click.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object, for scripts.")
def status(source: str, home: str, as_of: str, as_json: bool) -> None:
    """What one asks first: how fresh it is, what failed, which stages are on, what broke out.

    A breakout is open for twenty sessions, in which it may be confirmed, retested or fail; after that it was holding
    or not. What was said when small caps broke out last was frozen then, word for word.

    \b
    cascade status --json | python3 -m json.tool
    """
    import duckdb

    from pipelines.cli import summary

    where = Home(home_folder(source, home))
    path = where.published(past_day(as_of))
    with open_published(where, source, past_day(as_of)) as reader:
        try:
            if as_json:
                click.echo(json.dumps(summary.status(reader, path), default=as_json_value))
            else:
                summary.show_status(Console(), reader, path)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            fail(f"{path} is of another version; run again: {one_line(error)}", NOT_PUBLISHED)


@click.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per claim, for scripts.")
def claims(source: str, home: str, as_of: str, as_json: bool) -> None:
    """What an article says of the Russell 2000, claim by claim, held against the data.

    Verdicts: supported, contradicted, insufficient_evidence (too few cases, not to be told from chance, or no data),
    not_testable. marts.claim_parts has the numbers of each part.
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
        except duckdb.CatalogException as error:
            fail(f"{where.published(day)} has no claims yet; run again: {one_line(error)}", NOT_PUBLISHED)


@click.command()
@source_option
@home_option
@as_of_option
def report(source: str, home: str, as_of: str) -> None:
    """Write the report on the published file anew, and say where it lies.

    A run writes it too, except a look at the past. It is one page that needs no network: open it in a browser.
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
        fail(f"{published} is not a published file of this version; run again: {one_line(error)}", NOT_PUBLISHED)
    except OSError as error:
        fail(unwritable(where.folder, str(error)) or f"{target} cannot be written: {error}", NOT_PUBLISHED)
    click.echo(target)


@click.command()
@click.argument("sql")
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row, for scripts.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")
def query(sql: str, source: str, home: str, as_of: str, as_json: bool, as_csv: bool) -> None:
    """Run SQL on the published file, which is opened read-only.

    Columns that do not fit the terminal come below, beside the first column again; a single row is written downwards.

    \b
    cascade query "select schema_name, table_name, comment from duckdb_tables()"
    cascade query "select column_name, column_type from (describe marts.cascade)"
    cascade query "from marts.breakouts where subject_id = 'RUT' limit 1"
    cascade query "from core.bars where instrument_id = 'BTC'" --csv

    docs/cookbook.md has queries for what people ask, docs/data-dictionary.md every table and column.
    """
    import duckdb

    with open_published(Home(home_folder(source, home)), source, past_day(as_of)) as reader:
        try:
            result = reader.execute(sql)
            if result is None:
                fail("there is no SQL in the query", WRONG_USAGE)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall() if as_json or as_csv else result.fetchmany(SHOWN_ROWS + 1)
        except duckdb.Error as error:
            fail(one_line(error), NOT_PUBLISHED)
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
            console.line(f"There are more than these {SHOWN_ROWS} rows; --csv or --json gives them all.", wraps=True)
