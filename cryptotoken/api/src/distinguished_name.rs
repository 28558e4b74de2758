//! Distinguished names as people read them (RFC 4514): most specific first, with the name that eIDAS certificates need.

use der::asn1::ObjectIdentifier;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

/// `organizationIdentifier` (X.520), which every certificate for seals has (EN 319 412-3, clause 4.2.1) and no table of names knows.
const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

pub(crate) fn text(name: &Name) -> String {
    let rdns: Vec<String> =
        name.iter_rdn().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    rdns.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    if attribute.oid != ORGANIZATION_IDENTIFIER {
        return attribute.to_string();
    }
    // Written, and escaped, as the attribute of the same syntax that the table knows.
    let known = AttributeTypeAndValue { oid: COMMON_NAME, value: attribute.value.clone() }.to_string();
    match known.strip_prefix("CN=") {
        Some(value) => format!("organizationIdentifier={value}"),
        None => attribute.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use der::Decode;

    use super::*;

    #[test]
    fn the_organisation_identifier_is_named_and_values_are_escaped() {
        // C=EE, O=Acme, AS, organizationIdentifier=NTREE-1,2 (UTF8String), as a certificate has it.
        let der = "3036310b3009060355040613024545311130\
                   0f060355040a0c0841636d652c20415331143012060355\
                   04610c0b4e545245452d312c322b33";
        let name = Name::from_der(&hex::decode(der.replace(' ', "")).unwrap()).unwrap();
        assert_eq!(text(&name), "organizationIdentifier=NTREE-1\\,2\\+3,O=Acme\\, AS,C=EE");
    }
}
