//! What the author of a form demands of the signature in a field: seed values (ISO 32000-2, 12.7.5.5, table 237).
//!
//! Demands are met or refused, never guessed at: which reason or digest a seal has is the worker's choice.

mod certificate;

use cryptotoken_api::{CertificateChain, DigestAlgorithm};
use lopdf::{Dictionary, Object};

use super::Certification;
use super::fields::TargetField;
use super::file::PdfFile;
use super::refusal::PdfRefusal;
use super::signature_dictionary::{FILTER, SUB_FILTER, SignatureClaims};
use crate::level::SignatureLevel;

/// What the seal will be.
pub(super) struct Offer<'o> {
    /// What its dictionary says.
    pub(super) claims: &'o SignatureClaims<'o>,
    /// The digest over the document.
    pub(super) digest: DigestAlgorithm,
    /// The level that it has for certain.
    pub(super) level: SignatureLevel,
    /// The signer.
    pub(super) chain: &'o CertificateChain,
}

/// Refuses a seal that is not as the author of the field demands.
///
/// # Errors
/// [`PdfRefusal::SeedValue`], or [`PdfRefusal::FieldUnusable`] when it cannot be read what is demanded.
pub(super) fn check(file: &PdfFile<'_>, target: &TargetField, offer: &Offer<'_>) -> Result<(), PdfRefusal> {
    let TargetField::Existing { id, name, .. } = target else { return Ok(()) };
    let Some(field) = file.dictionary(*id) else { return Ok(()) };
    let seed = match file.value(field, b"SV") {
        Object::Null => return Ok(()),
        seed => seed.as_dict().map_err(|_| Unmet::Unreadable),
    };
    let met = seed.and_then(|values| SeedValues::new(file, values)).and_then(|seed| seed.check(offer));
    met.map_err(|unmet| match unmet {
        Unmet::Demand(demand) => PdfRefusal::SeedValue { field: name.clone(), demand },
        Unmet::Unreadable => {
            PdfRefusal::FieldUnusable { field: name.clone(), reason: "its seed values cannot be read (/SV)" }
        }
    })
}

/// Why a seal is not what the author wants.
enum Unmet {
    /// What is demanded.
    Demand(String),
    /// It cannot be read what is demanded.
    Unreadable,
}

impl From<lopdf::Error> for Unmet {
    fn from(_: lopdf::Error) -> Self {
        Self::Unreadable
    }
}

/// Refuses for a demand that is not met.
fn ensure(met: bool, demand: impl FnOnce() -> String) -> Result<(), Unmet> {
    if met { Ok(()) } else { Err(Unmet::Demand(demand())) }
}

/// A dictionary whose entries are demands where `/Ff` says so, and proposals otherwise.
struct SeedValues<'f> {
    file: &'f PdfFile<'f>,
    values: &'f Dictionary,
    flags: i64,
}

impl<'f> SeedValues<'f> {
    fn new(file: &'f PdfFile<'f>, values: &'f Dictionary) -> Result<Self, Unmet> {
        let flags = match file.value(values, b"Ff") {
            Object::Null => 0,
            flags => flags.as_i64()?,
        };
        Ok(Self { file, values, flags })
    }

    /// The entry, when it is there.
    fn entry(&self, key: &[u8]) -> Option<&'f Object> {
        Some(self.file.value(self.values, key)).filter(|value| !value.is_null())
    }

    fn is_required(&self, bit: u8) -> bool {
        self.flags >> (bit - 1) & 1 == 1
    }

    /// The entry, when it is there and a demand.
    fn required(&self, bit: u8, key: &[u8]) -> Option<&'f Object> {
        self.entry(key).filter(|_| self.is_required(bit))
    }

    /// The texts of an array.
    fn texts(&self, array: &'f Object) -> Result<Vec<String>, Unmet> {
        array.as_array()?.iter().map(|text| self.text(text)).collect()
    }

    /// A text string, or a name, which some writers have where the other belongs.
    fn text(&self, object: &'f Object) -> Result<String, Unmet> {
        match self.file.resolve(object) {
            Object::Name(name) => Ok(String::from_utf8_lossy(name).into_owned()),
            text => Ok(lopdf::decode_text_string(text)?),
        }
    }

    fn check(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        self.check_handler()?;
        self.check_encoding()?;
        self.check_digest(offer)?;
        self.check_reason(offer)?;
        self.check_certification(offer)?;
        self.check_timestamp(offer)?;
        self.check_lock(offer)?;
        self.check_others()?;
        match self.entry(b"Cert") {
            Some(values) => Self::new(self.file, values.as_dict()?)?.check_certificate(offer.chain),
            None => Ok(()),
        }
    }

    fn check_handler(&self) -> Result<(), Unmet> {
        let Some(filter) = self.required(1, b"Filter") else { return Ok(()) };
        let filter = self.text(filter)?;
        ensure(filter == FILTER, || format!("the signature handler {}", shown(&[filter])))
    }

    /// The first encoding that is supported is to be taken. Readers support more than is made here, so that no other may stand
    /// before it.
    fn check_encoding(&self) -> Result<(), Unmet> {
        let Some(encodings) = self.required(2, b"SubFilter") else { return Ok(()) };
        let encodings = self.texts(encodings)?;
        let first = encodings.iter().find(|encoding| READ_ELSEWHERE.contains(&encoding.as_str()));
        let met = first.is_some_and(|first| first == SUB_FILTER);
        ensure(met, || {
            format!("the encoding {} (the first that is known), and a seal is {SUB_FILTER}", shown(&encodings))
        })
    }

    fn check_digest(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        let Some(digests) = self.required(7, b"DigestMethod") else { return Ok(()) };
        let digests = self.texts(digests)?;
        let ours = offer.digest.to_string().replace('-', "");
        let met = digests.iter().any(|digest| digest.eq_ignore_ascii_case(&ours));
        ensure(met, || format!("the digest {}, and the worker makes {}", shown(&digests), offer.digest))
    }

    fn check_reason(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        if !self.is_required(4) {
            return Ok(());
        }
        let reasons = self.entry(b"Reasons").map_or(Ok(Vec::new()), |reasons| self.texts(reasons))?;
        // None, or a full stop alone: there is to be no reason.
        if reasons.is_empty() || reasons == ["."] {
            return ensure(offer.claims.reason.is_none(), || "that no reason is given".to_owned());
        }
        let met = offer.claims.reason.is_some_and(|reason| reasons.iter().any(|each| each == reason));
        ensure(met, || format!("the reason {}", shown(&reasons)))
    }

    /// Whether it is to certify the document is no matter of `/Ff`.
    fn check_certification(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        let Some(demanded) = self.entry(b"MDP") else { return Ok(()) };
        let level = self.file.value(demanded.as_dict()?, b"P").as_i64()?;
        let made = offer.claims.certification_level().map_or(0, |level| i64::from(level.level()));
        ensure(made == level, || match level {
            0 => "an approval, and the worker certifies".to_owned(),
            level => format!("a certification of level {level}"),
        })
    }

    fn check_timestamp(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        let Some(server) = self.entry(b"TimeStamp") else { return Ok(()) };
        let flags = self.file.value(server.as_dict()?, b"Ff").as_i64().unwrap_or(0);
        let met = flags == 0 || offer.level >= SignatureLevel::BaselineT;
        ensure(met, || "a timestamp, which this worker does not always make".to_owned())
    }

    fn check_lock(&self, offer: &Offer<'_>) -> Result<(), Unmet> {
        let Some(lock) = self.required(8, b"LockDocument") else { return Ok(()) };
        let locks = offer.claims.lowest_level() == Some(Certification::NoChanges);
        let demanded = match lock {
            Object::Boolean(lock) => lock.to_string(),
            lock => self.text(lock)?,
        };
        match demanded.as_str() {
            "true" => ensure(locks, || "that the document is locked (certification 1)".to_owned()),
            "false" => ensure(!locks, || "that the document is not locked".to_owned()),
            "auto" => Ok(()),
            _ => Err(Unmet::Unreadable),
        }
    }

    /// What no seal has.
    fn check_others(&self) -> Result<(), Unmet> {
        let revocation = self.required(6, b"AddRevInfo").is_some_and(|add| add.as_bool().unwrap_or(true));
        ensure(!revocation, || "revocation information inside the signature, which PAdES has beside it".to_owned())?;
        ensure(self.required(5, b"LegalAttestation").is_none(), || "a legal attestation".to_owned())?;
        ensure(self.required(9, b"AppearanceFilter").is_none(), || "an appearance by its name".to_owned())?;
        match self.required(3, b"V") {
            Some(version) => {
                let version = version.as_float()?;
                ensure(version <= PDF_2_0, || format!("seed values of version {version}"))
            }
            None => Ok(()),
        }
    }
}

/// Some of the values that a document has, cut where they are long.
fn shown(values: &[String]) -> String {
    if values.is_empty() {
        return "of an empty list".to_owned();
    }
    let cut = |value: &String| value.chars().filter(|each| !each.is_control()).take(SHOWN_LENGTH).collect::<String>();
    let shown: Vec<_> = values.iter().take(SHOWN).map(|value| format!("\"{}\"", cut(value))).collect();
    let more = if values.len() > SHOWN { " or …" } else { "" };
    format!("{}{more}", shown.join(" or "))
}

const SHOWN: usize = 4;
const SHOWN_LENGTH: usize = 60;

/// The version of seed values that has all of table 237.
const PDF_2_0: f32 = 3.0;

/// Encodings that readers know (ISO 32000-2, table 260; EN 319 142-1), of which one makes seals.
const READ_ELSEWHERE: [&str; 4] = ["adbe.pkcs7.detached", "adbe.pkcs7.sha1", "adbe.x509.rsa_sha1", SUB_FILTER];
