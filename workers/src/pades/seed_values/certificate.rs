//! What the author of a form demands of the signer's certificate (ISO 32000-2, 12.7.5.5, table 238).

use const_oid::db::DB;
use cryptotoken_api::{Certificate, CertificateChain};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::CertificatePolicies;

use super::{SeedValues, Unmet, ensure, shown};

impl SeedValues<'_> {
    /// Refuses a chain that does not meet a demand.
    pub(super) fn check_certificate(&self, chain: &CertificateChain) -> Result<(), Unmet> {
        let leaf = chain.leaf();
        let another = |what: &'static str| move || format!("a certificate of another {what}");
        ensure(self.lists(1, b"Subject", |listed| listed.der() == leaf.der())?, another("signer"))?;
        ensure(self.lists(2, b"Issuer", |listed| is_above(listed, chain))?, another("issuer"))?;
        ensure(self.policies_are_in(leaf)?, another("policy"))?;
        ensure(self.usage_is_of(leaf)?, another("key usage"))?;
        ensure(self.entry(b"SignaturePolicyOID").is_none(), || "a signature policy".to_owned())?;
        self.check_subject(leaf)
    }

    /// Whether a certificate of the list is as wished, or none is demanded.
    fn lists(&self, bit: u8, key: &[u8], is_wished: impl Fn(&Certificate) -> bool) -> Result<bool, Unmet> {
        let Some(listed) = self.required(bit, key) else { return Ok(true) };
        let ders = listed.as_array()?.iter().filter_map(|der| self.file.resolve(der).as_str().ok());
        // What cannot be read is the certificate of nobody here.
        Ok(ders.filter_map(|der| Certificate::from_der(der).ok()).any(|each| is_wished(&each)))
    }

    fn policies_are_in(&self, leaf: &Certificate) -> Result<bool, Unmet> {
        let Some(demanded) = self.required(3, b"OID") else { return Ok(true) };
        let policies = leaf.fields().get_extension::<CertificatePolicies>().ok().flatten();
        let policies = policies.map(|(_, policies)| policies.0).unwrap_or_default();
        let policies: Vec<String> = policies.iter().map(|policy| policy.policy_identifier.to_string()).collect();
        Ok(self.texts(demanded)?.iter().all(|demanded| policies.contains(demanded)))
    }

    /// Each text has a character for each bit of the extension: set, not set, or either.
    fn usage_is_of(&self, leaf: &Certificate) -> Result<bool, Unmet> {
        let Some(usages) = self.required(6, b"KeyUsage") else { return Ok(true) };
        let bits = leaf.key_usage().map_or(0, |usage| usage.0.bits());
        let fits = |usage: &String| {
            usage.chars().take(KEY_USAGES).enumerate().all(|(bit, wanted)| match wanted {
                '1' => bits >> bit & 1 == 1,
                '0' => bits >> bit & 1 == 0,
                _ => true,
            })
        };
        Ok(self.texts(usages)?.iter().any(fits))
    }

    /// All attributes of one of the names must be in the subject.
    fn check_subject(&self, leaf: &Certificate) -> Result<(), Unmet> {
        let Some(names) = self.required(4, b"SubjectDN") else { return Ok(()) };
        let mut demanded = Vec::new();
        for name in names.as_array()? {
            let name = self.file.resolve(name).as_dict()?;
            let mut attributes = Vec::new();
            for (key, value) in name {
                attributes.push((String::from_utf8_lossy(key), self.text(value)?));
            }
            if attributes.iter().all(|(key, value)| is_in_subject(leaf, key, value)) {
                return Ok(());
            }
            let attributes: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            demanded.push(attributes.join(", "));
        }
        ensure(false, || format!("a signer named {}", shown(&demanded)))
    }
}

/// Whether it is a certificate of the path above the signer's.
fn is_above(authority: &Certificate, chain: &CertificateChain) -> bool {
    let certificates = chain.certificates();
    certificates.iter().skip(1).any(|each| each.der() == authority.der())
        || certificates.last().is_some_and(|last| last.is_issued_by(authority))
}

fn is_in_subject(leaf: &Certificate, key: &str, value: &str) -> bool {
    let mut attributes = leaf.fields().subject().iter();
    attributes.any(|attribute| is_named(attribute, key) && attribute.value.value() == value.as_bytes())
}

/// Whether the key is a name of the attribute's type, or its object identifier.
fn is_named(attribute: &AttributeTypeAndValue, key: &str) -> bool {
    let oid = attribute.oid.to_string();
    let mut names = DB.find_names_for_oid(attribute.oid);
    // `organizationIdentifier` (X.520) is in no table of names.
    oid == key
        || names.any(|name| name.eq_ignore_ascii_case(key))
        || (oid == "2.5.4.97" && key.eq_ignore_ascii_case("organizationIdentifier"))
}

/// Bits of the extension (RFC 5280, section 4.2.1.3).
const KEY_USAGES: usize = 9;
