"""Great Expectations: the contracts' rules, run on the rows that are about to be stored.

Here: the only use of the library. The screen in `ingest` has already refused guilty rows with SQL made from the same
rules; this is the independent gate behind it, whose verdicts become the checks that people see. The library takes
seconds to import, so it lives in a process of its own, which begins to import when a run that will store something
begins: this file is that process's program too.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from queue import Queue, SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, cast

from assets.contracts.table import ROUNDING, Table

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Rows validated at a time: the memory of one frame, not of a whole history.
CHUNK_ROWS = 250_000


_numbers = count()


class ValidationError(Exception):
    """The library could not evaluate a rule. That is a fault of the rule, never of the data."""


@dataclass(frozen=True)
class RuleOutcome:
    """How one rule fared on one table."""

    table_name: str
    rule_name: str
    reason: str
    rows_checked: int
    rows_failed: int


def warm_up() -> None:
    """Let the worker import the library while there is something else to do."""
    _worker()


def validate(rows: duckdb.DuckDBPyRelation, table: Table) -> Callable[[], list[RuleOutcome]]:
    """Hand the rows to the worker, and return how to get its verdicts: one per rule, in the contract's order.

    The returned function raises ValidationError when the library fails on a rule.
    """
    asked = [(_ask(frame, table), len(frame)) for frame in _chunks(rows, table)]

    def outcomes() -> list[RuleOutcome]:
        failed = dict.fromkeys((rule.name for rule in table.rules), 0)
        for number, _ in asked:
            for rule_name, rows_failed in _answer(number).items():
                failed[rule_name] += rows_failed
        checked = sum(rows for _, rows in asked)
        return [
            RuleOutcome(table.full_name, rule.name, rule.reason, checked, failed[rule.name]) for rule in table.rules
        ]

    return outcomes


def _chunks(rows: duckdb.DuckDBPyRelation, table: Table) -> Iterator[pd.DataFrame]:
    """Frames with the columns that the expectations name, the derived ones among them."""
    if not table.rules:
        return
    named = {value for rule in table.rules for key, value in rule.expectation[1].items() if key.startswith("column")}
    columns = [name for name in table.own_columns if name in named]
    columns += [
        f"{name} * (1 + {ROUNDING}) as {name}_rounded_up" for name in table.own_columns if f"{name}_rounded_up" in named
    ]
    if table.known_columns:
        # What is no int64 the library compares one by one.
        counted = " + ".join(f"({name} is not null)::bigint" for name in table.known_columns)
        columns.append(f"{counted} as known_values")
    total = rows.count("*").fetchall()[0][0]
    for offset in range(0, total, CHUNK_ROWS):
        yield rows.limit(CHUNK_ROWS, offset).project(", ".join(columns)).df()


# --- this process's side of the pipe -------------------------------------------------------------------------------


@cache
def _worker() -> subprocess.Popen[bytes]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "assets.contracts.expectations"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(_dismiss, worker)
    return worker


def _dismiss(worker: subprocess.Popen[bytes]) -> None:
    """End the worker with this process. It ends by itself, too, when its input closes."""
    worker.kill()
    worker.communicate()


@cache
def _handing_over(worker: subprocess.Popen[bytes]) -> Queue[tuple[int, pd.DataFrame, Table]]:
    """What is to be asked. A pipe holds little, so a thread waits until the worker has read it, and nobody else does.

    One question may wait behind the one that is being read: that is the memory that may be taken.
    """
    waiting: Queue[tuple[int, pd.DataFrame, Table]] = Queue(maxsize=1)

    def hand_over() -> None:
        questions = cast(IO[bytes], worker.stdin)
        while True:
            request = waiting.get()
            # That the worker has ended is found by whoever waits for its answer.
            with suppress(BrokenPipeError):
                pickle.dump(request, questions)
                questions.flush()

    Thread(target=hand_over, daemon=True).start()
    return waiting


@cache
def _answers(worker: subprocess.Popen[bytes]) -> SimpleQueue[tuple[int, dict[str, int] | str] | None]:
    """What the worker has answered, in the order in which it was asked, and None when it has ended.

    A thread reads them as they come: a worker whose answers nobody takes would read no more questions.
    """
    arrived: SimpleQueue[tuple[int, dict[str, int] | str] | None] = SimpleQueue()

    def read() -> None:
        answers = cast(IO[bytes], worker.stdout)
        # Killed between two answers or within one, or dismissed, it has said all.
        with suppress(EOFError, pickle.UnpicklingError, ValueError):
            while True:
                arrived.put(pickle.load(answers))
        arrived.put(None)

    Thread(target=read, daemon=True).start()
    return arrived


def _ask(frame: pd.DataFrame, table: Table) -> int:
    """Put one request to the worker, and let its answers be read from then on. Returns the request's number."""
    number, worker = next(_numbers), _worker()
    _answers(worker)
    _handing_over(worker).put((number, frame, table))
    return number


def _answer(number: int) -> dict[str, int]:
    """The worker's answer to a request: rows that break each rule. Raises ValidationError when it has none.

    Nobody waits any more for the answers before it.
    """
    worker, answered = _worker(), -1
    answer: dict[str, int] | str = ""
    while answered < number:
        arrived = _answers(worker).get()
        if arrived is None:
            _worker.cache_clear()
            raise ValidationError(f"the validating process ended with code {worker.wait()}; run again")
        answered, answer = arrived
    if isinstance(answer, str):
        raise ValidationError(answer)
    return answer


# --- the worker's side ---------------------------------------------------------------------------------------------


def _serve() -> None:
    """Answer questions until there are no more. What the library prints must not get into the answers."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    gx = _library()
    while True:
        try:
            number, frame, table = pickle.load(questions)
        except EOFError:
            return
        try:
            answer: dict[str, int] | str = _failures(gx, frame, table)
        except Exception as error:  # whatever the library raises is the answer, and fails the step
            answer = f"{table.full_name}: {type(error).__name__}: {error}"
        pickle.dump((number, answer), answers)
        answers.flush()
        # The library's objects refer to one another in circles, and to the frame.
        del frame
        gc.collect()


def _library() -> Any:
    """Import the library, in half of the time that it would take.

    It can do without SQLAlchemy, which it would read databases with: here it is given frames. Of SciPy's statistics it
    uses nothing for these rules, so they are loaded when something asks for them. And the classes that it makes by the
    thousand stay for good, so looking for garbage among them finds none.
    """
    sys.modules["sqlalchemy"] = None  # type: ignore[assignment]
    _load_when_used("scipy", "stats")
    gc.disable()
    import great_expectations

    gc.freeze()
    gc.enable()
    return great_expectations


def _load_when_used(package: str, name: str) -> None:
    """Give whoever imports a part of a package one that is read from disk when something in it is asked for."""
    spec = importlib.util.find_spec(f"{package}.{name}")
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # A part that is not there yet, SciPy would import by itself, and so ask it for something.
    setattr(sys.modules[package], name, module)


def _failures(gx: Any, frame: pd.DataFrame, table: Table) -> dict[str, int]:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset(table.name)
        .add_batch_definition_whole_dataframe("rows")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name=table.full_name)
    for rule in table.rules:
        expectation, arguments = rule.expectation
        suite.add_expectation(getattr(gx.expectations, expectation)(**arguments, meta={"rule": rule.name}))
    failures: dict[str, int] = {}
    for result in batch.validate(suite, result_format="BASIC").results:
        rule_name = result.expectation_config.meta["rule"]
        if "unexpected_count" not in result.result:
            raise ValidationError(f"{rule_name} could not be evaluated: {result.exception_info}")
        failures[rule_name] = int(result.result["unexpected_count"])
    return failures


if __name__ == "__main__":
    _serve()
