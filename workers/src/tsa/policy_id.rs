//! A time-stamping policy, by its object identifier.

use std::fmt;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

/// `TSAPolicyId` (RFC 3161, section 2.4.1), spelt in dots outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyId(pub(crate) ObjectIdentifier);

impl TryFrom<String> for PolicyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let oid = ObjectIdentifier::new(&text);
        oid.map(Self).map_err(|_| {
            format!("\"{text}\" is no object identifier; write numbers and dots as in 1.3.6.1.4.1.99999.1")
        })
    }
}

impl From<PolicyId> for String {
    fn from(policy: PolicyId) -> Self {
        policy.to_string()
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
