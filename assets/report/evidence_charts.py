"""The charts of what can be concluded: verdicts, orders, responses after events, the rotation table, who moves first.

Rows of the published file in, a specification with its words out. Each chart says what it shows, how to read it and
what it cannot say, and where there is nothing to show it says so in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import sqrt

from assets.report.chart import KINDS, Chart, amount, at_least, key, level_line, percent, values, words
from assets.report.queries import Row
from assets.report.vega import Spec, color, hover, told

VERDICTS = {
    "supported": "blue",
    "contradicted": "orange",
    "insufficient_evidence": "quiet",
    "not_testable": "line",
}

# What stands behind a number of the rotation table: nothing for what was not asked in advance.
EVIDENCE = {"supports": "▲", "contradicts": "▼", "none": "○", "exploratory": "", "insufficient": ""}

# Distances of a return from what is usual, at which the heat map changes its colour.
HEAT_EDGES = (-0.2, -0.05, 0.05, 0.2)
HEAT_COLORS = ("low_2", "low_1", "even", "high_1", "high_2")

COSTS = "Costs are not included."


def signal_words(signal: str) -> str:
    """A signal such as RUT:all_time_high:decided as people read it."""
    subject, kind, trigger = signal.split(":")
    return f"{words(subject)} {KINDS.get(kind, words(kind))}" + (" (confirmed)" if trigger == "confirmed" else "")


def cascade_order(rows: Sequence[Row]) -> Chart:
    """How often a stage was followed by the next, against chance."""
    shown = [
        {
            "step": f"{words(row['from_stage_name'])} → {words(row['to_stage_name'])}",
            "share": row["share_in_order"],
            "chance": row["share_by_chance"],
            "tip": f"{words(row['from_stage_name'])} → {words(row['to_stage_name'])}:\n"
            f"{percent(row['share_in_order'], sign=False)} of {row['turn_ons']} in order, by chance "
            f"{percent(row['share_by_chance'], sign=False)}",
        }
        for row in rows
    ]
    x: Spec = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domainMin": 0},
        "axis": {"title": "share of turn-ons that the next stage followed", "format": ".0%", "tickCount": 5},
    }
    y: Spec = {
        "field": "step",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "ticks": False, "domain": False},
    }
    return Chart(
        id="cascade-order",
        title="Does the next stage really follow?",
        tables=("marts.cascade_order",),
        reading="Each bar is how often the next stage turned on after this one, within a year; the dark mark is how "
        "often chance does the same.",
        limits="Where the bar does not clear the mark by much, the order is not to be told from chance.",
        empty="Too few stages turned on to tell their order from chance.",
        as_of=rows[0]["as_of"] if rows else None,
        n=f"{min(row['turn_ons'] for row in rows)} to {max(row['turn_ons'] for row in rows)} turn-ons" if rows else "0",
        height=180,
        spec={
            "data": values(shown),
            "layer": [
                told(
                    {
                        "mark": {"type": "bar", "height": {"band": 0.6}, "color": color("blue")},
                        "encoding": {"x": x, "y": y},
                    },
                    "tip",
                ),
                {
                    "mark": {"type": "tick", "thickness": 3, "color": color("ink"), "bandSize": 24},
                    "encoding": {"x": x | {"field": "chance"}, "y": y},
                },
            ],
        }
        if shown
        else None,
    )


def verdicts(claims: Sequence[Row]) -> Chart:
    """How many claims got which verdict."""
    counts = [
        {"verdict": name, "label": words(name), "claims": sum(claim["verdict"] == name for claim in claims)}
        for name in VERDICTS
    ]
    return Chart(
        id="verdicts",
        title="Verdicts on the claims",
        tables=("marts.claims",),
        reading="How many of the article's claims the data support, contradict, or cannot settle.",
        limits="'Insufficient evidence' is an honest answer, not a polite no: there were too few cases, or chance "
        "gives as much.",
        empty="No claim was scored.",
        as_of=claims[0]["as_of"] if claims else None,
        n=f"{len(claims)} claims",
        height=150,
        spec={
            "data": values(counts),
            "encoding": {
                "y": {
                    "field": "label",
                    "type": "nominal",
                    "sort": [words(name) for name in VERDICTS],
                    "axis": {"title": None, "ticks": False, "domain": False, "labelColor": color("ink")},
                },
                "x": {"field": "claims", "type": "quantitative", "axis": None},
            },
            "layer": [
                {
                    "mark": {"type": "bar", "height": {"band": 0.65}, "cornerRadiusEnd": 2},
                    "encoding": {"color": key("verdict", VERDICTS, counts) | {"legend": None}},
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 12},
                    "encoding": {"text": {"field": "claims", "type": "quantitative"}},
                },
            ],
        }
        if claims
        else None,
    )


def fan(subject: str, kind: str, target: str, responses: Sequence[Row], usual: Sequence[Row]) -> Chart:
    """What a target did after each event, against what it did from any day."""
    events = [list(rows) for _, rows in groupby(responses, key=lambda row: row["event_id"])]
    lines = []
    for rows in events:
        start = {"event": rows[0]["entry_date"], "days": 0, "growth": 1.0, "tip": f"entry {rows[0]['entry_date']}"}
        lines += [start | {"is_last": rows is events[-1]}]
        lines += [
            {
                "event": row["entry_date"],
                "days": row["horizon_days"],
                "growth": 1 + row["forward_return"],
                "is_last": rows is events[-1],
                "tip": f"after {row['event_id'].rsplit(':', 1)[1]}, {row['horizon_days']} days:\n"
                f"{percent(row['forward_return'], 1)}",
            }
            for row in rows
            if row["forward_return"] > -1
        ]
    band = [{"days": 0, "low": 1.0, "middle": 1.0, "high": 1.0}] + [
        {"days": row["horizon_days"], **{name: 1 + row[name] for name in ("low", "middle", "high")}} for row in usual
    ]
    reach = [line["growth"] for line in lines] + [row[name] for row in band for name in ("low", "high")]
    marks = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50] if max(reach) > 6 else [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10]
    below = [mark for mark in marks if mark <= min(reach)][-1:]
    above = [mark for mark in marks if mark >= max(reach)][:1]
    domain = [(below or [min(reach)])[0], (above or [max(reach)])[0]]
    y: Spec = {
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
    x: Spec = {
        "field": "days",
        "type": "quantitative",
        "scale": {"domain": [0, 218], "nice": False},
        "axis": {"title": "days after entry", "values": [0, 30, 60, 90, 120, 180], "grid": False},
    }
    ends = _apart([[line for line in lines if line["event"] == rows[0]["entry_date"]][-1] for rows in events], domain)
    layers: list[Spec] = []
    if usual:
        layers += [
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
    if len(events) <= 12:
        layers.append(
            {
                "data": values(ends),
                "mark": {"type": "text", "align": "left", "dx": 3, "fontSize": 9.5, "color": color("soft")},
                "encoding": {"x": x, "y": y, "text": {"field": "label"}},
            }
        )
    layers.append(hover(x, y, "tip", data=values(lines)))
    what = f"{subject} {KINDS[kind]}"
    return Chart(
        id=f"fan-{subject}-{kind}-{target}".replace("/", "-").lower(),
        title=f"{target} after each {what}",
        tables=("marts.rotation_responses", "marts.relative_strength" if target == "ALTS" else "core.bars"),
        reading="Each line is one event, the newest in orange. Four in five of all days led into the grey band, half "
        "of them above the dashed line.",
        limits=(
            f"{len(events)} {'case' if len(events) == 1 else 'cases'} cannot tell a rule from luck. "
            if len(events) < 8
            else ""
        )
        + COSTS,
        empty=f"No {what} has a complete window of {target} behind it yet, so there is nothing to compare.",
        n=f"{len(events)} events" + (f"; band: {max(row['days'] for row in usual):,} days" if usual else ""),
        spec={"layer": layers} if events else None,
    )


def heat_map(target: str, table: Sequence[Row]) -> Chart:
    """The rotation table of a target: how far from usual it moved after each signal."""
    rows = []
    for row in table:
        excess = row["excess_mean"]
        if excess is None:
            continue
        points = round(100 * excess)
        rows.append(
            {
                "signal": signal_words(row["signal_id"]),
                "days": row["horizon_days"],
                "excess": excess,
                "label": (f"{points:+d}" if points else "0") + EVIDENCE[row["evidence"]],
                "is_known": row["evidence"] != "insufficient",
                "tip": f"{target}, {row['horizon_days']} days after {signal_words(row['signal_id'])}:\n"
                f"{percent(excess, 1)} against usual, mean {percent(row['mean_return'], 1)}, usual "
                f"{percent(row['baseline_mean'], 1)}\n{row['n_episodes']} episodes, evidence: {row['evidence']}"
                + (f", q {at_least(row['q_value'], 2)}" if row["q_value"] is not None else ""),
            }
        )
    order = list(dict.fromkeys(row["signal"] for row in rows))
    x = {
        "field": "days",
        "type": "ordinal",
        "axis": {"title": "days after the signal", "labelAngle": 0, "orient": "top", "domain": False, "ticks": False},
    }
    y = {
        "field": "signal",
        "type": "nominal",
        "sort": order,
        "axis": {"title": None, "domain": False, "ticks": False, "labelLimit": 170, "labelFontSize": 10},
    }
    shown: Spec = {
        "condition": {"test": "datum.is_known", "value": 1},
        "value": 0.4,
    }
    return Chart(
        id=f"rotation-{target.lower()}",
        title=f"{target} after each signal, against usual",
        tables=("marts.rotation_summary",),
        reading="A cell is how far the mean return after a signal was from the usual one, in percent: blue above, "
        "orange below. Pale cells with grey numbers have fewer than eight episodes: insufficient, whatever they say. "
        "○ no evidence after paying for all questions, ▲ supports, ▼ contradicts; no mark: exploratory.",
        limits=f"Of so many cells some are large by chance. {COSTS}",
        empty=f"No signal has a complete window of {target} behind it yet.",
        as_of=table[0]["as_of"] if table else None,
        n=f"{len(rows)} cells of {len(order)} signals, "
        + (
            f"{min(r['n_episodes'] for r in table)} to {max(r['n_episodes'] for r in table)} episodes" if table else "0"
        ),
        height=70 + 21 * len(order),
        spec={
            "data": values(rows),
            "encoding": {"x": x, "y": y},
            "layer": [
                told(
                    {
                        "mark": {"type": "rect", "stroke": color("paper"), "strokeWidth": 1.5},
                        "encoding": {
                            "color": {
                                "field": "excess",
                                "type": "quantitative",
                                "scale": {
                                    "type": "threshold",
                                    "domain": list(HEAT_EDGES),
                                    "range": [color(name) for name in HEAT_COLORS],
                                },
                                "legend": None,
                            },
                            "opacity": shown,
                        },
                    },
                    "tip",
                ),
                {
                    "mark": {"type": "text", "fontSize": 10},
                    "encoding": {
                        "text": {"field": "label"},
                        "color": {
                            "condition": {"test": "datum.is_known", "value": color("ink")},
                            "value": color("soft"),
                        },
                    },
                },
            ],
        }
        if rows
        else None,
    )


def lead_lag(signal: str, target: str, rows: Sequence[Row], best: Row | None) -> Chart:
    """How the moves of a signal and a target go together, earlier and later."""
    name = words(rows[0]["signal_name"] if rows else signal)
    shown = [
        {
            "lag": row["lag"],
            "correlation": row["correlation"],
            "low": -1.96 / sqrt(row["n_eff"]),
            "high": 1.96 / sqrt(row["n_eff"]),
            "tip": f"{name} {abs(row['lag'])} sessions {'before' if row['lag'] > 0 else 'after'} {target}:\n"
            f"correlation {row['correlation']:+.3f}, p {row['p_value']:.3f}"
            if row["p_value"] is not None
            else f"lag {row['lag']}: correlation {row['correlation']:+.3f}",
        }
        for row in rows
    ]
    outside = sum(abs(row["correlation"]) > row["high"] for row in shown)
    x = {
        "field": "lag",
        "type": "quantitative",
        "scale": {"nice": False},
        "axis": {"title": f"← {target} first · sessions · signal first →", "tickCount": 7, "grid": False},
    }
    y = amount("correlation", "correlation", format="+.2f")
    lead = (
        f" Best lead of 1 to 63 sessions: {best['best_lag']}, correlation {best['correlation']:+.2f}, q "
        f"{at_least(best['q_value'], 2)}."
        if best and best["q_value"] is not None
        else ""
    )
    return Chart(
        id=f"lead-{signal}-{target}".replace("/", "-").lower(),
        title=f"{name} and {target}: who moves first",
        tables=("marts.lead_lag", "marts.lead_lag_best"),
        reading="Right of zero the signal moved first, left of it the target. Unrelated series of this length stay "
        f"in the grey band in 95 of 100 lags (1.96 over the root of n_eff).{lead}",
        limits=f"{outside} of {len(shown)} lags leave the band; about {round(0.05 * len(shown))} would by chance "
        "alone, so a peak counts only if its q does.",
        empty=f"There are too few common days of {name} and {target} to compare.",
        as_of=rows[0]["as_of"] if rows else None,
        n=f"{max(row['n'] for row in rows):,} pairs of days" if rows else "0",
        height=210,
        spec={
            "data": values(shown),
            "layer": [
                {
                    "mark": {"type": "area", "color": color("band"), "opacity": 0.75},
                    "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
                },
                level_line(0, "line"),
                {
                    "data": values([{"lag": 0}]),
                    "mark": {"type": "rule"},
                    "encoding": {"x": x},
                },
                {"mark": {"type": "line", "color": color("blue"), "strokeWidth": 1.2}, "encoding": {"x": x, "y": y}},
                hover(x, y, "tip"),
            ],
        }
        if shown
        else None,
    )


def _apart(ends: Sequence[Row], domain: Sequence[float]) -> list[Row]:
    """The ends of lines with a month for each, moved up where it would lie on the one below."""
    least = (domain[1] / domain[0]) ** 0.05
    below: dict[int, float] = {}
    labels = []
    for end in sorted(ends, key=lambda end: float(end["growth"])):
        height = max(end["growth"], below.get(end["days"], 0) * least)
        below[end["days"]] = height
        labels.append(end | {"growth": height, "label": end["event"][:7]})
    return labels
