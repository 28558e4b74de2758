"""pyHanko, as a library so that many files need one start: PAdES, CAdES and timestamps, trust from the given roots, nothing fetched."""

import asyncio
import hashlib
import logging
import signal
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.validation import ades, async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.generic_cms import (
    async_validate_cms_signature,
    async_validate_detached_cms,
    validate_tst_signed_data,
)
from pyhanko.sign.validation.policy_decl import (
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.status import SignatureCoverageLevel, TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from judges import cms_structure
from judges.interface import Answer

FORMATS = {"cades", "pades", "timestamp"}

# Why a file is rejected is in the answer; the traces of the same exceptions would hide it.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


class TooSlow(BaseException):
    """Raised wherever it is at; no `except Exception` on the way takes it for a fault of the file."""


def _give_up(_signal, _frame):
    raise TooSlow


def judge(question) -> Answer:
    signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, question.seconds or 0)
    try:
        return _judge(question)
    except TooSlow:
        return Answer.too_slow(question.seconds)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _judge(question) -> Answer:
    context = ValidationContext(
        trust_roots=[load_cert_from_pemder(root) for root in question.roots],
        other_certs=[load_cert_from_pemder(certificate) for certificate in question.certificates],
        allow_fetching=False,
    )
    verify = {"cades": _cades, "pades": _pades, "timestamp": _timestamp}[question.format]
    try:
        return asyncio.run(verify(question, context))
    except Exception as refusal:  # pyHanko has no common root for what it raises on foreign bytes
        return Answer.invalid(f"{type(refusal).__name__}: {refusal}")


async def _pades(question, context):
    if question.before is not None:
        return await _last_signature(question, context)
    with open(question.file, "rb") as file:
        reader = _reader(file, question)
        signatures = reader.embedded_regular_signatures
        if not signatures:
            return Answer.invalid("no signature found")
        for signature in signatures:
            status = await async_validate_pdf_signature(signature, context)
            if not status.bottom_line:
                unmet = f"; {status.seed_value_constraint_error}" if status.seed_value_constraint_error else ""
                return Answer.invalid(f"{signature.field_name}: {status.summary()}{unmet}")
        # Below LTA the engine knows no proof of existence of what is inside, and past validation must fail.
        if question.expect == "PAdES-BASELINE-LTA":
            complaint = await _long_term(question, signatures)
            if complaint:
                return Answer.invalid(complaint)
        complaint = _coverage(question, status, signature, reader.embedded_timestamp_signatures)
        if complaint:
            return Answer.invalid(complaint)
        return Answer.valid(f"{len(signatures)} signature(s), last {status.summary()}")


def _reader(file, question, strict=True):
    reader = PdfFileReader(file, strict=strict)
    if question.before is not None and reader.xrefs.hybrid_xrefs_present:
        # It judges signatures in hybrid-reference files only when told not to be strict.
        reader = PdfFileReader(file, strict=False)
    if reader.encrypted and reader.decrypt(question.password or "").status == AuthStatus.FAILED and _hides_content(reader):
        raise PermissionError("the password does not open it")
    return reader


def _hides_content(reader):
    """Whether more is encrypted than attachments: of these alone pyHanko needs the key only to extract them."""
    filters = reader.security_handler.crypt_filter_config
    return {filters.stream_filter_name, filters.string_filter_name} != {"/Identity"}


async def _last_signature(question, context):
    """Judges one signature, as strictly as pyHanko can read what was there before; earlier signatures must fare as they did then.

    Where pyHanko has no verdict on all of it the answer is n/a, and EU DSS must judge in its place:
    - it cannot read the document itself, or at LT and LTA, where it compares revisions, not all of it (PdfReadError, KeyError);
    - it complains of earlier signatures just as it does after an update of its own, with one empty field: of a trailer that lacks what it
      looks for it says KeyError, and what never covered its whole revision it calls changed by whatever follows.
    """
    complaints = {}
    for strict in (True, False):
        try:
            earlier = await _earlier(question, context, strict)
        except Exception as refusal:  # it reads no such file, whoever signed it
            complaints[strict] = f"{type(refusal).__name__}: {refusal}"
            continue
        try:
            return await _compared(question, context, earlier, strict)
        except (PdfReadError, KeyError) as refusal:
            if question.expect not in ("PAdES-BASELINE-LT", "PAdES-BASELINE-LTA"):
                raise
            # Comparing revisions it reads all of the document, not only what it needs to sign it.
            complaints[strict] = f"{type(refusal).__name__}: {refusal}"
            if not strict:
                return Answer.not_applicable(f"pyHanko cannot read all of the document: {complaints[False]}")
    unreadable = f"pyHanko cannot read the document itself: {complaints[True]}; less strictly: {complaints[False]}"
    if question.expect in ("PAdES-BASELINE-LT", "PAdES-BASELINE-LTA"):
        # What follows the signature cannot be told from what was there.
        return Answer.not_applicable(unreadable)
    try:
        with open(question.file, "rb") as file:
            (last,) = _reader(file, question).embedded_signatures  # how earlier ones fared it cannot say
            status = await async_validate_pdf_signature(last, context)
            complaint = _coverage(question, status, last, [])
    except Exception:
        return Answer.not_applicable(unreadable)
    return _last(last, status, complaint, "it cannot read the document as it was")


@dataclass(frozen=True)
class _Earlier:
    """What pyHanko says of an earlier signature: before the update that is judged, and after one of its own."""

    was: str
    would_be: str | None


async def _earlier(question, context, strict):
    """How the signatures fare that were there before. Raises where pyHanko cannot read enough of the document to sign it."""
    with open(question.before, "rb") as file:
        was = await _verdicts(_reader(file, question, strict), context)
        update = _with_field(_reader(file, question, strict), question)
    own = {} if update is None else await _verdicts(_reader(update, question, strict), context)
    return {place: _Earlier(verdict, own.get(place)) for place, verdict in was.items()}


async def _compared(question, context, earlier, strict):
    with open(question.file, "rb") as file:
        signatures = _reader(file, question, strict).embedded_signatures
        new = [signature for signature in signatures if _place(signature) not in earlier]
        seals = [signature for signature in new if signature.sig_object_type != "/DocTimeStamp"]
        stamps = [signature for signature in new if signature not in seals]
        if len(seals) != 1 or len(stamps) != (question.expect == "PAdES-BASELINE-LTA"):
            return Answer.invalid(f"{len(seals)} new signatures, {len(stamps)} new timestamps")
        status = await async_validate_pdf_signature(seals[0], context)
        complaint = _coverage(question, status, seals[0], stamps)
        if complaint is None and stamps:
            complaint = await _long_term(question, seals)
            earlier_stamps = [stamp for stamp in signatures if stamp.sig_object_type == "/DocTimeStamp" and stamp not in stamps]
            if complaint and [stamp for stamp in earlier_stamps if not await _is_trusted(stamp, context)]:
                # It goes from timestamp to timestamp, and stops at one whose authority is not among the roots.
                return Answer.not_applicable(f"an earlier document timestamp is not trusted here; {complaint}")
        answer = _last(seals[0], status, complaint, f"{len(signatures)} signature(s), read {'strictly' if strict else 'not strictly'}")
        now = await _verdicts(_reader(file, question, strict), context)
    doubts = []
    for place, known in earlier.items():
        verdict = now.get(place, "lost")
        if verdict == known.was:
            continue
        if verdict != known.would_be:
            return Answer.invalid(f"the signature over {place} was {known.was}, is {verdict}")
        doubts.append(f"the signature over {place} was {known.was}, is {verdict}, and would be after an update of pyHanko's own")
    if doubts and answer.verdict == "valid":
        return Answer.not_applicable("; ".join(doubts))
    return answer


async def _is_trusted(stamp, context):
    try:
        return (await async_validate_pdf_timestamp(stamp, context)).trusted
    except Exception:  # as in `judge`
        return False


def _last(signature, status, complaint, remark):
    if not status.bottom_line or complaint is not None:
        return Answer.invalid(f"{signature.field_name}: {status.summary()}, covers {status.coverage.name}; {complaint}")
    return Answer.valid(f"{remark}, last {status.summary()}")


def _with_field(reader, question):
    """What pyHanko itself would do to sign: raises where it cannot read enough of the document for that."""
    writer = IncrementalPdfFileWriter.from_reader(reader)
    update = BytesIO()
    try:
        if reader.encrypted:
            writer.encrypt(question.password or "")
        append_signature_field(writer, SigFieldSpec("pyHanko looks whether it can sign this"))
        writer.write(update)
    except Exception:
        # It opens some encrypted documents to read only.
        if reader.encrypted:
            return None
        raise
    return update


def _place(signature):
    return tuple(int(number) for number in signature.byte_range)


async def _verdicts(reader, context):
    return {_place(signature): await _verdict(signature, context) for signature in reader.embedded_signatures}


async def _verdict(signature, context):
    """Without what only says how far the document has gone on since."""
    try:
        validate = async_validate_pdf_timestamp if signature.sig_object_type == "/DocTimeStamp" else async_validate_pdf_signature
        status = await validate(signature, context)
    except Exception as refusal:
        return type(refusal).__name__
    changed = status.modification_level == ModificationLevel.OTHER
    return f"intact {status.intact}, valid {status.valid}, changed {changed}, changes permitted {status.docmdp_ok}"


def _coverage(question, status, last, timestamps):
    """What the last signature leaves uncovered that it should cover. Its revision it covers in full, or the validation has failed."""
    if question.expect not in ("PAdES-BASELINE-LT", "PAdES-BASELINE-LTA"):
        if not timestamps and status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
            return f"{last.field_name} covers only {status.coverage.name}"
        return None
    # The document security store and timestamps follow, and nothing else may.
    if status.modification_level > ModificationLevel.LTA_UPDATES:
        return f"{last.field_name} is followed by {status.modification_level.name}"
    if question.expect == "PAdES-BASELINE-LTA":
        stamp = timestamps[-1]
        stamp.compute_integrity_info()
        # pyHanko itself adds what validates the last timestamp after it.
        followed = getattr(stamp.diff_result, "modification_level", ModificationLevel.OTHER)
        if followed > ModificationLevel.LTA_UPDATES:
            return f"the document timestamp {stamp.field_name} is followed by {followed.name}"
        if stamp.signed_revision < last.signed_revision:
            return "no document timestamp covers the last signature"
    return None


async def _long_term(question, signatures):
    """What is wrong with signatures that must be complete in themselves: nothing fetched, revocation information required."""
    roots = [load_cert_from_pemder(root) for root in question.roots]
    trust = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=roots), revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO)
    )
    gathering = RevocationInfoGatheringSpec(online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY)
    specification = SignatureValidationSpec(cert_validation_policy=trust, revinfo_gathering_policy=gathering)
    for signature in signatures:
        result = await ades.ades_lta_validation(signature, PdfSignatureValidationSpec(specification))
        if result.ades_subindic.name != "OK":
            return f"{signature.field_name}: AdES engine: {result.ades_subindic.name}: {result.failure_msg}"
    return None


async def _cades(question, context):
    der = Path(question.file).read_bytes()
    signed_data = cms_structure.signed_data(der)
    if signed_data is None:
        return Answer.invalid("not CMS SignedData")
    encapsulated = cms_structure.is_encapsulated(der)
    if encapsulated and question.detached is not None:
        return Answer.invalid("carries its content, but was said to be detached")
    if not encapsulated and question.detached is None:
        return Answer.invalid("does not carry its content, and none was given")
    if encapsulated:
        status = await async_validate_cms_signature(signed_data, validation_context=context)
    else:
        with open(question.detached, "rb") as data:
            status = await async_validate_detached_cms(data, signed_data, signer_validation_context=context)
    if not (status.intact and status.valid and status.trusted):
        return Answer.invalid(status.summary())
    if question.content is not None:
        if signed_data["encap_content_info"]["content"].native != Path(question.content).read_bytes():
            return Answer.invalid(f"the signed content is not {question.content}")
    return Answer.valid(status.summary())


async def _timestamp(question, context):
    signed_data = cms_structure.signed_data(Path(question.file).read_bytes())
    if signed_data is None:
        return Answer.invalid("not CMS SignedData")
    if not signed_data["certificates"]:
        return Answer.not_applicable("pyHanko looks for the certificate of the authority in the token alone")
    data = Path(question.detached).read_bytes()
    result = await validate_tst_signed_data(signed_data, context, lambda name: hashlib.new(name, data).digest())
    status = TimestampSignatureStatus(**result)
    if not (status.intact and status.valid and status.trusted):
        return Answer.invalid(status.summary())
    return Answer.valid(f"{status.summary()} {status.timestamp.isoformat()}")
