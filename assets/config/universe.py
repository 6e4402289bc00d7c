"""The universe file, read and checked: instruments, pairs, signals, targets, stages, breadth, macro series.

Here: what an entry may say and what each key means. What the entries *are* stands in universe.yaml; what is done with
them stands in the SQL models, which read the reference tables made from this. Groups of shares come with the source.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from assets.config.yaml_files import Entry, read_entries

UNIVERSE_FILE = Path(__file__).with_name("universe.yaml")


class UniverseError(Exception):
    """The universe file does not fit. The message names the entry and what is wrong with it."""


class SymbolSpan(Entry):
    """The name a vendor knows an instrument by, from and to the days (inclusive) that it was known by it."""

    symbol: str
    valid_from: date | None = None
    valid_to: date | None = None


class Instrument(Entry):
    """Something with a daily price."""

    id: str
    name: str
    asset_class: Literal["equity", "crypto"]
    # An index pays nothing, so its total return is unknown; a coin pays nothing, so its price is its total return.
    # A basket is no vendor's: its level is worked out from its members.
    kind: Literal["index", "fund", "share", "coin", "basket"]
    role: str
    currency: str = "USD"
    # Yahoo's symbol; a list of spans where the vendor renamed it; null where Yahoo does not have it.
    yahoo: str | tuple[SymbolSpan, ...] | None = None
    # Whose volume stands for this instrument's (an index has no volume of its own worth the name).
    volume_proxy: str | None = None
    # The index a fund follows, whose longer history tells whether the fund's own peak is the real one.
    tracks: str | None = None
    # What signals look at: the price, or the total return where the price alone misleads.
    price_basis: Literal["price", "total_return"] = "price"
    # Without it nothing makes sense: a run that loses it publishes nothing.
    is_required: bool = False
    # Bars before this day are reconstructions (close only); primary evidence leaves them out.
    reconstructed_before: date | None = None
    # The last day it traded, and why, for what died.
    valid_to: date | None = None
    valid_to_reason: str | None = None

    @property
    def calendar(self) -> str:
        """The calendar that its sessions follow."""
        return "CRYPTO" if self.asset_class == "crypto" else "XNYS"

    @property
    def yahoo_spans(self) -> tuple[SymbolSpan, ...]:
        """Yahoo's names for it, oldest first; empty where Yahoo does not have it."""
        if self.yahoo is None:
            return ()
        if isinstance(self.yahoo, str):
            return (SymbolSpan(symbol=self.yahoo),)
        return self.yahoo

    @model_validator(mode="after")
    def _death_has_a_reason(self) -> Instrument:
        if (self.valid_to is None) != (self.valid_to_reason is None):
            raise ValueError("valid_to and valid_to_reason come together")
        return self


class Pair(Entry):
    """A ratio of two instruments."""

    id: str
    numerator: str
    denominator: str


class PairOfEach(Entry):
    """A ratio of each instrument that has a role against one instrument."""

    each: str
    against: str


class Signal(Entry):
    """A kind of event whose aftermath is measured, and the fact that starts the clock."""

    # An instrument or pair that breaks out, or a stage of the cascade that turns on.
    subject: str
    kind: Literal["all_time_high", "year_high", "turn_on"]
    # Only breakouts are confirmed; a turn-on is decided by the close that shows it.
    trigger: Literal["decided", "confirmed"]

    @property
    def id(self) -> str:
        return f"{self.subject}:{self.kind}:{self.trigger}"


class Targets(Entry):
    """What the aftermath is measured on."""

    instruments: tuple[str, ...]
    roles: tuple[str, ...] = ()
    # Levels that nobody can buy: their response is how far they moved, not a return.
    indices: tuple[Literal["ALTSEASON"], ...] = ()
    # Calendar days from the entry at which the outcome is read.
    horizons_days: tuple[int, ...]


class PrimaryFamily(Entry):
    """The questions that evidence is judged by, each signal on each target at each horizon."""

    signals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    horizons_days: tuple[int, ...] = ()


class LaggedSeries(Entry):
    """What the lead-lag tables compare: every signal with every target, either way round."""

    # Instruments, pairs, macro series, net_liquidity, or ALTSEASON for the altseason index.
    signals: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class Ingredient(Entry):
    """Something that says yes or no to whether money has reached a stage of the cascade."""

    # An instrument, pair or series; net_liquidity; altcoins; or a group of shares, which comes with the source.
    subject: str
    # What is asked of it; intermediate.ingredient_values answers.
    measure: Literal[
        "rises",  # net liquidity over 91 days
        "below_mean",  # a spread, below its trailing mean
        "near_policy_rate",  # a money-market rate, not far above the effective federal funds rate
        "below_zero",  # an index of financial conditions: looser than usual
        "price_above_mean",  # an instrument, above its long mean
        "mean_above_mean",  # an instrument, short mean above long mean
        "ratio_above_mean",  # a pair, above its Mansfield mean
        "ratio_rises",  # a pair, over a quarter
        "half_above_mean",  # a group: at least half of its members above their long mean
        "half_beat_bitcoin",  # the altcoins: at least half ahead of Bitcoin over 90 days
    ]

    @property
    def id(self) -> str:
        return f"{self.subject}:{self.measure}"


class Stage(Entry):
    """A stage of the cascade; its place in the list is its place in the order."""

    name: str
    ingredients: tuple[Ingredient, ...]


class Breadth(Entry):
    """Whose breadth tells how broad a move is of what has one of the roles: of the first group that there is."""

    roles: tuple[str, ...]
    groups: tuple[str, ...]


class Series(Entry):
    """A macro series."""

    id: str
    name: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly"]
    # When a value becomes public; grammar in calendars.ReleaseRule.
    release: str
    # Calendar days from one observation date after which a newer one should be there.
    stale_after_days: int = Field(gt=0)
    # Every release revises the whole history, so only captured vintages may feed a score.
    is_restated: bool = False
    # FRED's name for it, where it differs from the id; null where FRED does not have it.
    fred: str | None = ""

    @property
    def fred_id(self) -> str | None:
        return self.id if self.fred == "" else self.fred


class Universe(Entry):
    """All entries, with every name that one entry uses for another resolved."""

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
        """Every target, those named first, then those that have a target role, in file order, then the indices."""
        by_role = (i.id for i in self.instruments if i.role in self.targets.roles)
        return tuple(dict.fromkeys((*self.targets.instruments, *by_role, *self.targets.indices)))

    @model_validator(mode="after")
    def _names_resolve(self) -> Universe:
        instruments = {i.id for i in self.instruments}
        pairs = {p.id for p in self.pairs}
        for what, ids in (
            ("instrument", [i.id for i in self.instruments]),
            ("pair", [p.id for p in self.pairs]),
            ("signal", [s.id for s in self.signals]),
            ("series", [s.id for s in self.series]),
            ("stage", [s.name for s in self.stages]),
            ("ingredient", [f"{s.name}:{i.id}" for s in self.stages for i in s.ingredients]),
        ):
            twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} is there twice")
        wanted = {
            **{f"volume_proxy of {i.id}": i.volume_proxy for i in self.instruments if i.volume_proxy},
            **{f"tracks of {i.id}": i.tracks for i in self.instruments if i.tracks},
            **{f"numerator of {p.id}": p.numerator for p in self.pairs},
            **{f"denominator of {p.id}": p.denominator for p in self.pairs},
            **{f"target {name}": name for name in self.targets.instruments},
        }
        for where, name in wanted.items():
            if name not in instruments:
                raise ValueError(f"{where}: there is no instrument {name}")
        series = {s.id for s in self.series}
        for id_ in (*self.lead_lag.signals, *self.lead_lag.targets):
            if id_ not in instruments | pairs | series | {"net_liquidity", "ALTSEASON"}:
                raise ValueError(f"lead_lag: there is nothing named {id_}")
        subjects_of = {
            "price_above_mean": instruments,
            "mean_above_mean": instruments,
            "ratio_above_mean": pairs,
            "ratio_rises": pairs,
            "below_mean": series,
            "near_policy_rate": series,
            "below_zero": series,
        }
        for stage in self.stages:
            for ingredient in stage.ingredients:
                if ingredient.subject not in subjects_of.get(ingredient.measure, {ingredient.subject}):
                    raise ValueError(
                        f"stage {stage.name}: {ingredient.measure} cannot be asked of {ingredient.subject}"
                    )
        stages = {stage.name for stage in self.stages}
        for signal in self.signals:
            if signal.kind == "turn_on":
                if signal.subject not in stages:
                    raise ValueError(f"signal {signal.id}: there is no stage {signal.subject}")
                if signal.trigger != "decided":
                    raise ValueError(f"signal {signal.id}: a turn-on is decided, never confirmed")
            elif signal.subject not in instruments | pairs:
                raise ValueError(f"signal {signal.id}: there is no instrument or pair {signal.subject}")
        family = self.primary_family
        unknown = {
            *(set(family.signals) - {signal.id for signal in self.signals}),
            *(set(family.targets) - set(self.target_ids)),
            *(str(days) for days in set(family.horizons_days) - set(self.targets.horizons_days)),
        }
        if unknown:
            raise ValueError(f"primary family: there is no {', '.join(sorted(unknown))}")
        return self


def load_universe(path: Path = UNIVERSE_FILE) -> Universe:
    """Read the universe file.

    Raises UniverseError, naming each entry that does not fit and why.
    """
    return read_entries(path, Universe, UniverseError)
