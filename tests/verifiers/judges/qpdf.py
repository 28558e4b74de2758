"""qpdf: whether a PDF is sound in structure. It does not look at signatures."""

from subprocess import TimeoutExpired

from judges.command import last_line, run
from judges.interface import Answer

FORMATS = {"pades", "pdf"}


def _is_clean(file, password):
    try:
        return run("qpdf", "--check", *password, file).returncode == 0
    except TimeoutExpired:
        return False


def judge(question) -> Answer:
    password = [] if question.password is None else [f"--password={question.password}"]
    if question.before is not None and not _is_clean(question.before, password):
        return Answer.not_applicable("the document itself is not clean")
    check = run("qpdf", "--check", *password, question.file)
    # 2 is an error, 3 a warning: a file we wrote deserves neither.
    if check.returncode == 0:
        return Answer.valid("no syntax or stream encoding errors")
    warnings = [line for line in check.stdout.splitlines() if line.startswith(("WARNING", "qpdf:"))]
    return Answer.invalid(warnings[0] if warnings else last_line(check.stdout))
