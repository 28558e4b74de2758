//! Documents that are too big for memory: received into files without a name.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use actix_web::error::BlockingError;
use actix_web::web;
use administration::Configuration;
use bytes::BytesMut;
use openssl::sha::Sha256;
use workers::SpooledDocument;

use super::limits::Pending;
use crate::error::ApiError;

/// What is held in memory before it is written, in octets.
const BLOCK: usize = 1 << 20;

/// The folder for such documents.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    above: u64,
}

impl Spool {
    /// The folder of the configuration; `None` where it names none.
    pub(crate) fn new(configuration: &Configuration) -> Option<Self> {
        let folder = configuration.spool()?;
        Some(Self { folder, above: configuration.server.spool_above.0 })
    }

    /// Up to how many octets documents stay in memory.
    pub(crate) const fn above(&self) -> u64 {
        self.above
    }

    /// A file for a document. `place` counts what is on the disk.
    ///
    /// # Errors
    /// [`ApiError::SpoolFailed`] when the folder takes none.
    pub(crate) async fn begin(&self, place: Pending) -> Result<Incoming, ApiError> {
        let folder = self.folder.clone();
        let file = web::block(move || unnamed_file(&folder)).await.map_err(stopping)?.map_err(ApiError::SpoolFailed)?;
        Ok(Incoming { file, sha256: Sha256::new(), length: 0, waiting: BytesMut::with_capacity(BLOCK), place })
    }
}

/// A file that nobody else can open: without a name from the beginning where the file system can do that, else unlinked at once.
///
/// # Errors
/// What the system says; the folder must be there and writable.
pub(crate) fn unnamed_file(folder: &Path) -> std::io::Result<File> {
    tempfile::tempfile_in(folder)
}

/// A document that is being received.
pub(crate) struct Incoming {
    file: File,
    sha256: Sha256,
    length: u64,
    /// Not written yet.
    waiting: BytesMut,
    place: Pending,
}

impl Incoming {
    /// Takes what has arrived.
    ///
    /// # Errors
    /// [`ApiError::SpoolFull`] when there is no place for it, [`ApiError::SpoolFailed`] when the disk does not take it.
    pub(crate) async fn take(mut self, octets: &[u8]) -> Result<Self, ApiError> {
        self.place.grow(octets.len()).map_err(|_| ApiError::SpoolFull)?;
        self.length += octets.len() as u64;
        for part in octets.chunks(BLOCK) {
            if self.waiting.len() + part.len() > BLOCK {
                self = self.write().await?;
            }
            self.waiting.extend_from_slice(part);
        }
        Ok(self)
    }

    /// The whole document.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) async fn finish(self) -> Result<SpooledDocument, ApiError> {
        let Self { file, sha256, length, place, .. } = self.write().await?;
        Ok(SpooledDocument::new(file, length, sha256.finish().to_vec(), Box::new(place)))
    }

    async fn write(mut self) -> Result<Self, ApiError> {
        let written = web::block(move || {
            self.file.write_all(&self.waiting)?;
            self.sha256.update(&self.waiting);
            self.waiting.clear();
            Ok(self)
        });
        written.await.map_err(stopping)?.map_err(|error: std::io::Error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => ApiError::SpoolFull,
            _ => ApiError::SpoolFailed(error),
        })
    }
}

fn stopping(error: BlockingError) -> ApiError {
    ApiError::Internal(error.to_string())
}
