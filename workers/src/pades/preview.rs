//! What is to be sealed, for whoever shows it before it is.

use super::file::PdfFile;
use super::pages;
use super::prepare::PreparedPades;
use crate::error::WorkerError;
use crate::worker::Preview;

impl PreparedPades {
    /// The document with its update, `/Contents` empty: what a reader shows of it is what it shows of the sealed one.
    pub(super) fn unsigned(self) -> Result<Preview, WorkerError> {
        let page = pages::position(&PdfFile::open(&self.document)?, self.page)?;
        Ok(Preview { segments: vec![self.document, self.update.into()], page })
    }
}
