"""Run a verifier that is a program of its own."""

import os
import shutil
import subprocess

from judges.interface import Missing

# Generous: only a program that hangs is stopped.
TIMEOUT_SECONDS = 60


def run(*words):
    """Runs a program with English messages; its output is text, stderr after stdout."""
    if shutil.which(words[0]) is None:
        raise Missing(words[0])
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIMEOUT_SECONDS,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )


def last_line(output) -> str:
    """The line of a failed program's output that usually says why."""
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
