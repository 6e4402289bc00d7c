"""Great Expectations: the contracts' rules, run on the rows that are about to be stored.

Here: the only use of the library. The row checks in `ingest` have already rejected bad rows with SQL made from the same
rules; this is the independent check behind them, and its verdicts are the checks that Dagster shows. The library takes
seconds to import, so it runs in a process of its own (a pool of one worker), which imports it while the run begins.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import resource_tracker
from threading import BoundedSemaphore, Thread
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from assets.contracts.table import ROUNDING, Table

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.process import BaseProcess

    import duckdb
    import pandas as pd

# Rows validated at a time: the memory of one frame, not of a whole history.
CHUNK_ROWS = 250_000
# Frames that may wait for their verdicts. A longer history waits here, so that its frames do not fill the memory.
FRAMES_AHEAD = 3
_room = BoundedSemaphore(FRAMES_AHEAD)


class ValidationError(Exception):
    """A rule could not be evaluated. The rule or the worker is at fault, never the data."""


@dataclass(frozen=True)
class RuleOutcome:
    """How many rows of one table were checked against one rule, and how many break it."""

    table_name: str
    rule_name: str
    reason: str
    rows_checked: int
    rows_failed: int


def warm_up() -> None:
    """Start the worker, so that it imports the library while the run does something else."""
    # If the system has no room for another process, `validate` raises the error, once there is something to validate.
    with suppress(OSError):
        _worker()


def dismiss() -> None:
    """End the worker now, whatever it is doing. Without this, the end of the program waits for it."""
    if _worker.cache_info().currsize:
        pool, process = _worker()
        process.kill()
        pool.shutdown()
        _worker.cache_clear()


def validate(rows: duckdb.DuckDBPyRelation, table: Table) -> Callable[[], list[RuleOutcome]]:
    """Hand the rows to the worker, and return a function that waits for its verdicts.

    Args:
        rows: The rows that are about to be stored, with the table's own columns.
        table: The contract.

    Returns:
        A function that returns one outcome per rule, in the contract's order. It raises ValidationError when the
        library fails on a rule or the worker ended.

    Raises:
        ValidationError: The worker ended.
    """
    submitted = [_submit(chunk, table) for chunk in _chunks(rows, table)]

    def outcomes() -> list[RuleOutcome]:
        failed = dict.fromkeys((rule.name for rule in table.rules), 0)
        for future, _ in submitted:
            with _one_line_if_worker_ended():
                failures = future.result()
            for rule_name, rows_failed in failures.items():
                failed[rule_name] += rows_failed
        checked = sum(rows for _, rows in submitted)
        return [
            RuleOutcome(table.full_name, rule.name, rule.reason, checked, failed[rule.name]) for rule in table.rules
        ]

    return outcomes


def _chunks(rows: duckdb.DuckDBPyRelation, table: Table) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows in parts that fit into memory, with the columns that the expectations name."""
    if not table.rules:
        return
    named = {value for rule in table.rules for key, value in rule.expectation[1].items() if key.startswith("column")}
    columns = [name for name in table.own_columns if name in named]
    columns += [
        f"{name} * (1 + {ROUNDING}) as {name}_rounded_up" for name in table.own_columns if f"{name}_rounded_up" in named
    ]
    if table.known_columns:
        # The library compares values of any other type than int64 one by one.
        counted = " + ".join(f"({name} is not null)::bigint" for name in table.known_columns)
        columns.append(f"{counted} as known_values")
    total = rows.count("*").fetchall()[0][0]
    for offset in range(0, total, CHUNK_ROWS):
        yield rows.limit(CHUNK_ROWS, offset).project(", ".join(columns))


def _submit(chunk: duckdb.DuckDBPyRelation, table: Table) -> tuple[Future[dict[str, int]], int]:
    """Hand one frame to the worker as soon as there is room for it. Returns the verdicts to come, and the rows."""
    _room.acquire()
    try:
        frame = chunk.df()
        with _one_line_if_worker_ended():
            future = _worker().pool.submit(_failures, frame, table)
    except BaseException:
        _room.release()
        raise
    future.add_done_callback(lambda _: _room.release())
    return future, len(frame)


@contextmanager
def _one_line_if_worker_ended() -> Iterator[None]:
    try:
        yield
    except BrokenExecutor as error:
        _worker.cache_clear()
        raise ValidationError("the validation process ended; run again") from error


# --- how the worker starts and ends ---------------------------------------------------------------------------------


class _Worker(NamedTuple):
    """The pool, and its only process."""

    pool: ProcessPoolExecutor
    process: BaseProcess


@cache
def _worker() -> _Worker:
    from concurrent.futures import ProcessPoolExecutor

    others = multiprocessing.active_children()
    with _starting():
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
        pool.submit(os.getpid)
    return _Worker(pool, next(child for child in multiprocessing.active_children() if child not in others))


@contextmanager
def _starting() -> Iterator[None]:
    """What the worker does not get from this process when it starts.

    - The main module: the worker would import it, and with it the command line or Dagster.
    - Ctrl-C: a terminal sends it to all processes. This process handles it, and the worker ends with this process.
    - Warnings of the pool's resource tracker: after a kill, it would report the semaphores that it removes.
    """
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    resource_tracker.ensure_running()  # first, because it unblocks the signal
    sys.warnoptions.pop()
    main, mask = sys.modules["__main__"], signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin() -> None:
    """The worker's first task: import the library."""
    Thread(target=_end_with_parent, daemon=True).start()
    # Skip the interpreter's own clean-up of all those modules: the parent waits for it.
    atexit.register(os._exit, 0)
    # Standard output belongs to the command; what the library prints goes to standard error.
    os.dup2(2, 1)
    _import_library()


def _end_with_parent() -> None:
    """End with the parent, even if it was killed. The pool itself would wait for the next task for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(0)


# --- the worker's side ----------------------------------------------------------------------------------------------


def _import_library() -> None:
    """Import the library in half of the time that it usually takes.

    - Without SQLAlchemy: it reads databases, and here the library gets frames.
    - With SciPy's statistics left unread: these rules do not use them.
    - Without garbage collection: the thousands of classes that the import makes are never garbage.
    """
    sys.modules["sqlalchemy"] = None  # type: ignore[assignment]
    _load_when_used("scipy", "stats")
    gc.disable()
    import great_expectations  # noqa: F401

    gc.freeze()
    gc.enable()


def _load_when_used(package: str, name: str) -> None:
    """Let imports of a package's module succeed at once; its file is read when an attribute of it is first used."""
    spec = importlib.util.find_spec(f"{package}.{name}")
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Without this, SciPy would import the module itself, and read its file.
    setattr(sys.modules[package], name, module)


def _failures(frame: pd.DataFrame, table: Table) -> dict[str, int]:
    """The number of rows that break each rule, by the rule's name. Raises ValidationError for a rule that fails."""
    try:
        return _validated(frame, table)
    except ValidationError:
        raise
    except Exception as error:  # whatever the library raises fails the step
        raise ValidationError(f"{table.full_name}: {type(error).__name__}: {error}") from None
    finally:
        # The library's objects refer to each other in circles, and to the frame.
        gc.collect()


def _validated(frame: pd.DataFrame, table: Table) -> dict[str, int]:
    import great_expectations as gx

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
