"""The reference tables: the universe, claims and calendars as tables, and what the warehouse keeps for itself.

Here: the contracts of schema reference. It is not published.
"""

from __future__ import annotations

from assets.contracts.table import Column, Table


def _reference_table(name: str, description: str, key: tuple[str, ...], *columns: Column) -> Table:
    return Table("reference", name, description, columns, key)


UNIVERSE_TABLES: tuple[Table, ...] = (
    _reference_table(
        "instruments",
        "The instruments of the universe file.",
        ("instrument_id",),
        Column("instrument_id", "varchar", "Short name used everywhere, for instance RUT."),
        Column("name", "varchar", "Full name."),
        Column("asset_class", "varchar", "equity or crypto."),
        Column("kind", "varchar", "index, fund, share, coin or basket."),
        Column("role", "varchar", "Place on the risk curve: small_cap, large_cap, credit, crypto_major, altcoin, ..."),
        Column("calendar", "varchar", "Calendar of its sessions: XNYS or CRYPTO."),
        Column("currency", "varchar", "ISO code of the currency that prices are in."),
        Column("volume_proxy", "varchar", "Instrument whose volume stands for this one's.", True),
        Column("tracks", "varchar", "Index that a fund follows.", True),
        Column("price_basis", "varchar", "What signals look at: price or total_return."),
        Column("is_required", "boolean", "Whether a run without it publishes nothing."),
        Column("reconstructed_before", "date", "Bars before this day are reconstructions, close only.", True),
        Column("valid_to", "date", "Last day that it traded, if it died.", True),
        Column("valid_to_reason", "varchar", "Why it ended.", True),
    ),
    _reference_table(
        "pairs",
        "The ratios of the universe file.",
        ("pair_id",),
        Column("pair_id", "varchar", "Numerator/denominator."),
        Column("numerator", "varchar", "Instrument above the line."),
        Column("denominator", "varchar", "Instrument below the line."),
    ),
    _reference_table(
        "signals",
        "The kinds of event whose aftermath is measured.",
        ("signal_id",),
        Column("signal_id", "varchar", "subject:kind:trigger."),
        Column("subject_id", "varchar", "Instrument or pair that breaks out, or name of the stage that turns on."),
        Column("kind", "varchar", "all_time_high, year_high or turn_on."),
        Column("trigger", "varchar", "The fact that starts the clock: decided or confirmed."),
    ),
    _reference_table(
        "targets",
        "What the aftermath is measured on.",
        ("target_id",),
        Column("target_id", "varchar", "The instrument, or ALTSEASON for the altseason index."),
    ),
    _reference_table(
        "horizons",
        "How far ahead the aftermath is measured.",
        ("horizon_days",),
        Column("horizon_days", "integer", "Calendar days from the entry."),
    ),
    _reference_table(
        "lagged_series",
        "What the lead-lag tables compare.",
        ("series_id", "side"),
        Column("series_id", "varchar", "Instrument, pair, macro series, net_liquidity or ALTSEASON."),
        Column("side", "varchar", "signal or target; every signal is compared with every target."),
    ),
    _reference_table(
        "primary_family",
        "The questions that were fixed before any answer was looked at; everything else is exploratory.",
        ("signal_id", "target_id", "horizon_days"),
        Column("signal_id", "varchar", "subject:kind:trigger."),
        Column("target_id", "varchar", "The target."),
        Column("horizon_days", "integer", "Calendar days from the entry."),
    ),
    _reference_table(
        "ingredients",
        "The stages of the cascade and what says that money has reached each.",
        ("stage", "ingredient"),
        Column("stage", "integer", "Place in the order, from 1 for the safest."),
        Column("stage_name", "varchar", "Name of the stage."),
        Column("ingredient", "varchar", "subject:measure."),
        Column("subject_id", "varchar", "Instrument, pair, series, group, net_liquidity or altcoins."),
        Column("measure", "varchar", "What is asked of it."),
    ),
    _reference_table(
        "breadth_groups",
        "Whose breadth tells how broad a move is of what has a role.",
        ("role", "group_id"),
        Column("role", "varchar", "Role of an instrument, or of the one above the line of a ratio."),
        Column("group_id", "varchar", "The group, for instance us_small_cap_60."),
        Column("preference", "integer", "1 for the group that counts where it is there, 2 for the next, and so on."),
    ),
    _reference_table(
        "series",
        "The macro series of the universe file.",
        ("series_id",),
        Column("series_id", "varchar", "FRED's name of the series, where FRED has it."),
        Column("name", "varchar", "What it measures."),
        Column("unit", "varchar", "Unit of its values."),
        Column("frequency", "varchar", "daily, weekly or monthly."),
        Column("release_rule", "varchar", "When a value becomes public, New York time."),
        Column("stale_after_days", "integer", "Days after an observation by which a newer one should be there."),
        Column("is_restated", "boolean", "Whether every release revises the whole history."),
    ),
)

CLAIMS_TABLES: tuple[Table, ...] = (
    _reference_table(
        "claims",
        "The claims file: what an article says, and how each sentence is tested.",
        ("claim_id",),
        Column("claim_id", "integer", "Number of the claim."),
        Column("claim", "varchar", "What the article says."),
        Column("test", "varchar", "What is computed, in words."),
        Column("sql_ref", "varchar", "Tables and model where the numbers come from."),
        Column("scored_on", "date", "Session at whose close the claims are scored, beside the run's clock."),
    ),
    _reference_table(
        "claim_parts",
        "What each claim rests on, part by part.",
        ("claim_id", "part"),
        Column("claim_id", "integer", "Number of the claim."),
        Column("part", "varchar", "Name of the part."),
        Column("position", "integer", "Its place among the claim's parts, from 1."),
        Column("kind", "varchar", "Evidence that it needs: fact, universal, tendency, or untestable."),
        Column("reason", "varchar", "Why free data cannot test it; null where it can.", True),
    ),
)

FROZEN_FORECASTS = _reference_table(
    "frozen_forecasts",
    "What marts.forecasts said when each signal came, word for word. Rows are added; none is ever changed or removed.",
    ("event_id", "trigger", "target_id", "horizon_days"),
    Column("event_id", "varchar", "The breakout, or stage:turn_on:session."),
    Column("trigger", "varchar", "The fact that made the forecast due: decided or confirmed."),
    Column("target_id", "varchar", "What it is about."),
    Column("horizon_days", "integer", "Calendar days held."),
    Column("signal_id", "varchar", "subject:kind:trigger."),
    Column("trigger_at", "timestamptz", "Instant at which the signal was known, UTC."),
    Column("frozen_at", "timestamptz", "As of when the run worked that froze it, UTC."),
    Column("code_version", "varchar", "Version of Cascade that froze it."),
    Column("is_backtest", "boolean", "Whether it was frozen too late to act on."),
    Column("n_events", "bigint", "Earlier events with a complete window."),
    Column("n_episodes", "bigint", "Episodes of them."),
    Column("median", "double", "Median of the responses [fraction].", True),
    Column("low", "double", "Low end of the range [fraction].", True),
    Column("high", "double", "High end of the range [fraction].", True),
    Column("evidence", "varchar", "insufficient, exploratory, none, supports or contradicts."),
    Column("responses", "double[]", "The responses that it rests on, from the lowest on [fraction]."),
)

REFERENCE_TABLES: tuple[Table, ...] = (
    *UNIVERSE_TABLES,
    *CLAIMS_TABLES,
    FROZEN_FORECASTS,
    _reference_table(
        "sessions",
        "Every scheduled session of the exchange and of the crypto market, past and planned.",
        ("calendar", "session_date"),
        Column("calendar", "varchar", "XNYS (New York) or CRYPTO (UTC days)."),
        Column("session_date", "date", "Exchange-local date, UTC day for crypto."),
        Column("opens_at", "timestamptz", "Instant at which trading begins."),
        Column("closes_at", "timestamptz", "Instant at which the bar is complete."),
        Column("is_half_day", "boolean", "Whether the exchange closes early."),
    ),
    _reference_table(
        "session_builds",
        "Which release of the calendar library made the sessions, and how far.",
        ("library_version", "last_day"),
        Column("library_version", "varchar", "Release of exchange-calendars."),
        Column("last_day", "date", "Last day that the sessions reach."),
    ),
    _reference_table(
        "builds",
        "What each derived table was built from, so that one that would be the same again is not built anew.",
        ("table_name",),
        Column("table_name", "varchar", "The table, with its schema."),
        Column("inputs", "varchar", "Fingerprint of its query, its parameters and the content of what it reads."),
        Column("content", "varchar", "Fingerprint of its rows, in whatever order."),
        Column("row_count", "bigint", "Its number of rows."),
        Column("run_id", "varchar", "The run that built it."),
    ),
    _reference_table(
        "releases",
        "When each macro observation became public by its series' release rule, stored or due since the last one.",
        ("series_id", "observation_date"),
        Column("series_id", "varchar", "The series."),
        Column("observation_date", "date", "The day or the first day of the period that the value is about."),
        Column("released_at", "timestamptz", "Instant of release."),
    ),
    _reference_table(
        "clock",
        "The one place where time enters: the instant as of which everything derived is true. One row.",
        (),
        Column("as_of", "date", "The day."),
        Column("as_of_at", "timestamptz", "The instant: nothing known later is used."),
    ),
)
