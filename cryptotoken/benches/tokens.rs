//! What sessions that are lent cost beside the signatures made with them: signatures a second through a token of this project, and by
//! its library alone (`C_SignInit`, `C_Sign`) in the same process, with 1, 2, 4 and 8 threads. `scripts/bench tokens` runs it.
//!
//! Many short rounds of both alternate, since the machine may have other things to do; the ratio is the median of those of neighbouring
//! rounds. The last column compares signatures for each second of processor time, which others at the machine do not change. Where a
//! single thread does not get its processor to itself, the machine is busy, and that column is judged instead of the ratio.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be measured fails by panicking"
)]

#[path = "tokens/raw.rs"]
mod raw;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptoki_sys::{CKM_ECDSA, CKM_RSA_PKCS};
use cryptotoken::lifecycle::generate;
use cryptotoken::{Pkcs11Token, ProcessMemory};
use cryptotoken_api::{CryptoToken, DataToBeSigned, KeyLocation, KeySpec, SignatureAlgorithm, ToBeSigned};
use tests::Device;
use tests::device::Kind;

/// A device, its profile, and the kinds of keys with the least part of the raw rate that is good enough.
type Subject = (&'static str, &'static str, &'static [(KeySpec, f64)]);

const DEVICES: [Subject; 2] = [
    ("softhsm", "softhsm", &[(KeySpec::Rsa2048, 0.97), (KeySpec::EcP256, 0.85)]),
    ("opencryptoki", "generic", &[(KeySpec::Rsa2048, 0.97)]),
];

const THREADS: [usize; 4] = [1, 2, 4, 8];
const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 31;

/// In a process that measures: which device, and its folder.
const DEVICE: &str = "SIGILLO_BENCH_DEVICE";
const FOLDER: &str = "SIGILLO_BENCH_FOLDER";

fn main() -> ExitCode {
    if let (Ok(device), Some(folder)) = (std::env::var(DEVICE), std::env::var_os(FOLDER)) {
        return measure(&device, Path::new(&folder));
    }
    println!(
        "{:12} {:9} {:>7} {:>9} {:>9} {:>7} {:>7}",
        "device", "key", "threads", "raw/s", "pooled/s", "ratio", "of CPU"
    );
    let mut good = true;
    for (name, ..) in DEVICES {
        let folder = tempfile::Builder::new().prefix("sigillo-bench-").tempdir().unwrap();
        let device = Device::prepare(kind(name), folder.path(), "");
        let mut child = device.command(&std::env::current_exe().unwrap());
        good &= child.env(DEVICE, name).env(FOLDER, folder.path()).status().unwrap().success();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kind(name: &str) -> Kind {
    match name {
        "softhsm" => Kind::SoftHsm,
        "opencryptoki" => Kind::OpenCryptoki,
        other => panic!("no device is called {other}"),
    }
}

fn measure(name: &str, folder: &Path) -> ExitCode {
    let (_, profile, kinds) = DEVICES.into_iter().find(|(device, ..)| *device == name).unwrap();
    let mut device = Device::at(kind(name), folder);
    device.switch_on();
    let most = THREADS[THREADS.len() - 1];
    let text = format!("name = \"device\"\nprofile = {profile:?}\nsessions = {most}\n{}", device.token());
    let token = Pkcs11Token::open(toml::from_str(&text).unwrap(), folder, Arc::new(ProcessMemory::default())).unwrap();
    token.probe().unwrap();
    let mut good = true;
    for (spec, floor) in kinds {
        let key = generate(&token, &spec.name().parse().unwrap(), *spec).unwrap();
        let location =
            KeyLocation { token: "device".to_owned(), alias: key.label.parse().unwrap(), id: key.id.clone() };
        let algorithm = SignatureAlgorithm::for_key(*spec, None, None).unwrap();
        let signer = token.signer(&location, *spec, algorithm).unwrap();
        let data = DataToBeSigned::new(vec![7; 32]);
        let pooled =
            || || drop(signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(20)).unwrap());
        let library = raw::Library::open(&device.library());
        // As long as what the signer sends: DigestInfo and digest, or the digest alone.
        let (mechanism, length) = if spec.is_rsa() { (CKM_RSA_PKCS, 51) } else { (CKM_ECDSA, 32) };
        let raw = || {
            let mut session = library.session(key.id.as_bytes());
            move || session.sign(mechanism, &[7; 51][..length])
        };
        let mut busy = false;
        for threads in THREADS {
            let rounds: Vec<(Rate, Rate)> = (0..ROUNDS)
                .map(|round| match round % 2 {
                    0 => (rate(threads, raw), rate(threads, pooled)),
                    _ => {
                        let pooled = rate(threads, pooled);
                        (rate(threads, raw), pooled)
                    }
                })
                .collect();
            let [raw, pooled, ratio, of_cpu] = [
                median(rounds.iter().map(|round| round.0.wall)),
                median(rounds.iter().map(|round| round.1.wall)),
                median(rounds.iter().map(|round| round.1.wall / round.0.wall)),
                median(rounds.iter().map(|round| round.1.cpu / round.0.cpu)),
            ];
            if threads == 1 {
                busy = median(rounds.iter().map(|round| round.0.wall / round.0.cpu)) < 0.95;
            }
            let judged = if busy { of_cpu } else { ratio };
            let verdict = match (judged < *floor, busy) {
                (true, _) => format!("  below {floor}"),
                (false, true) => "  (busy machine)".to_owned(),
                (false, false) => String::new(),
            };
            println!(
                "{name:12} {:9} {threads:7} {raw:9.0} {pooled:9.0} {ratio:7.3} {of_cpu:7.3}{verdict}",
                spec.name()
            );
            good &= judged >= *floor;
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Signatures for each second.
struct Rate {
    wall: f64,
    /// Of processor time of all threads.
    cpu: f64,
}

/// How many signatures so many threads make; each makes its own work.
fn rate<W: FnMut()>(threads: usize, work: impl Fn() -> W + Sync) -> Rate {
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (start, used) = (Instant::now(), processor_time());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut once = work();
                let mut mine = 0;
                while !stop.load(Ordering::Relaxed) {
                    once();
                    mine += 1;
                }
                made.fetch_add(mine, Ordering::Relaxed);
            });
        }
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    let made = made.into_inner() as f64;
    Rate { wall: made / start.elapsed().as_secs_f64(), cpu: made / (processor_time() - used) }
}

/// Of this process, in seconds.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
