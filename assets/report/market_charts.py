"""The charts of what the market did: stages, prices and breakouts, rotation, liquidity, pullbacks, fresh data.

Rows of the published file in, a specification with its words out. Each chart says what it shows, how to read it and
what it cannot say, and where there is nothing to show it says so in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from assets.report.chart import KINDS, Chart, amount, days_axis, key, level_line, percent, spread, values, words
from assets.report.queries import Row
from assets.report.vega import Spec, color, hover, told

STATES = {"confirmed": "green", "holding": "blue", "retested": "purple", "failed": "red", "open": "quiet"}
STAGE_STATES = {"on": "blue", "off": "band", "unknown": "low_2"}
PULLBACKS = {"absorbed": "blue", "recovered": "purple", "deep": "orange", "open": "quiet"}
FRESHNESS = {"fresh": "blue", "stale": "orange", "ended": "line"}
PAIR_COLORS = ("blue", "orange", "green", "purple", "red", "brown", "pink", "quiet")

# Where the name of a dot may stand: above, below, right, left of it.
LABEL_PLACES: tuple[Spec, ...] = ({"dy": -11}, {"dy": 12}, {"align": "left", "dx": 8}, {"align": "right", "dx": -8})


def cascade_history(spans: Sequence[Row], years: int) -> Chart:
    """Which stages were on, over the last years."""
    rows = [
        row
        | {
            "stage_name": words(row["stage_name"]),
            "tip": f"{words(row['stage_name'])}: {row['state']} from {row['first_day']}, {row['sessions']} sessions",
        }
        for row in spans
    ]
    order = list(dict.fromkeys(row["stage_name"] for row in rows))
    y = {
        "field": "stage_name",
        "type": "nominal",
        "sort": order,
        "axis": {"title": None, "ticks": False, "domain": False},
    }
    return Chart(
        id="cascade-history",
        title=f"The five stages over the last {years} years",
        tables=("marts.cascade",),
        reading="Each row is a stage, the safest on top. Where the bar is blue, money had reached it, where it is "
        "grey, it had not; where it is orange, the day's score was not known.",
        limits="A stage that is on says nothing about which stage comes next: the other chart says how often "
        "one followed another, against chance.",
        empty="No stage of the cascade could be scored yet.",
        as_of=max((row["last_day"] for row in rows), default=None),
        n=f"{len(order)} stages, {sum(row['sessions'] for row in rows if row['stage_name'] == order[0]):,} sessions"
        if rows
        else "0",
        height=180,
        spec={
            "data": values(rows),
            "encoding": {"x": days_axis("first_day"), "y": y},
            "layer": [
                told(
                    {
                        "mark": {"type": "bar", "height": {"band": 0.7}},
                        "encoding": {"x2": {"field": "next_day"}, "color": key("state", STAGE_STATES, rows)},
                    },
                    "tip",
                ),
            ],
        }
        if rows
        else None,
    )


def price_history(subject: str, prices: Sequence[Row], events: Sequence[Row]) -> Chart:
    """The whole history of a price or ratio with its breakouts."""
    return _price_chart(subject, prices, events, is_recent=False)


def price_recent(subject: str, prices: Sequence[Row], events: Sequence[Row]) -> Chart:
    """The last two years of a price or ratio, day by day, with its breakouts."""
    return _price_chart(subject, [row for row in prices if row["is_recent"]], events, is_recent=True)


def _price_chart(subject: str, prices: Sequence[Row], events: Sequence[Row], is_recent: bool) -> Chart:
    is_ratio = "/" in subject
    first = prices[0]["session_date"] if prices else ""
    shown = [
        {
            "session_date": event["session_date"],
            "price": event["close"],
            "level": event["level"],
            "level_date": max(event["level_date"], first),
            "status": event["status"] or "open",
            "tip": f"{event['session_date']}: {KINDS[event['kind']]}\n{percent(event['margin'], 1)} above "
            f"{_figure(event['level'])} of {event['level_date']}\nnow {event['status'] or 'open'}",
        }
        for event in events
        if not event["is_left_censored"] and event["session_date"] >= first
    ]
    # A chart has fewer dots from side to side than a long history has weeks.
    line = prices if is_recent else spread(prices, 900)
    thinned = spread(prices, 110) if is_recent else []
    points = [
        {
            "session_date": row["session_date"],
            "price": row["price"],
            "tip": f"{row['session_date']}: {_figure(row['price'])}",
        }
        for row in thinned
    ]
    x = days_axis("session_date", "%Y-%m", {"interval": "month", "step": 6}) if is_recent else days_axis("session_date")
    y = amount(
        "price",
        "ratio" if is_ratio else "points" + ("" if is_recent else ", log scale"),
        format=".3~f" if is_ratio else ",.0f",
        scale={"zero": False} if is_recent else {"type": "log", "nice": False},
    )
    layers: list[Spec] = [
        {
            "data": values({"session_date": row["session_date"], "price": row["price"]} for row in line),
            "mark": {"type": "line", "color": color("soft"), "strokeWidth": 1.3 if is_recent else 1},
            "encoding": {"x": x, "y": y},
        }
    ]
    if is_recent:
        layers.append(hover(x, y, "tip", data=values(points)))
    if shown:
        if is_recent:
            layers.append(
                {
                    "data": values(shown),
                    "mark": {"type": "rule", "strokeDash": [3, 3]},
                    "encoding": {
                        "x": x | {"field": "level_date"},
                        "x2": {"field": "session_date"},
                        "y": amount("level", None),
                        "color": key("status", STATES, shown),
                    },
                }
            )
        dots = {
            "data": values(shown),
            "mark": {"type": "point", "filled": True, "size": 60 if is_recent else 34, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": key("status", STATES, shown)},
        }
        layers.append(told(dots, "tip"))
    name = f"{subject}, the last two years" if is_recent else f"{subject}, all of its history"
    return Chart(
        id=f"{'recent' if is_recent else 'history'}-{subject.replace('/', '-').lower()}",
        title=f"{name} and its breakouts",
        tables=("marts.breakouts", "marts.relative_strength" if is_ratio else "core.bars"),
        reading=(
            "A dot is a close above every close of a year or more before; its colour is how the breakout stands now"
            + ("; the dashed line is the level that it broke." if is_recent else ".")
            + (" When the line rises, small caps do better than large caps." if is_ratio else "")
        ),
        limits="A breakout is marked on its day; that it held or failed was known only later."
        + ("" if is_recent else " The line is thinned; the dots are the closes themselves."),
        empty=f"There are no prices of {subject} in this file.",
        as_of=prices[-1]["session_date"] if prices else None,
        n=f"{len(shown)} breakouts, {len(prices):,} closes",
        spec={"layer": layers} if prices else None,
    )


def life_cycle(states: Sequence[Row]) -> Chart:
    """What became of the newest breakouts in the twenty sessions after each."""
    rows = [
        row
        | {
            "event": f"{row['subject_id']} {'all-time' if row['kind'] == 'all_time_high' else 'year'} "
            f"{row['event_date']}",
            "tip": f"{row['subject_id']} {KINDS[row['kind']]} of {row['event_date']}:\n{row['state']} on "
            f"{row['session_date']}, {row['sessions_after']} sessions after",
        }
        for row in states
    ]
    order = list(dict.fromkeys(row["event"] for row in rows))
    x = {
        "field": "sessions_after",
        "type": "quantitative",
        "scale": {"domain": [0, 20.5], "nice": False},
        "axis": {"title": "sessions after the breakout", "grid": True, "values": [0, 5, 10, 15, 20]},
    }
    y = {"field": "event", "type": "nominal", "sort": order, "axis": {"title": None, "ticks": False, "labelLimit": 190}}
    return Chart(
        id="life-cycle",
        title="What became of the last breakouts",
        tables=("marts.breakout_states",),
        reading="Each row is a breakout, the newest on top; a dot is the close that decided a state. Confirmed: three "
        "closes above the level within ten sessions. Failed: a close 2 % below it. Retested: a fall back to it and a "
        "rise. Holding: twenty sessions without failing.",
        limits="A breakout can be confirmed and fail later; that few of the last ones failed does not say that the "
        "next will hold.",
        empty="There was no breakout of the Russell 2000, alone or against the S&P 500.",
        n=f"{len(order)} breakouts, {len(rows)} states",
        height=60 + 22 * len(order),
        spec={
            "data": values(rows),
            "layer": [
                told(
                    {
                        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
                        "encoding": {"x": x, "y": y, "color": key("state", STATES, rows)},
                    },
                    "tip",
                ),
            ],
        }
        if rows
        else None,
    )


def rotation_graph(id_: str, title: str, pairs: Sequence[str], tails: Sequence[Row]) -> Chart:
    """The relative rotation graph of some pairs, with the way that each came."""
    rows = [
        row
        | {
            "tip": f"{row['pair_id']}, week to {row['week_end']}: {row['quadrant']}\nstrength {row['rs_ratio']:.1f}, "
            f"momentum {row['rs_momentum']:.1f}"
        }
        for row in tails
        if row["rs_ratio"] is not None and row["rs_momentum"] is not None
    ]
    there = [pair for pair in pairs if any(row["pair_id"] == pair for row in rows)]
    left_out = [pair for pair in pairs if pair not in there]
    reach = 0.3 + max((abs(row[field] - 100) for row in rows for field in ("rs_ratio", "rs_momentum")), default=1)
    domain = {"domain": [100 - reach, 100 + reach], "nice": False, "zero": False}
    x = amount("rs_ratio", "relative strength →", scale=domain, grid=False)
    y = amount("rs_momentum", "momentum →", scale=domain, grid=False)
    corners = [
        {"name": name, "rs_ratio": 100 + a * reach * 0.98, "rs_momentum": 100 + b * reach * 0.94, "align": align}
        for name, a, b, align in (
            ("leading", 1, 1, "right"),
            ("weakening", 1, -1, "right"),
            ("lagging", -1, -1, "left"),
            ("improving", -1, 1, "left"),
        )
    ]
    pair = {
        "field": "pair_id",
        "type": "nominal",
        "scale": {"domain": there, "range": [color(name) for name in PAIR_COLORS[: len(there)]]},
        "legend": {"columns": 4},
    }
    corner_layers: list[Spec] = [
        {
            "data": values(corner for corner in corners if corner["align"] == align),
            "mark": {"type": "text", "align": align, "color": color("quiet"), "fontSize": 12},
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        }
        for align in ("left", "right")
    ]
    heads = [row for row in rows if row["weeks_back"] == 1]
    labels = _labels(heads, reach)
    return Chart(
        id=id_,
        title=title,
        tables=("marts.relative_rotation",),
        reading="The large dot is a ratio's last week, the line the weeks before, the thinner the longer ago. Right "
        "of the middle its strength is above its own usual, above the middle it gains; ratios tend to go round "
        "clockwise.",
        limits="Strength is against the ratio's own last quarter: 'leading' does not mean that it pays, and a turn is "
        "seen after it."
        + (f" Without a value of the last five weeks: {', '.join(left_out)}." if left_out and there else ""),
        empty="No ratio has the 28 weeks of history that the graph needs.",
        as_of=max((row["week_end"] for row in rows), default=None),
        n=f"{len(there)} ratios, {len(rows)} weeks",
        height=390,
        spec={
            "layer": [
                *corner_layers,
                {
                    "data": values([{"middle": 100}]),
                    "mark": {"type": "rule"},
                    "encoding": {"x": {"field": "middle", "type": "quantitative"}},
                },
                level_line(100, "line") | {"mark": {"type": "rule"}},
                {
                    "data": values(rows),
                    "mark": {"type": "trail", "opacity": 0.75},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": pair,
                        "order": {"field": "week_end", "type": "temporal"},
                        "size": {
                            "field": "weeks_back",
                            "type": "quantitative",
                            "scale": {"range": [3.5, 0.6], "zero": False},
                            "legend": None,
                        },
                    },
                },
                {
                    "data": values(heads),
                    "mark": {"type": "circle", "size": 90, "opacity": 1},
                    "encoding": {"x": x, "y": y, "color": pair},
                },
                *(
                    {
                        "data": values(row for row in labels if row["place"] == place),
                        "mark": {"type": "text", "fontSize": 10.5, "fontWeight": "bold", **mark},
                        "encoding": {"x": x, "y": y, "text": {"field": "pair_id"}},
                    }
                    for place, mark in enumerate(LABEL_PLACES)
                    if any(row["place"] == place for row in labels)
                ),
                hover(x, y, "tip", data=values(rows)),
            ]
        }
        if rows
        else None,
    )


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
        for row in spread(rows, 140)
    ]
    x, y = days_axis("session_date"), amount("trillions", "trillion USD")
    return Chart(
        id="net-liquidity",
        title="Net liquidity",
        tables=("marts.liquidity",),
        reading="The Federal Reserve's balance sheet, less the Treasury's account, less reverse repos: dollars that "
        "can look for a home, each as known at the session's close.",
        limits="It is a measure that many watch, not a proven cause; its parts are revised and published with days of "
        "delay.",
        empty="The file lacks a series that net liquidity is made of.",
        as_of=rows[-1]["session_date"] if rows else None,
        n=f"{len(rows):,} days (weekly before the last two years)",
        spec={
            "layer": [
                {
                    "data": values(shown),
                    "mark": {"type": "line", "color": color("blue")},
                    "encoding": {"x": x, "y": y},
                },
                hover(x, y, "tip", data=values(tips)),
            ]
        }
        if rows
        else None,
    )


def liquidity_change(rows: Sequence[Row]) -> Chart:
    """The change of net liquidity over 13 weeks."""
    known = [row for row in rows if row["change_91d_musd"] is not None]
    by_week = {row["session_date"][:7]: row for row in known}
    shown = [
        {
            "session_date": row["session_date"],
            "billions": row["change_91d_musd"] / 1e3,
            "regime": row["regime"],
            "tip": f"{row['session_date']}: {row['change_91d_musd'] / 1e3:+,.0f} bn in 13 weeks, {row['regime']}",
        }
        for row in by_week.values()
    ]
    x, y = (
        days_axis("session_date"),
        amount("billions", "billion USD in 13 weeks", format="+,.0f", scale={"zero": True}),
    )
    return Chart(
        id="liquidity-change",
        title="Net liquidity: change over 13 weeks",
        tables=("marts.liquidity",),
        reading="Above zero there is more than 13 weeks before (easing), below zero less (tightening); the last value "
        "of each month.",
        limits="Four and thirteen weeks often disagree; a single quarter's sign is weak evidence of anything.",
        empty="Net liquidity is not known for 13 weeks yet.",
        as_of=known[-1]["session_date"] if known else None,
        n=f"{len(shown)} months",
        spec={
            "data": values(shown),
            **told(
                {
                    "mark": {"type": "bar", "width": 1.6},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": key("regime", {"easing": "blue", "tightening": "orange"}, shown),
                    },
                },
                "tip",
            ),
        }
        if shown
        else None,
    )


def altseason(rows: Sequence[Row]) -> Chart:
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
        for row in spread(known, 140)
    ]
    x, y = days_axis("session_date"), amount("index_pct", "% ahead of Bitcoin", scale={"domain": [0, 100]})
    return Chart(
        id="altseason",
        title="Altseason index",
        tables=("marts.altseason",),
        reading="The share of altcoins whose last 90 days beat Bitcoin's. At 75 % and above people speak of an "
        "altseason, at 25 % and below of a Bitcoin season.",
        limits="The coins are those that this file has, mostly survivors; where fewer than ten are known the line "
        "stops.",
        empty="On no day were at least ten altcoins known, so the index cannot be given.",
        as_of=known[-1]["session_date"] if known else None,
        n=f"{known[-1]['known']} of {known[-1]['members']} coins on the last known day" if known else "0",
        spec={
            "layer": [
                level_line(75),
                level_line(25),
                {
                    "data": values({"session_date": r["session_date"], "index_pct": r["index_pct"]} for r in shown),
                    "mark": {
                        "type": "line",
                        "color": color("purple"),
                        "strokeWidth": 1.3,
                        "invalid": "break-paths-show-domains",
                    },
                    "encoding": {"x": x, "y": y},
                },
                hover(x, y, "tip", data=values(tips)),
            ]
        }
        if known
        else None,
    )


def pullbacks(instrument: str, rows: Sequence[Row]) -> Chart:
    """The pullbacks of an instrument, how deep and what became of them."""
    shown = [
        {
            "peak_date": row["peak_date"],
            "depth": row["depth_so_far"],
            "status": row["status"],
            "tip": f"from {row['peak_date']}: {percent(row['depth_so_far'], 1)} at "
            f"{row['trough_date']}\n{row['status']}"
            + (f" after {row['sessions_to_recover']} sessions" if row["sessions_to_recover"] is not None else ""),
        }
        for row in rows
        if row["instrument_id"] == instrument
    ]
    x, y = days_axis("peak_date"), amount("depth", "fall from the high", format=".0%", scale={"domainMax": 0})
    last = max((row["last_session"] or "" for row in rows if row["instrument_id"] == instrument), default="")
    return Chart(
        id=f"pullbacks-{instrument.lower()}",
        title=f"Pullbacks of {instrument}",
        tables=("marts.pullbacks",),
        reading="Each line hangs from the day of a high down to the lowest close after it. Absorbed: a new high "
        "within 63 sessions without a deep fall. Recovered: later or after a deep one. Deep: not yet made good.",
        limits="A fall is a pullback from 5 % (coins 20 %), deep from 10 % (40 %); its depth was known only at its "
        "end.",
        empty=f"{instrument} has had no pullback, or is not in this file.",
        as_of=last or None,
        n=f"{len(shown)} pullbacks",
        spec={
            "data": values(shown),
            "encoding": {"color": key("status", PULLBACKS, shown)},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": y, "y2": {"datum": 0}},
                },
                told({"mark": {"type": "circle", "size": 28, "opacity": 1}, "encoding": {"x": x, "y": y}}, "tip"),
            ],
        }
        if shown
        else None,
    )


def freshness(rows: Sequence[Row]) -> Chart:
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
    y = {"field": "asset_class", "type": "nominal", "axis": {"title": None, "ticks": False, "domain": False}}
    return Chart(
        id="freshness",
        title="How fresh the data are",
        tables=("meta.freshness",),
        reading="Each bar is a class of data; what is stale lacks sessions that should be there by now.",
        limits="Fresh means that the last expected session is there, not that every value of it is right.",
        empty="The file holds no instrument and no series.",
        as_of=max((row["last_session"] for row in rows if row["last_session"]), default=None),
        n=f"{len(rows)} instruments and series",
        height=150,
        spec={
            "data": values(counts),
            **told(
                {
                    "mark": {"type": "bar", "height": {"band": 0.6}},
                    "encoding": {"x": x, "y": y, "color": key("status", FRESHNESS, counts)},
                },
                "tip",
            ),
        }
        if counts
        else None,
    )


def _labels(heads: Sequence[Row], reach: float) -> list[Row]:
    """The dots with a place for each name, so that names do not lie on each other; a name without room is left out."""
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


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}"
