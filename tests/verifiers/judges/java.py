"""Ask Java programs that take long to start: one process for all questions, which reads a line per question and answers with a line."""

import atexit
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass

from judges.interface import Answer, Missing


@dataclass(frozen=True)
class Program:
    """What is to be started. A main program that is a source file is compiled then."""

    name: str
    classpath: tuple
    main: str
    options: tuple = ()

    def ask(self, *words) -> Answer:
        process = _process(self)
        try:
            process.stdin.write("\t".join(words) + "\n")
            process.stdin.flush()
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


def _stop(process):
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended by itself
    process.wait()
