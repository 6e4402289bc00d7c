"""The charts of the market: stages, prices and breakouts, rotation, liquidity, altseason, pullbacks, fresh data.

Here: functions that take rows of the published file and return a specification with its texts. Each chart says what it
shows, how to read it and what it cannot show; without data it says so in a sentence. Not here: charts of what follows
from the market (evidence_charts.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from assets.config.universe import SIGNAL_KINDS
from assets.report.chart import (
    Chart,
    amount,
    counted,
    days_axis,
    key,
    level_line,
    names_axis,
    percent,
    spread,
    values,
    words,
)
from assets.report.definitions import Definitions
from assets.report.queries import RECENT_YEARS, STALE_WEEKS, Row
from assets.report.vega import Spec, color, hover, with_tooltip

STATES = {"confirmed": "green", "holding": "blue", "retested": "purple", "failed": "red", "open": "quiet"}
STAGE_STATES = {"on": "blue", "off": "band", "unknown": "low_2"}
PULLBACKS = {"absorbed": "blue", "recovered": "purple", "deep": "orange", "open": "quiet"}
FRESHNESS = {"fresh": "blue", "stale": "orange", "ended": "line"}
PAIR_COLORS = ("blue", "orange", "green", "purple", "red", "brown", "pink", "quiet")

# A chart is not wide enough for more points of a line, or for more tooltips along it.
LINE_POINTS, LINE_TIPS, RECENT_TIPS = 900, 140, 110

# The middle of the rotation graph, on both axes.
MIDDLE = 100

KNOWN_LATER = "A breakout is marked on its day; whether it held or failed was known only later."

# Where the name of a dot may stand: above, below, to the right, to the left.
LABEL_PLACES: tuple[Spec, ...] = ({"dy": -11}, {"dy": 12}, {"align": "left", "dx": 8}, {"align": "right", "dx": -8})


def cascade_history(spans: Sequence[Row], years: int) -> Chart:
    """Which stages were on, over the last years."""
    rows = [
        row
        | {
            "stage_name": words(row["stage_name"]),
            "tip": f"{words(row['stage_name'])}: {row['state']} from {row['first_day']}, "
            f"{counted(row['sessions'], 'session')}",
        }
        for row in spans
    ]
    order = list(dict.fromkeys(row["stage_name"] for row in rows))
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {"x2": {"field": "next_day"}, "color": key("state", STAGE_STATES, rows)},
    }
    spec: Spec = {
        "data": values(rows),
        "encoding": {"x": days_axis("first_day"), "y": names_axis("stage_name", order)},
        "layer": [with_tooltip(bars, "tip")],
    }
    return Chart(
        id="cascade-history",
        title=f"The stages over the last {years} years",
        tables=("marts.cascade",),
        reading="Each row is a stage, the safest on top. Blue: on. Grey: off. Orange: the score of the day is unknown.",
        limits="A stage that is on says nothing about the next one. The other chart shows how often one stage followed "
        "another, compared with chance.",
        empty="No stage of the cascade has a score yet.",
        as_of=max((row["last_day"] for row in rows), default=None),
        n=f"{len(order)} stages, {sum(row['sessions'] for row in rows if row['stage_name'] == order[0]):,} sessions"
        if rows
        else "0",
        height=180,
        spec=spec if rows else None,
    )


def price_history(subject: str, prices: Sequence[Row], events: Sequence[Row]) -> Chart:
    """The whole history of a price or ratio with its breakouts.

    Args:
        subject: Id of the instrument or pair.
        prices: Its prices or ratios, oldest first.
        events: Its breakouts.

    Returns:
        The chart; it draws nothing if there are no prices.
    """
    dots = _breakout_dots(prices, events)
    is_ratio = "/" in subject
    x = days_axis("session_date")
    y = amount(
        "price",
        "ratio" if is_ratio else "points, log scale",
        format=".3~f" if is_ratio else ",.0f",
        scale={"type": "log", "nice": False},
    )
    layers = [_price_line(spread(prices, LINE_POINTS), x, y, width=1)]
    if dots:
        layers.append(_dot_layer(dots, x, y, size=34))
    return Chart(
        id=f"history-{subject.replace('/', '-').lower()}",
        title=f"{subject} and its breakouts: all of its history",
        tables=("marts.breakouts", "marts.relative_strength" if is_ratio else "core.bars"),
        reading="Each dot is a breakout; its colour is the state of the breakout now." + _of_ratio(is_ratio),
        limits=f"{KNOWN_LATER} The line is thinned; the dots are the closes themselves.",
        empty=f"There are no prices of {subject} in this file.",
        as_of=prices[-1]["session_date"] if prices else None,
        n=f"{counted(len(dots), 'breakout')}, {counted(len(prices), 'close')}",
        spec={"layer": layers} if prices else None,
    )


def price_recent(subject: str, prices: Sequence[Row], events: Sequence[Row]) -> Chart:
    """The last years of a price or ratio, day by day, with its breakouts and their levels.

    Args:
        subject: Id of the instrument or pair.
        prices: Its prices or ratios, oldest first; rows that are not recent are left out.
        events: Its breakouts.

    Returns:
        The chart; it draws nothing if there are no prices.
    """
    recent = [row for row in prices if row["is_recent"]]
    dots = _breakout_dots(recent, events)
    is_ratio = "/" in subject
    x = days_axis("session_date", "%Y-%m", {"interval": "month", "step": 6})
    y = amount("price", "ratio" if is_ratio else "points", format=".3~f" if is_ratio else ",.0f")
    tips = [
        {
            "session_date": row["session_date"],
            "price": row["price"],
            "tip": f"{row['session_date']}: {_figure(row['price'])}",
        }
        for row in spread(recent, RECENT_TIPS)
    ]
    layers = [_price_line(recent, x, y, width=1.3), hover(x, y, "tip", data=values(tips))]
    if dots:
        layers += [_level_layer(dots, x), _dot_layer(dots, x, y, size=60)]
    return Chart(
        id=f"recent-{subject.replace('/', '-').lower()}",
        title=f"{subject} and its breakouts: the last {RECENT_YEARS} years",
        tables=("marts.breakouts", "marts.relative_strength" if is_ratio else "core.bars"),
        reading="Each dot is a breakout; its colour is the state of the breakout now. The dashed line is the level "
        "that it broke." + _of_ratio(is_ratio),
        limits=KNOWN_LATER,
        empty=f"There are no prices of {subject} in this file.",
        as_of=recent[-1]["session_date"] if recent else None,
        n=f"{counted(len(dots), 'breakout')}, {counted(len(recent), 'close')}",
        spec={"layer": layers} if recent else None,
    )


def _of_ratio(is_ratio: bool) -> str:
    return " When the line rises, small caps do better than large caps." if is_ratio else ""


def _breakout_dots(prices: Sequence[Row], events: Sequence[Row]) -> list[Row]:
    """The breakouts since the first price; a level from before it is drawn from the first price on."""
    first = prices[0]["session_date"] if prices else ""
    return [
        {
            "session_date": event["session_date"],
            "price": event["close"],
            "level": event["level"],
            "level_date": max(event["level_date"], first),
            "status": event["status"] or "open",
            "tip": f"{event['session_date']}: {SIGNAL_KINDS[event['kind']]}\n{percent(event['margin'], 1)} above "
            f"{_figure(event['level'])} of {event['level_date']}\nnow {event['status'] or 'open'}",
        }
        for event in events
        if not event["is_left_censored"] and event["session_date"] >= first
    ]


def _price_line(prices: Sequence[Row], x: Spec, y: Spec, width: float) -> Spec:
    return {
        "data": values({"session_date": row["session_date"], "price": row["price"]} for row in prices),
        "mark": {"type": "line", "color": color("soft"), "strokeWidth": width},
        "encoding": {"x": x, "y": y},
    }


def _level_layer(dots: Sequence[Row], x: Spec) -> Spec:
    """A dashed line from each broken level to its breakout."""
    return {
        "data": values(dots),
        "mark": {"type": "rule", "strokeDash": [3, 3]},
        "encoding": {
            "x": x | {"field": "level_date"},
            "x2": {"field": "session_date"},
            "y": amount("level", None),
            "color": key("status", STATES, dots),
        },
    }


def _dot_layer(dots: Sequence[Row], x: Spec, y: Spec, size: int) -> Spec:
    layer = {
        "data": values(dots),
        "mark": {"type": "point", "filled": True, "size": size, "opacity": 1},
        "encoding": {"x": x, "y": y, "color": key("status", STATES, dots)},
    }
    return with_tooltip(layer, "tip")


def life_cycle(states: Sequence[Row], definitions: Definitions) -> Chart:
    """The states of the newest breakouts, in sessions after each breakout."""
    rows = [
        row
        | {
            "event": f"{row['subject_id']} {SIGNAL_KINDS[row['kind']].removesuffix(' high')} {row['event_date']}",
            "tip": f"{row['subject_id']} {SIGNAL_KINDS[row['kind']]} of {row['event_date']}:\n{row['state']} on "
            f"{row['session_date']}, {counted(row['sessions_after'], 'session')} after",
        }
        for row in states
    ]
    order = list(dict.fromkeys(row["event"] for row in rows))
    last = int(definitions["life_cycle"])
    x = {
        "field": "sessions_after",
        "type": "quantitative",
        "scale": {"domain": [0, last + 0.5], "nice": False},
        "axis": {"title": "sessions after the breakout", "grid": True, "values": list(range(0, last + 1, 5))},
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
        "encoding": {
            "x": x,
            "y": names_axis("event", order, domain=True, labelLimit=190),
            "color": key("state", STATES, rows),
        },
    }
    return Chart(
        id="life-cycle",
        title="What became of the last breakouts",
        tables=("marts.breakout_states",),
        reading=definitions.fill(
            "Each row is a breakout, the newest on top; each dot is the close at which it reached a state. Confirmed: "
            "$confirmation_closes above the level within $confirmation_window. Failed: a close more than "
            "$failure_margin below the level. Retested: a low at most $retest_margin above the level and a later close "
            "above it. Holding: $life_cycle without failing."
        ),
        limits="A confirmed breakout can still fail later. That few of the last ones failed does not mean that the "
        "next one will hold.",
        empty="There was no breakout of the Russell 2000, alone or against the S&P 500.",
        n=f"{counted(len(order), 'breakout')}, {counted(len(rows), 'state')}",
        height=60 + 22 * len(order),
        spec={"data": values(rows), "layer": [with_tooltip(dots, "tip")]} if rows else None,
    )


def rotation_graph(id_: str, title: str, pairs: Sequence[str], tails: Sequence[Row], definitions: Definitions) -> Chart:
    """The relative rotation graph of some pairs: where each is, and the weeks before.

    Args:
        id_: Id of the chart.
        title: Title of the chart.
        pairs: Ids of the pairs, in the order of the legend.
        tails: One row per pair and week, oldest weeks first; `weeks_back` is 1 for a pair's last week.
        definitions: The parameters of the published file.

    Returns:
        The chart; it draws nothing if no pair has a value.
    """
    rows = [
        row
        | {
            "tip": f"{row['pair_id']}, week to {row['week_end']}: {row['quadrant']}\nstrength {row['rs_ratio']:.1f}, "
            f"momentum {row['rs_momentum']:.1f}"
        }
        for row in tails
        if row["rs_ratio"] is not None and row["rs_momentum"] is not None
    ]
    found = [pair for pair in pairs if any(row["pair_id"] == pair for row in rows)]
    left_out = ", ".join(pair for pair in pairs if pair not in found)
    return Chart(
        id=id_,
        title=title,
        tables=("marts.relative_rotation",),
        reading=definitions.fill(
            "The large dot is a ratio's last week; the line shows the weeks before and gets thinner with age. Right of "
            "the middle, the ratio is above its mean of $rotation_weeks. Above the middle, its strength grows faster "
            "than it did on average. Ratios tend to move clockwise."
        ),
        limits=definitions.fill(
            "Strength compares a ratio with its own last $rotation_weeks: 'leading' does not mean profitable, and a "
            "turn is visible only afterwards."
        )
        + (f" No value in the last {STALE_WEEKS} weeks: {left_out}." if left_out and found else ""),
        # Changes of a distance from a mean, compared with their own mean: twice the weeks.
        empty=f"No ratio has the {2 * definitions['rotation_weeks']} weeks of history that the graph needs.",
        as_of=max((row["week_end"] for row in rows), default=None),
        n=f"{counted(len(found), 'ratio')}, {counted(len(rows), 'week')}",
        height=390,
        spec={"layer": _rotation_layers(rows, found)} if rows else None,
    )


def _rotation_layers(rows: Sequence[Row], pairs: Sequence[str]) -> list[Spec]:
    reach = 0.3 + max(abs(row[field] - MIDDLE) for row in rows for field in ("rs_ratio", "rs_momentum"))
    domain = {"domain": [MIDDLE - reach, MIDDLE + reach], "nice": False, "zero": False}
    x = amount("rs_ratio", "relative strength →", scale=domain, grid=False)
    y = amount("rs_momentum", "momentum →", scale=domain, grid=False)
    pair = {
        "field": "pair_id",
        "type": "nominal",
        "scale": {"domain": pairs, "range": [color(name) for name in PAIR_COLORS[: len(pairs)]]},
        "legend": {"columns": 4},
    }
    weeks_back = {
        "field": "weeks_back",
        "type": "quantitative",
        "scale": {"range": [3.5, 0.6], "zero": False},
        "legend": None,
    }
    heads = [row for row in rows if row["weeks_back"] == 1]
    return [
        *_quadrant_names(reach, x, y),
        {
            "data": values([{"middle": MIDDLE}]),
            "mark": {"type": "rule"},
            "encoding": {"x": {"field": "middle", "type": "quantitative"}},
        },
        level_line(MIDDLE, "line") | {"mark": {"type": "rule"}},
        {
            "data": values(rows),
            "mark": {"type": "trail", "opacity": 0.75},
            "encoding": {
                "x": x,
                "y": y,
                "color": pair,
                "order": {"field": "week_end", "type": "temporal"},
                "size": weeks_back,
            },
        },
        {
            "data": values(heads),
            "mark": {"type": "circle", "size": 90, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": pair},
        },
        *_pair_names(heads, reach, x, y),
        hover(x, y, "tip", data=values(rows)),
    ]


def _quadrant_names(reach: float, x: Spec, y: Spec) -> list[Spec]:
    """The names of the quadrants, in the corners."""
    corners = [
        {"name": name, "rs_ratio": MIDDLE + a * reach * 0.98, "rs_momentum": MIDDLE + b * reach * 0.94, "align": align}
        for name, a, b, align in (
            ("leading", 1, 1, "right"),
            ("weakening", 1, -1, "right"),
            ("lagging", -1, -1, "left"),
            ("improving", -1, 1, "left"),
        )
    ]
    return [
        {
            "data": values(corner for corner in corners if corner["align"] == align),
            "mark": {"type": "text", "align": align, "color": color("quiet"), "fontSize": 12},
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        }
        for align in ("left", "right")
    ]


def _pair_names(heads: Sequence[Row], reach: float, x: Spec, y: Spec) -> list[Spec]:
    """The names of the dots, one layer per place that a name may have."""
    labels = _labels(heads, reach)
    return [
        {
            "data": values(row for row in labels if row["place"] == place),
            "mark": {"type": "text", "fontSize": 10.5, "fontWeight": "bold", **mark},
            "encoding": {"x": x, "y": y, "text": {"field": "pair_id"}},
        }
        for place, mark in enumerate(LABEL_PLACES)
        if any(row["place"] == place for row in labels)
    ]


def _labels(heads: Sequence[Row], reach: float) -> list[Row]:
    """The dots with a place for each name, so that names do not overlap; a dot without room gets no name."""
    wide, high = reach * 0.34, reach * 0.085
    taken: list[tuple[float, float]] = []
    labels = []
    for head in heads:
        for place, (right, up) in enumerate(((0.0, 1.0), (0.0, -1.0), (0.62, 0.0), (-0.62, 0.0))):
            x, y = head["rs_ratio"] + right * wide, head["rs_momentum"] + up * high
            others = [(o["rs_ratio"], o["rs_momentum"]) for o in heads if o is not head]
            if all(abs(x - a) >= wide or abs(y - b) >= high for a, b in taken) and all(
                abs(x - a) >= 0.6 * wide or abs(y - b) >= 0.7 * high for a, b in others
            ):
                taken.append((x, y))
                labels.append(head | {"place": place})
                break
    return labels


def net_liquidity(rows: Sequence[Row]) -> Chart:
    """Net liquidity over time."""
    shown = [{"session_date": row["session_date"], "trillions": row["net_liquidity_musd"] / 1e6} for row in rows]
    tips = [
        {
            "session_date": row["session_date"],
            "trillions": row["net_liquidity_musd"] / 1e6,
            "tip": f"{row['session_date']}: {row['net_liquidity_musd'] / 1e6:.3f} trillion USD\n= balance sheet "
            f"{row['balance_sheet_musd'] / 1e6:.3f} - Treasury {row['treasury_account_musd'] / 1e6:.3f} - reverse "
            f"repo {row['reverse_repo_musd'] / 1e6:.3f}",
        }
        for row in spread(rows, LINE_TIPS)
    ]
    x, y = days_axis("session_date"), amount("trillions", "trillion USD")
    line = {
        "data": values(shown),
        "mark": {"type": "line", "color": color("blue")},
        "encoding": {"x": x, "y": y},
    }
    return Chart(
        id="net-liquidity",
        title="Net liquidity",
        tables=("marts.liquidity",),
        reading="The Federal Reserve's balance sheet minus the Treasury's account minus reverse repos, as known at "
        "each session's close: dollars that are available to markets.",
        limits="Many investors watch it, but it is not a proven cause. Its parts are published days later and revised.",
        empty="The file lacks a series that net liquidity needs.",
        as_of=rows[-1]["session_date"] if rows else None,
        n=f"{len(rows):,} days (weekly before the last {RECENT_YEARS} years)",
        spec={"layer": [line, hover(x, y, "tip", data=values(tips))]} if rows else None,
    )


def liquidity_change(rows: Sequence[Row], definitions: Definitions) -> Chart:
    """The change of net liquidity over a quarter, the last value of each month."""
    span = definitions.fill("$liquidity_quarter_days")
    known = [row for row in rows if row["change_91d_musd"] is not None]
    by_month = {row["session_date"][:7]: row for row in known}
    shown = [
        {
            "session_date": row["session_date"],
            "billions": row["change_91d_musd"] / 1e3,
            "regime": row["regime"],
            "tip": f"{row['session_date']}: {row['change_91d_musd'] / 1e3:+,.0f} bn in {span}, {row['regime']}",
        }
        for row in by_month.values()
    ]
    bars = {
        "mark": {"type": "bar", "width": 1.6},
        "encoding": {
            "x": days_axis("session_date"),
            "y": amount("billions", f"billion USD in {span}", format="+,.0f", scale={"zero": True}),
            "color": key("regime", {"easing": "blue", "tightening": "orange"}, shown),
        },
    }
    return Chart(
        id="liquidity-change",
        title=f"Net liquidity: change over {span}",
        tables=("marts.liquidity",),
        reading=f"Above zero, net liquidity is higher than {span} before (easing); below zero it is lower "
        "(tightening). The bars are the last values of each month.",
        limits=definitions.fill(
            f"Changes over $liquidity_month_days and over {span} often disagree, and the sign of a single bar is weak "
            "evidence."
        ),
        empty=f"Net liquidity is not known for {span} yet.",
        as_of=known[-1]["session_date"] if known else None,
        n=counted(len(shown), "month"),
        spec={"data": values(shown), **with_tooltip(bars, "tip")} if shown else None,
    )


def altseason(rows: Sequence[Row], definitions: Definitions) -> Chart:
    """The altseason index."""
    known = [row for row in rows if row["index_pct"] is not None]
    first = known[0]["session_date"] if known else ""
    shown = [row for row in rows if row["session_date"] >= first]
    tips = [
        row
        | {
            "tip": f"{row['session_date']}: {row['index_pct']:.0f} % of {row['known']} coins beat Bitcoin\n"
            f"{words(row['regime'] or 'unknown')}"
        }
        for row in spread(known, LINE_TIPS)
    ]
    x, y = days_axis("session_date"), amount("index_pct", "% ahead of Bitcoin", scale={"domain": [0, 100]})
    line: Spec = {
        "data": values({"session_date": row["session_date"], "index_pct": row["index_pct"]} for row in shown),
        "mark": {
            "type": "line",
            "color": color("purple"),
            "strokeWidth": 1.3,
            "invalid": "break-paths-show-domains",
        },
        "encoding": {"x": x, "y": y},
    }
    levels = [level_line(definitions[name]) for name in ("altseason_high", "altseason_low")]
    return Chart(
        id="altseason",
        title="Altseason index",
        tables=("marts.altseason",),
        reading=definitions.fill(
            "The share of altcoins with a higher return than Bitcoin over $altseason_days. $altseason_high or more is "
            "called an altseason, $altseason_low or less a Bitcoin season."
        ),
        limits=definitions.fill(
            "The index covers the coins in this file, mostly survivors. The line stops while fewer than "
            "$altseason_least_known or less than $altseason_coverage of them are known."
        ),
        empty=definitions.fill(
            "There is no day with at least $altseason_least_known, and $altseason_coverage of them, known."
        ),
        as_of=known[-1]["session_date"] if known else None,
        n=f"{known[-1]['known']} of {known[-1]['members']} coins on the last known day" if known else "0",
        spec={"layer": [*levels, line, hover(x, y, "tip", data=values(tips))]} if known else None,
    )


def pullbacks(instrument: str, rows: Sequence[Row], definitions: Definitions) -> Chart:
    """The pullbacks of an instrument: how deep they were and what became of them.

    Args:
        instrument: Id of the instrument.
        rows: Pullbacks of this instrument, and of others that are left out.
        definitions: The parameters of the published file.

    Returns:
        The chart; it draws nothing if the instrument has no pullback.
    """
    shown = [
        {
            "peak_date": row["peak_date"],
            "depth": row["depth_so_far"],
            "status": row["status"],
            "tip": f"from {row['peak_date']}: {percent(row['depth_so_far'], 1)} at "
            f"{row['trough_date']}\n{row['status']}"
            + (
                "" if row["sessions_to_recover"] is None else f" after {counted(row['sessions_to_recover'], 'session')}"
            ),
        }
        for row in rows
        if row["instrument_id"] == instrument
    ]
    x, y = days_axis("peak_date"), amount("depth", "fall from the high", format=".0%", scale={"domainMax": 0})
    last = max((row["last_session"] or "" for row in rows if row["instrument_id"] == instrument), default="")
    falls = {
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"x": x, "y": y, "y2": {"datum": 0}},
    }
    ends = {"mark": {"type": "circle", "size": 28, "opacity": 1}, "encoding": {"x": x, "y": y}}
    spec: Spec = {
        "data": values(shown),
        "encoding": {"color": key("status", PULLBACKS, shown)},
        "layer": [falls, with_tooltip(ends, "tip")],
    }
    return Chart(
        id=f"pullbacks-{instrument.lower()}",
        title=f"Pullbacks of {instrument}",
        tables=("marts.pullbacks",),
        reading=definitions.fill(
            "Each line starts at the day of a high and reaches down to the lowest close after it. Absorbed: a new high "
            "within $pullback_sessions and no deep fall. Deep: a deep fall, or no new high within $pullback_sessions. "
            "Recovered: deep, and then a new high. Open: not decided yet."
        ),
        limits=definitions.fill(
            "A fall of $equity_pullback or more is a pullback, one of more than $equity_deep_pullback is deep (coins: "
            "$crypto_pullback and $crypto_deep_pullback). How deep it would get was known only at its end."
        ),
        empty=f"{instrument} has had no pullback, or is not in this file.",
        as_of=last or None,
        n=counted(len(shown), "pullback"),
        spec=spec if shown else None,
    )


def freshness(rows: Sequence[Row], definitions: Definitions) -> Chart:
    """How many instruments and series are fresh."""
    counts = [
        {
            "asset_class": asset_class,
            "status": status,
            "symbols": len(group),
            "tip": f"{asset_class}: {len(group)} {status}"
            + (f", such as {group[0]['id']}" if status != "fresh" else ""),
        }
        for asset_class in sorted({row["asset_class"] for row in rows})
        for status in sorted({row["status"] for row in rows})
        if (group := [row for row in rows if (row["asset_class"], row["status"]) == (asset_class, status)])
    ]
    x = {
        "field": "symbols",
        "type": "quantitative",
        "stack": True,
        "axis": {"title": "instruments and series", "tickCount": 5},
    }
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.6}},
        "encoding": {"x": x, "y": names_axis("asset_class"), "color": key("status", FRESHNESS, counts)},
    }
    return Chart(
        id="freshness",
        title="How fresh the data are",
        tables=("meta.freshness",),
        reading=definitions.fill(
            "Each bar is an asset class. Stale: more than $stale_after_sessions are missing, or a release is more than "
            "$release_grace_days late. Ended: no longer traded."
        ),
        limits="Fresh means that the last expected session is there, not that every value is right.",
        empty="The file holds no instrument and no series.",
        as_of=max((row["last_session"] for row in rows if row["last_session"]), default=None),
        n=f"{len(rows)} instruments and series",
        height=150,
        spec={"data": values(counts), **with_tooltip(bars, "tip")} if counts else None,
    )


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}"
