"""What a chart is on the page, and the parts that charts share: axes, colour keys, names and numbers as text.

Not here: particular charts (market_charts.py, evidence_charts.py), colours and drawing (vega.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assets.report.queries import Row
from assets.report.vega import Spec, color


@dataclass(frozen=True)
class Chart:
    """A chart and its texts.

    `spec` is None if there is nothing to draw; the page then shows `empty`. `tables` are the sources of the numbers,
    the most important one first. `as_of` is the last day of the data in the chart, None if it is the run's.
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
    """A fraction as a percentage.

    Args:
        share: The fraction, None if it is not known.
        digits: Digits after the point.
        sign: Whether positive numbers get a plus.

    Returns:
        For instance "+2.3 %", or "not known".
    """
    if share is None:
        return "not known"
    return f"{100 * share:{'+' if sign else ''}.{digits}f} %"


def at_least(probability: float, digits: int) -> str:
    """A p or a q with so many digits; one that would round to zero is shown as less than the smallest number."""
    least = 10**-digits
    return f"{probability:.{digits}f}" if probability >= least / 2 else f"<{least:.{digits}f}"


def counted(number: int, noun: str) -> str:
    """A number of things: "1 event", "1,234 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def words(name: str) -> str:
    """A name of a table or state as text."""
    return name.replace("_", " ")


def days_axis(field: str, pattern: str = "%Y", ticks: int | Spec = 6) -> Spec:
    """A horizontal axis of days.

    Args:
        field: The field of the rows that holds the day.
        pattern: How a day is written at the axis.
        ticks: How many ticks, or an interval.

    Returns:
        The encoding of x.
    """
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"format": pattern, "title": None, "tickCount": ticks, "grid": False},
    }


def amount(field: str, title: str | None, **axis: Any) -> Spec:
    """An axis of numbers.

    Args:
        field: The field of the rows that holds the number.
        title: The title of the axis, None if it has no title.
        axis: More properties of the axis; `scale` replaces the scale.

    Returns:
        The encoding of y, or of x.
    """
    scale = axis.pop("scale", {"zero": False})
    return {
        "field": field,
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": title, "tickCount": 5, "domain": False, "ticks": False, **axis},
    }


def names_axis(field: str, order: Sequence[str] | None = None, **axis: Any) -> Spec:
    """A vertical axis of names.

    Args:
        field: The field of the rows that holds the name.
        order: The names from top to bottom, None for the order of the rows.
        axis: More properties of the axis.

    Returns:
        The encoding of y.
    """
    return {
        "field": field,
        "type": "nominal",
        "sort": order,
        "axis": {"title": None, "ticks": False, "domain": False, **axis},
    }


def values(rows: Iterable[Row]) -> Spec:
    """Rows as the data of a layer."""
    return {"values": list(rows)}


def key(field: str, meaning: dict[str, str], rows: Sequence[Row]) -> Spec:
    """A colour per state, with a legend of the states that occur.

    Args:
        field: The field of the rows that holds the state.
        meaning: The name of a colour for each state, in the order of the legend. Other states are grey and come last.
        rows: The rows of the chart.

    Returns:
        The encoding of the colour.
    """
    found = [name for name in meaning if any(row[field] == name for row in rows)]
    found += sorted({str(row[field]) for row in rows} - set(found))
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": found, "range": [color(meaning.get(name, "quiet")) for name in found]},
        "legend": {"labelExpr": "replace(datum.label, '_', ' ')"},
    }


def level_line(value: float, name: str = "quiet") -> Spec:
    """A dashed horizontal line across a chart."""
    return {
        "data": values([{"level": value}]),
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": color(name)},
        "encoding": {"y": {"field": "level", "type": "quantitative"}},
    }


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """About `count` of the rows, evenly spaced; the last row is always among them."""
    step = max(1, len(rows) // count)
    return list(rows[::-step])[::-1]
