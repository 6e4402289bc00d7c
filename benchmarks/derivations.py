"""Compares our models with pandas and Polars: relative strength, breakouts with their outcomes, and responses.

    .venv/bin/python -m pip install --target /tmp/bench polars       # any folder; put it on PYTHONPATH
    .venv/bin/python benchmarks/derivations.py MARKET                # a folder of benchmarks/market.py

Each engine runs in a separate process. It reads the same bars (a DuckDB file for ours and pandas, Parquet for Polars),
computes the same three tables as its users would write them, and writes them back: ours into the warehouse, the others
into Parquet. Then the tables are compared, row by row, to nine digits. `plain` is relative strength alone, in the
shortest SQL that gives it: the minimum time of the engine. Prints wall and CPU seconds per million bars, peak memory,
and ratios. Relative strength is of every symbol against SPX; breakouts are of every symbol; responses are of twenty
symbols to the breakouts of RUT, over three horizons.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

TABLES = ("relative_strength", "breakouts", "responses")
HORIZONS = (30, 60, 90)
TARGETS = 20
BENCHMARK, SIGNAL = "SPX", "RUT"
YEAR, TREND, QUARTER = 252, 200, 63
# Kind of breakout: how many sessions back its level may be (None: any), and how many sessions it must have been quiet.
KINDS = {"all_time_high": (None, 252), "year_high": (252, 63)}
LIFE_CYCLE, OUTCOME, FAILURE = 20, 63, 0.02


def prepare(market: Path, folder: Path) -> int:
    """Write the bars for all engines. Returns their number."""
    with duckdb.connect(str(folder / "bars.duckdb")) as connection:
        connection.execute(
            f"""
            create table bars as
            select
                parse_filename(filename, true) as symbol,
                date as session_date,
                row_number() over (partition by filename order by date) as bar_number,
                close,
                low,
            from read_parquet('{market}/equity/*.parquet', filename = true)
            order by symbol, date
            """
        )
        connection.execute(f"copy bars to '{folder}/bars.parquet'")
        return int(connection.execute("select count(*) from bars").fetchall()[0][0])


def lap(what: str) -> None:
    """Print the CPU seconds that the process has used so far."""
    print(f"    {what:34} {time.process_time():6.1f} s CPU so far", file=sys.stderr)


# --- ours ---------------------------------------------------------------------------------------------------------


def ours(folder: Path, _: Path) -> None:
    """The project's models, on tables like those of a run. The results stay in the warehouse."""
    from assets.config.parameters import load_parameters
    from assets.models.create import create_model
    from assets.models.sql_files import read_models
    from assets.warehouse.connection import connect
    from assets.warehouse.connection import prepare as make_tables

    connection = connect(str(folder / "ours.duckdb"), folder / "spill")
    make_tables(connection)
    models, parameters = {model.full_name: model for model in read_models()}, load_parameters()

    def build(*names: str) -> None:
        for name in names:
            create_model(connection, models[name], parameters)
            lap(name)

    connection.execute(f"attach '{folder}/bars.duckdb' as fed (read_only)")
    connection.execute("insert into reference.clock select max(session_date), max(session_date) + 1 from fed.bars")
    connection.execute(f"insert into reference.horizons from (values {', '.join(f'({days})' for days in HORIZONS)})")
    connection.execute(
        """
        create table core.instruments as
        select
            symbol as instrument_id, 'XNYS' as calendar, null::varchar as tracks, false as has_total_return,
            null::date as reconstructed_before, 'other' as role
        from fed.bars group by symbol order by symbol;
        create view intermediate.instrument_bases as from core.instruments;
        create view intermediate.prices as
        select
            symbol as instrument_id, session_date, bar_number, close, close as adj_close, close as signal_price,
            low as signal_low, close as return_price, session_date::timestamptz as closes_at,
            session_date::timestamptz as known_at
        from fed.bars;
        create table core.pairs as
        select '' as pair_id, '' as numerator, '' as denominator, 'XNYS' as calendar, 'price' as price_basis limit 0
        """
    )
    # Without pairs first, so that the price paths are those of the symbols alone.
    build("marts.relative_strength", "intermediate.price_paths", "intermediate.breakout_events")
    build("intermediate.breakout_followup", "marts.breakout_states")
    connection.execute(
        "insert into core.pairs select instrument_id || '/SPX', instrument_id, 'SPX', 'XNYS', 'price' "
        "from core.instruments where instrument_id <> 'SPX'"
    )
    build("marts.relative_strength")
    connection.execute(
        f"""
        create table intermediate.target_prices as
        select instrument_id as target_id, bar_number as session_number, session_date, close as price,
            false as is_index, known_at
        from intermediate.prices
        where instrument_id in (select instrument_id from core.instruments order by instrument_id limit {TARGETS})
        order by all
        """
    )
    build("intermediate.forward_windows")
    connection.close()


def hand_over(folder: Path, out: Path) -> None:
    """Write our tables as Parquet, to compare them with the others."""
    connection = duckdb.connect(str(folder / "ours.duckdb"))
    connection.execute(f"attach '{folder}/bars.duckdb' as fed (read_only)")
    connection.execute(
        f"""
        copy (
            select split_part(pair_id, '/', 1) as symbol, session_date, ratio, mansfield_rs, return_63, zscore_252,
                is_high_252
            from marts.relative_strength
        ) to '{out}/relative_strength.parquet';
        copy (
            select events.subject_id as symbol, events.kind, events.session_date, events.level,
                events.base_sessions::bigint as base_sessions,
                (select min(sessions_after) from marts.breakout_states as states
                    where states.event_id = events.event_id and state = 'failed')::bigint as failed_after,
                if(max(sessions_after) >= {LIFE_CYCLE},
                    count_if(is_below and sessions_after between 1 and {LIFE_CYCLE}), null)::bigint as closes_below,
                if(max(sessions_after) = {OUTCOME}, min(aftermath.price / high_so_far - 1), null) as max_drawdown
            from intermediate.breakout_events as events
            inner join intermediate.breakout_followup as aftermath on aftermath.event_id = events.event_id
            group by all
        ) to '{out}/breakouts.parquet';
        copy (
            select target_id, entry_date, kind, horizon_days, exit_date, forward_return
            from intermediate.breakout_events as events
            inner join intermediate.forward_windows as windows on windows.entry_date = events.session_date
            where events.subject_id = '{SIGNAL}'
        ) to '{out}/responses.parquet'
        """
    )
    connection.close()


# --- plain SQL ----------------------------------------------------------------------------------------------------


def plain(folder: Path, _: Path) -> None:
    """Relative strength alone, with nothing but its windows: the minimum in SQL."""
    with duckdb.connect(str(folder / "plain.duckdb")) as connection:
        connection.execute(f"attach '{folder}/bars.duckdb' as fed (read_only)")
        connection.execute(
            f"""
            create table relative_strength as
            with ratios as (
                select symbol, session_date, bars.close / base.close as ratio
                from fed.bars as bars
                inner join (select session_date, close from fed.bars where symbol = '{BENCHMARK}') as base
                    using (session_date)
                where symbol <> '{BENCHMARK}'
            ),
            measured as (
                select
                    *,
                    row_number() over (partition by symbol order by session_date) as n,
                    lag(ratio, {QUARTER}) over (partition by symbol order by session_date) as earlier,
                    avg(ratio) over trend as trend_mean,
                    avg(ratio) over year as year_mean,
                    stddev_samp(ratio) over year as deviation,
                    max(ratio) over (
                        partition by symbol order by session_date rows between {YEAR} preceding and 1 preceding
                    ) as high
                from ratios
                window
                    trend as (partition by symbol order by session_date rows {TREND - 1} preceding),
                    year as (partition by symbol order by session_date rows {YEAR - 1} preceding)
            )
            select
                symbol,
                session_date,
                ratio,
                if(n >= {TREND}, 100 * (ratio / trend_mean - 1), null) as mansfield_rs,
                ratio / earlier - 1 as return_63,
                if(n >= {YEAR} and deviation > 0, (ratio - year_mean) / deviation, null) as zscore_252,
                if(n > {YEAR}, ratio > high, null) as is_high_252
            from measured
            """
        )


# --- pandas -------------------------------------------------------------------------------------------------------


def with_pandas(folder: Path, out: Path) -> None:
    """As you would write it in a notebook: groupby, rolling, merge_asof."""
    with duckdb.connect(str(folder / "bars.duckdb"), read_only=True) as connection:
        bars = connection.execute("from bars order by symbol, session_date").df()
    base = bars.loc[bars["symbol"] == BENCHMARK, ["session_date", "close"]].rename(columns={"close": "base"})
    legs = bars[bars["symbol"] != BENCHMARK].merge(base, on="session_date").sort_values(["symbol", "session_date"])
    legs["ratio"] = legs["close"] / legs["base"]
    of_pair = legs.groupby("symbol", sort=False)["ratio"]

    def rolled(window: int, how: str) -> pd.Series:
        return getattr(of_pair.rolling(window), how)().reset_index(level=0, drop=True)

    legs["mansfield_rs"] = 100 * (legs["ratio"] / rolled(TREND, "mean") - 1)
    legs["return_63"] = legs["ratio"] / of_pair.shift(QUARTER) - 1
    deviation = rolled(YEAR, "std")
    legs["zscore_252"] = ((legs["ratio"] - rolled(YEAR, "mean")) / deviation).where(deviation > 0)
    earlier = rolled(YEAR, "max").groupby(legs["symbol"], sort=False).shift(1)
    legs["is_high_252"] = (legs["ratio"] > earlier).astype("boolean").where(earlier.notna())
    columns = ["symbol", "session_date", "ratio", "mansfield_rs", "return_63", "zscore_252", "is_high_252"]
    _write(legs[columns], out / "relative_strength.parquet")
    lap("relative_strength")
    del legs, deviation, earlier

    events = []
    for kind, (reach, quiet) in KINDS.items():
        closes = bars.groupby("symbol", sort=False)["close"]
        settled = closes.cummax() if reach is None else closes.rolling(reach - quiet + 1, min_periods=1).max()
        settled = settled if reach is None else settled.reset_index(level=0, drop=True)
        level = settled.groupby(bars["symbol"], sort=False).shift(quiet)
        recent = closes.rolling(quiet, min_periods=1).max().reset_index(level=0, drop=True)
        recent = recent.groupby(bars["symbol"], sort=False).shift(1)
        first = max(quiet, YEAR)
        found = (bars["close"] > level) & ~(recent > level) & (bars["bar_number"] > first)
        events.append(bars[found].assign(kind=kind, level=level[found]))
    broken = pd.concat(events)
    _write(_followed(broken, bars), out / "breakouts.parquet")

    targets = sorted(bars["symbol"].unique())[:TARGETS]
    own = bars[bars["symbol"].isin(targets)][["symbol", "session_date", "close"]]
    signals = broken.loc[broken["symbol"] == SIGNAL, ["session_date", "kind"]]
    entries = own.merge(signals, on="session_date").rename(columns={"session_date": "entry_date", "close": "entry"})
    last = bars["session_date"].max()
    parts = []
    for days in HORIZONS:
        due = entries.assign(horizon_days=days, day=entries["entry_date"] + pd.Timedelta(days=days))
        due = due[due["day"] <= last].sort_values("day")
        exits = own.rename(columns={"session_date": "exit_date"}).sort_values("exit_date")
        due["day"] = due["day"].astype(exits["exit_date"].dtype)
        parts.append(
            pd.merge_asof(
                due, exits, left_on="day", right_on="exit_date", by="symbol", tolerance=pd.Timedelta(days=TOLERANCE)
            ).dropna(subset="exit_date")
        )
    answers = pd.concat(parts)
    answers["forward_return"] = answers["close"] / answers["entry"] - 1
    answers = answers.rename(columns={"symbol": "target_id"})
    _write(
        answers[["target_id", "entry_date", "kind", "horizon_days", "exit_date", "forward_return"]],
        out / "responses.parquet",
    )


def _followed(broken: pd.DataFrame, bars: pd.DataFrame) -> pd.DataFrame:
    """The outcome of each breakout, in a loop: there are only a few thousand events."""
    rows = []
    closes = {symbol: group.to_numpy() for symbol, group in bars.groupby("symbol", sort=False)["close"]}
    for event in broken.itertuples():
        path = closes[event.symbol]
        at, (reach, quiet) = event.bar_number - 1, KINDS[event.kind]
        first = 0 if reach is None else at - reach
        stood = first + int(np.flatnonzero(path[first : at - quiet + 1] == event.level)[-1])
        after = path[at : at + OUTCOME + 1]
        failing = np.flatnonzero(after[1 : LIFE_CYCLE + 1] < event.level * (1 - FAILURE))
        rows.append(
            (
                event.symbol,
                event.kind,
                event.session_date,
                event.level,
                at - stood,
                failing[0] + 1 if len(failing) else None,
                int((after[1 : LIFE_CYCLE + 1] < event.level).sum()) if len(after) > LIFE_CYCLE else None,
                float((after / np.maximum.accumulate(after) - 1).min()) if len(after) > OUTCOME else None,
            )
        )
    names = ["symbol", "kind", "session_date", "level", "base_sessions", "failed_after", "closes_below", "max_drawdown"]
    return pd.DataFrame(rows, columns=names).astype({"failed_after": "Int64", "closes_below": "Int64"})


def _write(frame: pd.DataFrame, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"copy frame to '{path}'")


# --- Polars -------------------------------------------------------------------------------------------------------


def with_polars(folder: Path, out: Path) -> None:
    """Lazy frames, window expressions over symbols, join_asof."""
    import polars as pl

    bars = pl.scan_parquet(folder / "bars.parquet").sort("symbol", "session_date")
    base = bars.filter(pl.col("symbol") == BENCHMARK).select("session_date", base="close")
    ratio = pl.col("ratio")
    (
        bars.filter(pl.col("symbol") != BENCHMARK)
        .join(base, on="session_date", how="inner", maintain_order="left")
        .with_columns(ratio=pl.col("close") / pl.col("base"))
        .select(
            "symbol",
            "session_date",
            "ratio",
            mansfield_rs=(100 * (ratio / ratio.rolling_mean(TREND) - 1)).over("symbol"),
            return_63=(ratio / ratio.shift(QUARTER) - 1).over("symbol"),
            zscore_252=((ratio - ratio.rolling_mean(YEAR)) / ratio.rolling_std(YEAR)).over("symbol"),
            is_high_252=(ratio > ratio.rolling_max(YEAR).shift(1)).over("symbol"),
        )
        .collect()
        .write_parquet(out / "relative_strength.parquet")
    )
    lap("relative_strength")
    held = bars.collect()
    close, events = pl.col("close"), []
    for kind, (reach, quiet) in KINDS.items():
        settled = close.cum_max() if reach is None else close.rolling_max(reach - quiet + 1, min_samples=1)
        events.append(
            held.with_columns(
                level=settled.shift(quiet).over("symbol"),
                recent=close.rolling_max(quiet, min_samples=1).shift(1).over("symbol"),
            )
            .filter((close > pl.col("level")) & ~(pl.col("recent") > pl.col("level")) & (pl.col("bar_number") > YEAR))
            .select(
                "symbol", "session_date", "bar_number", "level", kind=pl.lit(kind), quiet=quiet, reach=reach or 10**6
            )
        )
    broken = pl.concat(events).with_row_index("event")
    path = held.select("symbol", "close", at="bar_number")
    before = (
        broken.join(path.rename({"close": "level"}), on=["symbol", "level"])
        .filter(pl.col("at") <= pl.col("bar_number") - pl.col("quiet"))
        .group_by("event")
        .agg(level_number=pl.col("at").max())
    )
    steps = pl.DataFrame({"after": range(OUTCOME + 1)})
    after = pl.col("after")
    followed = (
        broken.join(steps, how="cross")
        .with_columns(at=pl.col("bar_number") + after)
        .join(path, on=["symbol", "at"], how="inner")
        .sort("event", "after")
        .with_columns(fall=(close / close.cum_max() - 1).over("event"))
        .group_by("event")
        .agg(
            failed_after=after.filter(
                (close < pl.col("level") * (1 - FAILURE)) & after.is_between(1, LIFE_CYCLE)
            ).min(),
            closes_below=((close < pl.col("level")) & after.is_between(1, LIFE_CYCLE)).sum(),
            max_drawdown=pl.col("fall").min(),
            last=after.max(),
        )
    )
    (
        broken.join(before, on="event")
        .join(followed, on="event")
        .select(
            "symbol",
            "kind",
            "session_date",
            "level",
            base_sessions=pl.col("bar_number") - pl.col("level_number"),
            failed_after="failed_after",
            closes_below=pl.when(pl.col("last") >= LIFE_CYCLE).then("closes_below"),
            max_drawdown=pl.when(pl.col("last") == OUTCOME).then("max_drawdown"),
        )
        .write_parquet(out / "breakouts.parquet")
    )
    targets = held["symbol"].unique().sort()[:TARGETS].to_list()
    own = held.filter(pl.col("symbol").is_in(targets)).select(target_id="symbol", day="session_date", price="close")
    signals = broken.filter(pl.col("symbol") == SIGNAL).select("kind", entry_date="session_date")
    entries = own.rename({"day": "entry_date", "price": "entry"}).join(signals, on="entry_date")
    last = held["session_date"].max()
    parts = [
        entries.with_columns(day=pl.col("entry_date") + pl.duration(days=days), horizon_days=days)
        .filter(pl.col("day") <= last)
        .sort("day")
        .join_asof(
            own.sort("day").with_columns(exit_date="day"),
            on="day",
            by="target_id",
            tolerance=f"{TOLERANCE}d",
            check_sortedness=False,
        )
        .filter(pl.col("exit_date").is_not_null())
        for days in HORIZONS
    ]
    (
        pl.concat(parts)
        .select(
            "target_id",
            "entry_date",
            "kind",
            "horizon_days",
            "exit_date",
            forward_return=pl.col("price") / pl.col("entry") - 1,
        )
        .write_parquet(out / "responses.parquet")
    )


# --- measuring ----------------------------------------------------------------------------------------------------

# How many days an exit may be before the horizon, as exit_tolerance_days in parameters.yaml.
TOLERANCE = 5
ENGINES = {"ours": ours, "plain": plain, "pandas": with_pandas, "polars": with_polars}


def differing(one: Path, other: Path) -> dict[str, int]:
    """Number of rows per table that differ between two engines. Numbers are compared to nine digits."""
    found = {}
    with duckdb.connect() as connection:
        for table in TABLES:
            columns = connection.execute(f"describe from '{one / table}.parquet'").fetchall()
            keys = ["symbol", "session_date", "kind", "target_id", "entry_date", "horizon_days"]
            same = " and ".join(f"a.{name} = b.{name}" for name, *_ in columns if name in keys)
            near = " and ".join(
                f"coalesce(abs(a.{name} - b.{name}) <= 1e-9 * greatest(1, abs(a.{name})), "
                f"a.{name} is null and b.{name} is null)"
                if type_ == "DOUBLE"
                else f"left(a.{name}::varchar, 10) is not distinct from left(b.{name}::varchar, 10)"
                for name, type_, *_ in columns
                if name not in keys
            )
            found[table] = connection.execute(
                f"select count(*) from '{one / table}.parquet' as a full join '{other / table}.parquet' as b "
                f"on {same} where ({near}) is not true"
            ).fetchall()[0][0]
    return found


def main() -> None:
    """Measure every engine in a separate process, compare the results, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("market", type=Path)
    parser.add_argument("--engine", choices=[*ENGINES, "none"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine == "none":
        print(prepare(arguments.market, arguments.folder))
        return
    if arguments.engine:
        out = arguments.folder / arguments.engine
        out.mkdir()
        begin = time.perf_counter()
        ENGINES[arguments.engine](arguments.folder, out)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        if arguments.engine == "ours":
            hand_over(arguments.folder, out)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, str(arguments.market), "--folder", name, "--engine"]
        # In a separate process too, because a child process counts the memory of its parent as its own.
        bars = int(subprocess.run([*command, "none"], stdout=subprocess.PIPE, check=True).stdout)
        print(f"{bars:,} bars")
        measured = {}
        for engine in ENGINES:
            done = subprocess.run([*command, engine], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{engine:7} {done.stderr.strip().splitlines()[-1]}")
                continue
            print(done.stderr, end="")
            measured[engine] = wall, cpu, peak = [float(value) for value in done.stdout.split()]
            million = bars / 1e6
            ratio = measured["ours"][1] / cpu
            print(
                f"{engine:7} {wall:7.1f} s wall  {cpu:7.1f} s CPU  {cpu / million:6.2f} s CPU per million bars  "
                f"{peak:6.0f} MiB  ours takes {ratio:.2f} of it"
            )
            if engine in ("pandas", "polars"):
                print(f"        rows that differ from ours: {differing(folder / 'ours', folder / engine)}")


if __name__ == "__main__":
    main()
