//! Wiring: configuration, database, tokens, routes; start and graceful stop.

use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use administration::configuration::ServerConfig;
use administration::control::ControlSocket;
use administration::{AdministrationError, Configuration, Node, authorization, credential};
use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::AuditEvent;
use tokio::signal::unix::{SignalKind, signal};

use crate::connection::accepted;
use crate::frontend::spool;
use crate::replicas::health::ReplicaHealth;
use crate::request_id::identify;
use crate::router::routes;
use crate::service::Service;
use crate::tls;
use crate::trust::Trust;

/// Runs a server until it is told to stop (SIGTERM, SIGINT): requests in flight are finished first.
///
/// # Errors
/// When configuration, database or listener do not allow it. A token that is away or rejects its PIN is no such reason.
pub fn run(configuration: Configuration) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics")?;
    // The core is synchronous: these threads drive the database, its blocking pool signs.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let node = Arc::new(Node::open(configuration, runtime.handle().clone())?);

    let trust = Trust::new(&node.configuration().fetch)?;
    let audit = node.audit()?.clone();
    let closed = runtime.block_on(node.store().close_open_intents())?;
    if !closed.is_empty() {
        tracing::warn!("{} intents of a process that died were closed as outcome unknown", closed.len());
    }
    if let Some(folder) = node.configuration().spool() {
        let problem = || {
            format!(
                "no file can be made in {} (server.spool); make the folder and let this user write there",
                folder.display()
            )
        };
        spool::unnamed_file(&folder).with_context(problem)?;
    }
    node.open_tokens()?;
    for token in node.tokens() {
        let status = cryptotoken_api::CryptoToken::status(token.as_ref());
        let why = if status.reason.is_empty() { String::new() } else { format!(": {}", status.reason) };
        tracing::info!(token.name = status.name, "token \"{}\" is {}{why}", status.name, status.state.name());
    }
    let (instance, version) = (audit.instance(), env!("CARGO_PKG_VERSION").to_owned());
    audit.submit(vec![AuditEvent::ServiceStarted { instance, version: version.clone() }]).wait()?;

    let replicas = Arc::<ReplicaHealth>::default();
    replicas.follow(&node)?;
    let _control = control(&node);
    let housekeeping = housekeeping(&node, &metrics, &replicas);
    let service = web::Data::new(Service::new(Arc::clone(&node), audit.clone(), trust, replicas));
    let served = actix_web::rt::System::new().block_on(serve(&node, service.clone(), metrics));
    housekeeping.iter().for_each(tokio::task::JoinHandle::abort);
    runtime.block_on(service.dispatcher().drain());
    audit.submit(vec![AuditEvent::ServiceStopped { instance, version }]).wait()?;
    node.close();
    // Not by dropping it, which would wait for a call that hangs in a vendor's library.
    runtime.shutdown_timeout(STOP_GRACE);
    tracing::info!("stopped");
    served
}

/// Listens for PINs that are typed, where a token waits for one. Without that the server serves its other tokens all the same.
fn control(node: &Arc<Node>) -> Option<ControlSocket> {
    let path = node.configuration().control()?;
    let listening = ControlSocket::bind(&path).and_then(|socket| socket.serve(Arc::clone(node)).map(|()| socket));
    listening
        .inspect_err(|error| {
            tracing::error!(
                "cannot listen at {}, so no PIN can be typed for this server: {error}; correct it or set server.control",
                path.display()
            );
        })
        .ok()
}

/// How long threads that are late may go on after everything else has stopped.
const STOP_GRACE: Duration = Duration::from_secs(2);

async fn serve(node: &Node, service: web::Data<Service>, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let config: &ServerConfig = &node.configuration().server;
    let (metrics, send_timeout) = (web::Data::new(metrics), config.send_timeout.0);
    let server = HttpServer::new(move || {
        App::new().app_data(service.clone()).app_data(metrics.clone()).wrap(from_fn(identify)).configure(routes)
    })
    .on_connect(move |connection, data| accepted(connection, data, send_timeout))
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
    // Its own handling of signals cuts the connections on SIGINT.
    let server = server.disable_signals().run();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        handle.stop(true).await;
    });
    server.await.context("the listener failed")
}

/// What other processes and time change: locks of tokens, rejected PINs that may be tried again, certificates that begin or end, replicas.
/// Each by itself, because a device that does not answer must not keep the others from being looked after.
fn housekeeping(
    node: &Arc<Node>,
    metrics: &PrometheusHandle,
    replicas: &Arc<ReplicaHealth>,
) -> [tokio::task::JoinHandle<()>; 6] {
    let [locks, tokens, time, places, keys] = [(); 5].map(|()| Arc::clone(node));
    let replicas = Arc::clone(replicas);
    // Without it what was measured is kept until somebody asks for it.
    let metrics = metrics.clone();
    [
        every_second(node, move || locks.follow_locks()),
        every_second(node, move || tokens.revive_tokens()),
        every_second(node, move || credential::follow_time(&time)),
        every_second(node, move || replicas.follow(&places)),
        every_second(node, move || measure_authorizations(&keys)),
        every_second(node, move || {
            metrics.run_upkeep();
            Ok(())
        }),
    ]
}

/// How often keys may still be used that were authorised for a number of uses, so that a person comes before there are none left.
fn measure_authorizations(node: &Node) -> Result<(), AdministrationError> {
    for (credential, token, left) in authorization::remaining(node)? {
        let gauge =
            metrics::gauge!("sigillo_key_authorization_remaining", "credential" => credential, "token" => token);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, and nobody acts on the last digits of a count above 2^53"
        )]
        gauge.set(left as f64);
    }
    Ok(())
}

fn every_second(
    node: &Node,
    work: impl Fn() -> Result<(), AdministrationError> + Send + Sync + 'static,
) -> tokio::task::JoinHandle<()> {
    let work = Arc::new(work);
    node.runtime().spawn(async move {
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        every_second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every_second.tick().await;
            let work = Arc::clone(&work);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || work()).await {
                tracing::warn!("housekeeping: {error}");
            }
        }
    })
}
