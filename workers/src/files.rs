//! Several files that one signature is over, each under a name of its own.
//!
//! Names go into signatures, and verifiers look for files under them. Nothing that is a path is a name, nothing with characters that a
//! file system of today refuses, drops or does not show, and no two differ in upper and lower case alone. Letters with accents may be
//! written in two ways in Unicode (NFC and NFD); these count as different names.

use std::collections::HashSet;
use std::sync::Arc;

use cryptotoken_api::DigestAlgorithm;

use crate::worker::DocumentContent;

/// A file under its name.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// The name, without folders.
    pub name: String,
    /// As the caller declared it; `None` when not at all.
    pub media_type: Option<String>,
    /// The file.
    pub content: DocumentContent,
}

/// One to a hundred files with different names, in the order they came. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NamedFiles(Arc<[NamedFile]>);

/// Why files cannot be signed together. The caller must send others, or name them otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesFault {
    /// None, or more than one signature is over.
    #[error("{count} files were sent; one signature is over 1 to {MAX_FILES}")]
    Count {
        /// How many came.
        count: usize,
    },
    /// Without a name nobody would find it again.
    #[error("file {position} has no name; send one with each (fileName, or filename of the part)")]
    Nameless {
        /// Which of the files, from 1.
        position: usize,
    },
    /// The name is a path, too long, or has characters that are none of a name.
    #[error(
        "\"{}\" is no name of a file: write 1 to {MAX_NAME} octets without any of /\\<>:\"|?*, without control and format characters, \
         blanks at an end and dots at the end",
        name.escape_debug()
    )]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// Two files could not be told apart, on some systems at least.
    #[error("two files are called \"{name}\", upper and lower case being the same; give each a name of its own")]
    SameName {
        /// The name of the second.
        name: String,
    },
    /// The worker signs one document at a time.
    #[error("this worker signs one document at a time; send one, without others beside it")]
    OnlyOne,
    /// Digests in place of files.
    #[error("the digest of a file was sent; send the file \"{name}\" itself")]
    Digest {
        /// The name.
        name: String,
    },
}

/// The most files of one signature.
pub const MAX_FILES: usize = 100;

/// The longest name, in octets, which is what file systems have.
const MAX_NAME: usize = 255;

impl NamedFiles {
    /// The files of a request.
    ///
    /// # Errors
    /// [`FilesFault`].
    pub fn new(files: Vec<NamedFile>) -> Result<Self, FilesFault> {
        if !(1..=MAX_FILES).contains(&files.len()) {
            return Err(FilesFault::Count { count: files.len() });
        }
        let mut names = HashSet::new();
        for (position, NamedFile { name, content, .. }) in (1..).zip(&files) {
            if name.is_empty() {
                return Err(FilesFault::Nameless { position });
            }
            if !is_name(name) {
                return Err(FilesFault::Name { name: name.chars().take(40).collect() });
            }
            if !names.insert(name.to_lowercase()) {
                return Err(FilesFault::SameName { name: name.clone() });
            }
            if !matches!(content, DocumentContent::Memory(_) | DocumentContent::Spooled(_)) {
                return Err(FilesFault::Digest { name: name.clone() });
            }
        }
        Ok(Self(files.into()))
    }

    /// The files, in the order they came.
    #[must_use]
    pub fn as_slice(&self) -> &[NamedFile] {
        &self.0
    }

    /// The SHA-256 of what `sha256sum` prints of the files in their order: what a record of them names.
    ///
    /// # Errors
    /// When a spooled file cannot be read, and the disk is at fault; or the cryptographic library fails.
    pub fn sha256(&self) -> std::io::Result<Vec<u8>> {
        let mut list = Vec::new();
        for file in self.as_slice() {
            let digest = file.content.digest(DigestAlgorithm::Sha256)?.unwrap_or_default();
            for octet in digest {
                list.extend_from_slice(format!("{octet:02x}").as_bytes());
            }
            list.extend_from_slice(format!("  {}\n", file.name).as_bytes());
        }
        Ok(DigestAlgorithm::Sha256.digest(&list))
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && !name.starts_with(char::is_whitespace)
        // Windows drops dots and blanks at the end; "." and ".." are folders.
        && !name.ends_with(|last: char| last.is_whitespace() || last == '.')
        && !name.chars().any(|each| {
            matches!(each, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*') || each.is_control() || is_unseen(each)
        })
}

/// Whether it is a format character (Unicode 16, general category Cf), a line or paragraph separator, or none that is for exchange
/// (section 23.7): what nobody sees, or what makes a name look like another one.
const fn is_unseen(each: char) -> bool {
    matches!(each,
        '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E007F}' | '\u{FDD0}'..='\u{FDEF}')
        || each as u32 & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Result<NamedFiles, FilesFault> {
        let file = |name: &&str| NamedFile {
            name: (*name).to_owned(),
            media_type: None,
            content: DocumentContent::Memory(name.as_bytes().to_vec().into()),
        };
        NamedFiles::new(names.iter().map(file).collect())
    }

    #[test]
    fn names_that_are_none_or_come_twice_are_refused() {
        assert!(files(&["a b.pdf", "\u{e4}.xml", ".a", "a..b", "'%#&;+", "\u{1F512}", &"n".repeat(255)]).is_ok());
        assert_eq!(files(&["a", "b", "a"]).unwrap_err(), FilesFault::SameName { name: "a".into() });
        for [one, other] in [["a.pdf", "A.pdf"], ["\u{e4}", "\u{c4}"], ["\u{3c3}", "\u{3a3}"]] {
            assert_eq!(files(&[one, "b", other]).unwrap_err(), FilesFault::SameName { name: other.into() });
        }
        assert_eq!(files(&["a", ""]).unwrap_err(), FilesFault::Nameless { position: 2 });
        for name in [".", "..", "a/b", "a\\b", "a\nb", "\u{85}", &"n".repeat(256)] {
            assert!(matches!(files(&[name]), Err(FilesFault::Name { .. })), "{name:?}");
        }
        for name in [" a", "a ", "\u{a0}a", "a\u{3000}", "a.", "a. ", "...", " "] {
            assert!(matches!(files(&[name]), Err(FilesFault::Name { .. })), "{name:?}");
        }
        let characters = "<>:\"|?*\u{ad}\u{200b}\u{200d}\u{2028}\u{202e}\u{2066}\u{feff}\u{fdd0}\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}\u{e0041}";
        for name in characters.chars().map(|each| format!("a{each}b")) {
            assert!(matches!(files(&[&name]), Err(FilesFault::Name { .. })), "{name:?}");
        }
        assert_eq!(files(&[]).unwrap_err(), FilesFault::Count { count: 0 });
        let many: Vec<String> = (0..=MAX_FILES).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(files(&many), Err(FilesFault::Count { count: 101 })));
        assert!(files(&many[1..]).is_ok());
    }

    #[test]
    fn the_digest_of_files_is_that_of_what_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["b c", "a", "\u{e4}"];
        for name in names {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let mut command = std::process::Command::new("sha256sum");
        let printed = command.current_dir(folder.path()).args(names).output().unwrap().stdout;
        assert_eq!(files(&names).unwrap().sha256().unwrap(), DigestAlgorithm::Sha256.digest(&printed));
    }
}
