//! Wiring: configuration, database, tokens, routes; start and graceful stop.

use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use administration::configuration::ServerConfig;
use administration::{Configuration, Node, credential};
use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::AuditEvent;

use crate::authentication::remember_peer_certificate;
use crate::request_id::identify;
use crate::router::routes;
use crate::service::Service;
use crate::tls;

/// Runs a server until it is told to stop (SIGTERM, SIGINT): requests in flight are finished first.
///
/// # Errors
/// When configuration, database or listener do not allow it. A token that is away or rejects its PIN is no such reason.
pub fn run(configuration: Configuration) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics")?;
    // The core is synchronous: these threads drive the database, its blocking pool signs.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let node = Arc::new(Node::open(configuration, runtime.handle().clone())?);

    let audit = node.audit()?.clone();
    let closed = runtime.block_on(node.store().close_open_intents())?;
    if !closed.is_empty() {
        tracing::warn!("{} intents of a process that died were closed as outcome unknown", closed.len());
    }
    node.open_tokens()?;
    for token in node.tokens() {
        let status = cryptotoken_api::CryptoToken::status(token.as_ref());
        tracing::info!(
            token.name = status.name,
            "token \"{}\" is {} {}",
            status.name,
            status.state.name(),
            status.reason
        );
    }
    let (instance, version) = (audit.instance(), env!("CARGO_PKG_VERSION").to_owned());
    audit.submit(vec![AuditEvent::ServiceStarted { instance, version: version.clone() }]).wait()?;

    let housekeeping = housekeeping(&node);
    let service = web::Data::new(Service::new(Arc::clone(&node), audit.clone()));
    let served = actix_web::rt::System::new().block_on(serve(&node, service.clone(), metrics));
    housekeeping.abort();
    runtime.block_on(service.dispatcher().drain());
    audit.submit(vec![AuditEvent::ServiceStopped { instance, version }]).wait()?;
    // Not by dropping it, which would wait for a call that hangs in a vendor's library.
    runtime.shutdown_timeout(STOP_GRACE);
    tracing::info!("stopped");
    served
}

/// How long threads that are late may go on after everything else has stopped.
const STOP_GRACE: Duration = Duration::from_secs(2);

async fn serve(node: &Node, service: web::Data<Service>, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let config: &ServerConfig = &node.configuration().server;
    let metrics = web::Data::new(metrics);
    let server = HttpServer::new(move || {
        App::new().app_data(service.clone()).app_data(metrics.clone()).wrap(from_fn(identify)).configure(routes)
    })
    .on_connect(remember_peer_certificate)
    // A connection that sends no request costs a socket and nothing else, and not for ever.
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(config.request_timeout.0.as_secs().max(1));
    let (server, scheme) = match &config.tls {
        Some(tls) => {
            let acceptor = tls::acceptor(tls, &node.configuration().base_dir)?;
            (server.bind_openssl(config.listen, acceptor), "https")
        }
        None => (server.bind(config.listen), "http"),
    };
    let server = server.with_context(|| format!("cannot listen on {}", config.listen))?;
    for address in server.addrs() {
        tracing::info!("listening on {scheme}://{address}");
    }
    server.run().await.context("the listener failed")
}

// What other processes and time change: locks of tokens, rejected PINs that may be tried again, certificates that begin or end.
fn housekeeping(node: &Arc<Node>) -> tokio::task::JoinHandle<()> {
    let node = Arc::clone(node);
    let runtime = node.runtime().clone();
    runtime.spawn(async move {
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        every_second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every_second.tick().await;
            let node = Arc::clone(&node);
            let work = tokio::task::spawn_blocking(move || {
                node.follow_operators()?;
                credential::follow_time(&node)
            });
            if let Ok(Err(error)) = work.await {
                tracing::warn!("housekeeping: {error}");
            }
        }
    })
}
