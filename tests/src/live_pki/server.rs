//! A small HTTP/1.1 server on loopback: one request for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What was asked.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub(super) enum Response {
    /// Nothing: the connection is closed.
    HangUp,
    /// Status, media type, body.
    Answer(u16, &'static str, Vec<u8>),
    /// To another place.
    Redirect(String),
}

/// A server that stops when it is dropped.
pub(super) struct HttpServer {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// A free port.
pub(super) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its number");
    (listener, address)
}

impl HttpServer {
    pub(super) fn start(listener: TcpListener, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("its number");
        let (stopped, log) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let answer = Arc::new(answer);
        let thread = {
            let (stopped, log) = (Arc::clone(&stopped), Arc::clone(&log));
            std::thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    std::thread::spawn(move || {
                        // Whoever hung up has no answer to get.
                        let _ = serve(&connection, answer.as_ref(), &log);
                    });
                }
            })
        };
        Self { address, stopped, log, thread: Some(thread) }
    }

    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    mut connection: &TcpStream,
    answer: &(dyn Fn(&Request) -> Response + Send + Sync),
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let mut request = Request { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => request.headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = request.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {}", request.method, request.path));
    match answer(&request) {
        Response::HangUp => Ok(()),
        Response::Answer(status, media_type, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            connection.write_all(head.as_bytes())?;
            connection.write_all(&body)
        }
        Response::Redirect(to) => {
            let head = format!("HTTP/1.1 302 x\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            connection.write_all(head.as_bytes())
        }
    }
}
