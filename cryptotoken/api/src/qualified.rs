//! Qualified-certificate statements (EN 319 412-5, clause 4) and what `qualified = "eseal"` asks of them.

use der::asn1::{ObjectIdentifier, PrintableString};
use der::{Any, Decode, Sequence};
use serde::Serialize;

/// `id-pe-qcStatements` (RFC 3739, section 3.2.6).
pub const QC_STATEMENTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3");

const QC_COMPLIANCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.1");
const QC_SSCD: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.4");
const QC_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6");
const QC_LEGISLATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.7");
const QC_TYPE_ESIGN: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.1");
const QC_TYPE_ESEAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.2");
const QC_TYPE_WEB: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.3");

/// The statements that decide what a certificate claims to be. Qualified status itself comes from the EU Trusted Lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QualifiedStatements {
    /// `esi4-qcStatement-1`: issued as an EU qualified certificate.
    pub compliance: bool,
    /// `esi4-qcStatement-4`: the key is in a qualified device.
    pub sscd: bool,
    /// `esi4-qcStatement-6`: `esign`, `eseal`, `web`, or the identifier of another type.
    pub types: Vec<String>,
    /// `esi4-qcStatement-7`: the countries under whose law it is qualified; empty for the law of the EU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legislation: Vec<String>,
}

#[derive(Sequence)]
struct QcStatement {
    statement_id: ObjectIdentifier,
    #[asn1(optional = "true")]
    statement_info: Option<Any>,
}

impl QualifiedStatements {
    /// Reads the value of the extension.
    ///
    /// # Errors
    /// When it is no `QCStatements`; the certificate is malformed then.
    pub fn from_der(der: &[u8]) -> der::Result<Self> {
        let mut statements = Self::default();
        for statement in Vec::<QcStatement>::from_der(der)? {
            match statement.statement_id {
                QC_COMPLIANCE => statements.compliance = true,
                QC_SSCD => statements.sscd = true,
                QC_TYPE => {
                    if let Some(info) = statement.statement_info {
                        for oid in info.decode_as::<Vec<ObjectIdentifier>>()? {
                            statements.types.push(match oid {
                                QC_TYPE_ESIGN => "esign".to_owned(),
                                QC_TYPE_ESEAL => "eseal".to_owned(),
                                QC_TYPE_WEB => "web".to_owned(),
                                other => other.to_string(),
                            });
                        }
                    }
                }
                QC_LEGISLATION => {
                    if let Some(info) = statement.statement_info {
                        let countries = info.decode_as::<Vec<PrintableString>>()?;
                        statements.legislation.extend(countries.iter().map(ToString::to_string));
                    }
                }
                _ => {}
            }
        }
        Ok(statements)
    }

    /// The statements that an EU qualified electronic seal needs and this certificate lacks, by name.
    #[must_use]
    pub fn missing_for_eseal(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.compliance {
            missing.push("QcCompliance");
        }
        if !self.sscd {
            missing.push("QcSSCD");
        }
        if !self.types.iter().any(|t| t == "eseal") {
            missing.push("QcType eseal");
        }
        // EN 319 412-5, clause 4.2.4: qualified elsewhere is not qualified here.
        if !self.legislation.is_empty() {
            missing.push("of EU legislation (its QcCClegislation names other countries)");
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_certificate_that_is_qualified_under_another_law_is_not_enough() {
        let eu = "30293008060604008e4601013008060604008e4601043013060604008e4601063009060704008e46010602";
        let swiss = "30393008060604008e4601013008060604008e4601043013060604008e4601063009060704008e46010602300e060604008e460107300413024348";
        let read = |text: &str| QualifiedStatements::from_der(&hex::decode(text).unwrap()).unwrap();
        assert_eq!(read(eu).missing_for_eseal(), Vec::<&str>::new());
        let swiss = read(swiss);
        assert_eq!(swiss.legislation, ["CH"]);
        assert_eq!(swiss.missing_for_eseal(), ["of EU legislation (its QcCClegislation names other countries)"]);
    }
}
