"""The reference tables: universe, claims and calendars as tables, and the warehouse's own state.

Here: the contracts of the schema reference, which is not published.
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
        Column("name", "varchar", "Name in words."),
        Column("asset_class", "varchar", "equity or crypto."),
        Column("kind", "varchar", "index, fund, share, coin or basket."),
        Column("role", "varchar", "Place on the risk curve: small_cap, large_cap, credit, crypto_major, altcoin, ..."),
        Column("calendar", "varchar", "Calendar of its sessions: XNYS or CRYPTO."),
        Column("currency", "varchar", "ISO code of the currency that prices are in."),
        Column("volume_proxy", "varchar", "Instrument whose volume is used for this one.", True),
        Column("tracks", "varchar", "Index that a fund follows.", True),
        Column("price_basis", "varchar", "Series that signals are computed from: price or total_return."),
        Column("is_required", "boolean", "Whether a run that gets no data for it publishes nothing."),
        Column("reconstructed_before", "date", "Bars before this day are reconstructions with closes only.", True),
        Column("valid_to", "date", "Last day on which it traded, if it has ended.", True),
        Column("valid_to_reason", "varchar", "Why it ended.", True),
    ),
    _reference_table(
        "pairs",
        "The ratios of the universe file.",
        ("pair_id",),
        Column("pair_id", "varchar", "Numerator/denominator."),
        Column("numerator", "varchar", "Instrument whose price is divided."),
        Column("denominator", "varchar", "Instrument whose price divides."),
    ),
    _reference_table(
        "signals",
        "The kinds of event after which the targets are measured.",
        ("signal_id",),
        Column("signal_id", "varchar", "subject:kind:trigger."),
        Column("subject_id", "varchar", "Instrument or pair that breaks out, or name of the stage that turns on."),
        Column("kind", "varchar", "all_time_high, year_high or turn_on."),
        Column("trigger", "varchar", "What starts the clock: decided or confirmed."),
    ),
    _reference_table(
        "targets",
        "What is measured after each signal.",
        ("target_id",),
        Column("target_id", "varchar", "The instrument, or ALTSEASON for the altseason index."),
    ),
    _reference_table(
        "horizons",
        "How long after each signal the targets are measured.",
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
        "The questions that were fixed before any answer was seen; everything else is exploratory.",
        ("signal_id", "target_id", "horizon_days"),
        Column("signal_id", "varchar", "subject:kind:trigger."),
        Column("target_id", "varchar", "The target."),
        Column("horizon_days", "integer", "Calendar days from the entry."),
    ),
    _reference_table(
        "ingredients",
        "The stages of the cascade, and the signs that money has reached each.",
        ("stage", "ingredient"),
        Column("stage", "integer", "Place in the order; 1 is the safest."),
        Column("stage_name", "varchar", "Name of the stage."),
        Column("ingredient", "varchar", "subject:measure."),
        Column("subject_id", "varchar", "Instrument, pair, series, group, net_liquidity or altcoins."),
        Column("measure", "varchar", "Test of the subject, for instance price_above_mean."),
    ),
    _reference_table(
        "breadth_groups",
        "The groups whose breadth is shown next to the breakouts of each role.",
        ("role", "group_id"),
        Column("role", "varchar", "Role of an instrument, or of the numerator of a ratio."),
        Column("group_id", "varchar", "The group, for instance us_small_cap_60."),
        Column("preference", "integer", "Order of preference from 1; the first group with data is used."),
    ),
    _reference_table(
        "series",
        "The macro series of the universe file.",
        ("series_id",),
        Column("series_id", "varchar", "FRED's name of the series, if FRED has it."),
        Column("name", "varchar", "What it measures."),
        Column("unit", "varchar", "Unit of its values."),
        Column("frequency", "varchar", "daily, weekly or monthly."),
        Column("release_rule", "varchar", "When a value becomes public, New York time."),
        Column("stale_after_days", "integer", "Days after an observation by which a newer one should be available."),
        Column("is_restated", "boolean", "Whether every release revises the whole history."),
    ),
)

CLAIMS_TABLES: tuple[Table, ...] = (
    _reference_table(
        "claims",
        "The claims file: the sentences of an article, and how each is tested.",
        ("claim_id",),
        Column("claim_id", "integer", "Number of the claim."),
        Column("claim", "varchar", "What the article says."),
        Column("test", "varchar", "What is computed, in words."),
        Column("sql_ref", "varchar", "Tables and model where the numbers come from."),
        Column("scored_on", "date", "Last session before the article; claims are scored at its close and now."),
    ),
    _reference_table(
        "claim_parts",
        "The parts of each claim.",
        ("claim_id", "part"),
        Column("claim_id", "integer", "Number of the claim."),
        Column("part", "varchar", "Name of the part."),
        Column("position", "integer", "Its place among the claim's parts, from 1."),
        Column("kind", "varchar", "Evidence that the part needs: fact, universal, tendency or untestable."),
        Column("reason", "varchar", "Why free data cannot test it; null if they can.", True),
    ),
)

FROZEN_FORECASTS = _reference_table(
    "frozen_forecasts",
    "The forecasts as they were made when each signal occurred. Rows are only added, never changed or removed.",
    ("event_id", "trigger", "target_id", "horizon_days"),
    Column("event_id", "varchar", "The breakout, or stage:turn_on:session."),
    Column("trigger", "varchar", "What started the clock: decided or confirmed."),
    Column("target_id", "varchar", "The target that it forecasts."),
    Column("horizon_days", "integer", "Calendar days from the entry."),
    Column("signal_id", "varchar", "subject:kind:trigger."),
    Column("trigger_at", "timestamptz", "Instant from which the signal was known, UTC."),
    Column("frozen_at", "timestamptz", "Clock of the run that froze it, UTC."),
    Column("code_version", "varchar", "Version of Cascade that made it."),
    Column("is_backtest", "boolean", "Whether it was frozen too late to act on."),
    Column("n_events", "bigint", "Earlier events with a complete window."),
    Column("n_episodes", "bigint", "Episodes among these events."),
    Column("median", "double", "Median of the responses [fraction].", True),
    Column("low", "double", "Low end of the range [fraction].", True),
    Column("high", "double", "High end of the range [fraction].", True),
    Column("evidence", "varchar", "insufficient, exploratory, none, supports or contradicts."),
    Column("responses", "double[]", "The earlier responses that it rests on, in ascending order [fraction]."),
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
        Column("opens_at", "timestamptz", "Instant at which trading begins, UTC."),
        Column("closes_at", "timestamptz", "Instant at which trading ends and the bar is complete, UTC."),
        Column("is_half_day", "boolean", "Whether the exchange closes early."),
    ),
    _reference_table(
        "session_builds",
        "Which release of the calendar library made the sessions, and up to which day.",
        ("library_version", "last_day"),
        Column("library_version", "varchar", "Release of exchange-calendars."),
        Column("last_day", "date", "Last day of the sessions."),
    ),
    _reference_table(
        "builds",
        "What each derived table was built from. A table is not built again if its inputs are the same.",
        ("table_name",),
        Column("table_name", "varchar", "The table, with its schema."),
        Column("inputs", "varchar", "Fingerprint of its query, its parameters and the content of the tables it reads."),
        Column("content", "varchar", "Fingerprint of its rows, in any order."),
        Column("row_count", "bigint", "Number of its rows."),
        Column("run_id", "varchar", "The run that built it."),
    ),
    _reference_table(
        "releases",
        "When each macro observation becomes public by the release rule of its series: stored and due observations.",
        ("series_id", "observation_date"),
        Column("series_id", "varchar", "The series."),
        Column("observation_date", "date", "The day of the value, or the first day of its period."),
        Column("released_at", "timestamptz", "Instant of release, UTC."),
    ),
    _reference_table(
        "clock",
        "The instant as of which every derived table is true. One row; no model reads the time from anywhere else.",
        (),
        Column("as_of", "date", "The day."),
        Column("as_of_at", "timestamptz", "The instant, UTC; nothing that became known later is used."),
    ),
)
