"""FRED: macro observations from the CSV that the site's own graphs download, without a key.

Here: requesting one series, explaining what went wrong, and turning the answer into the columns of the raw contract.
The CSV does not say when an observation became public; the release rules in the universe do.
"""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date

import pandas as pd
import requests
from urllib3.exceptions import ProtocolError

from assets.config.universe import Series
from assets.sources.base import FetchResult, UnparsedRow
from assets.sources.retry import RateLimiter, Retrier, VendorFault, status_fault

URL = "https://fred.stlouisfed.org/graph/fredgraph.csv"
# The crawl delay that the site's robots.txt asks for.
CRAWL_DELAY_SECONDS = 1.0
TIMEOUT_SECONDS = 20.0
CONNECT_TIMEOUT_SECONDS = 5.0

# FRED has used both headings of the date, and both spellings of an unknown value.
_DATE_HEADINGS = ("observation_date", "DATE")
_NO_VALUE = ("", ".")


class Fred:
    """Fetches one series at a time. `timeout` is the number of seconds to wait for an answer."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, timeout), timeout)
        self._session = requests.Session()

    def fetch(self, series: Series, since: date | None, retrier: Retrier) -> FetchResult:
        """Fetch the observations of a series.

        A day without a value is left out, and a row that cannot be read is in `unparsed`.

        Args:
            series: The series; it must have a FRED id.
            since: The first day to fetch; None for the full history.
            retrier: Repeats failed requests and limits their rate.

        Returns:
            The observations. A fault of the vendor is never raised: `failure` says why nothing arrived.

        Raises:
            ValueError: The series has no FRED id.
        """
        fred_id = series.fred_id
        if fred_id is None:
            raise ValueError(f"{series.id} has no FRED id")
        origin = f"fred:{fred_id}"
        try:
            rows = retrier.call(lambda: self._request(fred_id, since, retrier.limiter))
        except VendorFault as fault:
            return FetchResult(series.id, origin, failure=str(fault), may_pass=fault.may_pass, since=since)
        observations, unparsed = _observations(rows, series)
        if since is None and observations.empty:
            failure = f"no observations: FRED knows {fred_id} but sent none"
            return FetchResult(id=series.id, origin=origin, unparsed=unparsed, failure=failure)
        tables = {"macro_observations": observations}
        return FetchResult(id=series.id, origin=origin, tables=tables, unparsed=unparsed, since=since)

    def _request(self, fred_id: str, since: date | None, limiter: RateLimiter) -> list[list[str]]:
        """The rows below the heading, as text. Raises VendorFault."""
        limiter.wait_for_turn()
        query = {"id": fred_id} if since is None else {"id": fred_id, "cosd": since.isoformat()}
        try:
            answer = self._session.get(URL, params=query, timeout=self._timeout)
        except requests.RequestException as error:
            raise _connection_fault(fred_id, error) from error
        body = answer.content.decode("utf-8-sig", errors="replace").strip()
        if answer.status_code != 200:
            detail = " ".join(body[:80].split())
            raise status_fault("FRED", fred_id, answer.status_code, detail, answer.headers.get("Retry-After"))
        if not body:
            raise VendorFault(f"empty: FRED sent nothing for {fred_id}", is_passing=True)
        if body.startswith("<"):
            raise VendorFault(f"not CSV: FRED sent a web page for {fred_id}", is_passing=True)
        heading, *rows = csv.reader(io.StringIO(body))
        if len(heading) != 2 or heading[0] not in _DATE_HEADINGS or heading[1] != fred_id:
            raise VendorFault(f"wrong heading: FRED's answer for {fred_id} has the heading {','.join(heading)[:80]}")
        return rows


def _connection_fault(fred_id: str, error: requests.RequestException) -> VendorFault:
    """The fault that a missing answer means: no connection, a timeout, or a broken connection."""
    if isinstance(error, requests.ReadTimeout):
        return VendorFault(f"timeout: FRED did not answer for {fred_id}", is_passing=True)
    # A connection that breaks behind a proxy is wrapped as an error of the proxy, so the innermost cause decides.
    cause: object = error.args[0] if error.args else error
    for wrapping in ("reason", "original_error"):
        cause = getattr(cause, wrapping, cause)
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or isinstance(
        cause, (ProtocolError, ConnectionResetError, BrokenPipeError)
    ):
        return VendorFault(
            f"connection lost: FRED closed the connection while answering for {fred_id}", is_passing=True
        )
    problem = " ".join(str(cause).split())
    return VendorFault(f"no connection: FRED cannot be reached ({problem})", is_general=True)


def _observations(rows: list[list[str]], series: Series) -> tuple[pd.DataFrame, tuple[UnparsedRow, ...]]:
    """The rows in the columns of the raw contract, and the rows that cannot be read, for the quarantine."""
    days, values, unparsed = [], [], []
    for row in rows:
        if len(row) == 2 and row[1] in _NO_VALUE:
            continue
        try:
            day_text, value_text = row
            day, value = date.fromisoformat(day_text), float(value_text)
            if math.isnan(value):
                raise ValueError("not a number")
        except ValueError:
            payload = json.dumps({"series_id": series.id, "row": ",".join(row)})
            unparsed.append(UnparsedRow(payload=payload, reason="the date or the value cannot be read"))
        else:
            days.append(day)
            values.append(value)
    observations = pd.DataFrame(
        {
            "series_id": pd.Series([series.id] * len(days), dtype="object"),
            "observation_date": pd.Series(pd.to_datetime(days)),
            "value": pd.Series(values, dtype="float64"),
        }
    )
    return observations, tuple(unparsed)
