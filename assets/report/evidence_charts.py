"""The charts of the evidence: verdicts, order of the stages, returns after events, the rotation table, lead and lag.

Here: functions that take rows of the published file and return a specification with its texts. Each chart says what it
shows, how to read it and what it cannot show; without data it says so in a sentence. Not here: charts of the market
itself (market_charts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import sqrt

from assets.config.universe import SIGNAL_KINDS
from assets.report.chart import (
    Chart,
    amount,
    at_least,
    counted,
    key,
    level_line,
    names_axis,
    percent,
    values,
    words,
)
from assets.report.definitions import Definitions
from assets.report.queries import BAND_TAIL, Row
from assets.report.vega import Spec, color, hover, with_tooltip

VERDICTS = {
    "supported": "blue",
    "contradicted": "orange",
    "insufficient_evidence": "quiet",
    "not_testable": "line",
}

# The mark behind a number of the rotation table; questions that were not fixed in advance get none.
EVIDENCE = {"supports": "▲", "contradicts": "▼", "none": "○", "exploratory": "", "insufficient": ""}

# Differences from the baseline at which the heat map changes its colour.
HEAT_EDGES = (-0.2, -0.05, 0.05, 0.2)
HEAT_COLORS = ("low_2", "low_1", "even", "high_1", "high_2")

# Growth factors that the axis of a fan chart can show, for ordinary and for wide fans.
GROWTH_MARKS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
WIDE_GROWTH_MARKS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50)
WIDE_FROM = 6

# With more events than this their labels would cover each other.
LABELLED_EVENTS = 12

# Lags of unrelated series stay within this many standard errors in this share of all cases.
LAG_BAND, LAG_BAND_SHARE = 1.96, 0.95

COSTS = "Costs are not included."


def signal_words(signal: str) -> str:
    """A signal such as RUT:all_time_high:decided as text."""
    subject, kind, trigger = signal.split(":")
    return f"{words(subject)} {SIGNAL_KINDS[kind]}" + (" (confirmed)" if trigger == "confirmed" else "")


def cascade_order(rows: Sequence[Row], definitions: Definitions) -> Chart:
    """How often a stage was followed by the next, compared with chance."""
    return Chart(
        id="cascade-order",
        title="Does the next stage really follow?",
        tables=("marts.cascade_order",),
        reading=definitions.fill(
            "Each bar is the share of a stage's turn-ons that the next stage followed within $lag_days. The dark mark "
            "is the share that chance gives."
        ),
        limits="If a bar is not well above its mark, the order may be chance.",
        empty="Too few stages turned on to compare their order with chance.",
        as_of=rows[0]["as_of"] if rows else None,
        n=f"{min(row['turn_ons'] for row in rows)} to {max(row['turn_ons'] for row in rows)} turn-ons" if rows else "0",
        height=180,
        spec=_order_spec(rows) if rows else None,
    )


def _order_spec(rows: Sequence[Row]) -> Spec:
    shown = []
    for row in rows:
        step = f"{words(row['from_stage_name'])} → {words(row['to_stage_name'])}"
        share, chance = row["share_in_order"], row["share_by_chance"]
        tip = (
            f"{step}:\n{percent(share, sign=False)} of {row['turn_ons']} in order, by chance "
            f"{percent(chance, sign=False)}"
        )
        shown.append({"step": step, "share": share, "chance": chance, "tip": tip})
    x: Spec = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domainMin": 0},
        "axis": {"title": "share of turn-ons that the next stage followed", "format": ".0%", "tickCount": 5},
    }
    y = names_axis("step")
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.6}, "color": color("blue")},
        "encoding": {"x": x, "y": y},
    }
    by_chance = {
        "mark": {"type": "tick", "thickness": 3, "color": color("ink"), "bandSize": 24},
        "encoding": {"x": x | {"field": "chance"}, "y": y},
    }
    return {"data": values(shown), "layer": [with_tooltip(bars, "tip"), by_chance]}


def verdicts(claims: Sequence[Row]) -> Chart:
    """How many claims got which verdict."""
    counts = [
        {"verdict": name, "label": words(name), "claims": sum(claim["verdict"] == name for claim in claims)}
        for name in VERDICTS
    ]
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.65}, "cornerRadiusEnd": 2},
        "encoding": {"color": key("verdict", VERDICTS, counts) | {"legend": None}},
    }
    numbers = {
        "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 12},
        "encoding": {"text": {"field": "claims", "type": "quantitative"}},
    }
    spec: Spec = {
        "data": values(counts),
        "encoding": {
            "y": names_axis("label", [words(name) for name in VERDICTS], labelColor=color("ink")),
            "x": {"field": "claims", "type": "quantitative", "axis": None},
        },
        "layer": [bars, numbers],
    }
    return Chart(
        id="verdicts",
        title="Verdicts on the claims",
        tables=("marts.claims",),
        reading="How many of the article's claims the data support, contradict or cannot settle.",
        limits="'Insufficient evidence' does not mean no. It means that there are too few cases, or that chance alone "
        "gives as much.",
        empty="No claim was tested.",
        as_of=claims[0]["as_of"] if claims else None,
        n=counted(len(claims), "claim"),
        height=150,
        spec=spec if claims else None,
    )


def fan(
    subject: str,
    kind: str,
    target: str,
    responses: Sequence[Row],
    baseline: Sequence[Row],
    definitions: Definitions,
) -> Chart:
    """What a target did after each event, compared with its returns from every day.

    Args:
        subject: The instrument or pair that broke out.
        kind: all_time_high or year_high.
        target: What was bought.
        responses: Returns by event and horizon, one event after the other.
        baseline: Quantiles of the returns from every day, by horizon.
        definitions: The parameters of the published file.

    Returns:
        The chart; it draws nothing if there are no responses.
    """
    events = [list(rows) for _, rows in groupby(responses, key=lambda row: row["event_id"])]
    what = f"{subject} {SIGNAL_KINDS[kind]}"
    is_few = len(events) < definitions["minimum_episodes"]
    return Chart(
        id=f"fan-{subject}-{kind}-{target}".replace("/", "-").lower(),
        title=f"{target} after each {what}",
        tables=("marts.rotation_responses", "marts.relative_strength" if target == "ALTS" else "core.bars"),
        reading="Each line is one event, the newest in orange. The grey band holds "
        f"{percent(1 - 2 * BAND_TAIL, sign=False)} of the returns from all days, and the dashed line is their median.",
        limits=(f"{counted(len(events), 'case')} cannot tell a rule from luck. " if is_few else "") + COSTS,
        empty=f"No {what} has a complete window of {target} yet, so there is nothing to compare.",
        n=counted(len(events), "event")
        + (f"; band: {counted(max(row['days'] for row in baseline), 'day')}" if baseline else ""),
        spec=_fan_spec(events, baseline) if events else None,
    )


def _fan_spec(events: Sequence[Sequence[Row]], baseline: Sequence[Row]) -> Spec:
    lines = [point for rows in events for point in _fan_line(rows, is_last=rows is events[-1])]
    band = [{"days": 0, "low": 1.0, "middle": 1.0, "high": 1.0}] + [
        {"days": row["horizon_days"], **{name: 1 + row[name] for name in ("low", "middle", "high")}} for row in baseline
    ]
    y = _growth_axis([line["growth"] for line in lines] + [row[name] for row in band for name in ("low", "high")])
    x = _horizon_axis({row["horizon_days"] for rows in (*events, baseline) for row in rows})
    layers = _band_layers(band, x, y) if baseline else []
    layers += [
        {
            "data": values(line for line in lines if line["is_last"] is is_last),
            "mark": {
                "type": "line",
                "color": color("orange" if is_last else "blue"),
                "strokeWidth": 2.4 if is_last else 1.3,
            },
            "encoding": {"x": x, "y": y, "detail": {"field": "event"}},
        }
        for is_last in (False, True)
    ]
    if len(events) <= LABELLED_EVENTS:
        ends = [[line for line in lines if line["event"] == rows[0]["entry_date"]][-1] for rows in events]
        layers.append(
            {
                "data": values(_apart(ends, y["scale"]["domain"])),
                "mark": {"type": "text", "align": "left", "dx": 3, "fontSize": 9.5, "color": color("soft")},
                "encoding": {"x": x, "y": y, "text": {"field": "label"}},
            }
        )
    layers.append(hover(x, y, "tip", data=values(lines)))
    return {"layer": layers}


def _fan_line(rows: Sequence[Row], is_last: bool) -> list[Row]:
    """The points of one event, from its entry on. A total loss cannot be drawn on a logarithmic axis."""
    entry = rows[0]["entry_date"]
    return [{"event": entry, "days": 0, "growth": 1.0, "tip": f"entry {entry}", "is_last": is_last}] + [
        {
            "event": row["entry_date"],
            "days": row["horizon_days"],
            "growth": 1 + row["forward_return"],
            "is_last": is_last,
            "tip": f"after {row['event_id'].rsplit(':', 1)[1]}, {row['horizon_days']} days:\n"
            f"{percent(row['forward_return'], 1)}",
        }
        for row in rows
        if row["forward_return"] > -1
    ]


def _growth_axis(growths: Sequence[float]) -> Spec:
    """A logarithmic axis of growth factors, from the last mark below all of them to the first mark above."""
    low, high = min(growths), max(growths)
    marks = WIDE_GROWTH_MARKS if high > WIDE_FROM else GROWTH_MARKS
    below = [mark for mark in marks if mark <= low][-1:]
    above = [mark for mark in marks if mark >= high][:1]
    domain = [(below or [low])[0], (above or [high])[0]]
    return {
        "field": "growth",
        "type": "quantitative",
        "scale": {"type": "log", "domain": domain, "nice": False},
        "axis": {
            "title": None,
            "values": [mark for mark in marks if domain[0] <= mark <= domain[1]],
            "labelExpr": "format(datum.value - 1, '+.0%')",
            "domain": False,
            "ticks": False,
        },
    }


def _horizon_axis(horizons: set[int]) -> Spec:
    """An axis of days with room for labels at the right; the shortest horizons get no tick, as they are too close."""
    last = max(horizons)
    return {
        "field": "days",
        "type": "quantitative",
        "scale": {"domain": [0, round(1.21 * last)], "nice": False},
        "axis": {
            "title": "days after entry",
            "values": [0, *sorted(days for days in horizons if days >= last / 6)],
            "grid": False,
        },
    }


def _band_layers(band: Sequence[Row], x: Spec, y: Spec) -> list[Spec]:
    return [
        {
            "data": values(band),
            "mark": {"type": "area", "color": color("band"), "opacity": 0.75},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": values(band),
            "mark": {"type": "line", "strokeDash": [4, 3], "color": color("soft")},
            "encoding": {"x": x, "y": y | {"field": "middle"}},
        },
    ]


def _apart(ends: Sequence[Row], domain: Sequence[float]) -> list[Row]:
    """The ends of lines, each labelled with its month and moved up if it would cover the label below."""
    least = (domain[1] / domain[0]) ** 0.05
    below: dict[int, float] = {}
    labels = []
    for end in sorted(ends, key=lambda end: float(end["growth"])):
        height = max(end["growth"], below.get(end["days"], 0) * least)
        below[end["days"]] = height
        labels.append(end | {"growth": height, "label": end["event"][:7]})
    return labels


def heat_map(target: str, table: Sequence[Row], definitions: Definitions) -> Chart:
    """The rotation table of a target: its mean return after each signal, compared with the baseline.

    Args:
        target: What was bought.
        table: One row per signal and horizon.
        definitions: The parameters of the published file.

    Returns:
        The chart; it draws nothing if no signal has a complete window.
    """
    cells = [_heat_cell(target, row) for row in table if row["excess_mean"] is not None]
    signals = list(dict.fromkeys(cell["signal"] for cell in cells))
    episodes = [row["n_episodes"] for row in table]
    return Chart(
        id=f"rotation-{target.lower()}",
        title=f"{target} after each signal, compared with the baseline",
        tables=("marts.rotation_summary",),
        reading=definitions.fill(
            "Each cell is the mean return after a signal less the baseline, in percent: blue above, orange below. Pale "
            "cells with grey numbers have fewer than $minimum_episodes and are insufficient evidence. ▲ supports, "
            "▼ contradicts, ○ tested, but no evidence; no mark: exploratory."
        ),
        limits=f"With so many cells, some are large by chance. {COSTS}",
        empty=f"No signal has a complete window of {target} yet.",
        as_of=table[0]["as_of"] if table else None,
        n=f"{len(cells)} cells of {len(signals)} signals, "
        + (f"{min(episodes)} to {max(episodes)} episodes" if table else "0"),
        height=70 + 21 * len(signals),
        spec=_heat_spec(cells, signals) if cells else None,
    )


def _heat_cell(target: str, row: Row) -> Row:
    signal, excess = signal_words(row["signal_id"]), row["excess_mean"]
    points = round(100 * excess)
    return {
        "signal": signal,
        "days": row["horizon_days"],
        "excess": excess,
        "label": (f"{points:+d}" if points else "0") + EVIDENCE[row["evidence"]],
        "is_known": row["evidence"] != "insufficient",
        "tip": f"{target}, {row['horizon_days']} days after {signal}:\n"
        f"{percent(excess, 1)} against the baseline\nmean {percent(row['mean_return'], 1)}, baseline "
        f"{percent(row['baseline_mean'], 1)}\n{counted(row['n_episodes'], 'episode')}, evidence: {row['evidence']}"
        + (f", q {at_least(row['q_value'], 2)}" if row["q_value"] is not None else ""),
    }


def _heat_spec(cells: Sequence[Row], signals: Sequence[str]) -> Spec:
    x = {
        "field": "days",
        "type": "ordinal",
        "axis": {"title": "days after the signal", "labelAngle": 0, "orient": "top", "domain": False, "ticks": False},
    }
    ground = {
        "field": "excess",
        "type": "quantitative",
        "scale": {
            "type": "threshold",
            "domain": list(HEAT_EDGES),
            "range": [color(name) for name in HEAT_COLORS],
        },
        "legend": None,
    }
    rectangles = {
        "mark": {"type": "rect", "stroke": color("paper"), "strokeWidth": 1.5},
        "encoding": {
            "color": ground,
            "opacity": {"condition": {"test": "datum.is_known", "value": 1}, "value": 0.4},
        },
    }
    numbers = {
        "mark": {"type": "text", "fontSize": 10},
        "encoding": {
            "text": {"field": "label"},
            "color": {"condition": {"test": "datum.is_known", "value": color("ink")}, "value": color("soft")},
        },
    }
    return {
        "data": values(cells),
        "encoding": {"x": x, "y": names_axis("signal", signals, labelLimit=170, labelFontSize=10)},
        "layer": [with_tooltip(rectangles, "tip"), numbers],
    }


def lead_lag(signal: str, target: str, rows: Sequence[Row], best: Row | None, definitions: Definitions) -> Chart:
    """How the moves of a signal correlate with earlier and later moves of a target.

    Args:
        signal: Id of the signal.
        target: Id of the target.
        rows: Correlations by lag; above zero the signal moved first.
        best: The best lead of the signal over the target, None if it is not known.
        definitions: The parameters of the published file.

    Returns:
        The chart; it draws nothing if there are no rows.
    """
    name = words(rows[0]["signal_name"] if rows else signal)
    lags = [_lag(name, target, row) for row in rows]
    outside = sum(abs(lag["correlation"]) > lag["high"] for lag in lags)
    lead = ""
    if best and best["q_value"] is not None:
        lead = (
            f" Best lead of 1 to {definitions.fill('$lead_reach')}: {best['best_lag']}, correlation "
            f"{best['correlation']:+.2f}, q {at_least(best['q_value'], 2)}."
        )
    return Chart(
        id=f"lead-{signal}-{target}".replace("/", "-").lower(),
        title=f"{name} and {target}: who moves first",
        tables=("marts.lead_lag", "marts.lead_lag_best"),
        reading="To the right of zero the signal moved first, to the left the target. Unrelated series of this length "
        f"stay in the grey band at {percent(LAG_BAND_SHARE, sign=False)} of the lags "
        f"(±{LAG_BAND} / √n_eff).{lead}",
        limits=f"{outside} of {len(lags)} lags are outside the band, and about "
        f"{round((1 - LAG_BAND_SHARE) * len(lags))} would be by chance alone. A peak counts only if its q is small.",
        empty=f"There are too few common days of {name} and {target} to compare.",
        as_of=rows[0]["as_of"] if rows else None,
        n=f"{max(row['n'] for row in rows):,} pairs of days" if rows else "0",
        height=210,
        spec=_lag_spec(target, lags) if lags else None,
    )


def _lag(name: str, target: str, row: Row) -> Row:
    """One lag with its band and tooltip."""
    lag, reach = row["lag"], LAG_BAND / sqrt(row["n_eff"])
    tip = f"lag {lag}: correlation {row['correlation']:+.3f}"
    if row["p_value"] is not None:
        tip = (
            f"{name} {abs(lag)} sessions {'before' if lag > 0 else 'after'} {target}:\n"
            f"correlation {row['correlation']:+.3f}, p {row['p_value']:.3f}"
        )
    return {"lag": lag, "correlation": row["correlation"], "low": -reach, "high": reach, "tip": tip}


def _lag_spec(target: str, lags: Iterable[Row]) -> Spec:
    x = {
        "field": "lag",
        "type": "quantitative",
        "scale": {"nice": False},
        "axis": {"title": f"← {target} first · sessions · signal first →", "tickCount": 7, "grid": False},
    }
    y = amount("correlation", "correlation", format="+.2f")
    return {
        "data": values(lags),
        "layer": [
            {
                "mark": {"type": "area", "color": color("band"), "opacity": 0.75},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
            },
            level_line(0, "line"),
            {"data": values([{"lag": 0}]), "mark": {"type": "rule"}, "encoding": {"x": x}},
            {"mark": {"type": "line", "color": color("blue"), "strokeWidth": 1.2}, "encoding": {"x": x, "y": y}},
            hover(x, y, "tip"),
        ],
    }
