//! Connections that are idle, slow or many, documents that are big, and a server that stops while it works.
#[path = "connections/big_documents.rs"]
mod big_documents;
#[path = "connections/big_pdfs.rs"]
mod big_pdfs;
#[path = "connections/crowd.rs"]
mod crowd;
#[path = "connections/slow_callers.rs"]
mod slow_callers;
#[path = "connections/spool_bench.rs"]
mod spool_bench;
#[path = "connections/spooled_documents.rs"]
mod spooled_documents;
#[path = "connections/stop.rs"]
mod stop;

/// One test of this binary at a time, as they measure time.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
