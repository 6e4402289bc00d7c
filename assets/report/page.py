"""The file: the page filled in, and put in the place of the one before.

Here: rendering, writing, and the pictures of the same charts that stand alone. Not here: what is on the page
(sections.py), its looks (page.html, page.css, vega.py). The page loads nothing: styles, drawings and the few lines
that show values are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from assets.report import queries, sections, vega
from assets.report.chart import Chart
from assets.report.queries import Row
from assets.report.sections import Section
from assets.sources.base import is_synthetic
from assets.warehouse.connection import EXPORT_MEMORY_LIMIT, open_published, replace_file

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Report:
    """What was written: where, how large in bytes, and the pictures that `previews` gives."""

    path: Path
    size: int
    previews: dict[str, str]


def write_report(published: Path, target: Path) -> Report:
    """Write the report on the published file, in the place of the one before.

    Raises queries.NothingPublished where the file holds no published run, duckdb.Error where it cannot be read, and
    OSError where the report cannot be written; what was there before then stays.
    """
    with _reader(published) as reader:
        run = queries.run(reader)
        stages = sections.stages(reader)
        parts = sections.sections(reader, run)
    drawn = _draw(chart for part in parts for chart in part.figures)
    page = _fill_in(run, stages, parts, drawn).encode()
    replace_file(target, page)
    return Report(target, len(page), _pictures(run, _first_charts(parts), drawn))


def previews(published: Path, *tables: str) -> dict[str, str]:
    """A small picture of each table, as a Markdown image that carries its own data, by the table's full name.

    Without names, of every table that a chart is made of; a table without a chart, or without anything to draw, is left
    out. Raises what write_report raises of reading. Whoever writes the report has them from there at no cost.
    """
    with _reader(published) as reader:
        run = queries.run(reader)
        charts = _first_charts(sections.sections(reader, run))
    wanted = {table: chart for table, chart in charts.items() if not tables or table in tables}
    return _pictures(run, wanted, _draw(wanted.values()))


def _reader(published: Path) -> duckdb.DuckDBPyConnection:
    reader = open_published(published)
    reader.execute(f"set memory_limit = '{EXPORT_MEMORY_LIMIT}'")
    return reader


def _draw(charts: Iterable[Chart]) -> dict[str, str]:
    """The SVG of each chart that has something to draw, by the chart's id."""
    distinct = {chart.id: chart for chart in charts}
    return {
        chart.id: vega.draw(chart.id, chart.spec, chart.height) for chart in distinct.values() if chart.spec is not None
    }


def _first_charts(parts: Sequence[Section]) -> dict[str, Chart]:
    """Of each table the first chart on the page that has something of it to draw."""
    found: dict[str, Chart] = {}
    for part in parts:
        for chart in part.figures:
            if chart.spec is not None:
                for table in chart.tables:
                    found.setdefault(table, chart)
    return found


def _pictures(run: Row, charts: dict[str, Chart], drawn: dict[str, str]) -> dict[str, str]:
    synthetic = "SYNTHETIC DATA. " if is_synthetic(run["source"]) else ""
    return {
        table: f"{synthetic}{chart.title}, as of {chart.as_of or run['as_of']}; n = {chart.n}\n\n"
        + vega.as_image(chart.title, drawn[chart.id])
        for table, chart in charts.items()
    }


def _fill_in(run: Row, stages: Sequence[Row], parts: Sequence[Section], drawn: dict[str, str]) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        run=run,
        is_synthetic=is_synthetic(run["source"]),
        stages=stages,
        summary=sections.summary(stages),
        sections=parts,
        drawn={name: vega.inlined(svg) for name, svg in drawn.items()},
        light=vega.LIGHT,
        dark=vega.DARK,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
    )
