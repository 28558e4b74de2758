"""What a tool must know of a CMS before it is asked: how it is signed and whether it carries its content."""

from asn1crypto import cms


# RFC 9881, section 2.
_ML_DSA = {f"2.16.840.1.101.3.4.3.{number}" for number in (17, 18, 19)}


def signed_data(der: bytes):
    """The SignedData, or None when these bytes are none: then the tool itself shall say so."""
    try:
        content_info = cms.ContentInfo.load(der, strict=True)
        if content_info["content_type"].native != "signed_data":
            return None
        parsed = content_info["content"]
        # asn1crypto parses as late as it can; this forces it, so that broken bytes are found here.
        for name in ("version", "digest_algorithms", "encap_content_info", "certificates"):
            parsed[name].native
        for signer in parsed["signer_infos"]:
            # Not the unsigned attributes: of those it does not know, it cannot make native values.
            for name in ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature"):
                signer[name].native
        return parsed
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def uses_eddsa(der: bytes) -> bool:
    parsed = signed_data(der)
    if parsed is None:
        return False
    names = {signer["signature_algorithm"]["algorithm"].native for signer in parsed["signer_infos"]}
    return bool(names & {"ed25519", "ed448"})


def uses_pss(der: bytes) -> bool:
    parsed = signed_data(der)
    if parsed is None:
        return False
    return any(signer["signature_algorithm"]["algorithm"].native == "rsassa_pss" for signer in parsed["signer_infos"])


def uses_ml_dsa(der: bytes) -> bool:
    try:
        # Not by signed_data, since asn1crypto by itself cannot parse the certificate's key.
        signers = cms.ContentInfo.load(der)["content"]["signer_infos"]
        return any(signer["signature_algorithm"]["algorithm"].dotted in _ML_DSA for signer in signers)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def is_encapsulated(der: bytes) -> bool:
    parsed = signed_data(der)
    return parsed is not None and parsed["encap_content_info"]["content"].native is not None
