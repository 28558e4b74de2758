//! What a big PDF costs the server, beside what hashing and copying it costs: scans of 100 MB, and 300,000 objects of 21 MB in each
//! outer form. `scripts/bench pdf` runs it.
//!
//! Memory is the peak above the idle server, in times the file or in MiB. Time is that of the request in times that of the same
//! request to a server that takes the octets, hashes them once and sends them back: the least of many, as others use the machine too.
//! Above B-B it is processor time, because authorities take theirs; these have each their answer in a moment. What others need for the
//! scans is shown beside, in processor time and with the memory of the whole program; where it is not installed, that is said.

use std::fmt::Write as _;
use std::process::ExitCode;

use tests::LivePki;
use tests::measure::{Peers, echo, forget_peak, mebibytes, memory, processor_time, request, service};

/// Times the file, above idle.
const MEMORY_OF_SCANS: f64 = 2.5;
/// MiB above idle.
const MEMORY_OF_OBJECTS: f64 = 600.0;
/// Times hashing and copying.
const TIME_OF_SCANS: f64 = 1.3;

const PDF: &str = "application/pdf";
const ROUNDS: usize = 15;
const LEVELS: [&str; 2] = ["B-B", "B-LTA"];

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let pki = LivePki::start(folder.path());
    let (mut service, key) = service(&pki, "pades", &LEVELS);
    let echo = echo();
    let peers = Peers::new(&pki);

    let mut good = true;
    println!("{:24} {:>6} {:>8} {:>18} {:>18}", "document", "level", "MiB", "memory above idle", "time");
    for (name, scans, document) in documents() {
        let size = mebibytes(document.len() as u64);
        for level in LEVELS {
            // What one document has left in the memory of a server is not there for the next.
            service.take_server().stop();
            service.start();
            let server = service.server();
            for _ in 0..3 {
                assert_eq!(request(server.url(), level, &key, PDF, &small()).0, 200);
            }
            let idle = memory(server.pid(), "VmRSS:");
            forget_peak(server.pid());
            let (mut time, mut processor, mut least) = (f64::MAX, f64::MAX, f64::MAX);
            for _ in 0..ROUNDS {
                // In turns, as the machine may be faster at one time than at another.
                least = least.min(request(&echo, "echo", "", PDF, &document).1.as_secs_f64());
                let before = processor_time(server.pid());
                let (status, took) = request(server.url(), level, &key, PDF, &document);
                assert_eq!(status, 200, "{}", server.log());
                time = time.min(took.as_secs_f64());
                processor = processor.min(processor_time(server.pid()) - before);
            }
            let peak = mebibytes(memory(server.pid(), "VmHWM:").saturating_sub(idle));
            let fits = if scans { peak / size <= MEMORY_OF_SCANS } else { peak <= MEMORY_OF_OBJECTS };
            let fast = !scans || level != "B-B" || time / least <= TIME_OF_SCANS;
            let time = if level == "B-B" {
                format!("{time:6.3} s = {:5.2} x", time / least)
            } else {
                format!("{processor:6.3} s of CPU")
            };
            let verdict = if fits && fast { "" } else { "  above the limit" };
            println!("{name:24} {level:>6} {size:8.1} {peak:6.0} MiB = {:4.2} x {time:>18}{verdict}", peak / size);
            good &= fits && fast;
            if scans && level == "B-B" {
                peers.seal_pdf(&document, processor);
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Name, whether it is scans, octets.
fn documents() -> Vec<(&'static str, bool, Vec<u8>)> {
    vec![
        ("scans", true, scans(100 * 1_000_000)),
        ("300,000 objects, table", false, with_table(&objects())),
        ("300,000 objects, stream", false, with_stream(&objects())),
        ("300,000 in streams", false, compressed(&objects())),
    ]
}

fn small() -> Vec<u8> {
    with_table(&["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE])
}

const PAGE: &str = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>";

/// Pages with an image of two megabytes each, which no filter makes smaller.
fn scans(length: usize) -> Vec<u8> {
    let count = length / 2_000_000;
    let kids: Vec<String> = (0..count).map(|page| format!("{} 0 R", 3 + 3 * page)).collect();
    let mut objects: Vec<Vec<u8>> = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Kids[{}]/Count {count}>>", kids.join(" ")).into_bytes(),
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for page in 0..count {
        let number = 3 + 3 * page;
        let resources = format!("/Resources<</XObject<</I {} 0 R>>>>/Contents {} 0 R", number + 1, number + 2);
        objects.push(format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{resources}>>").into_bytes());
        let mut image =
            b"<</Type/XObject/Subtype/Image/Width 1000/Height 2000/BitsPerComponent 8/ColorSpace/DeviceGray\
            /Length 2000000>>\nstream\n"
                .to_vec();
        for _ in 0..250_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            image.extend(state.to_le_bytes());
        }
        image.extend(b"\nendstream");
        objects.push(image);
        objects.push(b"<</Length 31>>\nstream\nq 595 0 0 842 0 0 cm /I Do Q   \nendstream".to_vec());
    }
    with_table(&objects)
}

/// Annotations without number: some seventy octets for each.
fn objects() -> Vec<String> {
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents[]>>";
    let mut objects =
        vec!["<</Type/Catalog/Pages 2 0 R>>".into(), "<</Type/Pages/Kids[3 0 R]/Count 1>>".into(), page.into()];
    objects.extend((4..=300_000).map(|number| format!("<</N {number}/K[{} 0 R]>>", number - 1)));
    objects
}

fn with_table(objects: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let (mut file, offsets) = body(objects);
    let (start, size) = (file.len(), offsets.len() + 1);
    let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for offset in offsets {
        writeln!(table, "{offset:010} 00000 n ").unwrap();
    }
    file.extend(format!("{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

fn body(objects: &[impl AsRef<[u8]>]) -> (Vec<u8>, Vec<usize>) {
    let (mut file, mut offsets) = (b"%PDF-1.7\n".to_vec(), Vec::new());
    for (number, object) in (1..).zip(objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n").as_bytes());
        file.extend(object.as_ref());
        file.extend(b"\nendobj\n");
    }
    (file, offsets)
}

fn with_stream(objects: &[String]) -> Vec<u8> {
    let (mut file, mut offsets) = body(objects);
    offsets.push(file.len());
    let entries = offsets.iter().flat_map(|offset| entry(1, *offset, 0));
    let entries = [entry(0, 0, 255).to_vec(), entries.collect()].concat();
    finish(&mut file, objects.len() + 1, &entries);
    file
}

/// A hundred objects in each stream.
fn compressed(objects: &[String]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut entries = entry(0, 0, 255).to_vec();
    for number in 0..objects.len() {
        entries.extend(entry(2, objects.len() + 1 + number / 100, number % 100));
    }
    for (container, chunk) in objects.chunks(100).enumerate() {
        let (mut index, mut content) = (String::new(), String::new());
        for (place, object) in chunk.iter().enumerate() {
            write!(index, "{} {} ", 1 + container * 100 + place, content.len()).unwrap();
            write!(content, "{object} ").unwrap();
        }
        let (number, length) = (objects.len() + 1 + container, index.len() + content.len());
        entries.extend(entry(1, file.len(), 0));
        let dictionary = format!("<</Type/ObjStm/N {}/First {}/Length {length}>>", chunk.len(), index.len());
        file.extend(format!("{number} 0 obj\n{dictionary}\nstream\n{index}{content}\nendstream\nendobj\n").as_bytes());
    }
    entries.extend(entry(1, file.len(), 0));
    finish(&mut file, objects.len() + 1 + objects.len().div_ceil(100), &entries);
    file
}

fn entry(kind: u8, second: usize, third: usize) -> [u8; 6] {
    let [a, b, c, d] = u32::try_from(second).unwrap().to_be_bytes();
    [kind, a, b, c, d, u8::try_from(third).unwrap()]
}

fn finish(file: &mut Vec<u8>, number: usize, entries: &[u8]) {
    let start = file.len();
    let dictionary = format!("<</Type/XRef/W[1 4 1]/Size {}/Root 1 0 R/Length {}>>", number + 1, entries.len());
    file.extend(format!("{number} 0 obj\n{dictionary}\nstream\n").as_bytes());
    file.extend(entries);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
}
