//! The server as a child process that never outlives its test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::programs::{our_program, output};

/// A running `sigillo-server`.
pub struct Server {
    shell: Child,
    // The shell waits for the end of this pipe, which comes when the test's process ends, however it ends.
    lifeline: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
    url: String,
}

impl Server {
    /// Starts a server and waits until it listens. Its log goes to a file beside the configuration.
    ///
    /// # Panics
    /// When it does not listen within 30 seconds; the message has its log.
    #[must_use]
    pub fn start(configuration: &Path, environment: &[(String, String)]) -> Self {
        let log = configuration.with_extension("log");
        let script = "\"$0\" --config \"$1\" & pid=$!; echo $pid; read -r _; kill $pid 2>/dev/null; wait $pid";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(our_program("sigillo-server")).arg(configuration);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        shell.stderr(File::create(&log).expect("a log file"));
        for (name, value) in environment {
            shell.env(name, value);
        }
        let mut shell = shell.spawn().expect("sh");
        let mut first_line = String::new();
        let stdout = shell.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut first_line).expect("the server's process id");
        let pid = first_line.trim().parse().expect("a process id");
        let lifeline = shell.stdin.take();
        let mut server = Self { shell, lifeline, pid, log, url: String::new() };
        server.url = server.wait_for_listener();
        server
    }

    fn wait_for_listener(&self) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            for word in ["listening on http://", "listening on https://"] {
                if let Some((_, rest)) = log.split_once(word) {
                    let address = rest.split('"').next().expect("an address");
                    return format!("{}{address}", word.trim_start_matches("listening on "));
                }
            }
            let gone = !Path::new(&format!("/proc/{}", self.pid)).exists();
            assert!(!gone && Instant::now() < until, "the server does not listen:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it in good order and waits for its end.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        output(Command::new("kill").args(["-KILL", &self.pid.to_string()]));
        self.end();
    }

    fn end(&mut self) {
        drop(self.lifeline.take());
        // The shell ends after the server.
        let _ = self.shell.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
