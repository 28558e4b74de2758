"""EU DSS: one Java process for all questions; it reads one line per question and answers with one line."""

import atexit
import functools
import os
import select
import shutil
import subprocess
from pathlib import Path

from judges import cms_structure, interface
from judges.interface import Answer, Missing

FORMATS = {"cades", "pades", "xades", "timestamp"}


def judge(question, taken_apart=None) -> Answer:
    # One larger than memory is not looked into.
    if question.format == "cades" and os.path.getsize(question.file) < interface.LARGE and cms_structure.uses_ml_dsa(Path(question.file).read_bytes()):
        return Answer.not_applicable("EU DSS 6.4 has no ML-DSA")
    options = [("--format", question.format), ("--policy", question.policy)]
    options += [("--root", root) for root in question.roots]
    options += [("--cert", certificate) for certificate in question.certificates]
    options += [("--crl", crl) for crl in question.crls]
    options += [("--says", says) for says in question.says]
    options += [("--signers", question.signers)]
    options += [("--signature-policy", policy) for policy in question.signature_policies]
    options += [("--before", question.before), ("--password", question.password)]
    options += [("--detached", file) for file in question.beside]
    options += [("--content", question.content), ("--expect", question.expect)]
    options += [("--taken-apart", taken_apart)]
    words = [word for name, value in options if value is not None for word in (name, value)]
    checker = _checker(interface.compilers(question))
    try:
        checker.stdin.write("\t".join([*words, question.file]) + "\n")
        checker.stdin.flush()
        if question.seconds is not None and not _answers(checker, question.seconds):
            checker.kill()
            _checker.cache_clear()
            return Answer.too_slow(question)
        verdict, separator, detail = checker.stdout.readline().rstrip("\n").partition("\t")
    except BrokenPipeError:
        separator = ""
    if not separator:
        # The files after this one are judged all the same.
        _checker.cache_clear()
        return Answer.error("the Java program ended")
    return Answer(verdict, detail)


def _answers(checker, seconds):
    """Waits for an answer. One line answers one question, so none is in Python's buffer."""
    last = _processor_seconds(checker) + seconds
    while not select.select([checker.stdout], [], [], 1)[0]:
        if _processor_seconds(checker) > last:
            return False
    return True


def _processor_seconds(checker):
    # proc(5): the name, which may hold anything, ends with the last bracket; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{checker.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@functools.cache
def _checker(compilers):
    home = os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "dss")
    for program, found in (("java", shutil.which("java")), ("the EU DSS checker", os.path.exists(f"{home}/dss-checker.jar"))):
        if not found:
            raise Missing(program)
    # One short run on few cores: a simple collector starts soonest. What DSS reads as a stream is larger than this memory; deep structures
    # of PDFs take much stack.
    words = ["java", "-Xmx1g", "-Xss256m", "-XX:+UseSerialGC", *compilers, "-Djava.awt.headless=true", "-Duser.timezone=UTC"]
    checker = subprocess.Popen(
        [*words, "-cp", f"{home}/dss-checker.jar:{home}/lib/*", "sigillo.dss.Main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(_stop, checker)
    return checker


def _stop(checker):
    try:
        checker.stdin.close()
    except BrokenPipeError:
        pass  # it has ended by itself
    checker.wait()
