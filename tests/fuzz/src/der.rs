//! Write DER, for seeds that no library here makes.

/// A value of this tag around these parts.
#[must_use]
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len();
    let mut all = vec![tag];
    if length < 0x80 {
        all.push(u8::try_from(length).expect("short"));
    } else {
        let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
        all.push(0x80 | u8::try_from(octets.len()).expect("short"));
        all.extend(octets);
    }
    all.extend(contents);
    all
}

/// `SEQUENCE`.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// A parser of DER that needs only to find members: those of the outermost value.
#[must_use]
pub fn members(der: &[u8]) -> Vec<&[u8]> {
    let mut rest = &der[header(der)..];
    let mut members = Vec::new();
    while !rest.is_empty() {
        let length = header(rest) + length(rest);
        members.push(&rest[..length]);
        rest = &rest[length..];
    }
    members
}

fn header(der: &[u8]) -> usize {
    if der[1] < 0x80 { 2 } else { 2 + usize::from(der[1] & 0x7f) }
}

fn length(der: &[u8]) -> usize {
    if der[1] < 0x80 {
        return usize::from(der[1]);
    }
    der[2..header(der)].iter().fold(0, |length, octet| length << 8 | usize::from(*octet))
}
