"""What a chart is on the page, and the parts that charts share: axes, keys, words for names and numbers.

Not here: any particular chart (market.py, evidence.py), the looks (drawing.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assets.report.queries import Row
from assets.report.vega import Spec, color

KINDS = {"all_time_high": "all-time high", "year_high": "year high", "turn_on": "stage on"}


@dataclass(frozen=True)
class Chart:
    """A chart and its words.

    `spec` is None where there is nothing to draw; then `empty` says so. `tables` are where the numbers come from, the
    one that the chart is about first. `as_of` is the last day of the series that is drawn, None where it is the run's.
    """

    id: str
    title: str
    tables: tuple[str, ...]
    reading: str
    limits: str
    empty: str
    as_of: str | None = None
    n: str = "0"
    spec: Spec | None = None
    height: int = 230


def percent(share: float | None, digits: int = 0, sign: bool = True) -> str:
    """A fraction as people read it."""
    if share is None:
        return "not known"
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def at_least(probability: float, digits: int) -> str:
    """A p or a q as people read it; one that rounds to nothing is not nothing."""
    least = 10**-digits
    return f"{probability:.{digits}f}" if probability >= least / 2 else f"<{least:.{digits}f}"


def words(name: str) -> str:
    """A name of the tables as people read it."""
    return name.replace("_", " ")


def days_axis(field: str, pattern: str = "%Y", ticks: int | Spec = 6) -> Spec:
    """A day, along the bottom."""
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"format": pattern, "title": None, "tickCount": ticks, "grid": False},
    }


def amount(field: str, title: str | None, **axis: Any) -> Spec:
    """A number, along the side."""
    scale = axis.pop("scale", {"zero": False})
    return {
        "field": field,
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": title, "tickCount": 5, "domain": False, "ticks": False, **axis},
    }


def values(rows: Iterable[Row]) -> Spec:
    """Rows as the data of a layer."""
    return {"values": list(rows)}


def key(field: str, meaning: dict[str, str], rows: Sequence[Row]) -> Spec:
    """A colour per state, with a legend of those that are there."""
    there = [name for name in meaning if any(row[field] == name for row in rows)]
    there += sorted({str(row[field]) for row in rows} - set(there))
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": there, "range": [color(meaning.get(name, "quiet")) for name in there]},
        "legend": {"labelExpr": "replace(datum.label, '_', ' ')"},
    }


def level_line(value: float, name: str = "quiet") -> Spec:
    """A dashed line across a chart."""
    return {
        "data": values([{"level": value}]),
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": color(name)},
        "encoding": {"y": {"field": "level", "type": "quantitative"}},
    }


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """About so many of the rows, evenly, and the last one in any case."""
    step = max(1, len(rows) // count)
    return list(rows[::-step])[::-1]
