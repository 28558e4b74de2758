//! Our own time-stamping authority, asked over HTTP with requests that others made, its tokens judged by others.

#[path = "timestamp/audit.rs"]
mod audit;
#[path = "timestamp/authority.rs"]
mod authority;
#[path = "timestamp/certificates.rs"]
mod certificates;
#[path = "timestamp/clock.rs"]
mod clock;
#[path = "timestamp/hostile.rs"]
mod hostile;
#[path = "timestamp/in_process.rs"]
mod in_process;
#[path = "timestamp/refusals.rs"]
mod refusals;
#[path = "timestamp/serials.rs"]
mod serials;
#[path = "timestamp/throughput.rs"]
mod throughput;
#[path = "timestamp/tokens.rs"]
mod tokens;
