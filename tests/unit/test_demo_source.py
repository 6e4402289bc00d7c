"""The synthetic market is the same everywhere, keeps the contracts, and holds the answers that its key promises.

The definitions are worked out here once more, naively and from the text, so that the key does not check itself.
"""

from __future__ import annotations

import hashlib
import math
import time
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from assets.config.calendars import exchange_calendar
from assets.config.universe import Universe, load_universe
from assets.contracts.raw import RAW_TABLES
from assets.contracts.table import Table
from assets.sources.base import ASSET_CLASSES, FetchRequest, FetchResult, Source, SourceError
from assets.sources.demo import (
    ANSWERS,
    FIRST_DAY,
    GROUP_SIZE,
    LAST_DAY,
    LAST_DAY_AFTER_SPLIT,
    MEGA_CAPS,
    ORIGIN,
    SMALL_CAPS,
    DemoSource,
    PlantedBreakout,
    synthetic_universe,
)

Market = dict[str, dict[str, FetchResult]]

# Of month-end closes and all macro values. Where it changes, the demo is another market and the docs' numbers are old.
FINGERPRINT = "ddca2d43134e011b"


@pytest.fixture(scope="session")
def sessions() -> pd.DatetimeIndex:
    return pd.DatetimeIndex(exchange_calendar(date(2010, 1, 1), date(2026, 2, 1)).sessions)


@pytest.fixture(scope="session")
def universe() -> Universe:
    return load_universe()


def _fetch(source: Source) -> Market:
    return {asset_class: {d.id: d for d in source.fetch(FetchRequest(asset_class))} for asset_class in ASSET_CLASSES}


@pytest.fixture(scope="session")
def source(universe: Universe, sessions: pd.DatetimeIndex) -> Source:
    return DemoSource(universe, sessions)


@pytest.fixture(scope="session")
def market(source: Source) -> Market:
    return _fetch(source)


@pytest.fixture(scope="session")
def market_after_split(universe: Universe, sessions: pd.DatetimeIndex) -> Market:
    return _fetch(DemoSource(universe, sessions, is_after_split=True))


def _equity(market: Market, id_: str, table: str = "equity_bars") -> pd.DataFrame:
    return market["equity"][id_].tables[table]


def _close(market: Market, asset_class: str, id_: str) -> pd.Series:
    return market[asset_class][id_].tables[f"{asset_class}_bars"].set_index("session_date")["close"]


def _log_return(close: pd.Series) -> pd.Series:
    return close.map(math.log).diff()


def _days(values: pd.Series) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(values.index)


def _series(market: Market, id_: str) -> pd.Series:
    return market["macro"][id_].tables["macro_observations"].set_index("observation_date")["value"]


def _splits(actions: pd.DataFrame) -> list[tuple[date, float]]:
    rows = actions[actions["kind"] == "split"]
    return list(zip(rows["ex_date"].dt.date, rows["value"], strict=True))


def _all_of(market: Market, table: str) -> pd.DataFrame:
    deliveries = (d for by_id in market.values() for d in by_id.values())
    return pd.concat([d.tables[table] for d in deliveries if table in d.tables], ignore_index=True)


# --- the same everywhere ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_builds_are_equal(universe: Universe, sessions: pd.DatetimeIndex, market: Market) -> None:
    again = _fetch(DemoSource(universe, sessions))
    for asset_class, deliveries in market.items():
        assert list(deliveries) == list(again[asset_class])
        for id_, delivery in deliveries.items():
            for table, frame in delivery.tables.items():
                pd.testing.assert_frame_equal(frame, again[asset_class][id_].tables[table], check_exact=True)


def _fingerprint(market: Market) -> str:
    """Few enough values that a last bit of another machine's exp() will not turn one of them."""
    text = []
    for table in ("equity_bars", "crypto_bars"):
        bars = _all_of(market, table)
        month = bars["session_date"].dt.to_period("M")
        last = bars.groupby(["instrument_id", month], sort=True).tail(1)
        text += [f"{id_} {close:.6g}" for id_, close in zip(last["instrument_id"], last["close"], strict=True)]
    observations = _all_of(market, "macro_observations")
    text += [f"{id_} {v:.6g}" for id_, v in zip(observations["series_id"], observations["value"], strict=True)]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def test_the_market_is_the_one_that_was_frozen(market: Market) -> None:
    assert _fingerprint(market) == FINGERPRINT


def test_another_seed_is_another_market(universe: Universe, sessions: pd.DatetimeIndex, market: Market) -> None:
    other = _fetch(DemoSource(universe, sessions, seed=1))
    assert not np.allclose(_close(other, "equity", "SPX"), _close(market, "equity", "SPX"))


def test_building_everything_is_quick(universe: Universe, sessions: pd.DatetimeIndex) -> None:
    started = time.process_time()
    _fetch(DemoSource(universe, sessions))
    assert time.process_time() - started < 3.0  # half a second on a usual machine


def test_one_instrument_does_not_depend_on_another(
    universe: Universe, sessions: pd.DatetimeIndex, market: Market
) -> None:
    fewer = universe.model_copy(update={"instruments": tuple(i for i in universe.instruments if i.id != "QQQ")})
    rest = _fetch(DemoSource(fewer, sessions))
    assert "QQQ" not in rest["equity"]
    pd.testing.assert_frame_equal(_equity(rest, "XBI"), _equity(market, "XBI"))


# --- shape ------------------------------------------------------------------------------------------------------


def test_it_is_a_source_that_says_synthetic(source: Source, market: Market) -> None:
    assert (source.name, source.is_synthetic, source.has_clock) == ("demo", True, False)
    assert {d.origin for by_id in market.values() for d in by_id.values()} == {ORIGIN} == {"synthetic"}
    assert all(d.failure is None and not d.unparsed for by_id in market.values() for d in by_id.values())


def test_size_and_span(market: Market, sessions: pd.DatetimeIndex) -> None:
    assert len(market["equity"]) + len(market["crypto"]) >= 60
    expected = sessions[(sessions >= pd.Timestamp(FIRST_DAY)) & (sessions <= pd.Timestamp(LAST_DAY))]
    for id_ in market["equity"]:
        if id_ != "groups":
            assert pd.DatetimeIndex(_equity(market, id_)["session_date"]).equals(expected), id_
    for id_ in market["crypto"]:
        days = _days(_close(market, "crypto", id_))
        assert days.equals(pd.date_range(days[0], days[-1])), id_


@pytest.mark.parametrize("contract", RAW_TABLES, ids=lambda contract: contract.name)
@pytest.mark.parametrize("state", ["market", "market_after_split"])
def test_contracts_hold(contract: Table, state: str, request: pytest.FixtureRequest) -> None:
    frame = _all_of(request.getfixturevalue(state), contract.name)
    assert tuple(frame.columns) == contract.own_columns
    assert not frame.duplicated(list(contract.key)).any()
    for column in contract.columns:
        if column.name in frame:
            assert column.is_nullable or frame[column.name].notna().all(), column.name
            kind = {"varchar": "O", "date": "M", "double": "f"}[column.type]
            assert frame[column.name].dtype.kind == kind, column.name
    with duckdb.connect() as connection:
        connection.register("delivered", frame)
        for rule in contract.rules:
            guilty = connection.execute(f"select count(*) from delivered where {rule.broken_when}").fetchall()
            assert guilty == [(0,)], rule.name


def test_volumes_are_positive_and_indices_have_none(market: Market) -> None:
    for id_ in market["equity"]:
        if id_ == "groups":
            continue
        volume = _equity(market, id_)["volume"]
        assert volume.isna().all() if id_ in ("RUT", "SPX", "NDX", "IXIC", "DJI", "VIX") else (volume > 0).all(), id_
    assert (_all_of(market, "crypto_bars")["volume"] > 0).all()


def test_groups(market: Market) -> None:
    groups = market["equity"]["groups"].tables["group_members"]
    assert groups.groupby("group_id")["instrument_id"].nunique().to_dict() == {
        SMALL_CAPS: GROUP_SIZE,
        MEGA_CAPS: GROUP_SIZE,
    }
    assert set(groups["instrument_id"]) <= set(market["equity"])


def test_since_is_honoured(source: Source, market: Market) -> None:
    day = date(2025, 6, 2)
    equities = {d.id: d for d in source.fetch(FetchRequest("equity", {"IWM": day}))}
    bars, actions = equities["IWM"].tables["equity_bars"], equities["IWM"].tables["equity_actions"]
    assert bars["session_date"].iloc[0] == pd.Timestamp(day)
    assert (actions["ex_date"] >= pd.Timestamp(day)).all()
    assert len(actions) == 3
    assert len(equities["SPY"].tables["equity_bars"]) == len(_equity(market, "SPY"))


def test_what_a_reader_changes_stays_with_the_reader(source: Source) -> None:
    bars = next(source.fetch(FetchRequest("equity"))).tables["equity_bars"]
    bars["close"] = 0.0
    assert (next(source.fetch(FetchRequest("equity"))).tables["equity_bars"]["close"] > 0).all()


def test_a_calendar_that_is_too_short_is_rejected(universe: Universe, sessions: pd.DatetimeIndex) -> None:
    with pytest.raises(SourceError, match="needs the equity sessions from 2010-01-04 to 2025-12-31"):
        list(DemoSource(universe, sessions[:100]).fetch(FetchRequest("macro")))


# --- breakouts, by the definition, session by session -----------------------------------------------------------


def _naive_breakouts(bars: pd.DataFrame) -> list[PlantedBreakout]:
    days = [day.date() for day in bars["session_date"]]
    closes, lows = bars["close"].tolist(), bars["low"].tolist()
    found = []
    for t in range(252, len(closes)):
        level = max(closes[: t - 252 + 1])
        if closes[t] > level and max(closes[t - 251 : t]) <= level:
            found.append(_naive_life(days, closes, lows, t, level))
    return found


def _naive_life(days: list[date], closes: list[float], lows: list[float], t: int, level: float) -> PlantedBreakout:
    window = range(t + 1, min(t + 20, len(closes) - 1) + 1)
    above = [s for s in window if s <= t + 10 and closes[s] > level]
    below = [s for s in window if closes[s] < level * 0.98]
    touches = [s for s in window if lows[s] <= level * 1.01]
    back = [s for s in window if touches and s > touches[0] and closes[s] > level]
    states = {
        "confirmed": above[2] if len(above) >= 3 else None,
        "failed": below[0] if below else None,
        "retested": back[0] if back else None,
        "holding": t + 20 if not below and t + 20 < len(closes) else None,
    }
    decided = {state: s for state, s in states.items() if s is not None}
    assert len(set(decided.values())) == len(decided), "two states decided by one close: the last one is not defined"
    dates = {state: None if s is None else days[s] for state, s in states.items()}
    return PlantedBreakout(days[t], **dates, status=max(decided, key=lambda state: decided[state]))


def test_the_breakouts_are_those_of_the_key(market: Market) -> None:
    assert tuple(_naive_breakouts(_equity(market, "RUT"))) == ANSWERS.breakouts


def test_the_key_has_a_false_breakout_and_confirmed_ones() -> None:
    false = next(b for b in ANSWERS.breakouts if b.session_date == ANSWERS.false_breakout)
    assert (false.confirmed, false.status) == (None, "failed")
    assert 4 <= len(ANSWERS.breakouts) <= 6
    assert sum(b.confirmed is not None for b in ANSWERS.breakouts) >= 2


def test_no_breakout_hangs_on_a_rounding(market: Market) -> None:
    """A hundredth of a point more or less on any close leaves every event where it is."""
    bars = _equity(market, "RUT")
    for step in (-0.01, 0.01):
        moved = bars.assign(close=bars["close"] + step * (-1.0) ** np.arange(len(bars)))
        assert tuple(_naive_breakouts(moved)) == ANSWERS.breakouts


# --- lead, co-movement, tracking --------------------------------------------------------------------------------


def test_small_caps_lead_crypto_by_the_planted_lag(market: Market) -> None:
    lead = ANSWERS.lead
    numerator, denominator = (_log_return(_close(market, "equity", id_)) for id_ in lead.signal)
    signal = numerator - denominator
    target = _log_return(_close(market, "crypto", lead.target).reindex(signal.index))
    correlations = {lag: target.corr(signal.shift(lag)) for lag in range(1, 64)}
    best = max(correlations, key=lambda lag: correlations[lag])
    assert best == lead.lag_sessions
    assert correlations[best] == pytest.approx(lead.correlation, abs=lead.tolerance)
    others = [abs(value) for lag, value in correlations.items() if lag != best]
    assert max(others) < 0.1


def test_crypto_moves_with_equities_on_the_day_and_not_a_day_later(market: Market) -> None:
    spx = _log_return(_close(market, "equity", "SPX"))
    btc = _log_return(_close(market, "crypto", "BTC").reindex(spx.index))
    assert btc.corr(spx) > 0.2
    assert abs(btc.corr(spx.shift(1))) < 0.1


@pytest.mark.parametrize(("fund", "index"), [("IWM", "RUT"), ("SPY", "SPX"), ("QQQ", "NDX"), ("DIA", "DJI")])
def test_funds_track_their_index(market: Market, fund: str, index: str) -> None:
    fund_return, index_return = (_log_return(_close(market, "equity", id_)) for id_ in (fund, index))
    assert fund_return.corr(index_return) > 0.99


@pytest.mark.parametrize(("fund", "per_year"), [("IWM", 4), ("SPY", 4), ("EEM", 2), ("HYG", 12), ("TLT", 12)])
def test_the_close_falls_by_the_dividend(market: Market, fund: str, per_year: int) -> None:
    bars = _equity(market, fund).set_index("session_date")
    dividends = _equity(market, fund, "equity_actions").query("kind == 'dividend'").set_index("ex_date")["value"]
    assert len(dividends) == 16 * per_year
    price_return = bars["close"].pct_change().loc[dividends.index]
    with_dividend = price_return + dividends / bars["close"].shift().loc[dividends.index]
    # Over all ex-dates the gap is the dividend: without it returns there would be lower than anywhere else.
    usual = bars["close"].pct_change().drop(dividends.index).dropna()
    assert abs(with_dividend.mean() - usual.mean()) < 3 * usual.std() / np.sqrt(len(dividends))
    assert (dividends > 0).all()


def test_a_dividend_is_the_gap_to_the_index(market: Market) -> None:
    bars = _equity(market, "IWM").set_index("session_date")["close"]
    rut = _close(market, "equity", "RUT")
    dividends = _equity(market, "IWM", "equity_actions").set_index("ex_date")["value"]
    gap = (rut / rut.shift() - bars / bars.shift()).loc[dividends.index]
    yielded = (dividends / bars.shift().loc[dividends.index]).mean()
    assert gap.mean() == pytest.approx(yielded, abs=2e-4)


def test_volatilities_are_those_of_a_market(market: Market) -> None:
    for id_ in ("RUT", "SPX", "NDX"):
        assert 0.15 < _log_return(_close(market, "equity", id_)).std() * np.sqrt(252) < 0.20, id_
    for id_ in ("BTC", "ETH"):
        assert 0.60 < _log_return(_close(market, "crypto", id_)).std() * np.sqrt(365) < 0.90, id_
    spx = _close(market, "equity", "SPX")
    assert (spx / spx.cummax() - 1).loc["2020"].min() < -0.25  # the crash
    vix = _close(market, "equity", "VIX")
    assert vix.loc["2020"].max() == vix.max()


# --- coins ------------------------------------------------------------------------------------------------------


def test_the_dead_coin_and_the_late_one(market: Market) -> None:
    coins = {id_: _close(market, "crypto", id_).index for id_ in market["crypto"]}
    died, last_bar = ANSWERS.died
    assert {id_ for id_, days in coins.items() if days[-1] < pd.Timestamp(LAST_DAY)} == {died}
    assert coins[died][-1].date() == last_bar
    late, first_bar = ANSWERS.listed_last
    assert max(coins, key=lambda id_: coins[id_][0]) == late
    assert coins[late][0].date() == first_bar


def test_the_universe_gets_the_last_day_of_the_dead_coin(universe: Universe) -> None:
    died, last_bar = ANSWERS.died
    known = {i.id: i for i in synthetic_universe(universe).instruments}
    assert known[died].valid_to == last_bar
    assert known[died].valid_to_reason is not None
    assert {id_ for id_, i in known.items() if i.valid_to} - {i.id for i in universe.instruments if i.valid_to} == {
        died
    }


def test_ten_altcoins_from_the_sixth_year_on(market: Market) -> None:
    alive = [
        id_
        for id_ in market["crypto"]
        if id_ not in ("BTC", "ETH") and _close(market, "crypto", id_).index[0] < pd.Timestamp("2016-01-01")
    ]
    assert len(alive) >= 10


def test_reconstructed_days_know_only_the_close(market: Market, universe: Universe) -> None:
    start = next(i.reconstructed_before for i in universe.instruments if i.id == "BTC")
    assert start is not None
    bars = market["crypto"]["BTC"].tables["crypto_bars"].set_index("session_date")
    is_reconstructed = bars.index < pd.Timestamp(start)
    assert bars.loc[is_reconstructed, ["open", "high", "low"]].isna().all(axis=None)
    assert bars.loc[~is_reconstructed, ["open", "high", "low"]].notna().all(axis=None)
    assert bars["close"].notna().all()


def test_market_caps_come_for_most_coins(market: Market) -> None:
    with_cap = [id_ for id_, d in market["crypto"].items() if "crypto_market_caps" in d.tables]
    assert {"BTC", "ETH"} < set(with_cap) < set(market["crypto"])


# --- macro ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "weekday"),
    [("WALCL", 2), ("WTREGEN", 2), ("WRESBAL", 2), ("NFCI", 4), ("ICSA", 5)],
)
def test_weekly_series_know_their_weekday(market: Market, id_: str, weekday: int) -> None:
    days = _days(_series(market, id_))
    assert set(days.day_of_week) == {weekday}
    assert set(np.diff(days.to_numpy()).astype("timedelta64[D]").astype(int)) == {7}


def test_other_rhythms(market: Market, sessions: pd.DatetimeIndex) -> None:
    for id_ in ("M2SL", "CPIAUCSL", "UNRATE"):
        assert set(_days(_series(market, id_)).day) == {1}, id_
    daily = _series(market, "DFF").index
    assert list(daily) == list(pd.date_range(daily[0], daily[-1]))
    for id_ in ("DGS10", "EFFR", "RRPONTSYD", "BAMLH0A0HYM2"):
        days = _series(market, id_).index
        missing = sessions[(sessions >= days[0]) & (sessions <= days[-1])].difference(days)
        assert days.isin(sessions).all(), id_
        assert 20 < len(missing) < 80, id_  # bond holidays and a few holes
    assert pd.Timestamp("2024-11-11") not in _series(market, "DGS10").index


def test_net_liquidity_is_positive_and_turns(market: Market) -> None:
    assets = _series(market, "WALCL")
    reverse_repo = _series(market, "RRPONTSYD").reindex(assets.index, method="ffill")
    net = assets - _series(market, "WTREGEN") - 1000 * reverse_repo
    assert net.between(1e6, 1e7).all()  # USD millions: one to ten trillion
    assert 0.2 < (net.diff(13) < 0).mean() < 0.8
    assert (reverse_repo >= 0).all()
    assert reverse_repo.max() < 5_000  # USD billions


def test_yields_and_their_difference(market: Market) -> None:
    two, ten, slope = (_series(market, id_) for id_ in ("DGS2", "DGS10", "T10Y2Y"))
    both = ten.index.intersection(two.index).intersection(slope.index)
    assert np.allclose(slope[both], ten[both] - two[both], atol=0.006)
    for id_, low, high in (
        ("DFF", 0, 6),
        ("DGS10", 0, 6),
        ("BAMLH0A0HYM2", 2, 12),
        ("VIXCLS", 9, 80),
        ("UNRATE", 3, 16),
    ):
        assert _series(market, id_).between(low, high).all(), id_


def test_nothing_is_delivered_before_it_was_public(market: Market) -> None:
    """The balance sheet of Wednesday, the last day, comes out on the day after."""
    assert _series(market, "WALCL").index[-1] == pd.Timestamp("2025-12-24")
    assert _series(market, "NFCI").index[-1] == pd.Timestamp("2025-12-26")
    assert _series(market, "CPIAUCSL").index[-1] == pd.Timestamp("2025-11-01")


# --- the split that restates history ----------------------------------------------------------------------------


def test_the_split_divides_the_whole_history(market: Market, market_after_split: Market) -> None:
    split = ANSWERS.restated_split
    before, after = (_equity(m, split.instrument_id) for m in (market, market_after_split))
    restated = after.head(len(before))
    for price in ("open", "high", "low", "close"):
        np.testing.assert_allclose(restated[price] * split.ratio, before[price], rtol=1e-12)
    np.testing.assert_allclose(restated["volume"], before["volume"] * split.ratio, rtol=1e-12)
    assert after["session_date"].iloc[len(before)].date() == split.ex_date
    assert after["session_date"].iloc[-1].date() == LAST_DAY_AFTER_SPLIT
    # No jump where the split happened: new sessions are in new shares as well.
    assert _log_return(after["close"]).tail(10).abs().max() < 0.15


def test_the_split_is_delivered_and_dividends_are_restated(market: Market, market_after_split: Market) -> None:
    split = ANSWERS.restated_split
    before, after = (_equity(m, split.instrument_id, "equity_actions") for m in (market, market_after_split))
    assert set(before["kind"]) == {"dividend"}
    assert _splits(after) == [(split.ex_date, split.ratio)]
    dividends = after[after["kind"] == "dividend"]["value"]
    np.testing.assert_allclose(dividends * split.ratio, before["value"], rtol=1e-12)


def test_everything_else_is_only_continued(market: Market, market_after_split: Market) -> None:
    for asset_class, deliveries in market.items():
        for id_, delivery in deliveries.items():
            if id_ == ANSWERS.restated_split.instrument_id:
                continue
            for table, frame in delivery.tables.items():
                later = market_after_split[asset_class][id_].tables[table]
                pd.testing.assert_frame_equal(later.head(len(frame)), frame, check_exact=True)


def test_the_old_split_is_adjusted_for(market: Market) -> None:
    split = ANSWERS.old_split
    assert _splits(_equity(market, split.instrument_id, "equity_actions")) == [(split.ex_date, split.ratio)]
    jump = _log_return(_close(market, "equity", split.instrument_id)).loc[pd.Timestamp(split.ex_date)]
    assert abs(jump) < 0.1
