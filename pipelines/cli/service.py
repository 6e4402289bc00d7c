"""A program that runs until it is stopped, and everything that it starts.

Here: ending the program and its whole process group. `dagster dev` ends its own processes, but not while it is still
starting them, and it waits for up to two minutes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

# How long the program may take to end by itself when it is stopped.
PATIENCE_SECONDS = 10
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Run a program until it ends or this process is stopped (Ctrl+C, SIGTERM, SIGHUP), and end all that it started.

    Args:
        command: The program and its arguments.
        folder: The folder in which it runs.
        environment: Its environment variables.

    Returns:
        Its exit code; 0 if it was stopped.
    """
    # A process group of its own: Ctrl+C reaches this process alone, and no process that it started can be missed.
    process = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, preexec_fn=_end_with_parent()
    )
    is_stopped = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True
        if number == signal.SIGALRM:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
            signal.alarm(PATIENCE_SECONDS)

    for number in (*STOPPED_BY, signal.SIGALRM):
        signal.signal(number, stop)
    # The process is not reaped yet, so that its number still names the group.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    return 0 if is_stopped else code


def _end_with_parent() -> Callable[[], object] | None:
    """What the new process calls first, so that Linux stops it if this process is killed. Other systems cannot."""
    if sys.platform != "linux":
        return None
    prctl, set_parent_death_signal = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(set_parent_death_signal, signal.SIGTERM)
