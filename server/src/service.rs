//! What every handler shares: the node, the door, the limits.

use std::sync::Arc;

use actix_web::HttpRequest;
use administration::Node;
use store::{AuditLog, Store};

use crate::authentication::{Principal, authenticate};
use crate::authorization::Grant;
use crate::dispatch::Dispatcher;
use crate::error::ApiError;
use crate::frontend::limits::BodyLimits;
use crate::frontend::sending::SendLimits;
use crate::replicas::health::ReplicaHealth;
use crate::request_id::RequestId;
use crate::trust::Trust;

/// Shared by all handlers of a process.
pub(crate) struct Service {
    node: Arc<Node>,
    dispatcher: Dispatcher,
    replicas: Arc<ReplicaHealth>,
    limits: BodyLimits,
    sending: SendLimits,
    audit: AuditLog,
}

impl Service {
    pub(crate) fn new(node: Arc<Node>, audit: AuditLog, trust: Trust, replicas: Arc<ReplicaHealth>) -> Self {
        let limits = BodyLimits::new(node.configuration());
        let sending = SendLimits::new(node.configuration());
        let dispatcher = Dispatcher::new(Arc::clone(&node), audit.clone(), trust, Arc::clone(&replicas));
        Self { dispatcher, replicas, limits, sending, audit, node }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn store(&self) -> &Store {
        self.node.store()
    }

    pub(crate) const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    pub(crate) fn replicas(&self) -> &ReplicaHealth {
        &self.replicas
    }

    pub(crate) const fn audit(&self) -> &AuditLog {
        &self.audit
    }

    pub(crate) const fn limits(&self) -> &BodyLimits {
        &self.limits
    }

    pub(crate) const fn sending(&self) -> SendLimits {
        self.sending
    }

    /// Who is calling, and may they use this worker? Before a byte of the body is read.
    pub(crate) async fn admit(&self, request: &HttpRequest, worker: &str, id: RequestId) -> Result<Grant, ApiError> {
        let principal = self.authenticate(request).await?;
        let client = principal.client.clone();
        match Grant::find(principal, worker, self.store()).await {
            Ok(grant) => Ok(grant),
            Err(error) => {
                self.dispatcher.refused(&client, worker, id, &error).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn authenticate(&self, request: &HttpRequest) -> Result<Principal, ApiError> {
        authenticate(request, self.store()).await
    }
}
