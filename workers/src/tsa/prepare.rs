//! Lay out a token: every refusal, then what the timestamp says and the signed attributes over it.

use bytes::Bytes;
use cms::signed_data::SignedAttributes;
use cryptotoken_api::{CertificateChain, DataToBeSigned, SignatureAlgorithm};
use der::Encode;

use super::info::{TST_INFO, TstInfo, serial_number};
use super::query::Query;
use super::refusal::TimestampRefusal;
use super::{ClockSource, TsaConfig};
use crate::cades::attributes::signed_attributes_of;
use crate::clock::Clock;
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::files::FilesFault;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters};

/// A timestamp token waiting for its signature value.
pub struct PreparedToken {
    pub(super) info: Bytes,
    pub(super) chain: CertificateChain,
    pub(super) certificates: bool,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signed_attributes: SignedAttributes,
    pub(super) data_to_be_signed: DataToBeSigned,
}

impl SignatureFormat for TsaConfig {
    type Prepared = PreparedToken;

    fn prepare(
        &self,
        document: &SignerDocument,
        _parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedToken, WorkerError> {
        let query = self.query(document)?;
        self.check_clock(context.clock)?;
        let mut random = [0; 14];
        openssl::rand::rand_bytes(&mut random)?;
        let serial_number = serial_number(context.signing_time, random)?;
        let info = TstInfo::new(&query, self, context, serial_number)?.to_der()?;

        let chain = context.credential.chain.clone();
        let algorithm = context.algorithm;
        let digest = algorithm.digest().digest(&info);
        // No signing-time: genTime is what the token says of time, and a second one could only differ.
        let signed_attributes = signed_attributes_of(TST_INFO, &digest, chain.leaf(), algorithm, None)?;
        let data_to_be_signed = DataToBeSigned::new(signed_attributes.to_der()?);
        Ok(PreparedToken {
            info: info.into(),
            chain,
            certificates: query.certificates,
            algorithm,
            signed_attributes,
            data_to_be_signed,
        })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(self, signed, document, context)
    }
}

impl TsaConfig {
    pub(super) fn query(&self, document: &SignerDocument) -> Result<Query, WorkerError> {
        match &document.content {
            DocumentContent::Memory(octets) => Ok(Query::parse(octets, self)?),
            DocumentContent::Spooled(_) => Err(WorkerError::NotInMemory),
            DocumentContent::Files(_) => Err(FilesFault::OnlyOne.into()),
            DocumentContent::Digest(_) => {
                Err(WorkerError::DigestNotAllowed { reason: "it answers requests for timestamps" })
            }
        }
    }

    // EN 319 421, clause 7.7.2: no token while the clock is not known to be within the accuracy that tokens state.
    fn check_clock(&self, clock: &dyn Clock) -> Result<(), TimestampRefusal> {
        if self.clock == ClockSource::Trusted {
            return Ok(());
        }
        // What is cut off genTime is an error too.
        let error = clock.largest_error()?.saturating_add(self.accuracy.step());
        if error <= self.accuracy.duration() {
            Ok(())
        } else {
            Err(TimestampRefusal::ClockError { micros: error.as_micros(), accuracy: self.accuracy })
        }
    }
}
