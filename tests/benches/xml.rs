//! What big XML costs the server: 100 MB of small elements, of long text, and of attributes, signed enveloped. `scripts/bench xml` runs it.
//!
//! Memory is the peak above the idle server, in times the file. Time is processor time, beside that of `xmllint --c14n` for the same file:
//! the least of some rounds, as others use the machine too.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};

use tests::LivePki;
use tests::measure::{Cost, Peers, forget_peak, mebibytes, memory, processor_time, request, service};

/// Times the file, above idle.
const MEMORY: f64 = 3.0;
/// Times the canonicalization by libxml2.
const TIME: f64 = 1.5;

const XML: &str = "application/xml";
const LENGTH: usize = 100_000_000;
const ROUNDS: usize = 5;
const LEVELS: [&str; 2] = ["B-B", "B-LTA"];

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let pki = LivePki::start(folder.path());
    let (mut service, key) = service(&pki, "xades", &LEVELS);
    let peers = Peers::new(&pki);

    let mut good = true;
    println!("{:16} {:>6} {:>8} {:>18} {:>24}", "document", "level", "MiB", "memory above idle", "time");
    for (number, (name, document)) in documents().into_iter().enumerate() {
        let file = folder.path().join("document.xml");
        std::fs::write(&file, &document).unwrap();
        let mut xmllint = Command::new("xmllint");
        xmllint.args(["--huge", "--c14n"]).arg(&file);
        let theirs = (0..ROUNDS).map(|_| Cost::of(&xmllint).unwrap().processor).fold(f64::MAX, f64::min);
        let size = mebibytes(document.len() as u64);
        for level in LEVELS {
            // What one document has left in the memory of a server is not there for the next.
            service.take_server().stop();
            service.start();
            let server = service.server();
            for _ in 0..3 {
                assert_eq!(request(server.url(), level, &key, XML, b"<a/>").0, 200);
            }
            let idle = memory(server.pid(), "VmRSS:");
            forget_peak(server.pid());
            let mut ours = f64::MAX;
            for _ in 0..ROUNDS {
                let before = processor_time(server.pid());
                assert_eq!(request(server.url(), level, &key, XML, &document).0, 200, "{}", server.log());
                ours = ours.min(processor_time(server.pid()) - before);
            }
            let peak = mebibytes(memory(server.pid(), "VmHWM:").saturating_sub(idle));
            let ratio = ours / theirs;
            let fits = peak / size <= MEMORY && (level != "B-B" || ratio <= TIME);
            let verdict = if fits { "" } else { "  above the limit" };
            let memory = format!("{peak:6.0} MiB = {:4.2} x", peak / size);
            println!("{name:16} {level:>6} {size:8.1} {memory:>18} {ours:6.2} s of CPU = {ratio:4.2} x{verdict}");
            good &= fits;
            if number == 0 && level == "B-B" {
                peers.sign_xml(&document, ours);
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let line = "  <c:Line xmlns:c=\"urn:c\" number=\"4711\" c:unit='pc'>Paper &amp; ink, 1.250,00 \u{20AC}</c:Line>\n";
    let lines = line.repeat(LENGTH / line.len());
    let mut text = String::new();
    for number in 0..LENGTH / 60_000 {
        let sentence = "Der Betrag ist innerhalb von dreißig Tagen fällig. ";
        writeln!(text, "<p n=\"{number}\">{}</p>", sentence.repeat(60_000 / sentence.len())).unwrap();
    }
    let attributes: String = (0..20).map(|number| format!(" attribute{number}=\"value of {number}\"")).collect();
    let rows = format!("<row{attributes}/>\n");
    let rows = rows.repeat(LENGTH / rows.len());
    let whole = |content: &str| format!("<Invoice xmlns=\"urn:invoice\">\n{content}</Invoice>\n").into_bytes();
    vec![("small elements", whole(&lines)), ("long text", whole(&text)), ("attributes", whole(&rows))]
}
