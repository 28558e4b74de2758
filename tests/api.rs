//! The HTTP API: what it takes, what it refuses and how, who may call.

#[path = "api/changes.rs"]
mod changes;
#[path = "api/degraded.rs"]
mod degraded;
#[path = "api/faulty_token.rs"]
mod faulty_token;
#[path = "api/native.rs"]
mod native;
#[path = "api/passwords.rs"]
mod passwords;
#[path = "api/preview.rs"]
mod preview;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/sdk.rs"]
mod sdk;
#[path = "api/tls.rs"]
mod tls;
