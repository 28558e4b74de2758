//! Several files that one signature is over, each under a name of its own.
//!
//! Names go into signatures, and verifiers look for files under them: nothing that is a path, or that two systems read differently, is
//! a name.

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
        "\"{}\" is no name of a file: write 1 to {MAX_NAME} octets without \"/\", \"\\\" and control characters, not \".\" or \"..\"",
        name.escape_debug()
    )]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// Two files could not be told apart.
    #[error("two files are called \"{name}\"; give each a name of its own")]
    SameName {
        /// The name.
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
            if !names.insert(name) {
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
        && !matches!(name, "." | "..")
        && !name.chars().any(|each| matches!(each, '/' | '\\') || each.is_control())
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
        assert!(files(&["a b.pdf", "\u{e4}.xml", "a:b", "...", &"n".repeat(255)]).is_ok());
        assert_eq!(files(&["a", "b", "a"]).unwrap_err(), FilesFault::SameName { name: "a".into() });
        assert_eq!(files(&["a", ""]).unwrap_err(), FilesFault::Nameless { position: 2 });
        for name in [".", "..", "a/b", "a\\b", "a\nb", "\u{85}", &"n".repeat(256)] {
            assert!(matches!(files(&[name]), Err(FilesFault::Name { .. })), "{name:?}");
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
