//! The audit chain: append-only records, each bound to the one before by a hash.
//!
//! `append` is the only place that writes records, whoever calls: a change with its record in one transaction ([`crate::Store`]),
//! or the writer thread that commits the records of many requests as a group ([`AuditLog`]). The chain's head is a row advanced
//! in the same transaction, so that several processes on one database cannot fork the chain. `docs/audit.md` tells auditors how
//! to recompute it; what it does not show (a forger who rewrites all of it) is told there too.

mod append;
mod authorized_use;
mod chain;
mod event;
mod log;
mod read;
mod receipt;
mod verify;

pub(crate) use append::{Appender, append};
pub use chain::RecordHash;
pub use event::{AdministrativeAct, AuditEvent, KeyUse, LoginOutcome, RequestOutcome, SigningIntended};
pub use log::{AuditLog, WriterStatistics};
pub use read::{AuditFilter, AuditRecord};
pub use receipt::Receipt;
pub use verify::{AuditHead, ChainFault, ChainVerification, ChainVerified, Fault};
