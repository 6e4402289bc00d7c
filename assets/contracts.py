"""The contracts: what a stored table holds, column by column, and what must be true of its rows.

Here: the tables that are stored rather than derived (raw, reference and meta), each written once. DDL, the Great
Expectations suite, the quarantine screen and the data dictionary are all generated from these objects. Derived tables
(core, marts) describe themselves in their SQL files. No connection is opened here and no library is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Vendors serve prices as float32: its last bit is 6e-8 of the value, so a high may stand that much under its close.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Column:
    """One column: SQL type, meaning with unit, and whether null (unknown) may stand in it."""

    name: str
    type: str
    description: str
    is_nullable: bool = False


@dataclass(frozen=True)
class Rule:
    """Something that holds for every single row.

    `broken_when` is SQL over the table's columns, true for a guilty row and not true where a value is unknown.
    `expectation` is the same rule for Great Expectations: the class name and its arguments.
    """

    name: str
    reason: str
    broken_when: str
    expectation: tuple[str, dict[str, Any]]


# The largest double: what is above it is infinite. pandas has one value for NaN and null, so its side of a rule can
# only look for infinity; on the database's side NaN counts as greater than every number.
_LARGEST = 1.7e308


def finite(column: str) -> Rule:
    """A finite number, where known."""
    return Rule(
        name=f"{column}_is_finite",
        reason=f"{column} is not a finite number",
        broken_when=f"abs({column}) > {_LARGEST}",
        expectation=(
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": -_LARGEST, "max_value": _LARGEST},
        ),
    )


def positive(column: str) -> Rule:
    """A finite number above zero, where known."""
    return Rule(
        name=f"{column}_is_positive",
        reason=f"{column} is not a positive number",
        broken_when=f"{column} <= 0 or {column} > {_LARGEST}",
        expectation=(
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": 0, "strict_min": True, "max_value": _LARGEST},
        ),
    )


def not_negative(column: str) -> Rule:
    """A finite number of zero or above, where known."""
    return Rule(
        name=f"{column}_is_not_negative",
        reason=f"{column} is negative or infinite",
        broken_when=f"{column} < 0 or {column} > {_LARGEST}",
        expectation=("ExpectColumnValuesToBeBetween", {"column": column, "min_value": 0, "max_value": _LARGEST}),
    )


def at_least(larger: str, smaller: str) -> Rule:
    """One column never under another one, up to the vendor's rounding.

    The frame that Great Expectations sees carries `larger` a rounding step higher in a column of its own (see
    `validation`), since its pair expectation knows no tolerance.
    """
    return Rule(
        name=f"{larger}_is_at_least_{smaller}",
        reason=f"{larger} is under {smaller}",
        broken_when=f"{larger} < {smaller} * (1 - {ROUNDING})",
        expectation=(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            {
                "column_A": f"{larger}_rounded_up",
                "column_B": smaller,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
        ),
    )


def one_of(column: str, values: tuple[str, ...]) -> Rule:
    """A value from a closed list."""
    listed = ", ".join(f"'{value}'" for value in values)
    return Rule(
        name=f"{column}_is_known",
        reason=f"{column} is none of {', '.join(values)}",
        broken_when=f"{column} not in ({listed})",
        expectation=("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)}),
    )


def any_known(*columns: str) -> Rule:
    """At least one of the columns has a value. The frame's `known_values` column counts them (see `validation`)."""
    return Rule(
        name=f"{'_or_'.join(columns)}_is_known",
        reason=f"no value for {' or '.join(columns)}",
        broken_when=f"coalesce({', '.join(columns)}) is null",
        expectation=("ExpectColumnValuesToBeBetween", {"column": "known_values", "min_value": 1}),
    )


@dataclass(frozen=True)
class Table:
    """A stored table: its columns, the key that a row has at most once (per version), and the rules of its rows.

    `known_columns` are those that `any_known` counts; `calendar` is the one whose sessions a table of bars is about.
    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    known_columns: tuple[str, ...] = ()
    calendar: str | None = None

    @property
    def is_bars(self) -> bool:
        """Whether its rows are bars of sessions."""
        return self.calendar is not None

    @property
    def has_one_row_a_day(self) -> bool:
        """Whether an id has a row for every day of its calendar, so that one that is not there is missed."""
        return len(self.key) == 2 and self.date_column == self.key[1]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def own_columns(self) -> tuple[str, ...]:
        """What a source fills in: all but the book-keeping."""
        return tuple(c.name for c in self.columns if c.name not in BOOK_KEEPING)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart: the key, and the version where there is one."""
        return (*self.key, *(c.name for c in self.columns if c.name == "version"))

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns whose change makes a new version."""
        return tuple(name for name in self.own_columns if name not in self.key)

    @property
    def date_column(self) -> str | None:
        """The date within the key, if the table has one."""
        return next((c.name for c in self.columns if c.type == "date" and c.name in self.key), None)

    def ddl(self) -> Iterable[str]:
        """The statements that create the table and its comments, if it is not there."""
        columns = ",\n    ".join(f"{c.name} {c.type}{'' if c.is_nullable else ' not null'}" for c in self.columns)
        yield f"create table if not exists {self.full_name} (\n    {columns}\n)"
        yield f"comment on table {self.full_name} is '{_quoted(self.description)}'"
        for column in self.columns:
            yield f"comment on column {self.full_name}.{column.name} is '{_quoted(column.description)}'"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


BOOK_KEEPING = ("source", "captured_at", "version")
_BOOK_KEEPING_COLUMNS = (
    Column("source", "varchar", "Where the row came from: vendor and symbol, or file."),
    Column("captured_at", "timestamptz", "When this version of the row was first seen, UTC."),
    Column("version", "integer", "1 for the first value seen of this key, one more for each change."),
)

_PRICES = ("open", "high", "low", "close", "adj_close")


def _bars(name: str, calendar: str, description: str, day: str) -> Table:
    return Table(
        schema="raw",
        name=name,
        description=description,
        columns=(
            Column("instrument_id", "varchar", "The instrument, a row of core.instruments."),
            Column("session_date", "date", day),
            Column("open", "double", "First price of the session, split-adjusted, in the instrument's currency.", True),
            Column("high", "double", "Highest price of the session, split-adjusted.", True),
            Column("low", "double", "Lowest price of the session, split-adjusted.", True),
            Column("close", "double", "Last price of the session, split-adjusted, not adjusted for dividends.", True),
            Column(
                "adj_close",
                "double",
                "Total-return close as the vendor gives it; only from vendors that do not deliver dividends.",
                True,
            ),
            Column("volume", "double", "Shares (equity) or US dollars (crypto) traded in the session.", True),
            *_BOOK_KEEPING_COLUMNS,
        ),
        key=("instrument_id", "session_date"),
        rules=(
            any_known("close", "adj_close"),
            *(positive(price) for price in _PRICES),
            not_negative("volume"),
            at_least("high", "low"),
            at_least("high", "open"),
            at_least("high", "close"),
            at_least("open", "low"),
            at_least("close", "low"),
        ),
        known_columns=("close", "adj_close"),
        calendar=calendar,
    )


RAW_TABLES: tuple[Table, ...] = (
    _bars(
        "equity_bars",
        "XNYS",
        "Every version of every daily bar of indices, funds and shares.",
        "Exchange-local date of the session.",
    ),
    Table(
        schema="raw",
        name="equity_actions",
        description="Every version of every dividend and split.",
        columns=(
            Column("instrument_id", "varchar", "The instrument, a row of core.instruments."),
            Column("ex_date", "date", "First session that trades without the dividend, or at the new share count."),
            Column("kind", "varchar", "dividend or split."),
            Column(
                "value",
                "double",
                "Dividend per share in the split-adjusted currency unit, or new shares per old [per share].",
            ),
            *_BOOK_KEEPING_COLUMNS,
        ),
        key=("instrument_id", "ex_date", "kind"),
        rules=(one_of("kind", ("dividend", "split")), positive("value")),
    ),
    Table(
        schema="raw",
        name="group_members",
        description="Every version of who belongs to a group of shares, as the source lists it.",
        columns=(
            Column("group_id", "varchar", "The group, for instance us_small_cap_60."),
            Column("instrument_id", "varchar", "The member."),
            Column("valid_from", "date", "First day of membership."),
            Column("valid_to", "date", "Last day of membership; null while it lasts.", True),
            *_BOOK_KEEPING_COLUMNS,
        ),
        key=("group_id", "instrument_id", "valid_from"),
    ),
    _bars("crypto_bars", "CRYPTO", "Every version of every daily bar of coins, in US dollars.", "The UTC day."),
    Table(
        schema="raw",
        name="crypto_market_caps",
        description="Every version of the market value of a coin's circulating supply.",
        columns=(
            Column("instrument_id", "varchar", "The coin, a row of core.instruments."),
            Column("session_date", "date", "The UTC day."),
            Column("market_cap_usd", "double", "Market value of the circulating supply, US dollars."),
            *_BOOK_KEEPING_COLUMNS,
        ),
        key=("instrument_id", "session_date"),
        rules=(positive("market_cap_usd"),),
    ),
    Table(
        schema="raw",
        name="macro_observations",
        description="Every version of every observation of a macro series.",
        columns=(
            Column("series_id", "varchar", "The series, a row of core.series."),
            Column("observation_date", "date", "The day or the first day of the period that the value is about."),
            Column("value", "double", "The value [unit of the series]."),
            *_BOOK_KEEPING_COLUMNS,
        ),
        key=("series_id", "observation_date"),
        rules=(finite("value"),),
    ),
)


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

META_TABLES: tuple[Table, ...] = (
    Table(
        "meta",
        "runs",
        "One row per run of the pipeline.",
        (
            Column("run_id", "varchar", "Dagster's id of the run."),
            Column("source", "varchar", "demo (synthetic), files or live."),
            Column("started_at", "timestamptz", "When the run began."),
            Column("finished_at", "timestamptz", "When it published, or gave up; null while it runs.", True),
            Column("as_of", "date", "The day as of which its tables are true.", True),
            Column("status", "varchar", "running, published, published_with_failures or not_published."),
            Column("rows_new", "bigint", "Rows of new keys that it stored."),
            Column("rows_restated", "bigint", "New versions of known rows that it stored."),
            Column("code_version", "varchar", "Version of Cascade, with the commit where it is known."),
        ),
        ("run_id",),
    ),
    Table(
        "meta",
        "checks",
        "Every check of every run.",
        (
            Column("run_id", "varchar", "The run, a row of meta.runs."),
            Column("check_name", "varchar", "What was checked."),
            Column("table_name", "varchar", "On which table."),
            Column("passed", "boolean", "Whether it held."),
            Column("severity", "varchar", "ERROR blocks publishing, WARN does not."),
            Column("rows_checked", "bigint", "Rows looked at."),
            Column("rows_failed", "bigint", "Rows that broke it."),
            Column("detail", "varchar", "What a person should know; null when it passed.", True),
        ),
        ("run_id", "check_name", "table_name"),
    ),
    Table(
        "meta",
        "quarantine",
        "Every row that was refused, word for word, with the reason. Nothing is ever removed from here.",
        (
            Column("table_name", "varchar", "The raw table that it was meant for."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "Its date, where one could be read.", True),
            Column("captured_at", "timestamptz", "When it was first seen."),
            Column("reason", "varchar", "Why it was refused."),
            Column("payload", "varchar", "The row as it came, as JSON."),
        ),
        ("table_name", "id", "session_date", "reason", "payload"),
    ),
    Table(
        "meta",
        "deliveries",
        "How the last request for each instrument and series went.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("id", "varchar", "The instrument or series."),
            Column("origin", "varchar", "Where it came from: vendor and symbol, or file."),
            Column("rows_delivered", "bigint", "Rows that arrived, good and bad."),
            Column("rows_quarantined", "bigint", "Rows among them that were refused."),
            Column("failure", "varchar", "Why nothing, or not everything, arrived; null when all went well.", True),
        ),
        ("asset_class", "id"),
    ),
    Table(
        "meta",
        "vanished",
        "Stored rows that a later delivery no longer had, though it covered their day. They stay stored.",
        (
            Column("table_name", "varchar", "The raw table that holds the row."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "The day of the row."),
            Column("captured_at", "timestamptz", "When it was first missed, UTC."),
        ),
        ("table_name", "id", "session_date"),
    ),
    Table(
        "meta",
        "source_states",
        "The state that each origin was in when it was last stored; what is still in it is not read again.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("origin", "varchar", "Where the rows came from, for instance a file."),
            Column("state", "varchar", "What the source says of the state, for instance size and hash."),
            Column("rules", "varchar", "Hash of what judged the rows: code, universe, parameters and calendar."),
        ),
        ("asset_class", "origin"),
    ),
    Table(
        "meta",
        "parameters",
        "Every number that a definition depends on, with its reason.",
        (
            Column("name", "varchar", "Name, as written with a dollar sign in the SQL models."),
            Column("value", "double", "The number [as in the column unit]."),
            Column("unit", "varchar", "Its unit."),
            Column("reason", "varchar", "Why this number."),
        ),
        ("name",),
    ),
    Table(
        "meta",
        "columns",
        "Every column of every published table and table macro: the data dictionary as data.",
        (
            Column("table_name", "varchar", "The table or macro, with its schema."),
            Column("column_name", "varchar", "The column."),
            Column("position", "integer", "Its place in the table, from 1."),
            Column("type", "varchar", "Its type in DuckDB's words."),
            Column(
                "unit", "varchar", "Unit of its numbers; null for text, dates, truth values, names and positions.", True
            ),
            Column("is_key", "boolean", "Whether it is one of the columns that together tell the table's rows apart."),
            Column("description", "varchar", "What it means, as in the column's comment."),
        ),
        ("table_name", "column_name"),
    ),
    Table(
        "meta",
        "lineage",
        "Which tables each derived table is made of, seen through the steps in between. Upstream are published tables, "
        "and those of the schema reference: the universe and claims files, calendars and the clock, not published.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("upstream", "varchar", "A table that it reads, itself or through steps in between."),
            Column(
                "columns",
                "varchar[]",
                "Columns of the upstream table that are read for any reason: as a value, or to filter, join or sort.",
            ),
            Column("steps", "varchar[]", "Steps in between, which are not published; each is the file sql/<step>.sql."),
        ),
        ("table_name", "upstream"),
    ),
    Table(
        "meta",
        "column_lineage",
        "Which columns each derived column is made of, seen through the steps in between. What only filters, joins or "
        "sorts is not in here; a constant or a count of rows is made of no column.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("column_name", "varchar", "Its column."),
            Column("upstream", "varchar", "A table that the column is made of, a row of meta.lineage."),
            Column(
                "upstream_column",
                "varchar",
                "The column there; null where a statistic is worked out in Python, of which only the tables are known.",
                True,
            ),
        ),
        ("table_name", "column_name", "upstream", "upstream_column"),
    ),
    Table(
        "meta",
        "snapshots",
        "The published files that can still be opened, this one included: what to name when a result is cited.",
        (
            Column("snapshot_id", "varchar", "Instant of publication and begin of the run's id."),
            Column("run_id", "varchar", "The run that published it, a row of meta.runs."),
            Column("source", "varchar", "demo (synthetic), files or live."),
            Column("published_at", "timestamptz", "When it was published, UTC."),
            Column("as_of", "date", "The day as of which its tables are true."),
            Column("code_version", "varchar", "Version of Cascade, with the commit where it is known."),
            Column("path", "varchar", "The file, seen from the folder that cascade.duckdb lies in."),
            Column(
                "content_hash",
                "varchar",
                "Hash of all rows of raw, core and marts, in any order: equal where two files hold the same data. "
                "DuckDB does not promise the same hash in another release of its own (see duckdb_version).",
            ),
            Column("table_hashes", "map(varchar, varchar)", "The same hash for each table."),
            Column("duckdb_version", "varchar", "Release of DuckDB that worked out the hashes."),
        ),
        ("snapshot_id",),
    ),
)

STORED_TABLES: tuple[Table, ...] = (*RAW_TABLES, *REFERENCE_TABLES, *META_TABLES)

# Which raw tables each asset class fills.
TABLES_OF_CLASS: dict[str, tuple[str, ...]] = {
    "equity": ("equity_bars", "equity_actions", "group_members"),
    "crypto": ("crypto_bars", "crypto_market_caps"),
    "macro": ("macro_observations",),
}
RAW_TABLE = {table.name: table for table in RAW_TABLES}
