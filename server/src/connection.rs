//! What is done with a connection before its first request.

use std::any::Any;
use std::time::Duration;

use actix_tls::accept::openssl::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::authentication::remember_peer_certificate;

/// Remembers who is at its other end, and has the system cut it when that takes nothing of an answer for so long.
pub(crate) fn accepted(connection: &dyn Any, data: &mut Extensions, send_timeout: Duration) {
    remember_peer_certificate(connection, data);
    let plain = connection.downcast_ref::<TcpStream>();
    let Some(stream) = plain.or_else(|| connection.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref()))
    else {
        return;
    };
    // RFC 5482; Linux counts the time in which the window is closed as well.
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(send_timeout)) {
        tracing::warn!("a connection without time limit for answers: {error}");
    }
}
