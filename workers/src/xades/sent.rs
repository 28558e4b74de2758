//! Files that came beside a signature, as references see them.

use cryptotoken_api::DigestAlgorithm;

use super::algorithm::RunningDigest;
use super::canonicalization::{Method, Omission, Part, Sink, canonicalize};
use super::document::{InternalSubset, XmlDocument};
use crate::augmentation::AugmentationFault;
use crate::worker::DocumentContent;

/// A file, as it is or in a canonical form.
#[derive(Clone)]
pub(super) struct SentFile<'a> {
    content: &'a DocumentContent,
    form: Option<(Method, Omission)>,
    internal_subset: InternalSubset,
}

impl<'a> SentFile<'a> {
    /// A file, written by this method if by any.
    pub(super) fn new(
        content: &'a DocumentContent,
        written: Option<Method>,
        omission: Omission,
        internal_subset: InternalSubset,
    ) -> Self {
        let form = written.map(|method| {
            // The signature is not inside it, so there is nothing to take out.
            let omission = if let Omission::ElementAt(_) = omission { Omission::Nothing } else { omission };
            (method, omission)
        });
        Self { content, form, internal_subset }
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        std::ptr::eq(self.content, other.content)
    }

    /// Goes on with a digest over it, as it is now.
    ///
    /// # Errors
    /// When it cannot be read, or is not what its form needs.
    pub(super) fn digest_into(&self, mut running: RunningDigest) -> Result<RunningDigest, AugmentationFault> {
        let Some((method, omission)) = &self.form else {
            self.content.pieces(|octets| running.take(octets))?;
            return Ok(running);
        };
        let DocumentContent::Memory(octets) = self.content else {
            return Err(AugmentationFault::Malformed("a file beside it is too big to be canonicalised"));
        };
        let document = XmlDocument::decode_with(octets, self.internal_subset)?;
        canonicalize(&document, Part::Document, *omission, method, running)?.ok_or(EMPTY)
    }
}

/// The digests of files for one reading of their signatures: each is computed once, however many signatures are over it.
#[derive(Default)]
pub(super) struct SentDigests<'a> {
    known: Vec<(SentFile<'a>, DigestAlgorithm, Vec<u8>)>,
}

impl<'a> SentDigests<'a> {
    /// # Errors
    /// As of [`SentFile::digest_into`], and when there are more of one file than signatures have reason for.
    pub(super) fn of(&mut self, file: SentFile<'a>, algorithm: DigestAlgorithm) -> Result<Vec<u8>, AugmentationFault> {
        let of_it = || self.known.iter().filter(|(known, ..)| known.is_of(&file));
        if let Some((.., digest)) = of_it().find(|(known, its, _)| *its == algorithm && known.form == file.form) {
            return Ok(digest.clone());
        }
        if of_it().count() >= MAX_DIGESTS {
            return Err(AugmentationFault::Malformed("a file beside it is digested in more than 8 ways"));
        }
        let digest = file.digest_into(RunningDigest::new(algorithm))?.finish();
        self.known.push((file, algorithm, digest.clone()));
        Ok(digest)
    }
}

/// Of one file: each takes as long as all of it.
const MAX_DIGESTS: usize = 8;

const EMPTY: AugmentationFault = AugmentationFault::Malformed("a file beside it has no canonical form");

#[cfg(test)]
mod tests {
    use super::super::canonicalization::EXCLUSIVE;
    use super::*;

    #[test]
    fn a_file_is_digested_once_in_each_way_and_not_in_any_number_of_ways() {
        let [one, other] = ["<a b='c'/>", "<d/>"].map(|text| DocumentContent::Memory(text.as_bytes().to_vec().into()));
        let mut digests = SentDigests::default();
        let file = |content, written| SentFile::new(content, written, Omission::ElementAt(0), InternalSubset::Refused);
        for _ in 0..100 {
            let found = digests.of(file(&one, None), DigestAlgorithm::Sha256).unwrap();
            assert_eq!(found, DigestAlgorithm::Sha256.digest(b"<a b='c'/>"));
            let found = digests.of(file(&other, None), DigestAlgorithm::Sha256).unwrap();
            assert_eq!(found, DigestAlgorithm::Sha256.digest(b"<d/>"));
            for algorithm in DigestAlgorithm::ALL {
                let found = digests.of(file(&one, Some(Method::INCLUSIVE)), algorithm).unwrap();
                assert_eq!(found, algorithm.digest(b"<a b=\"c\"></a>"));
                digests.of(file(&one, Some(EXCLUSIVE.clone())), algorithm).unwrap();
            }
        }
        assert_eq!(digests.known.len(), 8);
        digests.of(file(&one, None), DigestAlgorithm::Sha384).unwrap();
        let fault = digests.of(file(&one, None), DigestAlgorithm::Sha512).unwrap_err();
        assert!(fault.to_string().contains("more than 8 ways"), "{fault}");
        digests.of(file(&other, None), DigestAlgorithm::Sha512).unwrap();
    }
}
