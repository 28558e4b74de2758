//! DER that may come in PEM armour: many servers send it that way, under any media type.

use std::borrow::Cow;

/// The DER of what was received: as it is, or out of the first block with one of these labels (RFC 7468). `None`: neither.
#[must_use]
pub fn unarmoured<'a>(received: &'a [u8], labels: &[&str]) -> Option<Cow<'a, [u8]>> {
    if received.starts_with(&[0x30]) {
        return Some(Cow::Borrowed(received));
    }
    let text = std::str::from_utf8(received).ok()?;
    let block = labels.iter().find_map(|label| {
        let (_, behind) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        behind.split_once("-----END ").map(|(block, _)| block)
    })?;
    let base64: String = block.chars().filter(|each| !each.is_ascii_whitespace()).collect();
    openssl::base64::decode_block(&base64).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_comes_off_and_der_stays_as_it_is() {
        let pem = b"text\n-----BEGIN X509 CRL-----\r\nMAMC\nAQE=\n-----END X509 CRL-----\n";
        assert_eq!(unarmoured(pem, &["X509 CRL"]).unwrap().as_ref(), [0x30, 3, 2, 1, 1]);
        assert_eq!(unarmoured(&[0x30, 0], &[]).unwrap().as_ref(), [0x30, 0]);
        for bad in
            [&b"<html>"[..], b"", b"-----BEGIN X509 CRL-----\nMAMC", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END "]
        {
            assert!(unarmoured(bad, &["X509 CRL"]).is_none());
        }
    }
}
