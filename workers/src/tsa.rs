//! Timestamps (RFC 3161 with RFC 5816, profile of EN 319 422): a `TimeStampReq` in, a `TimeStampResp` out.
//!
//! The CMS inside is built in `crate::cades`, which knows nothing of timestamps; [`crate::timestamp`] is the other side, which asks
//! for timestamps and judges them, ours before their release too.
//!
//! 2026-11-21, serial numbers: 48 bits of time in milliseconds and 110 random ones, made anew for every token, not numbers given
//! out by the database. Tokens of one millisecond alone can collide: a thousand in every millisecond for a hundred years, over any
//! number of nodes, do so with a probability below 10^-14. That holds across restarts and for a database that was restored from
//! a copy, which would give out the same numbers again, and costs no write.

mod accuracy;
mod assemble;
mod check;
mod info;
mod policy_id;
mod prepare;
mod query;
pub mod refusal;
pub mod response;

use cryptotoken_api::DigestAlgorithm;
use serde::{Deserialize, Serialize};

pub use self::accuracy::Accuracy;
pub use self::policy_id::PolicyId;
use crate::config::{ConfigError, Fields};

/// Media type of a `TimeStampReq` (RFC 3161, section 3.4).
pub const QUERY_MEDIA_TYPE: &str = "application/timestamp-query";
/// Media type of a `TimeStampResp` (RFC 3161, section 3.4).
pub const REPLY_MEDIA_TYPE: &str = "application/timestamp-reply";

/// Options of `timestamp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TsaConfig {
    /// The policy of tokens whose request names none.
    pub policy: PolicyId,
    /// Further policies that a request may name. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_policies: Vec<PolicyId>,
    /// Digest algorithms of imprints. Default all three.
    pub accepted_digests: Vec<DigestAlgorithm>,
    /// How far `genTime` may be from UTC. Default `1s`, the most that EN 319 422 allows (clause 5.2.2).
    pub accuracy: Accuracy,
    /// Whether tokens carry the name of the certificate's subject in `tsa`. Default `false`.
    pub tsa_name: bool,
    /// Whether tokens claim to be EU qualified timestamps (`esi4-qtstStatement-1`, EN 319 422, clause 9.1). Default `false`.
    pub qualified_timestamp: bool,
    /// Who vouches for the clock. Default `kernel`.
    pub clock: ClockSource,
}

/// Who says that the system clock is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// The kernel, which was told by what synchronises the clock. No tokens while its largest error is beyond the accuracy.
    #[default]
    Kernel,
    /// The operator, by means of their own: the clock is taken for right.
    Trusted,
}

impl TsaConfig {
    pub(crate) const KEYS: &'static [&'static str] = &[
        "policy",
        "accepted_policies",
        "accepted_digests",
        "accuracy",
        "ordering",
        "tsa_name",
        "qualified_timestamp",
        "clock",
    ];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let accepted_digests: Vec<_> =
            fields.take("accepted_digests")?.unwrap_or_else(|| DigestAlgorithm::ALL.to_vec());
        if accepted_digests.is_empty() {
            return Err(ConfigError::Value {
                key: "accepted_digests",
                reason: "name at least one of SHA-256, SHA-384, SHA-512, or remove the key".into(),
            });
        }
        // EN 319 422, clause 5.2.2; RFC 3161, section 2.4.2: true promises that any two tokens can be ordered by genTime, whatever the accuracy.
        if fields.take("ordering")?.unwrap_or(false) {
            return Err(ConfigError::Value {
                key: "ordering",
                reason:
                    "nodes beside each other cannot promise the order of their tokens, and EN 319 422 wants false; \
                         remove the key"
                        .into(),
            });
        }
        Ok(Self {
            policy: fields.take("policy")?.ok_or(ConfigError::Missing("policy"))?,
            accepted_policies: fields.take("accepted_policies")?.unwrap_or_default(),
            accepted_digests,
            accuracy: fields.take("accuracy")?.unwrap_or_default(),
            tsa_name: fields.take("tsa_name")?.unwrap_or_default(),
            qualified_timestamp: fields.take("qualified_timestamp")?.unwrap_or_default(),
            clock: fields.take("clock")?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
