//! Extensions of certificates that say where revocation information is, and who may sign it (RFC 5280, section 4.2).

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_CE_CRL_DISTRIBUTION_POINTS, ID_KP_OCSP_SIGNING, ID_PE_AUTHORITY_INFO_ACCESS,
};
use cryptotoken_api::Certificate;
use der::Decode;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

/// `id-ce-noRevAvail` (RFC 9608, section 2).
const NO_REVOCATION_AVAILABLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
/// `id-etsi-ext-valassured-ST-certs` (EN 319 412-1, clause 5.2): valid for so short a time that nobody revokes it.
const VALIDITY_ASSURED_SHORT_TERM: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.194121.2.1");
/// `id-pkix-ocsp-nocheck` (RFC 6960, section 4.2.2.2.1).
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");

/// Whether the certificate says itself that no revocation information on it is to be asked for.
#[must_use]
pub fn needs_no_revocation(certificate: &Certificate) -> bool {
    let has = |oid| value(certificate, oid).is_some();
    // The last one only means something in the certificate of a responder.
    has(NO_REVOCATION_AVAILABLE)
        || has(VALIDITY_ASSURED_SHORT_TERM)
        || (may_sign_ocsp_responses(certificate) && has(OCSP_NO_CHECK))
}

/// Whether its issuer lets it answer for certificates of that issuer (RFC 6960, section 4.2.2.2).
#[must_use]
pub fn may_sign_ocsp_responses(certificate: &Certificate) -> bool {
    certificate.extended_key_usage().is_some_and(|usage| usage.0.contains(&ID_KP_OCSP_SIGNING))
}

/// URLs of OCSP responders, in the order of the certificate.
#[must_use]
pub fn ocsp_urls(certificate: &Certificate) -> Vec<String> {
    access_urls(certificate, ID_AD_OCSP)
}

/// URLs of the issuer's certificate.
#[must_use]
pub fn issuer_urls(certificate: &Certificate) -> Vec<String> {
    access_urls(certificate, ID_AD_CA_ISSUERS)
}

/// URLs of the CRLs that the certificate's own issuer signs for every reason: indirect and partial ones are left out.
#[must_use]
pub fn crl_urls(certificate: &Certificate) -> Vec<String> {
    let names = distribution_points(certificate);
    names.iter().filter_map(http_url).collect()
}

/// Whether there are CRLs on it that another authority signs than its issuer: `cRLIssuer` (RFC 5280, section 4.2.1.13).
#[must_use]
pub fn has_indirect_crls(certificate: &Certificate) -> bool {
    points(certificate).iter().any(|point| point.crl_issuer.is_some())
}

/// Names of those distribution points, which a CRL's own must be one of.
pub(crate) fn distribution_points(certificate: &Certificate) -> Vec<GeneralName> {
    let whole = points(certificate).into_iter().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
    whole
        .filter_map(|point| match point.distribution_point? {
            DistributionPointName::FullName(names) => Some(names),
            DistributionPointName::NameRelativeToCRLIssuer(_) => None,
        })
        .flatten()
        .collect()
}

fn points(certificate: &Certificate) -> Vec<DistributionPoint> {
    let points = value(certificate, ID_CE_CRL_DISTRIBUTION_POINTS);
    points.and_then(|der| CrlDistributionPoints::from_der(der).ok()).map(|points| points.0).unwrap_or_default()
}

fn access_urls(certificate: &Certificate, method: ObjectIdentifier) -> Vec<String> {
    let access = value(certificate, ID_PE_AUTHORITY_INFO_ACCESS)
        .and_then(|der| AuthorityInfoAccessSyntax::from_der(der).ok())
        .map(|access| access.0)
        .unwrap_or_default();
    let described = access.iter().filter(|description| description.access_method == method);
    described.filter_map(|description| http_url(&description.access_location)).collect()
}

// Directories (ldap) and files are not asked.
fn http_url(name: &GeneralName) -> Option<String> {
    let GeneralName::UniformResourceIdentifier(uri) = name else { return None };
    let uri = uri.as_str().trim();
    let scheme = uri.split_once("://")?.0.to_ascii_lowercase();
    matches!(scheme.as_str(), "http" | "https").then(|| uri.to_owned())
}

fn value(certificate: &Certificate, oid: ObjectIdentifier) -> Option<&[u8]> {
    let extensions = certificate.fields().extensions()?;
    extensions.iter().find(|extension| extension.extn_id == oid).map(|extension| extension.extn_value.as_bytes())
}
