//! Front ends translate between HTTP and [`crate::dispatch`], and do nothing else.

pub(crate) mod admitted;
pub(crate) mod body;
mod buffer;
pub(crate) mod documents;
pub(crate) mod health;
pub(crate) mod limits;
pub(crate) mod native;
pub(crate) mod problems;
pub(crate) mod receiving;
pub(crate) mod sending;
pub(crate) mod spool;
pub(crate) mod timestamp;
pub(crate) mod workers;
