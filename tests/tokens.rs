//! Tokens of a running service: PINs that are rejected, locks, keys that come while it runs or need authorisation, where a PIN never is,
//! and ML-DSA.
#[path = "tokens/authorization.rs"]
mod authorization;
#[path = "tokens/backup.rs"]
mod backup;
#[path = "tokens/conformance.rs"]
mod conformance;
#[path = "tokens/later_keys.rs"]
mod later_keys;
#[path = "tokens/manual_unlock.rs"]
mod manual_unlock;
#[path = "tokens/ml_dsa.rs"]
mod ml_dsa;
#[path = "tokens/operators.rs"]
mod operators;
#[path = "tokens/pin_secrecy.rs"]
mod pin_secrecy;
#[path = "tokens/rejected_pin.rs"]
mod rejected_pin;
#[path = "tokens/spied.rs"]
mod spied;
