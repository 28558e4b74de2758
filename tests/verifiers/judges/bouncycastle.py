"""Bouncy Castle: ML-DSA without OpenSSL, and CMS of any size. The libraries are those of the EU DSS checker; the Java program is compiled when it starts."""

import atexit
import functools
import glob
import os
import shutil
import subprocess
from pathlib import Path

from judges import interface
from judges.interface import Answer, Missing

FORMATS = {"cades", "plain"}
_PROGRAM = Path(__file__).resolve().parent / "BouncyCastle.java"


def judge(question) -> Answer:
    if question.format == "plain":
        if question.algorithm != "ml-dsa":
            return Answer.not_applicable("asked for ML-DSA only")
        words = ["plain", question.leaf, question.detached, question.file]
    else:
        if len(question.roots) != 1:
            return Answer.error("it takes one root")
        stamped = "stamped" if question.expect and not question.expect.endswith("-B") else "not stamped"
        words = ["cades", question.roots[0], question.detached or "", question.content or "", question.file, stamped]
    checker = _checker(interface.compilers(question))
    checker.stdin.write("\t".join(words) + "\n")
    checker.stdin.flush()
    verdict, separator, detail = checker.stdout.readline().rstrip("\n").partition("\t")
    if not separator:
        return Answer.error("the Java program ended")
    return Answer(verdict, detail)


@functools.cache
def _checker(compilers):
    libraries = sorted(glob.glob(os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "dss", "lib", "bc*.jar")))
    for program, found in (("java", shutil.which("java")), ("Bouncy Castle", libraries)):
        if not found:
            raise Missing(program)
    # A CMS is read as a stream: what is larger than this memory is judged all the same, or the stream is none.
    words = ["java", "-Xmx256m", "-XX:+UseSerialGC", *compilers, "-Djava.awt.headless=true", "-Duser.timezone=UTC"]
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
