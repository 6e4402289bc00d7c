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
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

# How long the program may take to end by itself when it is stopped.
PATIENCE_SECONDS = 10
# Linux stops the program if this process is killed; other systems cannot.
PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
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
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, preexec_fn=_begin)
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
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or by a shell for a background command
            signal.signal(number, stop)
    # The process is not reaped yet, so that its number still names the group.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    signal.alarm(0)
    os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    return 0 if is_stopped else code


def _begin() -> None:
    """What the new process does first."""
    # A shell starts a background command with SIGINT ignored, and `dagster dev` would then ignore SIGTERM as well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _prctl:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
