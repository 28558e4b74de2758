//! Try what a profile declares: generate, sign with every algorithm, verify in software, destroy.

use std::time::{Duration, Instant};

use cryptotoken_api::{
    CryptoToken, DigestAlgorithm, KeyAlias, KeyInfo, KeyLocation, KeySpec, PublicKey, SignatureAlgorithm,
    SignatureScheme,
};

use crate::conformance::{CheckItem, Verdict};
use crate::lifecycle::{Specimen, check_attributes, destroy, generate, specimen};
use crate::pkcs11::Pkcs11Token;
use crate::profile::{CertStore, KeyAuthorizationKind, KeygenMode, Support};

/// Measures a token with throw-away keys: every kind that the profile does not rule out, with every algorithm, and what `measure` declares.
///
/// Every key is destroyed again; one that cannot be is named in an item of its own. Their aliases begin with `sigillo-check-`. This takes
/// as long as the device takes to generate keys.
#[must_use]
pub fn measure(token: &Pkcs11Token) -> Vec<CheckItem> {
    measure_before(token, &mut |_, _, _| {})
}

/// The same, before a witness who is shown every signature that was found to be right.
#[must_use]
pub fn measure_before(token: &Pkcs11Token, witness: &mut Witness<'_>) -> Vec<CheckItem> {
    let profile = token.profile();
    if profile.keygen.mode == KeygenMode::External {
        let found = format!("not tried: {}", profile.keygen.external);
        return vec![CheckItem::new("keygen.mode", "external", found, Verdict::Unknown)];
    }
    let mut items = Vec::new();
    let mut conduct_measured = false;
    for spec in KeySpec::ALL {
        let declared = profile.keygen.support(spec);
        let field = format!("keygen.kinds.{spec}, generated");
        if declared == Support::No {
            items.push(CheckItem::new(field, declared.name(), "not tried", Verdict::Unknown));
            continue;
        }
        let key = match throw_away_alias(spec).map(|alias| generate(token, &alias, spec)) {
            Some(Ok(key)) => key,
            Some(Err(error)) => {
                let item =
                    CheckItem::new(field, declared.name(), error.to_string(), Verdict::of(declared, Some(false)));
                items.push(if declared == Support::Yes { item.required() } else { item });
                continue;
            }
            None => continue,
        };
        items.push(CheckItem::new(field, declared.name(), "yes", Verdict::of(declared, Some(true))));
        items.push(attributes(spec, &key));
        items.extend(signatures(token, spec, &key, witness));
        if !conduct_measured {
            conduct_measured = true;
            items.extend(token.measure_conduct(&key, spec));
            items.extend(certificate(token, &key));
        }
        items.extend(remove(token, &key));
    }
    items
}

/// Is shown a key, an algorithm, and what was signed with them.
pub type Witness<'a> = dyn FnMut(&PublicKey, SignatureAlgorithm, &Specimen) + 'a;

fn throw_away_alias(spec: KeySpec) -> Option<KeyAlias> {
    let mut octets = [0; 6];
    openssl::rand::rand_bytes(&mut octets).ok()?;
    format!("sigillo-check-{}-{spec}", hex::encode(octets)).parse().ok()
}

fn location(token: &Pkcs11Token, key: &KeyInfo) -> Option<KeyLocation> {
    Some(KeyLocation { token: token.name().to_owned(), alias: key.label.parse().ok()?, id: key.id.clone() })
}

/// What generation refused already is no key; left are attributes that the device does not tell.
fn attributes(spec: KeySpec, key: &KeyInfo) -> CheckItem {
    let problems: Vec<String> = check_attributes(&key.attributes).iter().map(ToString::to_string).collect();
    let field = format!("keygen.private_template, {spec}");
    let expected = "made in the device, sensitive, never extractable, signs only";
    match problems.is_empty() {
        true => CheckItem::new(field, expected, "so it is", Verdict::Ok),
        false => CheckItem::new(field, expected, problems.join(", "), Verdict::Unknown),
    }
}

fn signatures(token: &Pkcs11Token, spec: KeySpec, key: &KeyInfo, witness: &mut Witness<'_>) -> Vec<CheckItem> {
    let algorithms =
        SignatureScheme::ALL.into_iter().flat_map(|scheme| DigestAlgorithm::ALL.map(|digest| (scheme, digest)));
    let algorithms =
        algorithms.filter_map(|(scheme, digest)| SignatureAlgorithm::for_key(spec, Some(scheme), Some(digest)).ok());
    algorithms.map(|algorithm| signature(token, spec, key, algorithm, witness)).collect()
}

fn signature(
    token: &Pkcs11Token,
    spec: KeySpec,
    key: &KeyInfo,
    algorithm: SignatureAlgorithm,
    witness: &mut Witness<'_>,
) -> CheckItem {
    let profile = token.profile();
    let field = format!("sign, {spec} with {algorithm}");
    if profile.key_authorization.kind != KeyAuthorizationKind::None {
        return CheckItem::new(field, "yes", "not tried: the key needs authorisation first", Verdict::Unknown);
    }
    let (Some(location), Some(public)) = (location(token, key), key.public_key.as_ref()) else {
        return CheckItem::new(field, "yes", "not tried: the key cannot be named", Verdict::Unknown);
    };
    let signer = match token.signer(&location, spec, algorithm) {
        Ok(signer) => signer,
        // RSASSA-PSS may be off, or not offered; the default scheme of a kind of key may not.
        Err(error) if algorithm.scheme() == SignatureScheme::RsaPss => {
            return CheckItem::new(field, "as the device offers", error.to_string(), Verdict::Unknown);
        }
        Err(error) => return CheckItem::new(field, "yes", error.to_string(), Verdict::Differs).required(),
    };
    match specimen(signer.as_ref(), public, Instant::now() + PATIENCE) {
        Ok(specimen) => {
            witness(public, algorithm, &specimen);
            CheckItem::new(field, "yes", "signs, verified in software", Verdict::Ok)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            CheckItem::new(field, "yes", format!("{error}{cause}"), Verdict::Differs).required()
        }
    }
}

fn certificate(token: &Pkcs11Token, key: &KeyInfo) -> Option<CheckItem> {
    let declared = token.profile().measure.certificates;
    let item = |found: String, verdict| Some(CheckItem::new("measure.certificates", declared.name(), found, verdict));
    if token.profile().cert.store == CertStore::Never {
        return item("not tried: cert.store = \"never\"".into(), Verdict::Unknown);
    }
    let der = self_signed().ok()?;
    match token.store_certificate(&location(token, key)?, &der) {
        Ok(_) => item("written".into(), Verdict::of(declared, Some(true))),
        Err(error) => item(error.to_string(), Verdict::of(declared, Some(false))),
    }
}

/// Some certificate. Of a key in software: a device only stores it.
fn self_signed() -> Result<Vec<u8>, openssl::error::ErrorStack> {
    use openssl::asn1::{Asn1Integer, Asn1Time};
    use openssl::bn::BigNum;
    use openssl::x509::{X509, X509NameBuilder};

    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1)?;
    let key = openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "sigillo token check")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(Asn1Integer::from_bn(BigNum::from_u32(1)?.as_ref())?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(1)?.as_ref())?;
    builder.set_pubkey(&key)?;
    builder.sign(&key, openssl::hash::MessageDigest::sha256())?;
    builder.build().to_der()
}

fn remove(token: &Pkcs11Token, key: &KeyInfo) -> Option<CheckItem> {
    let location = location(token, key)?;
    let error = destroy(token, &location).err()?;
    let found = format!("{} ({}) is still there: {error}; destroy it yourself", location.alias, location.id);
    Some(CheckItem::new("throw-away key", "destroyed", found, Verdict::Differs).required())
}

/// Some devices need long for a large RSA key.
const PATIENCE: Duration = Duration::from_secs(120);
