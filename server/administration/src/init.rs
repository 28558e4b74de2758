//! A new installation: a commented `sigillo.toml`, its database, and the first administrator.

use std::io::Write;
use std::path::Path;

use store::{Grant, Role};
use tokio::runtime::Handle;

use crate::client::{Added, Authentication};
use crate::{Actor, AdministrationError, Configuration, Node, client, grant};

/// What `init` made.
#[derive(Debug)]
pub struct Initialized {
    /// Whether `sigillo.toml` was written; an existing one is kept.
    pub configuration_written: bool,
    /// The first administrator, with its API key.
    pub administrator: Added,
}

const ADMINISTRATOR: &str = "administrator";

/// Writes `path` if it is missing, opens the database it names, and makes the first administrator.
///
/// # Errors
/// Refused when there is a client already: the installation was initialised before, and nothing is changed.
pub fn init(path: &Path, actor: &Actor, runtime: Handle) -> Result<Initialized, AdministrationError> {
    let file = |source| AdministrationError::File { path: path.display().to_string(), source };
    let configuration_written = match std::fs::File::create_new(path) {
        Ok(mut new) => new.write_all(include_bytes!("init/sigillo.toml")).map(|()| true).map_err(file)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(file(error)),
    };
    let node = Node::open(Configuration::load(Some(path))?, runtime)?;
    if !client::list(&node)?.items.is_empty() {
        return Err(AdministrationError::Refused(format!(
            "{} is initialised already; nothing was changed",
            path.display()
        )));
    }
    let administrator = client::add(&node, actor, ADMINISTRATOR, &Authentication::ApiKey)?;
    grant::add(&node, actor, ADMINISTRATOR, &Grant::Role(Role::Administrator))?;
    node.close();
    Ok(Initialized { configuration_written, administrator })
}
