//! `sigillo` as a child process, over a SoftHSM token and a database in a temporary folder.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up has failed")]

#[path = "command_line/administration.rs"]
mod administration;
#[path = "command_line/devices.rs"]
mod devices;
#[path = "command_line/installation.rs"]
mod installation;
#[path = "command_line/refusals.rs"]
mod refusals;
#[path = "command_line/server.rs"]
mod server;
#[path = "command_line/signing.rs"]
mod signing;
