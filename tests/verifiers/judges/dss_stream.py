"""EU DSS on a CMS that may be larger than memory: it gets the signature and the digests of the content, which Bouncy Castle reads as a stream."""

from judges import dss
from judges.interface import Answer

FORMATS = {"cades"}


def judge(question) -> Answer:
    if question.detached is not None:
        return Answer.not_applicable("it is detached: dss reads the document beside as a stream by itself")
    return dss.judge(question, taken_apart="yes")
