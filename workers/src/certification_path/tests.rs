//! Paths that hold and paths that do not. Certificates are made by OpenSSL, which also judges them in the product: what is tested
//! is that it gets to see the right path, at the right time.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509Builder, X509Extension, X509NameBuilder};

use super::*;

/// A name with a key.
struct Party {
    name: &'static str,
    key: PKey<Private>,
}

impl Party {
    fn new(name: &'static str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self { name, key: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap() }
    }
}

const DAY: i64 = 86_400;

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Certifies `subject` by `issuer`, from a day ago for so many days; `ca`: with this path length, or without one.
fn certify(
    subject: &Party,
    issuer: &Party,
    ca: Option<Option<u32>>,
    days: i64,
    extension: Option<X509Extension>,
) -> Certificate {
    certify_by(MessageDigest::sha256(), subject, issuer, ca, days, extension)
}

/// The same with this digest in its signature.
fn certify_by(
    digest: MessageDigest,
    subject: &Party,
    issuer: &Party,
    ca: Option<Option<u32>>,
    days: i64,
    extension: Option<X509Extension>,
) -> Certificate {
    let name = |party: &Party| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, party.name).unwrap();
        name.build()
    };
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, openssl::bn::MsbOption::ONE, false).unwrap();
    builder.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    let begin = now().unix_timestamp() - DAY;
    builder.set_not_before(&Asn1Time::from_unix(begin).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(begin + days * DAY).unwrap()).unwrap();
    builder.set_pubkey(&subject.key).unwrap();
    let mut constraints = BasicConstraints::new();
    constraints.critical();
    if let Some(length) = ca {
        constraints.ca();
        length.into_iter().for_each(|length| {
            constraints.pathlen(length);
        });
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
    }
    builder.append_extension(constraints.build().unwrap()).unwrap();
    if let Some(extension) = extension {
        builder.append_extension(extension).unwrap();
    }
    builder.sign(&issuer.key, digest).unwrap();
    Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
}

fn later() -> Instant {
    Instant::now() + std::time::Duration::from_secs(60)
}

fn nowhere(_: &Certificate) -> Result<Certificate, String> {
    Err("nobody is asked".into())
}

fn build(leaf: &Certificate, anchors: &[&Certificate], pool: &[&Certificate]) -> Result<Vec<Certificate>, String> {
    let owned = |list: &[&Certificate]| list.iter().map(|each| (*each).clone()).collect::<Vec<_>>();
    let path = CertificationPath::build(leaf, &owned(anchors), &owned(pool), now(), later(), nowhere);
    path.map(|path| path.certificates().to_vec()).map_err(|error| error.to_string())
}

#[test]
fn a_path_leads_over_what_is_at_hand_and_what_is_fetched_to_an_anchor() {
    let [root, ca, seal] = ["root", "ca", "seal"].map(Party::new);
    let anchor = certify(&root, &root, Some(None), 100, None);
    let issuing = certify(&ca, &root, Some(Some(0)), 100, None);
    let leaf = certify(&seal, &ca, None, 100, None);
    let whole = vec![leaf.clone(), issuing.clone(), anchor.clone()];
    assert_eq!(build(&leaf, &[&anchor], &[&anchor, &leaf, &issuing]).unwrap(), whole);
    // An anchor below the root ends the path, and one certificate can be all of it.
    assert_eq!(build(&leaf, &[&issuing], &[]).unwrap(), whole[..2]);
    assert_eq!(build(&leaf, &[&leaf], &[]).unwrap(), whole[..1]);

    let mut asked = Vec::new();
    let fetched = CertificationPath::build(&leaf, std::slice::from_ref(&anchor), &[], now(), later(), |certificate| {
        asked.push(certificate.clone());
        Ok(issuing.clone())
    });
    assert_eq!((fetched.unwrap().certificates(), asked), (whole.as_slice(), vec![leaf.clone()]));
    let issued = CertificationPath(whole.clone());
    assert_eq!(issued.issued().collect::<Vec<_>>(), [(&leaf, &issuing), (&issuing, &anchor)]);

    let error = build(&leaf, &[&anchor], &[]).unwrap_err();
    assert!(error.contains("CN=seal") && error.contains("nobody is asked"), "{error}");
    let stranger = certify(&Party::new("root"), &Party::new("root"), Some(None), 100, None);
    let error = build(&leaf, &[&stranger], &[&issuing, &anchor]).unwrap_err();
    assert!(error.contains("\"CN=root\" is no trust anchor"), "{error}");
    let lie = CertificationPath::build(&leaf, &[anchor], &[], now(), later(), |_| Ok(stranger.clone())).unwrap_err();
    assert!(lie.to_string().contains("did not issue"), "{lie}");
}

#[test]
fn another_way_is_found_when_the_first_one_does_not_hold() {
    // The same CA, certified by the root until yesterday and again; and by another root that nobody trusts.
    let [root, other, ca, seal] = ["root", "other", "ca", "seal"].map(Party::new);
    let anchor = certify(&root, &root, Some(None), 100, None);
    let past = certify(&ca, &root, Some(Some(0)), 1, None);
    let crossed = certify(&ca, &other, Some(Some(0)), 100, None);
    let present = certify(&ca, &root, Some(Some(0)), 100, None);
    let leaf = certify(&seal, &ca, None, 100, None);
    let path = build(&leaf, &[&anchor], &[&past, &crossed, &present]).unwrap();
    assert_eq!(path[1], present);
    let error = build(&leaf, &[&anchor], &[&past]).unwrap_err();
    assert!(error.contains("expired") && error.contains("CN=ca"), "{error}");
}

#[test]
fn what_may_not_certify_does_not() {
    let [root, upper, lower, seal] = ["root", "upper", "lower", "seal"].map(Party::new);
    let anchor = certify(&root, &root, Some(None), 100, None);
    // No CA.
    let no_ca = certify(&upper, &root, None, 100, None);
    let leaf = certify(&seal, &upper, None, 100, None);
    let error = build(&leaf, &[&anchor], &[&no_ca]).unwrap_err();
    assert!(error.to_lowercase().contains("ca"), "{error}");
    // A CA that may have none below it.
    let short = certify(&upper, &root, Some(Some(0)), 100, None);
    let below = certify(&lower, &upper, Some(None), 100, None);
    let leaf = certify(&seal, &lower, None, 100, None);
    let error = build(&leaf, &[&anchor], &[&short, &below]).unwrap_err();
    assert!(error.contains("path length"), "{error}");
    let long = certify(&upper, &root, Some(Some(1)), 100, None);
    assert_eq!(build(&leaf, &[&anchor], &[&long, &below]).unwrap().len(), 4);
    // A critical extension that nobody knows.
    let value = openssl::asn1::Asn1OctetString::new_from_bytes(&[5, 0]).unwrap();
    let oid = openssl::asn1::Asn1Object::from_str("1.3.6.1.4.1.99999.7").unwrap();
    let unknown = X509Extension::new_from_der(&oid, true, &value).unwrap();
    let odd = certify(&seal, &root, None, 100, Some(unknown));
    assert!(build(&odd, &[&anchor], &[]).unwrap_err().contains("critical"));
    // Of the same name, and signed by another key.
    let forged = certify(&seal, &Party::new("root"), None, 100, None);
    assert!(build(&forged, &[&anchor], &[]).is_err());
}

#[test]
fn time_counts_at_every_certificate_below_the_anchor() {
    let [root, seal] = ["root", "seal"].map(Party::new);
    let anchor = certify(&root, &root, Some(None), 100, None);
    let leaf = certify(&seal, &root, None, 10, None);
    let at = |days: i64| {
        let time = now() + time::Duration::days(days);
        CertificationPath::build(&leaf, std::slice::from_ref(&anchor), &[], time, later(), nowhere)
            .map_err(|error| error.to_string())
    };
    at(0).unwrap();
    at(8).unwrap();
    assert!(at(10).unwrap_err().contains("expired"));
    assert!(at(-2).unwrap_err().contains("not yet valid"));
}

#[test]
fn circles_and_endless_chains_end() {
    // Two CAs that certify each other.
    let [a, b, seal] = ["a", "b", "seal"].map(Party::new);
    let circle = [certify(&a, &b, Some(None), 100, None), certify(&b, &a, Some(None), 100, None)];
    let anchor = certify(&Party::new("root"), &Party::new("root"), Some(None), 100, None);
    let leaf = certify(&seal, &a, None, 100, None);
    assert!(build(&leaf, &[&anchor], &[&circle[0], &circle[1]]).is_err());
    // A server that always has one more.
    let mut above = Party::new("0");
    let leaf = certify(&seal, &above, None, 100, None);
    let mut fetched = 0;
    let error = CertificationPath::build(&leaf, &[anchor], &[], now(), later(), |_| {
        fetched += 1;
        let next = Party::new("0");
        let certificate = certify(&above, &next, Some(None), 100, None);
        above = next;
        Ok(certificate)
    });
    assert!(error.unwrap_err().to_string().contains("longer than"));
    assert_eq!(fetched, LENGTH - 1);
}

#[test]
fn no_signature_below_the_anchor_is_of_sha_1() {
    let weak = MessageDigest::sha1();
    let [root, ca, seal] = ["root", "ca", "seal"].map(Party::new);
    // What it says of itself proves nothing, whatever the digest.
    let anchor = certify_by(weak, &root, &root, Some(None), 100, None);
    let issuing = certify(&ca, &root, Some(Some(0)), 100, None);
    let leaf = certify(&seal, &ca, None, 100, None);
    assert_eq!(build(&leaf, &[&anchor], &[&issuing]).unwrap().len(), 3);
    let weak_ca = certify_by(weak, &ca, &root, Some(Some(0)), 100, None);
    let error = build(&leaf, &[&anchor], &[&weak_ca]).unwrap_err();
    assert!(error.contains("digest algorithm too weak") && error.contains("CN=ca"), "{error}");
    let weak_leaf = certify_by(weak, &seal, &ca, None, 100, None);
    let error = build(&weak_leaf, &[&anchor], &[&issuing]).unwrap_err();
    assert!(error.contains("digest algorithm too weak") && error.contains("CN=seal"), "{error}");
    // One that is an anchor itself is trusted as it is, and ends the path.
    assert_eq!(build(&leaf, &[&weak_ca], &[]).unwrap().len(), 2);
    assert_eq!(build(&weak_leaf, &[&weak_leaf], &[]).unwrap().len(), 1);
}

#[test]
fn the_search_ends_when_there_is_no_time_left() {
    let [root, seal] = ["root", "seal"].map(Party::new);
    let anchor = certify(&root, &root, Some(None), 100, None);
    let leaf = certify(&seal, &root, None, 100, None);
    let by = |deadline| CertificationPath::build(&leaf, std::slice::from_ref(&anchor), &[], now(), deadline, nowhere);
    by(later()).unwrap();
    assert!(by(Instant::now()).unwrap_err().to_string().contains("no time left"));
}
