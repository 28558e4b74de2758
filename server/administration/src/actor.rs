//! Who administers, for the audit record.

use std::fmt;

use store::AdministrativeAct;

/// Who asked for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// The user of the operating system that runs this process. Asked of the kernel, as a variable of the environment could lie.
    #[must_use]
    pub fn of_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
        });
        Self(name.map_or_else(|| format!("os:uid-{uid}"), |name| format!("os:{name}")))
    }

    /// The service itself, for changes that time brings.
    #[must_use]
    pub fn service() -> Self {
        Self("service".into())
    }

    /// The record of an act of this actor.
    pub(crate) fn act(&self, action: &str, subject: &str) -> AdministrativeAct {
        AdministrativeAct::new(&self.0, action, subject)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
