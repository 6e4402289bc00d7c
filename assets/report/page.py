"""The report: one HTML file, rendered from the published file, that replaces the report before.

Here: rendering, writing, and small pictures of the same charts for the Dagster UI. Not here: what is on the page
(sections.py) and how it looks (page.html, page.css, vega.py). The page loads nothing from the network: styles, drawings
and the script that shows values are inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from assets.report import queries, sections, vega
from assets.report.chart import Chart, counted
from assets.report.definitions import Definitions
from assets.report.queries import Row
from assets.report.sections import Section
from assets.sources.base import is_synthetic
from assets.warehouse.connection import EXPORT_MEMORY_LIMIT, open_published, replace_file

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ReportFile:
    """The file that was written.

    `size` is in bytes. `previews` has one small picture per table that a chart is made of: a Markdown image with the
    data inside, by the table's full name. Tables without anything to draw are left out.
    """

    path: Path
    size: int
    previews: dict[str, str]


def write_report(published: Path, target: Path) -> ReportFile:
    """Write the report on a published file and replace the report before.

    Raises queries.NothingPublished if the file holds no published run or lacks a parameter, duckdb.Error if it cannot
    be read, and OSError if the report cannot be written. The report before is kept then.
    """
    with _reader(published) as reader:
        run = queries.run(reader)
        definitions = Definitions(queries.parameters(reader))
        stages = sections.stages(reader, definitions)
        parts = sections.sections(reader, run, definitions)
    drawn = _draw(chart for part in parts for chart in part.figures)
    page = _render(run, stages, parts, drawn, definitions).encode()
    replace_file(target, page)
    return ReportFile(target, len(page), _pictures(run, _first_charts(parts), drawn))


def _reader(published: Path) -> duckdb.DuckDBPyConnection:
    reader = open_published(published)
    reader.execute(f"set memory_limit = '{EXPORT_MEMORY_LIMIT}'")
    return reader


def _draw(charts: Iterable[Chart]) -> dict[str, str]:
    """The SVG of each chart that has something to draw, by the chart's id."""
    return {chart.id: vega.draw(chart.id, chart.spec, chart.height) for chart in charts if chart.spec is not None}


def _first_charts(parts: Sequence[Section]) -> dict[str, Chart]:
    """The first chart on the page that draws something of a table, for each table."""
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


def _render(
    run: Row, stages: Sequence[Row], parts: Sequence[Section], drawn: dict[str, str], definitions: Definitions
) -> str:
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
        definitions=definitions,
        counted=counted,
        drawn={name: vega.inlined(svg) for name, svg in drawn.items()},
        light=vega.LIGHT,
        dark=vega.DARK,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
    )
