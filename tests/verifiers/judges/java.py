"""Ask Java programs that take long to start: one process for all questions, which reads a line per question and answers with a line."""

import atexit
import functools
import os
import select
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from judges.interface import Answer, Missing


@dataclass(frozen=True)
class Program:
    """What is to be started. A main program that is a source file is compiled then."""

    name: str
    classpath: tuple
    main: str
    options: tuple = ()

    def ask(self, *words, seconds=None) -> Answer:
        """Words are a line; the answer may take so many seconds of processor time."""
        process = _process(self)
        try:
            process.stdin.write("\t".join(words) + "\n")
            process.stdin.flush()
            if seconds is not None and not _answers(process, seconds):
                process.kill()
                _process.cache_clear()
                return Answer.too_slow(seconds)
            verdict, separator, detail = process.stdout.readline().rstrip("\n").partition("\t")
        except BrokenPipeError:
            separator = ""
        if not separator:
            # The files after this one are judged all the same.
            _process.cache_clear()
            return Answer.error("the Java program ended")
        return Answer(verdict, detail)


@functools.cache
def _process(program):
    found = program.classpath and os.path.exists(program.classpath[0])
    for name, there in (("java", shutil.which("java")), (program.name, found)):
        if not there:
            raise Missing(name)
    # One short run on few cores: a simple collector starts soonest.
    words = ["java", "-XX:+UseSerialGC", "-Djava.awt.headless=true", "-Duser.timezone=UTC", *program.options]
    process = subprocess.Popen(
        [*words, "-cp", ":".join(program.classpath), program.main],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(_stop, process)
    return process


def _answers(process, seconds):
    """Waits for an answer. One line answers one question, so none is in Python's buffer."""
    last = _processor_seconds(process) + seconds
    while not select.select([process.stdout], [], [], 1)[0]:
        if _processor_seconds(process) > last:
            return False
    return True


def _processor_seconds(process):
    # proc(5): the name, which may hold anything, ends with the last bracket; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stop(process):
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended by itself
    process.wait()
