//! What of this process's memory others may see: nothing, because PINs pass through it.

/// Turns core dumps off and keeps other processes of this user from reading the memory (promise 5). For the start of a program,
/// before it reads a secret.
///
/// # Errors
/// What the operating system said; the program can go on, and whoever runs it should know.
pub fn protect() -> std::io::Result<()> {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}
