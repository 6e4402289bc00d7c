"""The universe and parameter files: the entries are consistent, and an invalid entry is rejected by its name."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from assets.config.parameters import ParametersError, load_parameters
from assets.config.universe import SIGNAL_KINDS, UNIVERSE_FILE, Signal, UniverseError, load_universe

Entries = dict[str, list[dict[str, object]]]


def changed(tmp_path: Path, change: object) -> Path:
    """A copy of the universe file, changed by the function `change`."""
    entries = yaml.safe_load(UNIVERSE_FILE.read_text(encoding="utf-8"))
    change(entries)  # type: ignore[operator]
    path = tmp_path / "universe.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return path


def test_the_universe_holds_what_the_questions_need() -> None:
    universe = load_universe()
    assert {"RUT", "IWM", "SPX", "SPY", "BTC", "ETH"} <= {i.id for i in universe.instruments}
    assert {"RUT/SPX", "IWM/SPY", "ETH/BTC", "BTC/SPX"} <= {p.id for p in universe.pairs}
    assert {"BTC", "ETH", "SOL"} <= set(universe.target_ids)
    assert {i.id for i in universe.instruments if i.is_required} == {"RUT", "SPX", "BTC"}


def test_every_kind_of_signal_has_words() -> None:
    assert tuple(SIGNAL_KINDS) == get_args(Signal.model_fields["kind"].annotation)


def test_the_primary_family_is_the_one_that_was_fixed_in_advance() -> None:
    family = load_universe().primary_family
    assert set(family.signals) == {
        "RUT:all_time_high:decided",
        "RUT:all_time_high:confirmed",
        "RUT:year_high:decided",
        "RUT:year_high:confirmed",
        "RUT/SPX:year_high:decided",
        "small_caps:turn_on:decided",
    }
    assert (family.targets, family.horizons_days) == (("BTC", "ETH", "ALTS"), (30, 60, 90))


def test_coins_that_share_a_ticker_are_told_apart() -> None:
    symbols = {i.id: i.yahoo for i in load_universe().instruments}
    assert symbols["UNI"] == "UNI7083-USD"
    assert symbols["SUI"] == "SUI20947-USD"


def break_key(entries: Entries) -> None:
    entries["instruments"][0]["colour"] = "red"


def break_twice(entries: Entries) -> None:
    entries["instruments"].append(dict(entries["instruments"][0]))


def break_proxy(entries: Entries) -> None:
    entries["instruments"][0]["volume_proxy"] = "UNKNOWN"


def break_leg(entries: Entries) -> None:
    entries["pairs"][0]["denominator"] = "UNKNOWN"


def break_signal(entries: Entries) -> None:
    entries["signals"][0]["subject"] = "UNKNOWN"


def break_turn_on(entries: Entries) -> None:
    entries["signals"].append({"subject": "nobodies", "kind": "turn_on", "trigger": "decided"})


def break_turn_on_trigger(entries: Entries) -> None:
    entries["signals"].append({"subject": "funding", "kind": "turn_on", "trigger": "confirmed"})


def break_family(entries: Entries) -> None:
    entries["primary_family"] = {"signals": ["RUT:year_high:decided"], "targets": ["UNKNOWN"], "horizons_days": [31]}  # type: ignore[assignment]


def break_stage(entries: Entries) -> None:
    entries["stages"][1]["ingredients"] = [{"subject": "UNKNOWN", "measure": "price_above_mean"}]


def break_death(entries: Entries) -> None:
    entries["instruments"][0]["valid_to"] = "2020-01-01"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (break_key, "colour"),
        (break_twice, "duplicate instrument RUT"),
        (break_proxy, "volume_proxy of RUT: unknown instrument UNKNOWN"),
        (break_leg, "denominator of RUT/SPX: unknown instrument UNKNOWN"),
        (break_signal, "unknown instrument or pair UNKNOWN"),
        (break_turn_on, "signal nobodies:turn_on:decided: unknown stage nobodies"),
        (break_turn_on_trigger, "signal funding:turn_on:confirmed: only breakouts are confirmed"),
        (break_family, "primary_family: unknown 31, UNKNOWN"),
        (break_stage, "stage equities: price_above_mean needs an instrument of this file; UNKNOWN is not one"),
        (break_death, "valid_to and valid_to_reason belong together"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(tmp_path: Path, change: object, message: str) -> None:
    with pytest.raises(UniverseError, match=message):
        load_universe(changed(tmp_path, change))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UniverseError, match="cannot be read"):
        load_universe(tmp_path / "nothing.yaml")


def test_every_parameter_has_a_reason() -> None:
    for name, parameter in load_parameters().items():
        assert len(parameter.reason) > 5, name


def test_a_parameter_without_a_reason_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text("equity_year: {value: 252, unit: sessions}\n", encoding="utf-8")
    with pytest.raises(ParametersError, match="equity_year"):
        load_parameters(path)
