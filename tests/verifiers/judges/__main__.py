"""Ask one tool: python -m judges TOOL ARGUMENTS… Prints a line per file, exits as README.md says."""

import importlib
import os
import sys

from judges import interface
from judges.interface import Answer, Missing


def main() -> int:
    tool, *arguments = sys.argv[1:]
    judge = importlib.import_module(f"judges.{tool}")
    answers = []
    for question in interface.parse(tool, arguments):
        answer = ask(judge, tool, question)
        answers.append(answer)
        print(question.file, answer.verdict, answer.one_line(), sep="\t", flush=True)
    return interface.exit_code(answers)


def ask(judge, tool, question) -> Answer:
    if question.format not in judge.FORMATS:
        return Answer.not_applicable(f"{tool} does not judge {question.format}")
    for path in question.paths():
        if not os.access(path, os.R_OK):
            return Answer.error(f"cannot read {path}")
    try:
        return judge.judge(question)
    except Missing as missing:
        advice = f"{missing} is not installed; run scripts/install-tools"
        print(advice, file=sys.stderr)
        return Answer.error(advice)
    except Exception as failure:  # else Python would exit with 1, which means "rejected" here
        return Answer.error(f"{type(failure).__name__}: {failure}")


if __name__ == "__main__":
    sys.exit(main())
