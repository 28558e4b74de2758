"""Bouncy Castle: ML-DSA without OpenSSL, and CMS of any size. The libraries are those of the EU DSS checker; the Java program is compiled when it starts."""

import glob
import os
from pathlib import Path

from judges import interface
from judges.interface import Answer
from judges.java import Program

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
    libraries = sorted(glob.glob(os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "dss", "lib", "bc*.jar")))
    # A CMS is read as a stream: what is larger than this memory is judged all the same, or the stream is none.
    options = ("-Xmx256m", *interface.compilers(question))
    return Program("Bouncy Castle", tuple(libraries), str(_PROGRAM), options).ask(*words)
