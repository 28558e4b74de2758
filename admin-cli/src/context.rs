//! What every verb needs: the node, who asks, and how to answer.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use administration::{Actor, Configuration, Node};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::output::OutputFormat;

/// What every verb needs.
pub(crate) struct Context {
    config: Option<PathBuf>,
    runtime: Runtime,
    /// The user of the operating system.
    pub(crate) actor: Actor,
    /// How to answer.
    pub(crate) output: OutputFormat,
}

impl Context {
    pub(crate) fn new(config: Option<PathBuf>, output: OutputFormat) -> Result<Self, Failure> {
        // One thread drives the database while the verb blocks on the main one.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { config, runtime, actor: Actor::of_process(), output })
    }

    /// The configuration file that was named, if one was.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Opens the node of the configuration.
    pub(crate) fn node(&self) -> Result<OpenNode, Failure> {
        let configuration = Configuration::load(self.config()).map_err(administration::AdministrationError::from)?;
        Ok(OpenNode(Node::open(configuration, self.runtime.handle().clone())?))
    }

    /// Where asynchronous work runs.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// A node that closes its database at the end, however the verb ends.
pub(crate) struct OpenNode(Node);

impl Deref for OpenNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        self.0.close();
    }
}
