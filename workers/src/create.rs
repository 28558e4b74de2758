//! The one creation procedure (EN 319 102-1, clause 4): the order of the steps exists here and nowhere else.

use cryptotoken_api::{Credential, SignatureAlgorithm, SignatureValue, ToBeSigned, verification};
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::{Discrepancy, WorkerError};
use crate::policy;
use crate::worker::{SignedDocument, SignerDocument, SigningEnvironment, SigningParameters, SigningRequest};

/// What a format knows of the signature to be made.
#[derive(Clone, Copy, Debug)]
pub struct SignatureContext<'a> {
    /// Certificate chain and name.
    pub credential: &'a Credential,
    /// Scheme and digest.
    pub algorithm: SignatureAlgorithm,
    /// The claimed signing time, in UTC.
    pub signing_time: OffsetDateTime,
    /// The clock it comes from.
    pub clock: &'a dyn Clock,
}

/// The verbs that differ between formats.
pub trait SignatureFormat {
    /// What `prepare` hands to `assemble`.
    type Prepared: Prepared;

    /// Reads the document, refuses what cannot be signed, and lays out the signature.
    ///
    /// # Errors
    /// Every refusal that depends on the document or the parameters. Nothing after this step refuses.
    fn prepare(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<Self::Prepared, WorkerError>;

    /// Recomputes digests and signature over the final bytes, as a stranger would (promise 3).
    ///
    /// # Errors
    /// What is wrong; the document is withheld then.
    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy>;
}

/// A signature laid out and waiting for its value. Consumed by `assemble`, so it cannot be used twice.
pub trait Prepared {
    /// What the key signs.
    fn to_be_signed(&self) -> ToBeSigned<'_>;

    /// Puts the value in its place.
    ///
    /// # Errors
    /// What stands in the way; the signature has been made by then and is withheld.
    fn assemble(self, value: &SignatureValue) -> Result<SignedDocument, Discrepancy>;
}

/// Makes one signature.
///
/// # Errors
/// See [`WorkerError`].
pub fn create<F: SignatureFormat>(
    format: &F,
    config: &WorkerConfig,
    request: &SigningRequest,
    environment: &SigningEnvironment<'_>,
) -> Result<SignedDocument, WorkerError> {
    let context = SignatureContext {
        credential: environment.credential,
        algorithm: environment.signer.algorithm(),
        signing_time: environment.clock.now(),
        clock: environment.clock,
    };
    policy::check(config.kind(), environment.credential, context.signing_time)?;
    config.check_parameters(&request.parameters)?;
    let prepared = format.prepare(&request.document, &request.parameters, &context)?;

    let value = environment.signer.sign(prepared.to_be_signed(), environment.deadline)?;

    let public_key = environment.credential.chain.leaf().public_key();
    verification::verify(public_key, context.algorithm, prepared.to_be_signed(), &value)
        .map_err(|error| WorkerError::Withheld(error.into()))?;
    let signed = prepared.assemble(&value).map_err(WorkerError::Withheld)?;
    format.check(&signed, &request.document, &context).map_err(WorkerError::Withheld)?;
    Ok(signed)
}
