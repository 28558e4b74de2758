"""qpdf: whether a PDF is sound in structure. It does not look at signatures."""

from judges.command import last_line, run
from judges.interface import Answer

FORMATS = {"pades", "pdf"}


def judge(question) -> Answer:
    check = run("qpdf", "--check", question.file)
    # 2 is an error, 3 a warning: a file we wrote deserves neither.
    if check.returncode == 0:
        return Answer.valid("no syntax or stream encoding errors")
    warnings = [line for line in check.stdout.splitlines() if line.startswith(("WARNING", "qpdf:"))]
    return Answer.invalid(warnings[0] if warnings else last_line(check.stdout))
