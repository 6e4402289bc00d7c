"""Folders with defects, through real runs: what is reported, what is rejected, and what is kept.

Every defect gets an instrument of its own, whose healthy bars are known, so that many of them go through one run and
each is judged by what is left of those bars. A test fails if a defect is not reported, if it costs a neighbour a row or
if it removes anything stored.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from folders import (
    BAR_HEADER,
    EQUITIES,
    SESSIONS,
    CascadeHome,
    MarketFolder,
    differences,
    healthy_home,
    market_folder,
)

from assets.sources.base import FetchRequest, SourceError
from assets.sources.files import FilesSource

# A Friday of which the defects are made, the day that their bars begin on, and days without a session.
DAY, START = "2025-03-14", "2025-02-03"
SATURDAY, HOLIDAY = "2025-03-15", "2025-07-04"

Spoil = Callable[[str], str | bytes]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> CascadeHome:
    return healthy_home(tmp_path_factory.getbasetemp())


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    return market_folder(tmp_path / "market")


@pytest.fixture
def home(healthy: CascadeHome, tmp_path: Path) -> CascadeHome:
    """A home with the healthy market in it."""
    return healthy.copy(tmp_path / "home")


# Spoiling a healthy file


def as_is(text: str) -> str:
    return text


def recent(text: str) -> str:
    """The bars from START on: enough for every defect, and quicker than the whole history."""
    header, *lines = text.splitlines()
    return "\n".join([header, *(line for line in lines if line >= START), ""])


def line_of(text: str, day: str = DAY) -> str:
    return next(line for line in text.splitlines() if line.startswith(day))


def with_line(change: Callable[[str], str]) -> Spoil:
    """The line of DAY, changed."""
    return lambda text: text.replace(line_of(text), change(line_of(text)))


def with_values(**values: str) -> Spoil:
    """Other values in the line of DAY."""

    def change(line: str) -> str:
        return ",".join({**dict(zip(BAR_HEADER.split(","), line.split(","), strict=True)), **values}.values())

    return with_line(change)


def without(*names: str) -> Spoil:
    """Some columns less."""

    def spoil(text: str) -> str:
        kept = [place for place, name in enumerate(BAR_HEADER.split(",")) if name not in names]
        return "".join(",".join(line.split(",")[place] for place in kept) + "\n" for line in text.splitlines())

    return spoil


def plus(*lines: str) -> Spoil:
    """Some lines more."""
    return lambda text: text + "".join(f"{line}\n" for line in lines)


def on(day: str) -> Spoil:
    """The bar of DAY once more, on another day."""
    return lambda text: text + line_of(text).replace(DAY, day) + "\n"


def descending(text: str) -> str:
    header, *lines = text.splitlines()
    return "\n".join([header, *reversed(lines), ""])


def each_field(change: Callable[[str], str]) -> Spoil:
    return lambda text: "".join(",".join(map(change, line.split(","))) + "\n" for line in text.splitlines())


def new_york_midnights(text: str) -> str:
    """Dates as a UTC instant: four hours after midnight in summer, five in winter."""

    def at(day: str) -> str:
        is_summer = "2024-03-10" <= day < "2024-11-03" or "2025-03-09" <= day < "2025-11-02"
        return f"{day} {'04' if is_summer else '05'}:00:00+00:00"

    header, *lines = text.splitlines()
    return "\n".join([header, *(at(line[:10]) + line[10:] for line in lines), ""])


def zipped(text: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(zipfile.ZipInfo("bars.csv"), text)
    return archive.getvalue()


def more_columns(text: str) -> str:
    header, *lines = text.splitlines()
    return "\n".join([f"{header},file,place,day,is_blank", *(f"{line},a,b,c,d" for line in lines), ""])


# What each defect comes to


@dataclass(frozen=True)
class Defect:
    """One broken file. `name` is its instrument.

    `failure`: what meta.deliveries says of it. `refused`: the reasons in meta.quarantine, each with its date and with
    what its payload must show. `lost`: the days whose bar is not there afterwards; None stands for all of them.
    """

    name: str
    spoil: Spoil
    failure: str | None = None
    refused: tuple[tuple[str | None, str, str], ...] = ()
    lost: tuple[str, ...] | None = ()


NO_CSV = "not readable as csv ("
UNREADABLE_DATE, UNREADABLE_NUMBER = "the date cannot be read", "a value is not a number"
NO_CLOSE, NO_SESSION = "no value for close or adj_close", "the date is no session of the calendar"
UNFIT = "the line does not fit the header"
WHOLE = None

WHOLE_FILES = [
    Defect("NO-DATE", without("date"), "no date column; the header reads open, high, low, close", lost=WHOLE),
    Defect("NO-CLOSE", without("close", "adj_close"), "no column close or adj_close; the header reads", lost=WHOLE),
    Defect("NOTHING", lambda _: "", "the file is empty", lost=WHOLE),
    Defect("HEADER", lambda _: BAR_HEADER + "\n", "no row in it has a value", lost=WHOLE),
    Defect("HEADER-TOO", lambda _: BAR_HEADER + "\n", "no row in it has a value", lost=WHOLE),
    Defect("RANDOM", lambda _: random.Random(0).randbytes(5000), NO_CSV, lost=WHOLE),
    Defect("ZIP", zipped, NO_CSV, lost=WHOLE),
    Defect("PNG", lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(500), NO_CSV, lost=WHOLE),
    Defect("UTF16", lambda text: text.encode("utf-16"), NO_CSV, lost=WHOLE),
    Defect("SEMICOLON", lambda text: text.replace(",", ";"), "no date column; the header reads date;open;", lost=WHOLE),
    Defect("TAB", lambda text: text.replace(",", "\t"), "no date column; the header reads date open high", lost=WHOLE),
    Defect("REPEATED", lambda text: text.replace("adj_", ""), "the header has an empty or repeated name", lost=WHOLE),
    Defect("OPEN-QUOTE", with_line(lambda line: f'"{line}'), "a quotation mark is opened and never closed", lost=WHOLE),
    Defect("MIXED-ENDS", with_line(lambda line: f"{line}\r"), "some lines end in CR LF and some in LF", lost=WHOLE),
]

ROWS = [
    Defect("BAD-DATE", with_values(date="2025-14-03"), None, ((None, UNREADABLE_DATE, "2025-14-03"),), (DAY,)),
    Defect("WORD-DATE", with_values(date="Friday"), None, ((None, UNREADABLE_DATE, "Friday"),), (DAY,)),
    Defect("EMPTY-DATE", with_values(date=""), None, ((None, UNREADABLE_DATE, '"date":null'),), (DAY,)),
    Defect("ENDLESS", plus("infinity,1,1,1,1,1,1"), None, ((None, UNREADABLE_DATE, "infinity"),)),
    Defect("YEAR-20250", plus("20250-03-14,1,1,1,1,1,1"), None, ((None, UNREADABLE_DATE, "20250-03-14"),)),
    Defect("YEAR-1", plus("0001-01-01,1,1,1,1,1,1"), None, (("0001-01-01", NO_SESSION, "1.0"),)),
    Defect("WORD", with_values(close="abc"), None, ((None, UNREADABLE_NUMBER, '"close":"abc"'),), (DAY,)),
    Defect("THOUSANDS", with_values(volume='"1,234"'), None, ((None, UNREADABLE_NUMBER, '"volume":"1,234"'),), (DAY,)),
    Defect("NAN", with_values(close="nan", adj_close="NaN"), None, ((DAY, NO_CLOSE, '"close":null'),), (DAY,)),
    Defect("ZERO", with_values(close="0"), None, ((DAY, "close is not a positive number", '"close":0.0'),), (DAY,)),
    Defect("NEGATIVE", with_values(low="-1"), None, ((DAY, "low is not a positive number", '"low":-1.0'),), (DAY,)),
    Defect("INFINITE", with_values(high="inf"), None, ((DAY, "high is not a positive number", "nf"),), (DAY,)),
    Defect("OVERFLOW", with_values(volume="1e400"), None, ((DAY, "volume is negative or infinite", "nf"),), (DAY,)),
    Defect("HIGH-UNDER-LOW", with_values(high="1"), None, ((DAY, "high is under low", '"high":1.0'),), (DAY,)),
    Defect("TWICE", on(DAY), None, ((DAY, "the same row is there more than once", DAY),)),
    Defect(
        "CONTRADICTION",
        lambda text: text + line_of(text) + "0\n",
        None,
        ((DAY, "different rows for the same key", DAY), (DAY, "different rows for the same key", DAY)),
        (DAY,),
    ),
    Defect("FUTURE", on("2099-01-05"), None, (("2099-01-05", "the date lies in the future", "2099-01-05"),)),
    Defect("WEEKEND", on(SATURDAY), None, ((SATURDAY, NO_SESSION, SATURDAY),)),
    Defect("HOLIDAY", on(HOLIDAY), None, ((HOLIDAY, NO_SESSION, HOLIDAY),)),
    Defect("MANY-FIELDS", with_line(lambda line: f"{line},9"), None, ((None, UNFIT, DAY),), (DAY,)),
    Defect("FEW-FIELDS", with_line(lambda line: line[:15]), None, ((DAY, NO_CLOSE, '"close":null'),), (DAY,)),
    Defect("STRAY-QUOTES", with_line(lambda line: line.replace(",", ',"x"y,', 1)), None, ((None, UNFIT, DAY),), (DAY,)),
    Defect("LATIN-1", lambda text: f"{text}{DAY},é,1,1,1,1,1\n".encode("latin-1"), None, ((None, UNFIT, DAY),)),
]

ODD_BUT_WHOLE = [
    Defect("BOM", lambda text: text.encode("utf-8-sig")),
    Defect("CRLF", lambda text: text.replace("\n", "\r\n")),
    Defect("CR", lambda text: text.replace("\n", "\r")),
    Defect("NO-LAST-END", lambda text: text.rstrip("\n")),
    Defect("BLANK-LINES", plus("", "")),
    Defect("DESCENDING", descending),
    Defect("UTC-DATES", new_york_midnights),
    Defect("QUOTED", each_field(lambda field: f'"{field}"')),
    Defect("SPACED", each_field(lambda field: f" {field} ")),
    Defect("CAPITALS", lambda text: text.replace(BAR_HEADER, "Date,Open,High,Low,Close,Adj Close,Volume")),
    Defect("MORE-COLUMNS", more_columns),
    Defect("BRK-B", as_is),
    Defect("A'B", as_is),
    Defect('D"Q', as_is),
    Defect("ÄÖ 東京", as_is),
    Defect("50%", as_is),
    # Names that are patterns: read as such they would bring the bars of other files.
    Defect("HOLIDAY[1]", as_is),
    Defect("W*", as_is),
    Defect("ZI?", as_is),
]

PARTS = [
    Defect("NO-VOLUME", without("volume"), "no column volume, so it stays unknown"),
    Defect("ENDS-EARLY", lambda text: text[: text.index(str(SESSIONS[-30]))], lost=tuple(map(str, SESSIONS[-30:]))),
]

DEFECTS = [*WHOLE_FILES, *ROWS, *ODD_BUT_WHOLE, *PARTS]


@dataclass
class Outcome:
    """What a reader finds of a run: bars per instrument and day, refused rows per table and id, failures per id."""

    bars: dict[str, dict[str, tuple[Any, ...]]]
    refused: dict[tuple[str, str], list[tuple[str | None, str, str]]]
    failures: dict[str, str | None]

    @classmethod
    def of(cls, home: CascadeHome) -> Outcome:
        found = cls(defaultdict(dict), defaultdict(list), {})
        for instrument, day, *bar in home.ask(
            "select instrument_id, session_date::varchar, open, high, low, close, adj_close, volume, known_at "
            "from core.bars order by all"
        ):
            found.bars[instrument][day] = tuple(bar)
        for table, id_, day, reason, payload in home.ask(
            "select table_name, id, session_date::varchar, reason, payload from meta.quarantine order by all"
        ):
            found.refused[table, id_].append((day, reason, payload))
        found.failures.update(home.ask("select id, failure from meta.deliveries"))
        return found


def spoil_the_rest(folder: MarketFolder) -> None:
    """Series, market values and groups with something wrong in them, and things that are no files."""
    days = [str(day) for day in SESSIONS[:4]]
    folder.write("macro/T10Y2Y", f"DATE,T10Y2Y\n{days[0]},0.5\n{days[1]},.\n{days[2]},0.7\n")
    folder.write("macro/RRPONTSYD", f"observation_date,RRPONTSYD\n{days[0]},400\n{days[1]},\n{days[2]},401.5\n")
    folder.write(
        "macro/VIXCLS",
        f"date,value\n{days[0]},15\n{days[1]},high\n{days[2]},inf\n{days[3]},16\n{days[3]},17\n2099-01-05,18\n",
    )
    folder.write("macro/SOFR", "day,rate\n2025-03-14,4.3\n")
    folder.write("crypto_mcap/XRP", "date,market_cap\n2025-03-14,0\n2025-03-15,\n2025-03-16,-5\n2025-03-17,much\n")
    folder.add("groups", "small_three,COCO,2025-01-02,2025-02-03,too,many", ",COCO,2025-01-02,")
    folder.file("equity/FOLDER").mkdir()
    # What another operating system leaves beside a file.
    folder.write("equity/._COCO", b"\0\5\26\7")
    # The UTC day of a coin, though midnight in UTC is the day before in New York.
    folder.rewrite("crypto/SOL", lambda row: {**row, "date": f"{row['date']} 00:00:00+00:00"})


@pytest.mark.slow
def test_each_defect_is_named_and_costs_nobody_else_a_row(
    healthy: CascadeHome, folder: MarketFolder, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    model = recent(folder.text("equity/COCO"))
    for defect in DEFECTS:
        folder.write(f"equity/{defect.name}", defect.spoil(model))
    spoil_the_rest(folder)
    home = CascadeHome(tmp_path / "home")

    ended = home.run(folder)

    outcome, clean = Outcome.of(home), Outcome.of(healthy)
    whole = {day: bar for day, bar in clean.bars["COCO"].items() if day >= START}
    for defect in DEFECTS:
        with subtests.test(defect.name):
            failure = outcome.failures[defect.name]
            if defect.failure is None:
                assert failure is None
            else:
                assert str(failure).startswith(f"equity/{defect.name}.csv: {defect.failure}")
                assert f"cascade: {defect.name} failed: {failure}" in ended.err.splitlines()
            found = outcome.refused["raw.equity_bars", defect.name]
            assert [day for day, _, _ in found] == [day for day, _, _ in defect.refused]
            for (_, reason, payload), (_, found_reason, found_payload) in zip(defect.refused, found, strict=True):
                assert reason in found_reason
                assert payload in found_payload
            left = outcome.bars[defect.name]
            if defect.lost is None:
                assert left == {}
            elif defect.name == "NO-VOLUME":
                assert left == {day: (*bar[:5], None, bar[6]) for day, bar in whole.items()}
            else:
                assert left == {day: bar for day, bar in whole.items() if day not in defect.lost}
    days = [str(day) for day in SESSIONS[:4]]
    with subtests.test("series"):
        observed = "select observation_date::varchar, value from core.macro where series_id = ? order by all"
        assert home.ask(observed, "T10Y2Y") == [(days[0], 0.5), (days[2], 0.7)]
        assert home.ask(observed, "RRPONTSYD") == [(days[0], 400.0), (days[2], 401.5)]
        assert home.ask(observed, "VIXCLS") == [(days[0], 15.0)]
        assert {id_ for table, id_ in outcome.refused if table == "raw.macro_observations"} == {"VIXCLS"}
        assert [(day, reason) for day, reason, _ in outcome.refused["raw.macro_observations", "VIXCLS"]] == [
            (days[2], "value is not a finite number"),
            (days[3], "different rows for the same key"),
            (days[3], "different rows for the same key"),
            ("2099-01-05", "the date lies in the future"),
            (None, UNREADABLE_NUMBER),
        ]
        assert outcome.failures["SOFR"] == "macro/SOFR.csv: no date column; the header reads day, rate"
    with subtests.test("market values"):
        assert home.ask("from core.market_cap where instrument_id = 'XRP'") == []
        assert [(day, reason) for day, reason, _ in outcome.refused["raw.crypto_market_caps", "XRP"]] == [
            ("2025-03-16", "market_cap_usd is not a positive number"),
            (None, UNREADABLE_NUMBER),
        ]
        # Its prices and its market values are two files and one line.
        assert home.ask("select origin, rows_delivered, rows_quarantined from meta.deliveries where id = 'XRP'") == [
            ("crypto/XRP.csv; crypto_mcap/XRP.csv", len(clean.bars["XRP"]) + 2, 2)
        ]
    with subtests.test("groups"):
        assert outcome.refused["raw.group_members", "groups"] == [
            (None, UNFIT, "small_three,COCO,2025-01-02,2025-02-03,too,many")
        ]
        assert [(day, reason) for day, reason, _ in outcome.refused["raw.group_members", ""]] == [
            ("2025-01-02", "group_id is missing")
        ]
    with subtests.test("everybody else"):
        assert ended.code == 3
        assert outcome.failures["FOLDER"] == "equity/FOLDER.csv: it is no file"
        (stale,) = [line for line in ended.out.splitlines() if line.startswith("Stale, with the last day: ")]
        assert f"ENDS-EARLY ({SESSIONS[-31]})" in stale
        assert "._COCO" not in outcome.failures
        assert differences(healthy.published, home.published, may_add=True) == {}
        # A refused row is the same row wherever in its file it moves to.
        payloads = home.ask("select payload from meta.quarantine where reason = ?", UNREADABLE_DATE)
        assert all(list(json.loads(payload)) == BAR_HEADER.split(",") for (payload,) in payloads)
    with subtests.test("the same again"):
        stored, before = home.stored(), Path(shutil.copy(home.published, tmp_path / "before.duckdb"))
        assert home.run(folder).code == 3
        assert home.stored() == stored
        assert differences(before, home.published) == {}


@pytest.mark.slow
def test_a_bad_delivery_leaves_what_was_stored_as_it_was(
    healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    folder.write("equity/IWM", random.Random(2).randbytes(3000))
    folder.write("equity/QQQ", BAR_HEADER + "\n")
    folder.write("equity/SPY", "\n".join([BAR_HEADER, *folder.text("equity/SPY").splitlines()[-50:], ""]))
    folder.edit("crypto/ETH", DAY, close="-5")
    folder.write("crypto/XRP", "")
    folder.file("crypto/SOL").unlink()
    folder.write("macro/DGS10", "Not Found")
    folder.edit("macro/WALCL", "2025-03-12", value=".")
    folder.edit("crypto_mcap/ETH", DAY, market_cap="0")
    folder.write("groups", "group,symbol\nsmall_three,COCO\n")

    ended = home.run(folder)

    assert ended.code == 3
    told, outcome = ended.err.splitlines(), Outcome.of(home)
    for id_, reason in {
        "IWM": "equity/IWM.csv: not readable as csv",
        "QQQ": "equity/QQQ.csv: no row in it has a value",
        "XRP": "crypto/XRP.csv: the file is empty",
        "DGS10": "macro/DGS10.csv: no date column; the header reads not_found",
        "groups": "groups.csv: no column valid_from, valid_to; the header reads group, symbol",
    }.items():
        assert str(outcome.failures[id_]).startswith(reason)
        assert any(line.startswith(f"cascade: {id_} failed: {reason}") for line in told)
        assert f"{id_} ({reason}" in ended.out
    assert [day for day, _, _ in outcome.refused["raw.crypto_bars", "ETH"]] == [DAY]
    assert f"raw.crypto_bars nothing_quarantined: ETH {DAY}: close is not a positive number" in ended.out
    # Fifty rows where there were more are a fragment, and a file that is gone was there before.
    assert "stored rows are not in it any more" in str(outcome.failures["SPY"])
    assert outcome.failures["SOL"] == "not delivered any more; what is stored stays"
    before, after = healthy.stored(), home.stored()
    assert after == {**before, "meta.quarantine": 51}
    assert differences(healthy.published, home.published) == {}


def delete(*names: str) -> Callable[[MarketFolder], None]:
    def spoil(folder: MarketFolder) -> None:
        for name in names:
            path = folder.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return spoil


def replace(name: str, content: str | bytes) -> Callable[[MarketFolder], None]:
    return lambda folder: folder.write(name, content)


def spoil_every(folder_name: str) -> Callable[[MarketFolder], None]:
    def spoil(folder: MarketFolder) -> None:
        for path in (folder.path / folder_name).iterdir():
            path.write_bytes(random.Random(3).randbytes(300))

    return spoil


LOSSES = {
    "required file gone": (delete("equity/RUT.csv"), "RUT: not delivered"),
    "required file empty": (replace("equity/SPX", ""), "SPX: equity/SPX.csv: the file is empty"),
    "required coin with a market value only": (
        replace("crypto/BTC", BAR_HEADER + "\n"),
        "BTC: crypto/BTC.csv: no row in it has a value",
    ),
    "every row of a required file bad": (
        lambda folder: folder.rewrite("equity/RUT", lambda row: {**row, "high": "-1"}),
        "RUT: ",
    ),
    "equities gone": (delete("equity"), "the source delivered nothing usable of the class equity"),
    "coins gone": (delete("crypto"), "the source delivered nothing usable of the class crypto"),
    "series gone": (delete("macro"), "the source delivered nothing usable of the class macro"),
    "series broken": (spoil_every("macro"), "the source delivered nothing usable of the class macro"),
    "manifest without the column": (
        replace("MANIFEST", "kind,symbol\nequity,IWM\n"),
        "MANIFEST.csv is no manifest (no column 'price_basis'); correct it or remove it",
    ),
    "manifest binary": (replace("MANIFEST", b"\xff\xfe\0"), "MANIFEST.csv is no manifest ("),
    "manifest empty": (replace("MANIFEST", ""), "MANIFEST.csv is no manifest (No columns to parse from file); "),
    "manifest ragged": (replace("MANIFEST", "symbol,price_basis\na,b\na,b,c\n"), "MANIFEST.csv is no manifest ("),
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_what_cannot_be_done_without_stops_the_run_and_changes_nothing(
    loss: str, healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    spoil, reason = LOSSES[loss]
    spoil(folder)
    published = home.published.read_bytes()

    ended = home.run(folder)

    assert ended.code == 1
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.reason.startswith("cascade: not published: ")
    assert reason in ended.reason
    assert [line for line in ended.err.splitlines() if line.startswith("cascade: not published")] == [ended.reason]
    assert home.published.read_bytes() == published
    before, after = healthy.stored(), home.stored()
    assert {**after, "meta.quarantine": 0} == before
    assert home.ask_warehouse("select status from meta.runs order by started_at") == [
        ("published",),
        ("not_published",),
    ]


@pytest.mark.slow
def test_the_next_good_delivery_is_published_as_if_nothing_had_been(
    healthy: CascadeHome, home: CascadeHome, folder: MarketFolder, tmp_path: Path
) -> None:
    delete("equity/RUT.csv")(folder)
    assert home.run(folder).code == 1

    ended = home.run(market_folder(tmp_path / "corrected"))

    assert (ended.code, ended.err) == (0, "")
    assert home.stored() == healthy.stored()
    assert differences(healthy.published, home.published) == {}


@pytest.mark.slow
def test_nothing_is_published_at_all_while_a_required_instrument_was_never_there(
    folder: MarketFolder, tmp_path: Path
) -> None:
    delete("crypto/BTC.csv")(folder)
    home = CascadeHome(tmp_path / "home")

    assert home.run(folder).code == 1
    assert not home.published.exists()
    assert [row for row in home.invoke("status").err.splitlines() if "is not there yet" in row]


@pytest.mark.slow
def test_a_class_that_never_was_there_is_not_missed(folder: MarketFolder, tmp_path: Path) -> None:
    delete("macro", "groups.csv", "crypto_mcap")(folder)
    home = CascadeHome(tmp_path / "home")

    ended = home.run(folder)

    assert (ended.code, ended.err) == (0, "")
    assert home.ask("select count(*) from core.macro") == [(0,)]


def make_unreadable(path: Path) -> None:
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")


def test_a_file_that_may_not_be_read_fails_alone(folder: MarketFolder) -> None:
    for name in ("equity/IWM", "groups"):
        make_unreadable(folder.file(name))

    deliveries = {delivery.id: delivery for delivery in FilesSource(folder.path).fetch(FetchRequest("equity"))}

    failures = {id_: delivery.failure for id_, delivery in deliveries.items() if delivery.failure}
    assert set(failures) == {"IWM", "groups"}
    assert all("Permission denied" in failure for failure in failures.values())
    assert set(deliveries) == {*EQUITIES, "groups"}


def test_a_manifest_that_may_not_be_read_stops_the_fetch(folder: MarketFolder) -> None:
    folder.write("MANIFEST", "symbol,price_basis\n")
    make_unreadable(folder.file("MANIFEST"))

    with pytest.raises(SourceError, match="Permission denied"):
        list(FilesSource(folder.path).fetch(FetchRequest("macro")))


# What the rows alone do not show


@pytest.mark.slow
def test_a_file_whose_dates_nobody_can_read_has_failed(home: CascadeHome, folder: MarketFolder) -> None:
    day_first = [line.replace("-", "/") + ",1,1,1,1,1,1" for line in ("13-01-2025", "14-01-2025")]
    folder.write("equity/DAYFIRST", "\n".join([BAR_HEADER, *day_first, ""]))

    ended = home.run(folder)

    assert ended.code == 3
    assert "Failed: DAYFIRST (every row for raw.equity_bars was refused: the date cannot be read)" in ended.out


@pytest.mark.slow
def test_an_id_belongs_to_one_class_and_the_home_recovers(
    healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    folder.write("equity/ETH", folder.text("equity/ALFA"))
    folder.write("crypto/BRAVO", folder.text("crypto/ADA"))

    ended = home.run(folder)

    assert ended.code == 3
    assert dict(home.ask("select id, failure from meta.deliveries where failure is not null")) == {
        "ETH": "every row for raw.equity_bars was refused: the id belongs to crypto",
        "BRAVO": "every row for raw.crypto_bars was refused: the id belongs to equity",
    }
    assert differences(healthy.published, home.published) == {}


@pytest.mark.slow
def test_the_day_of_today_is_not_over(home: CascadeHome, folder: MarketFolder) -> None:
    before = datetime.now(UTC)
    folder.add("crypto/BTC", f"{before:%Y-%m-%d},300,300,300,300,300,1")

    ended = home.run(folder)

    assert ended.code == 3  # all others have ended long before
    bar = "select is_final, known_at, captured_at from core.bars where instrument_id = 'BTC' order by session_date desc"
    is_final, known_at, captured_at = home.ask(f"{bar} limit 1")[0]
    assert not is_final
    assert before <= known_at == captured_at <= datetime.now(UTC)
    assert home.ask("select count(*) from marts.breakouts where decided_at >= ?", before) == [(0,)]


@pytest.mark.slow
def test_two_sources_never_share_a_home(home: CascadeHome) -> None:
    before = home.published.read_bytes(), home.stored()

    ended = home.invoke("run", "--source", "demo")

    assert (ended.code, ended.err) == (
        1,
        f"cascade: not published: {home.path} holds data of the source files; give demo another --home\n",
    )
    assert (home.published.read_bytes(), home.stored()) == before


@pytest.mark.slow
def test_a_run_that_was_killed_does_not_run_for_ever(home: CascadeHome, folder: MarketFolder) -> None:
    with duckdb.connect(str(home.warehouse)) as writer:
        writer.execute(
            "insert into meta.runs by name select * replace ('killed' as run_id, 'running' as status, "
            "null as finished_at, started_at + interval 1 second as started_at) from meta.runs"
        )

    assert home.run(folder).code == 0

    assert home.ask("select status from meta.runs order by started_at") == [
        ("published",),
        ("not_published",),
        ("published",),
    ]


@pytest.mark.slow
def test_a_day_before_all_data_is_refused(home: CascadeHome, folder: MarketFolder) -> None:
    ended = home.run(folder, "--as-of", "1990-01-01")

    assert (ended.code, ended.err) == (
        1,
        "cascade: not published: clock: nothing was known on 1990-01-01: the first price is of 2024-05-01\n",
    )
    assert not list(home.path.glob("cascade-asof-*"))


@pytest.mark.slow
def test_the_ending_of_a_file_may_be_in_capitals(healthy: CascadeHome, home: CascadeHome, folder: MarketFolder) -> None:
    folder.file("equity/IWM").rename(folder.path / "equity" / "IWM.CSV")

    assert home.run(folder).code == 0
    assert home.ask("select origin from meta.deliveries where id = 'IWM'") == [("equity/IWM.CSV",)]
    assert differences(healthy.published, home.published) == {}
