"""The content of the page: the stages and the sections below them, in reading order.

Here: which queries, charts and tables make a section, and its title and lead. Not here: the queries (queries.py), the
charts (market_charts.py, evidence_charts.py), the tables (tables.py), the file (page.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from assets.report import evidence_charts, market_charts, queries, tables
from assets.report.chart import Chart, words
from assets.report.definitions import Definitions
from assets.report.queries import Row
from assets.report.tables import Table
from assets.sources.base import is_synthetic

SMALL_CAPS = "RUT"
RATIO = "RUT/SPX"
TARGETS = ("BTC", "ETH", "ALTS")
EVENTS = ((SMALL_CAPS, "all_time_high"), (RATIO, "year_high"))
EQUITY_PAIRS = ("RUT/SPX", "QQQ/SPY", "XLY/XLP", "HYG/IEF", "EEM/SPY", "GLD/SPY", "RSP/SPY")
CRYPTO_PAIRS = ("BTC/SPX", "BTC/GLD", "ETH/BTC", "ALTS/BTC", "SOL/BTC", "XRP/BTC", "LINK/BTC")
LEAD_SIGNAL = "IWM"
TAIL_WEEKS = 6
PULLBACKS_OF = ("RUT", "BTC")
CASCADE_YEARS = 5
LAST_EVENTS = 12

# The question behind each stage, and what each measure of an ingredient says if the answer is yes.
STAGES = {
    "funding": "Is money cheap and easy to borrow?",
    "equities": "Do large companies' shares rise?",
    "small_caps": "Do small companies' shares rise faster?",
    "crypto_majors": "Do Bitcoin and Ether rise?",
    "altcoins": "Do the other coins beat Bitcoin?",
}
MEASURES = {
    "rises": "higher than $liquidity_quarter_days ago",
    "below_mean": "below its mean of $spread_mean",
    "near_policy_rate": "at most $funding_margin above the policy rate",
    "below_zero": "below zero, which is looser than average",
    "price_above_mean": "price above its mean of $long_mean",
    "mean_above_mean": "mean of $short_mean above its mean of $long_mean",
    "ratio_above_mean": "above its mean of $mansfield_mean",
    "ratio_rises": "higher than $relative_return ago",
    "half_above_mean": "at least $half_of_members of its members are above their mean of $long_mean",
    "half_beat_bitcoin": "at least $half_of_altcoins of them beat Bitcoin over $altseason_days",
}


@dataclass(frozen=True)
class Section:
    """A part of the page. The tables in `folded` are closed until the reader opens them."""

    id: str
    title: str
    lead: str
    figures: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()


def stages(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> list[Row]:
    """The stages on the last session, which stand at the top of the page."""
    ingredients = queries.cascade_ingredients(reader)
    return [
        {
            "name": words(row["stage_name"]),
            "question": STAGES.get(row["stage_name"], ""),
            "state": {True: "on", False: "off", None: "not known yet"}[row["is_on"]],
            "since": row["since"],
            "session_date": row["session_date"],
            "score": row["score"],
            "score_date": row["score_date"],
            "last_score": row["last_score"],
            "ingredients": [
                {
                    "text": f"{words(part['subject'])}: "
                    + definitions.fill(MEASURES.get(part["measure"], words(part["measure"]))),
                    "answer": {1: "yes", 0: "no", None: "not known"}[part["value"]],
                }
                for part in ingredients
                if part["stage"] == row["stage"]
            ],
        }
        for row in queries.cascade_now(reader)
    ]


def summary(stages: Sequence[Row]) -> str:
    """Where the cascade is, in a few words."""
    if not stages:
        return "No stage of the cascade has a score yet: the file lacks the data of its ingredients."
    parts = []
    for state in ("on", "off", "not known yet"):
        names = [stage["name"] for stage in stages if stage["state"] == state]
        if names:
            parts.append(f"{state.capitalize()}: {_listed(names)}.")
    unscored = [stage["name"] for stage in stages if stage["score"] is None and stage["state"] != "not known yet"]
    if unscored:
        parts.append(f"No score on the last day, so the state before is shown: {_listed(unscored)}.")
    return " ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sections(reader: duckdb.DuckDBPyConnection, run: Row, definitions: Definitions) -> list[Section]:
    """Everything below the stages, in the order in which it is read.

    Args:
        reader: The published file.
        run: The run that published it.
        definitions: Its parameters.

    Returns:
        The sections. Each is there even if the file holds no data for it; its charts and tables then say so.
    """
    return [
        _history(reader, definitions),
        _claims(reader, run),
        _breakouts(reader, definitions),
        _rotation(reader, definitions),
        _responses(reader, definitions),
        _lead_lag(reader, definitions),
        _money(reader, definitions),
        _pullbacks(reader, definitions),
        _quality(reader, run, definitions),
    ]


def _history(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    return Section(
        "history",
        "How the stages changed",
        "The cascade is the idea that money moves from safe to risky assets in stages. A stage is on if most of its "
        "ingredients say yes.",
        [
            market_charts.cascade_history(queries.cascade_spans(reader, CASCADE_YEARS), CASCADE_YEARS),
            evidence_charts.cascade_order(queries.cascade_order(reader), definitions),
        ],
    )


def _claims(reader: duckdb.DuckDBPyConnection, run: Row) -> Section:
    rows = queries.claims(reader)
    lead = "No claim was tested."
    if rows:
        lead = (
            "The article says: 'The Russell 2000 has broken out; an altcoin season follows in one to three months.' "
            "Each of its claims was written down together with a test, and then compared with the data. Statements "
            f"about a single day are tested on {rows[0]['scored_on']}, the close before the article."
        )
    if is_synthetic(run["source"]):
        lead += " The verdicts below are about the synthetic market and say nothing about the article."
    return Section(
        "claims",
        "What a widely read article says, claim by claim",
        lead,
        [evidence_charts.verdicts(rows)],
        [tables.claims(rows)],
    )


def _breakouts(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    subjects = (SMALL_CAPS, RATIO)
    prices = {subject: queries.prices(reader, subject) for subject in subjects}
    events = {subject: queries.breakouts(reader, subject) for subject in subjects}
    newest = sorted(
        (event for subject in subjects for event in events[subject]),
        key=lambda event: (event["session_date"], event["subject_id"]),
        reverse=True,
    )
    return Section(
        "breakouts",
        "Small caps: the Russell 2000 and its breakouts",
        definitions.fill(
            "RUT is the Russell 2000, an index of two thousand small companies; RUT/SPX is its price divided by that "
            "of the S&P 500. A breakout is the first close above an old high: above every close that is at least "
            "$equity_all_time_high_quiet old (all-time high), or above those that are from $equity_year_high_quiet to "
            "$equity_year old (year high)."
        ),
        [
            chart
            for subject in subjects
            for chart in (
                market_charts.price_recent(subject, prices[subject], events[subject]),
                market_charts.price_history(subject, prices[subject], events[subject]),
            )
        ]
        + [market_charts.life_cycle(queries.breakout_states(reader, list(subjects), LAST_EVENTS), definitions)],
        [tables.breakouts(newest[:LAST_EVENTS], definitions)],
    )


def _rotation(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    return Section(
        "rotation-graph",
        "Relative rotation",
        "Which side of each pair does better, and whether its lead grows or shrinks, week by week.",
        [
            market_charts.rotation_graph(
                f"rotation-graph-{name}",
                f"Relative rotation: {title}",
                pairs,
                queries.rotation_tails(reader, list(pairs), TAIL_WEEKS),
                definitions,
            )
            for name, title, pairs in (
                ("equity", "equities and credit", EQUITY_PAIRS),
                ("crypto", "coins", CRYPTO_PAIRS),
            )
        ],
    )


def _responses(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    baseline = {target: queries.baseline_returns(reader, target) for target in TARGETS}
    fans = [
        evidence_charts.fan(
            subject, kind, target, queries.responses(reader, subject, kind, target), baseline[target], definitions
        )
        for subject, kind in EVENTS
        for target in TARGETS
    ]
    maps = [evidence_charts.heat_map(target, queries.rotation_table(reader, target), definitions) for target in TARGETS]
    return Section(
        "responses",
        "What coins did after breakouts",
        "Bitcoin (BTC), Ether (ETH) and an equal-weight basket of altcoins (ALTS) after breakouts of small caps, "
        "compared with all days. Days with reconstructed Bitcoin prices are left out.",
        [*fans, *maps],
    )


def _lead_lag(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    target = TARGETS[0]
    rows = queries.lead_lag(reader, target)
    best = queries.best_leads(reader)
    signals = list(dict.fromkeys(row["signal_id"] for row in rows))
    return Section(
        "lead-lag",
        "Who moves first",
        "If small caps led Bitcoin, their moves would correlate with Bitcoin's moves some days later.",
        [
            evidence_charts.lead_lag(
                signal,
                target,
                [row for row in rows if row["signal_id"] == signal],
                next((row for row in best if (row["signal_id"], row["target_id"]) == (signal, target)), None),
                definitions,
            )
            for signal in signals or (LEAD_SIGNAL,)
        ],
        folded=[tables.best_leads(best)],
    )


def _money(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    rows = queries.liquidity(reader)
    return Section(
        "money",
        "Liquidity and altseason",
        "The two ends of the cascade: how many dollars are available to markets, and how many altcoins beat Bitcoin.",
        [
            market_charts.net_liquidity(rows),
            market_charts.liquidity_change(rows, definitions),
            market_charts.altseason(queries.altseason(reader), definitions),
        ],
    )


def _pullbacks(reader: duckdb.DuckDBPyConnection, definitions: Definitions) -> Section:
    rows = queries.pullbacks(reader, list(PULLBACKS_OF))
    return Section(
        "pullbacks",
        "Pullbacks",
        "How far prices fell from their highs, and whether they recovered.",
        [market_charts.pullbacks(instrument, rows, definitions) for instrument in PULLBACKS_OF],
    )


def _quality(reader: duckdb.DuckDBPyConnection, run: Row, definitions: Definitions) -> Section:
    checks = queries.checks(reader, run["run_id"])
    fresh = queries.freshness(reader)
    late = [row for row in fresh if row["status"] != "fresh"]
    gaps = queries.gaps(reader)
    rejected = queries.quarantine(reader)
    return Section(
        "quality",
        "Can the data be trusted?",
        f"{sum(row['passed'] for row in checks)} of {len(checks)} checks passed. {len(late)} of {len(fresh)} "
        f"instruments and series are not fresh. Rejected rows: {sum(row['rejected'] for row in rejected):,}. "
        f"Missing sessions inside histories: {sum(row['sessions'] for row in gaps):,}.",
        [market_charts.freshness(fresh, definitions)],
        [tables.deliveries(queries.deliveries(reader)), tables.failed_checks(checks)],
        [tables.stale(late), tables.gaps(gaps), tables.rejected_rows(rejected)],
    )
