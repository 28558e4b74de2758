//! An HTTP/1.1 connection in the hands of a test: half a request, a slow one, a connection that is dropped.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection.
pub struct RawConnection {
    stream: TcpStream,
    /// Read and not yet part of an answer.
    rest: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub struct RawAnswer {
    /// HTTP status.
    pub status: u16,
    /// The lines before the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What came instead of a whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing: the connection was closed before the first byte.
    Closed,
    /// A part: the connection was closed after these bytes.
    Cut(String),
    /// Nothing whole within 90 seconds.
    Silent,
}

impl RawConnection {
    /// Connects to a server's URL.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(url: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Breaks the connection off, so that the server meets a reset and not an orderly end.
    ///
    /// # Panics
    /// When the system does not allow it.
    pub fn reset(self) {
        let at_once = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&self.stream, at_once).expect("SO_LINGER");
    }

    /// Whether the server has neither closed the connection nor answered.
    pub fn is_open(&mut self) -> bool {
        let mut octet = [0];
        self.stream.set_nonblocking(true).is_ok_and(|()| {
            let open = matches!(self.stream.peek(&mut octet), Err(error) if error.kind() == ErrorKind::WouldBlock);
            self.stream.set_nonblocking(false).is_ok() && open
        })
    }

    /// The head of a request with a body of this many octets.
    #[must_use]
    pub fn head(path: &str, key: &str, media_type: &str, length: usize) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes()
    }

    /// Reads one answer, which must say its length.
    ///
    /// # Errors
    /// What came instead.
    ///
    /// # Panics
    /// When the answer does not say its length.
    pub fn answer(&mut self) -> Result<RawAnswer, Broken> {
        let end = loop {
            if let Some(end) = position(&self.rest, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(self.rest.get(..end).unwrap_or_default()).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.unwrap_or_else(|| panic!("an answer without length: {head}"));
        while self.rest.len() < end + length {
            self.more()?;
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = self.rest.drain(..end + length).skip(end).collect();
        Ok(RawAnswer { status, head, body })
    }

    fn more(&mut self) -> Result<(), Broken> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(Broken::Silent),
            Ok(0) | Err(_) if self.rest.is_empty() => Err(Broken::Closed),
            Ok(0) | Err(_) => Err(Broken::Cut(String::from_utf8_lossy(&self.rest).into_owned())),
            Ok(count) => {
                self.rest.extend(buffer.iter().take(count));
                Ok(())
            }
        }
    }
}

fn position(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|window| window == part)
}
