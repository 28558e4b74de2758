"""veraPDF: whether a PDF is what it claims to be, PDF/A or PDF/UA. It does not look at signatures. The Java program is compiled when it starts."""

import glob
import os
from pathlib import Path

from judges.interface import Answer
from judges.java import Program

FORMATS = {"pades", "pdf"}
_PROGRAM = Path(__file__).resolve().parent / "VeraPdf.java"


def judge(question) -> Answer:
    # A profile; a level of signatures is for others.
    expected = question.expect if (question.expect or "").startswith(("PDF/A-", "PDF/UA-")) else ""
    libraries = sorted(glob.glob(os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "verapdf", "lib", "*.jar")))
    return Program("veraPDF", tuple(libraries), str(_PROGRAM), ("-XX:TieredStopAtLevel=1",)).ask(expected, question.file)
