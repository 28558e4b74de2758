//! Keys that levels above B-B need: `level`, `timestamp`, `degrade`, `minimum_level`, and whom to trust. Here they are checked
//! against each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::timestamp::TimestampConfig;
use super::trust::{RevocationFreshness, StatusMaxAge, TrustAnchors};
use super::{ConfigError, Fields};
use crate::kind::WorkerKind;
use crate::level::SignatureLevel;

/// Whether a signature may be released at a lower level than asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degrade {
    /// Never: the request fails.
    #[default]
    Never,
    /// When a service of others does not answer, down to `minimum_level`; never when one answers something that is wrong.
    OnOutage,
}

/// The level of a worker and what it takes to reach it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Augmentation {
    pub(super) level: SignatureLevel,
    pub(super) timestamp: Option<TimestampConfig>,
    pub(super) degrade: Degrade,
    minimum_level: Option<SignatureLevel>,
    pub(super) trust_anchors: TrustAnchors,
    revocation_freshness: Option<RevocationFreshness>,
    status_max_age: Option<StatusMaxAge>,
}

impl Augmentation {
    pub(super) const KEYS: [&'static str; 7] =
        ["level", "timestamp", "degrade", "minimum_level", "trust_anchors", "revocation_freshness", "status_max_age"];

    pub(super) fn parse(kind: WorkerKind, fields: &mut Fields) -> Result<Self, ConfigError> {
        let this = Self {
            level: fields.take("level")?.unwrap_or_default(),
            timestamp: fields.take("timestamp")?,
            degrade: fields.take("degrade")?.unwrap_or_default(),
            minimum_level: fields.take("minimum_level")?,
            trust_anchors: fields.take("trust_anchors")?.unwrap_or_default(),
            revocation_freshness: fields.take("revocation_freshness")?,
            status_max_age: fields.take("status_max_age")?,
        };
        this.check(kind).map_err(|(key, reason)| ConfigError::Value { key, reason })?;
        Ok(this)
    }

    // What contradicts the level is refused and never ignored, so that nobody believes to have what is not made.
    fn check(&self, kind: WorkerKind) -> Result<(), (&'static str, String)> {
        let refuse = |key, reason: String| Err((key, reason));
        let (level, highest) = (self.level, kind.highest_level());
        let anchored = !self.trust_anchors.certificates().is_empty();
        if level > highest {
            return refuse("level", format!("a {kind} worker of this version makes at most {highest}"));
        }
        match (level, &self.timestamp) {
            (SignatureLevel::BaselineB, Some(_)) => {
                return refuse("timestamp", "a signature of level B-B has no timestamp; remove the key".into());
            }
            (SignatureLevel::BaselineB, None) | (_, Some(_)) => {}
            (_, None) => return refuse("timestamp", format!("level {level} needs it: {{ url = \"https://…\" }}")),
        }
        if level >= SignatureLevel::BaselineLt && !anchored {
            return refuse("trust_anchors", format!("level {level} needs them: the roots of signer and authorities"));
        }
        if level < SignatureLevel::BaselineLt && self.revocation_freshness.is_some() {
            return refuse("revocation_freshness", format!("a signature of level {level} has none; remove the key"));
        }
        if !anchored && self.status_max_age.is_some_and(|age| age.0.is_some()) {
            return refuse("status_max_age", "without trust_anchors no answer can be judged; add them".into());
        }
        match (self.degrade, self.minimum_level) {
            (Degrade::Never, None) => Ok(()),
            (Degrade::Never, Some(_)) => {
                refuse("minimum_level", "it goes with degrade = \"on-outage\"; add that, or remove the key".into())
            }
            (Degrade::OnOutage, None) => refuse("minimum_level", "degrade = \"on-outage\" needs it".into()),
            (Degrade::OnOutage, Some(minimum)) if minimum < level => Ok(()),
            (Degrade::OnOutage, Some(_)) => refuse("minimum_level", format!("it must be lower than level {level}")),
        }
    }

    pub(super) fn write(&self, map: &mut Map<String, Value>) -> Result<(), serde_json::Error> {
        map.insert("level".into(), serde_json::to_value(self.level)?);
        if let Some(timestamp) = &self.timestamp {
            map.insert("timestamp".into(), serde_json::to_value(timestamp)?);
        }
        if let Some(minimum) = self.minimum_level {
            map.insert("degrade".into(), serde_json::to_value(self.degrade)?);
            map.insert("minimum_level".into(), serde_json::to_value(minimum)?);
        }
        if !self.trust_anchors.certificates().is_empty() {
            map.insert("trust_anchors".into(), serde_json::to_value(&self.trust_anchors)?);
        }
        if let Some(freshness) = self.revocation_freshness {
            map.insert("revocation_freshness".into(), serde_json::to_value(freshness)?);
        }
        if let Some(age) = self.status_max_age {
            map.insert("status_max_age".into(), serde_json::to_value(age)?);
        }
        Ok(())
    }

    pub(super) fn minimum_level(&self) -> SignatureLevel {
        self.minimum_level.unwrap_or(self.level)
    }

    pub(super) fn revocation_freshness(&self) -> RevocationFreshness {
        self.revocation_freshness.unwrap_or_default()
    }

    pub(super) fn status_max_age(&self) -> Option<Duration> {
        let anchored = !self.trust_anchors.certificates().is_empty();
        self.status_max_age.map_or(anchored.then_some(StatusMaxAge::DEFAULT), |age| age.0)
    }
}
