//! `<!ELEMENT …>` (XML 1.0, section 3.2), which says nothing about the canonical form: its grammar is checked, no more.

use super::scanner::Scanner;
use crate::xades::xml_error::{XmlError, XmlFault};

/// Reads what follows `<!ELEMENT`.
pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<(), XmlError> {
    scanner.required_blanks()?;
    scanner.qualified_name()?;
    scanner.required_blanks()?;
    if !scanner.take("EMPTY") && !scanner.take("ANY") {
        scanner.expect("(")?;
        scanner.blanks();
        if scanner.take("#PCDATA") { mixed(scanner)? } else { children(scanner)? }
    }
    scanner.blanks();
    scanner.expect(">")
}

/// What follows `(#PCDATA` (production 51).
fn mixed(scanner: &mut Scanner<'_>) -> Result<(), XmlError> {
    let mut has_names = false;
    loop {
        scanner.blanks();
        if scanner.take(")") {
            return if scanner.take("*") || !has_names { Ok(()) } else { Err(scanner.malformed()) };
        }
        scanner.expect("|")?;
        scanner.blanks();
        scanner.qualified_name()?;
        has_names = true;
    }
}

/// What follows the first parenthesis of element content (productions 47 to 50).
fn children(scanner: &mut Scanner<'_>) -> Result<(), XmlError> {
    // The separators of the groups that are open, where they have shown one.
    let mut open: Vec<Option<&str>> = vec![None];
    loop {
        // Before a content particle.
        scanner.blanks();
        if scanner.take("(") {
            open.push(None);
            if open.len() > MAX_GROUPS {
                return Err(scanner.fault(XmlFault::Limit { limit: MAX_GROUPS, what: "groups inside each other" }));
            }
            continue;
        }
        scanner.qualified_name()?;
        // Behind it, and behind the groups that end with it.
        loop {
            let _ = ["?", "*", "+"].iter().any(|occurrence| scanner.take(occurrence));
            let Some(separator) = open.last_mut() else { return Ok(()) };
            scanner.blanks();
            if scanner.take(")") {
                open.pop();
                continue;
            }
            let next = if scanner.starts("|") { "|" } else { "," };
            if *separator.get_or_insert(next) != next {
                return Err(scanner.malformed());
            }
            scanner.expect(next)?;
            break;
        }
    }
}

/// Far above what documents have, and below what libxml2 takes.
const MAX_GROUPS: usize = 64;
