"""Reads and checks universe.yaml: instruments, pairs, signals, targets, stages, breadth groups, macro series.

Here: the type of each entry, the meaning of each key, and the checks. Not here: the entries (universe.yaml), what they
are used for (the SQL models, which read reference tables made from them) and groups of shares (the source has them).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from assets.config.yaml_files import Entry, read_entries

UNIVERSE_FILE = Path(__file__).with_name("universe.yaml")


class UniverseError(Exception):
    """universe.yaml is invalid. The message names the entry and what is wrong with it."""


class SymbolSpan(Entry):
    """A vendor's symbol for an instrument, with the first and the last day on which the vendor used it (inclusive)."""

    symbol: str
    valid_from: date | None = None
    valid_to: date | None = None


class Instrument(Entry):
    """Something with a daily price."""

    id: str
    name: str
    asset_class: Literal["equity", "crypto"]
    # An index is without dividends, so its total return is unknown. A coin pays no dividends, so its price is its total
    # return. The level of a basket is computed from its members; no vendor has it.
    kind: Literal["index", "fund", "share", "coin", "basket"]
    role: str
    currency: str = "USD"
    # Yahoo's symbol; a list of spans if Yahoo renamed it; null if Yahoo does not have it.
    yahoo: str | tuple[SymbolSpan, ...] | None = None
    # The instrument whose volume is used instead, as the volume of an index is not meaningful.
    volume_proxy: str | None = None
    # The index that a fund follows. Its longer history shows whether the fund's own peak is the real one.
    tracks: str | None = None
    # The series that signals are computed from: the price, or the total return if the price alone misleads.
    price_basis: Literal["price", "total_return"] = "price"
    # A run that gets no data for it publishes nothing.
    is_required: bool = False
    # Bars before this day are reconstructions (close only). The primary family leaves them out.
    reconstructed_before: date | None = None
    # The last day on which it traded, and why it ended.
    valid_to: date | None = None
    valid_to_reason: str | None = None

    @property
    def calendar(self) -> str:
        """The calendar that its sessions follow."""
        return "CRYPTO" if self.asset_class == "crypto" else "XNYS"

    @property
    def yahoo_spans(self) -> tuple[SymbolSpan, ...]:
        """Yahoo's symbols for it, oldest first; empty if Yahoo does not have it."""
        if self.yahoo is None:
            return ()
        if isinstance(self.yahoo, str):
            return (SymbolSpan(symbol=self.yahoo),)
        return self.yahoo

    @model_validator(mode="after")
    def _death_has_a_reason(self) -> Instrument:
        if (self.valid_to is None) != (self.valid_to_reason is None):
            raise ValueError("valid_to and valid_to_reason belong together; set both or neither")
        return self


class Pair(Entry):
    """A ratio of two instruments."""

    id: str
    numerator: str
    denominator: str


class PairOfEach(Entry):
    """The ratios of every instrument with the role `each` against one instrument."""

    each: str
    against: str


# The kinds of signals, as people write them.
SIGNAL_KINDS = {"all_time_high": "all-time high", "year_high": "year high", "turn_on": "stage on"}


class Signal(Entry):
    """A kind of event, and what starts the clock after which the targets are measured."""

    # The instrument or pair that breaks out, or the stage that turns on.
    subject: str
    kind: Literal["all_time_high", "year_high", "turn_on"]
    # Only breakouts can be confirmed; a turn-on is decided by the close that shows it.
    trigger: Literal["decided", "confirmed"]

    @property
    def id(self) -> str:
        return f"{self.subject}:{self.kind}:{self.trigger}"


class Targets(Entry):
    """What is measured after each signal."""

    instruments: tuple[str, ...]
    roles: tuple[str, ...] = ()
    # Levels that cannot be bought. Their response is the change of the level, not a return.
    indices: tuple[Literal["ALTSEASON"], ...] = ()
    # Calendar days from the entry to the exit.
    horizons_days: tuple[int, ...]


class PrimaryFamily(Entry):
    """The questions fixed in advance: each signal on each target at each horizon."""

    signals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    horizons_days: tuple[int, ...] = ()


class LaggedSeries(Entry):
    """What the lead-lag tables compare: every signal with every target, in both directions."""

    # Instruments, pairs, macro series, net_liquidity, or ALTSEASON for the altseason index.
    signals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class Ingredient(Entry):
    """A yes-or-no sign that money has reached a stage of the cascade."""

    # An instrument, pair or series; net_liquidity; altcoins; or a group of shares that the source has.
    subject: str
    # The test of the subject, computed in intermediate.ingredient_values. parameters.yaml has the windows.
    measure: Literal[
        "rises",  # net liquidity, over a quarter
        "below_mean",  # a spread, below its trailing mean
        "near_policy_rate",  # a money-market rate, not far above the effective federal funds rate
        "below_zero",  # an index of financial conditions: looser than average
        "price_above_mean",  # an instrument, above its long mean
        "mean_above_mean",  # an instrument, short mean above long mean
        "ratio_above_mean",  # a pair, above its Mansfield mean
        "ratio_rises",  # a pair, over a quarter
        "half_above_mean",  # a group: at least half of its members above their long mean
        "half_beat_bitcoin",  # the altcoins: at least half ahead of Bitcoin
    ]

    @property
    def id(self) -> str:
        return f"{self.subject}:{self.measure}"


class Stage(Entry):
    """A stage of the cascade. The order in the file is the order of the stages."""

    name: str
    ingredients: tuple[Ingredient, ...]


class Breadth(Entry):
    """The groups whose breadth describes a move of instruments with these roles. The first group with data is used."""

    roles: tuple[str, ...]
    groups: tuple[str, ...]


class Series(Entry):
    """A macro series."""

    id: str
    name: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly"]
    # When a value becomes public; calendars.ReleaseRule has the grammar.
    release: str
    # Calendar days after an observation date by which a newer observation should be available.
    stale_after_days: int = Field(gt=0)
    # Every release revises the whole history, so a score uses only vintages that Cascade captured.
    is_restated: bool = False
    # FRED's name for it, if it is not the id; null if FRED does not have it.
    fred: str | None = ""

    @property
    def fred_id(self) -> str | None:
        return self.id if self.fred == "" else self.fred


class Universe(Entry):
    """All entries. Every name that an entry refers to exists."""

    instruments: tuple[Instrument, ...]
    pairs_as_written: tuple[Pair | PairOfEach, ...] = Field(alias="pairs")
    signals: tuple[Signal, ...]
    targets: Targets
    primary_family: PrimaryFamily = PrimaryFamily()
    lead_lag: LaggedSeries = LaggedSeries()
    stages: tuple[Stage, ...] = ()
    breadth: tuple[Breadth, ...] = ()
    series: tuple[Series, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every ratio, in file order."""
        return tuple(pair for entry in self.pairs_as_written for pair in self._pairs_of(entry))

    def _pairs_of(self, entry: Pair | PairOfEach) -> list[Pair]:
        if isinstance(entry, Pair):
            return [entry]
        return [
            Pair(id=f"{i.id}/{entry.against}", numerator=i.id, denominator=entry.against)
            for i in self.instruments
            if i.role == entry.each
        ]

    @property
    def target_ids(self) -> tuple[str, ...]:
        """Every target: those named, then those with a target role in file order, then the indices."""
        by_role = (i.id for i in self.instruments if i.role in self.targets.roles)
        return tuple(dict.fromkeys((*self.targets.instruments, *by_role, *self.targets.indices)))

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Universe:
        for what, ids in (
            ("instrument", [i.id for i in self.instruments]),
            ("pair", [p.id for p in self.pairs]),
            ("signal", [s.id for s in self.signals]),
            ("series", [s.id for s in self.series]),
            ("stage", [s.name for s in self.stages]),
            ("ingredient", [f"{s.name}:{i.id}" for s in self.stages for i in s.ingredients]),
        ):
            duplicates = sorted({id_ for id_ in ids if ids.count(id_) > 1})
            if duplicates:
                raise ValueError(f"duplicate {what} {', '.join(duplicates)}; keep one entry of each")
        return self

    @model_validator(mode="after")
    def _instruments_exist(self) -> Universe:
        used = {
            **{f"volume_proxy of {i.id}": i.volume_proxy for i in self.instruments if i.volume_proxy},
            **{f"tracks of {i.id}": i.tracks for i in self.instruments if i.tracks},
            **{f"numerator of {p.id}": p.numerator for p in self.pairs},
            **{f"denominator of {p.id}": p.denominator for p in self.pairs},
            **{f"target {name}": name for name in self.targets.instruments},
        }
        for where, name in used.items():
            if name not in self._instrument_ids:
                raise ValueError(f"{where}: unknown instrument {name}; add it to instruments or correct the name")
        return self

    @model_validator(mode="after")
    def _lagged_series_exist(self) -> Universe:
        known = self._instrument_ids | self._pair_ids | self._series_ids | {"net_liquidity", "ALTSEASON"}
        for id_ in (*self.lead_lag.signals, *self.lead_lag.targets):
            if id_ not in known:
                raise ValueError(
                    f"lead_lag: unknown name {id_}; use an instrument, a pair, a series, net_liquidity or ALTSEASON"
                )
        return self

    @model_validator(mode="after")
    def _ingredients_can_be_measured(self) -> Universe:
        # The other measures are of net liquidity, the altcoins or a group, which the source may lack.
        subjects_of = {
            "price_above_mean": ("an instrument", self._instrument_ids),
            "mean_above_mean": ("an instrument", self._instrument_ids),
            "ratio_above_mean": ("a pair", self._pair_ids),
            "ratio_rises": ("a pair", self._pair_ids),
            "below_mean": ("a series", self._series_ids),
            "near_policy_rate": ("a series", self._series_ids),
            "below_zero": ("a series", self._series_ids),
        }
        for stage in self.stages:
            for ingredient in stage.ingredients:
                kind, subjects = subjects_of.get(ingredient.measure, ("", {ingredient.subject}))
                if ingredient.subject not in subjects:
                    raise ValueError(
                        f"stage {stage.name}: {ingredient.measure} needs {kind} of this file; "
                        f"{ingredient.subject} is not one"
                    )
        return self

    @model_validator(mode="after")
    def _signals_have_a_subject(self) -> Universe:
        stages = {stage.name for stage in self.stages}
        for signal in self.signals:
            if signal.kind == "turn_on":
                if signal.subject not in stages:
                    raise ValueError(f"signal {signal.id}: unknown stage {signal.subject}; add it to stages")
                if signal.trigger != "decided":
                    raise ValueError(f"signal {signal.id}: only breakouts are confirmed; write trigger: decided")
            elif signal.subject not in self._instrument_ids | self._pair_ids:
                raise ValueError(
                    f"signal {signal.id}: unknown instrument or pair {signal.subject}; add it to instruments or pairs"
                )
        return self

    @model_validator(mode="after")
    def _primary_family_exists(self) -> Universe:
        family = self.primary_family
        unknown = {
            *(set(family.signals) - {signal.id for signal in self.signals}),
            *(set(family.targets) - set(self.target_ids)),
            *(str(days) for days in set(family.horizons_days) - set(self.targets.horizons_days)),
        }
        if unknown:
            raise ValueError(
                f"primary_family: unknown {', '.join(sorted(unknown))}; "
                "use ids of signals, and targets and horizons_days of targets"
            )
        return self

    @property
    def _instrument_ids(self) -> set[str]:
        return {instrument.id for instrument in self.instruments}

    @property
    def _pair_ids(self) -> set[str]:
        return {pair.id for pair in self.pairs}

    @property
    def _series_ids(self) -> set[str]:
        return {series.id for series in self.series}


def load_universe(path: Path = UNIVERSE_FILE) -> Universe:
    """Read the universe file. Raises UniverseError, which names each invalid entry and the reason."""
    return read_entries(path, Universe, UniverseError)
