//! What is to be sealed, for whoever shows it before it is.

use bytes::Bytes;

use super::file::PdfFile;
use super::octets::PdfOctets;
use super::pages;
use super::prepare::PreparedPades;
use crate::error::WorkerError;
use crate::worker::Preview;

impl PreparedPades {
    /// The document with its update, `/Contents` empty: what a reader shows of it is what it shows of the sealed one.
    pub(super) fn unsigned(self) -> Result<Preview, WorkerError> {
        let file = PdfFile::open(PdfOctets::of(&self.document), self.password.as_ref())?;
        let page = pages::position(&file, self.page);
        file.refuse_unread()?;
        let page = page?;
        drop(file);
        Ok(Preview { segments: vec![Bytes::clone(&self.document), self.update.into()], page })
    }
}
