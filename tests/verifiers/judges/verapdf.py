"""veraPDF: whether a PDF is what it claims to be, PDF/A or PDF/UA. It does not look at signatures. The Java program is compiled when it starts."""

import atexit
import functools
import glob
import os
import shutil
import subprocess
from pathlib import Path

from judges.interface import Answer, Missing

FORMATS = {"pades", "pdf"}
_PROGRAM = Path(__file__).resolve().parent / "VeraPdf.java"


def judge(question) -> Answer:
    # A profile; a level of signatures is for others.
    expected = question.expect if (question.expect or "").startswith(("PDF/A-", "PDF/UA-")) else ""
    checker = _checker()
    checker.stdin.write(f"{expected}\t{question.file}\n")
    checker.stdin.flush()
    verdict, separator, detail = checker.stdout.readline().rstrip("\n").partition("\t")
    if not separator:
        return Answer.error("the Java program ended")
    return Answer(verdict, detail)


@functools.cache
def _checker():
    libraries = sorted(glob.glob(os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "verapdf", "lib", "*.jar")))
    for program, found in (("java", shutil.which("java")), ("veraPDF", libraries)):
        if not found:
            raise Missing(program)
    words = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-Duser.timezone=UTC"]
    checker = subprocess.Popen(
        [*words, "-cp", ":".join(libraries), str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(_stop, checker)
    return checker


def _stop(checker):
    checker.stdin.close()
    checker.wait()
