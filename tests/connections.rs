//! Connections that are idle, slow or many, and a server that stops while it works.
#[path = "connections/crowd.rs"]
mod crowd;
#[path = "connections/slow_callers.rs"]
mod slow_callers;
#[path = "connections/stop.rs"]
mod stop;
