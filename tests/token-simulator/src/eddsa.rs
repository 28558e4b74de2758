//! Ed25519 as some vendors have it: the curve under another name, generation and signature under other mechanisms.

use cryptoki_sys::*;
use serde::Deserialize;

use crate::gate::Call;
use crate::names::MechanismName;
use crate::templates::Template;
use crate::{authorization, foreign};

/// `[eddsa]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Eddsa {
    /// `CKA_EC_PARAMS`: `oid`, `printable:NAME` (a DER PrintableString) or `raw:NAME` (the bare name). Absent: what the real module takes.
    parameters: Option<Parameters>,
    /// The mechanism that generates, instead of `CKM_EC_EDWARDS_KEY_PAIR_GEN`, which is then unknown.
    generate: Option<MechanismName>,
    /// The mechanism that signs, instead of `CKM_EDDSA`, which is then unknown.
    sign: Option<MechanismName>,
}

/// The octets of `CKA_EC_PARAMS`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Parameters(Vec<u8>);

impl TryFrom<String> for Parameters {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once(':') {
            None if text == "oid" => Ok(Self(OID.to_vec())),
            Some(("raw", name)) => Ok(Self(name.as_bytes().to_vec())),
            Some(("printable", name)) => match u8::try_from(name.len()) {
                Ok(length @ 0..=127) => Ok(Self([&[0x13, length], name.as_bytes()].concat())),
                _ => Err(format!("\"{name}\" is too long")),
            },
            _ => Err(format!("\"{text}\" is none of \"oid\", \"printable:NAME\", \"raw:NAME\"")),
        }
    }
}

impl Eddsa {
    /// Makes the mechanisms that the real module lists those of the vendor.
    pub(crate) fn list(&self, mechanisms: &mut Vec<CK_MECHANISM_TYPE>) {
        for (standard, vendors) in [(CKM_EC_EDWARDS_KEY_PAIR_GEN, &self.generate), (CKM_EDDSA, &self.sign)] {
            if let Some(vendors) = vendors {
                mechanisms.retain(|mechanism| ![standard, vendors.0].contains(mechanism));
                mechanisms.push(vendors.0);
            }
        }
    }

    /// The mechanism and template with which the real module generates what was asked for.
    pub(crate) fn generate(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        public: &mut Template,
    ) -> Result<CK_MECHANISM_TYPE, CK_RV> {
        if self.generate.is_none() && self.parameters.is_none() {
            return Ok(mechanism);
        }
        let vendors = self.generate.map_or(CKM_EC_EDWARDS_KEY_PAIR_GEN, |name| name.0);
        let given = public.get(CKA_EC_PARAMS);
        if mechanism == vendors && self.parameters.as_ref().is_none_or(|ours| given == Some(&ours.0)) {
            public.set(CKA_EC_PARAMS, OID.to_vec());
            return Ok(CKM_EC_EDWARDS_KEY_PAIR_GEN);
        }
        match mechanism {
            CKM_EC_EDWARDS_KEY_PAIR_GEN if vendors == mechanism => Err(CKR_DOMAIN_PARAMS_INVALID),
            CKM_EC_EDWARDS_KEY_PAIR_GEN => Err(CKR_MECHANISM_INVALID),
            other => Ok(other),
        }
    }

    /// The vendor's name of the curve, where the real module has given one that is not.
    pub(crate) fn renames(&self, parameters: &[u8]) -> Option<&[u8]> {
        let is_ours = [OID, PRINTABLE].contains(&parameters);
        self.parameters.as_ref().filter(|_| is_ours).map(|ours| ours.0.as_slice())
    }

    /// Whether reading `CKA_EC_PARAMS` needs [`Eddsa::renames`].
    pub(crate) fn has_own_name(&self) -> bool {
        self.parameters.is_some()
    }

    /// The mechanism with which the real module signs what was asked for.
    pub(crate) fn sign(
        &self,
        call: &Call,
        session: CK_SESSION_HANDLE,
        mechanism: CK_MECHANISM_TYPE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<CK_MECHANISM_TYPE, CK_RV> {
        let Some(vendors) = self.sign else { return Ok(mechanism) };
        if mechanism == CKM_EDDSA && vendors.0 != CKM_EDDSA {
            return Err(CKR_MECHANISM_INVALID);
        }
        if mechanism != vendors.0 {
            return Ok(mechanism);
        }
        let kind = authorization::value(call, session, key, CKA_KEY_TYPE)?;
        if foreign::number(&kind) == Some(CKK_EC_EDWARDS) { Ok(CKM_EDDSA) } else { Ok(mechanism) }
    }
}

/// id-Ed25519 (RFC 8410).
const OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// `edwards25519` as PrintableString (PKCS#11 3.0, section 2.3.10).
const PRINTABLE: &[u8] = b"\x13\x0cedwards25519";
