"""The raw tables: every version of every row that a source delivered.

Here: the contracts of the schema raw, and which asset class fills which table. Not here: how rows are read, checked or
stored.
"""

from __future__ import annotations

from assets.contracts.table import (
    BOOK_KEEPING_COLUMNS,
    Column,
    Table,
    any_known,
    at_least,
    finite,
    not_negative,
    one_of,
    positive,
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
                "Total-return close from the vendor; only if the vendor does not deliver dividends.",
                True,
            ),
            Column("volume", "double", "Shares (equity) or US dollars (crypto) traded in the session.", True),
            *BOOK_KEEPING_COLUMNS,
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
            Column("ex_date", "date", "First session without the dividend, or with the new number of shares."),
            Column("kind", "varchar", "dividend or split."),
            Column(
                "value",
                "double",
                "Dividend per share in the split-adjusted currency unit, or new shares per old [per share].",
            ),
            *BOOK_KEEPING_COLUMNS,
        ),
        key=("instrument_id", "ex_date", "kind"),
        rules=(one_of("kind", ("dividend", "split")), positive("value")),
    ),
    Table(
        schema="raw",
        name="group_members",
        description="Every version of the members of groups of shares, as the source lists them.",
        columns=(
            Column("group_id", "varchar", "The group, for instance us_small_cap_60."),
            Column("instrument_id", "varchar", "The member."),
            Column("valid_from", "date", "First day of membership."),
            Column("valid_to", "date", "Last day of membership; null if it has not ended.", True),
            *BOOK_KEEPING_COLUMNS,
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
            *BOOK_KEEPING_COLUMNS,
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
            Column("observation_date", "date", "The day of the value, or the first day of its period."),
            Column("value", "double", "The value [unit of the series]."),
            *BOOK_KEEPING_COLUMNS,
        ),
        key=("series_id", "observation_date"),
        rules=(finite("value"),),
    ),
)

# Which raw tables each asset class fills.
TABLES_OF_CLASS: dict[str, tuple[str, ...]] = {
    "equity": ("equity_bars", "equity_actions", "group_members"),
    "crypto": ("crypto_bars", "crypto_market_caps"),
    "macro": ("macro_observations",),
}
RAW_TABLE = {table.name: table for table in RAW_TABLES}
