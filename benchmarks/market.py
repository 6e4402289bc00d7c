"""Makes a synthetic market of any size: a folder for the source `files`, with the same numbers for the same seed.

    .venv/bin/python benchmarks/market.py DIR --symbols 5000 --years 20

Prices are geometric random walks that share a factor. Some shares are listed late, a few end early, and one session in
a thousand is missing. The indices, funds and coins of the universe come first, then unnamed shares. Each breadth group
has sixty shares. Every file is Parquet. The README and the manifest of the folder say that it is synthetic.
"""

from __future__ import annotations

import argparse
import csv
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from assets.config import calendars
from assets.config.universe import load_universe

LAST_DAY = date(2025, 12, 31)
FIRST_COIN_DAY = date(2010, 7, 19)
SEED = 7
NOTE = "SYNTHETIC: random walks, no market made these numbers"
# Members of each breadth group.
MEMBERS = 60
GROUPS = ("us_small_cap_60", "us_mega_cap_60")
# Fractions of shares that are listed after the first day or end before the last, and of sessions that are missing.
LATE, EARLY, MISSING = 0.3, 0.05, 0.001


def bars(chance: np.random.Generator, factor: np.ndarray, days: np.ndarray, daily: float) -> pd.DataFrame:
    """The bars of one symbol.

    Args:
        chance: The random generator.
        factor: Daily log returns that all symbols share at half weight, one per session.
        days: The sessions.
        daily: Standard deviation of the symbol's own daily log returns.

    Returns:
        One row per session, with the columns of a file of equities.
    """
    steps = 0.5 * factor + chance.normal(0.0002, daily, len(days))
    close = 50.0 * np.exp(np.cumsum(steps))
    opening = close * np.exp(chance.normal(0, daily / 4, len(days)))
    spread = np.exp(np.abs(chance.normal(0, daily / 3, (2, len(days)))))
    frame = pd.DataFrame(
        {
            "date": days,
            "open": opening.round(4),
            "high": (np.maximum(opening, close) * spread[0]).round(4),
            "low": (np.minimum(opening, close) / spread[1]).round(4),
            "close": close.round(4),
            "adj_close": close.round(4),
            "volume": chance.lognormal(14, 0.5, len(days)).round(),
        }
    )
    return frame


def with_gaps(chance: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Remove bars of a share: a late listing, an early end, and missing sessions."""
    rows = len(frame)
    first = int(chance.integers(0, rows // 2)) if chance.random() < LATE else 0
    last = int(chance.integers(rows // 2, rows)) if chance.random() < EARLY else rows
    kept = chance.random(rows) >= MISSING
    return frame[kept & (np.arange(rows) >= first) & (np.arange(rows) < last)]


def write_market(folder: Path, symbols: int, years: int) -> int:
    """Write the folder.

    Args:
        folder: The folder, which is created.
        symbols: Number of indices, funds and shares; coins come on top.
        years: Number of years up to the end of 2025.

    Returns:
        The number of daily bars of indices, funds and shares.
    """
    chance = np.random.default_rng(SEED)
    universe = load_universe()
    first_day = date(LAST_DAY.year - years + 1, 1, 1)
    sessions = calendars.sessions(LAST_DAY)
    sessions = sessions[
        (sessions["calendar"] == calendars.EQUITY_CALENDAR) & (sessions["session_date"] >= str(first_day))
    ]
    days = sessions["session_date"].to_numpy()
    every_day = pd.date_range(max(first_day, FIRST_COIN_DAY), LAST_DAY, freq="D").to_numpy()
    factor = chance.normal(0.0002, 0.01, len(days))
    listed = [item.id for item in universe.instruments if item.asset_class == "equity"][:symbols]
    shares = [f"X{number:05}" for number in range(1, symbols - len(listed) + 1)]
    coins = [item.id for item in universe.instruments if item.asset_class == "crypto"]
    written, rows = [], 0
    with duckdb.connect() as connection:

        def write(kind: str, symbol: str, frame: pd.DataFrame) -> None:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            connection.register("frame", frame)
            connection.execute(
                f"copy (select * replace (date::date as date) from frame) to '{folder / kind / symbol}.parquet'"
            )
            connection.unregister("frame")
            written.append((kind, symbol))

        for symbol in [*listed, *shares]:
            frame = bars(chance, factor, days, 0.012)
            frame = frame if symbol in listed else with_gaps(chance, frame)
            write("equity", symbol, frame)
            rows += len(frame)
        common = chance.normal(0.0004, 0.025, len(every_day))
        for coin in coins:
            write("crypto", coin, bars(chance, common, every_day, 0.03))
        for series in ("DGS10", "DGS2", "VIXCLS"):
            values = 4.0 * np.exp(np.cumsum(chance.normal(0, 0.01, len(days))))
            write("macro", series, pd.DataFrame({"date": days, "value": values.round(2)}))
    with (folder / "groups.csv").open("w", encoding="utf-8", newline="") as target:
        lines = csv.writer(target)
        lines.writerow(("group", "symbol", "valid_from", "valid_to"))
        for number, group in enumerate(GROUPS):
            lines.writerows(
                (group, share, first_day, "") for share in shares[number * MEMBERS : (number + 1) * MEMBERS]
            )
    with (folder / "MANIFEST.csv").open("w", encoding="utf-8", newline="") as target:
        lines = csv.writer(target)
        lines.writerow(("kind", "symbol", "price_basis", "note"))
        lines.writerows((kind, symbol, "synthetic", NOTE) for kind, symbol in written)
    (folder / "README.md").write_text(
        f"# Synthetic market\n\n{NOTE}. Do not trade or publish on them.\n\n"
        f"Made by benchmarks/market.py: {symbols} symbols, {years} years, seed {SEED}.\n",
        encoding="utf-8",
    )
    return rows


def main() -> None:
    """Write the folder and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--years", type=int, default=20)
    arguments = parser.parse_args()
    rows = write_market(arguments.folder, arguments.symbols, arguments.years)
    print(f"{rows:,} synthetic bars of {arguments.symbols} symbols in {arguments.folder}")


if __name__ == "__main__":
    main()
