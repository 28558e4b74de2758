//! What a signature costs on a token with 10,000 keys beside one with 10, on SoftHSM with P-256: each key is searched once, and no
//! longer than that. `scripts/bench keys` runs it.
//!
//! Two processes, one for each token, measure in turn. Compared are signatures for each second of processor time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be measured fails by panicking"
)]

#[path = "keys/fill.rs"]
mod fill;
#[path = "tokens/raw.rs"]
mod raw;

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys::CKM_ECDSA;
use cryptotoken::{Pkcs11Token, ProcessMemory};
use cryptotoken_api::{
    CryptoToken, DataToBeSigned, KeyId, KeyLocation, KeySpec, SignatureAlgorithm, Signer, ToBeSigned,
};
use tests::Device;
use tests::device::Kind;

const FEW: usize = 10;
const MANY: usize = 10_000;
/// Keys that sign, spread over all of them.
const USED: usize = 10;
/// A signature may take so many times as long with many keys.
const LIMIT: f64 = 1.1;

const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 31;

/// In a process of its own: its folder, and how many keys there are. Where there is to be one, it is made.
const FOLDER: &str = "SIGILLO_BENCH_FOLDER";
const KEYS: &str = "SIGILLO_BENCH_KEYS";

fn main() -> ExitCode {
    if let (Some(folder), Ok(keys)) = (std::env::var_os(FOLDER), std::env::var(KEYS)) {
        let folder = Path::new(&folder);
        let token = open(folder);
        let library = raw::Library::open(&Device::at(Kind::SoftHsm, folder).library());
        match keys.parse().unwrap() {
            1 => fill::make(&library, &id(0)),
            keys => measure(&token, &library, keys),
        }
        return ExitCode::SUCCESS;
    }
    let folders = [(); 2].map(|()| tempfile::Builder::new().prefix("sigillo-bench-").tempdir().unwrap());
    let mut few = Measurer::start(folders[0].path(), FEW);
    let mut many = Measurer::start(folders[1].path(), MANY);
    println!("{FEW} keys: first use {}; {MANY} keys: first use {}", few.line(), many.line());
    let rounds: Vec<(Rates, Rates)> = (0..ROUNDS)
        .map(|round| match round % 2 {
            0 => (few.round(), many.round()),
            _ => {
                let many = many.round();
                (few.round(), many)
            }
        })
        .collect();
    println!("{:10} {:>9} {:>9} {:>15}", "way", FEW, MANY, "times as long");
    let mut good = true;
    for (name, which) in [("raw", 0), ("pooled", 1)] {
        let [few, many, cost] = [
            median(rounds.iter().map(|round| round.0[which])),
            median(rounds.iter().map(|round| round.1[which])),
            median(rounds.iter().map(|round| round.0[which] / round.1[which])),
        ];
        let verdict = if cost > LIMIT { format!("  above {LIMIT}") } else { String::new() };
        println!("{name:10} {few:9.0} {many:9.0} {cost:15.3}{verdict}");
        good &= cost <= LIMIT || name == "raw";
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Signatures for each second of processor time: by the library alone, and through the token.
type Rates = [f64; 2];

/// A process that measures a round whenever it is told to.
struct Measurer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Measurer {
    fn start(folder: &Path, keys: usize) -> Self {
        let device = Device::prepare(Kind::SoftHsm, folder, "");
        let command = |keys: usize| {
            let mut command = device.command(&std::env::current_exe().unwrap());
            command.env(FOLDER, folder).env(KEYS, keys.to_string());
            command
        };
        assert!(command(1).status().unwrap().success());
        fill::copy(&folder.join("tokens"), &id(0), (1..keys).map(id));
        let mut child = command(keys).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, orders, answers }
    }

    fn line(&mut self) -> String {
        self.answers.next().unwrap().unwrap()
    }

    fn round(&mut self) -> Rates {
        self.orders.write_all(b"\n").unwrap();
        let line = self.line();
        let rates: Vec<f64> = line.split(' ').map(|rate| rate.parse().unwrap()).collect();
        rates.try_into().unwrap()
    }
}

impl Drop for Measurer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn id(number: usize) -> String {
    format!("sigillo-key-{number:08}")
}

fn open(folder: &Path) -> Pkcs11Token {
    let device = Device::at(Kind::SoftHsm, folder).token();
    let text = format!("name = \"device\"\nprofile = \"softhsm\"\n{device}");
    let token = Pkcs11Token::open(toml::from_str(&text).unwrap(), folder, Arc::new(ProcessMemory::default())).unwrap();
    token.probe().unwrap();
    token
}

fn measure(token: &Pkcs11Token, library: &raw::Library, keys: usize) {
    let used: Vec<usize> = (0..USED).map(|number| number * (keys / USED) + keys / USED / 2).collect();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let signers: Vec<Box<dyn Signer>> = used
        .iter()
        .map(|number| {
            let id = KeyId::new(id(*number));
            let location = KeyLocation { token: "device".to_owned(), alias: "any".parse().unwrap(), id };
            token.signer(&location, KeySpec::EcP256, algorithm).unwrap()
        })
        .collect();
    let data = DataToBeSigned::new(vec![7; 32]);
    let sign = |signer: &dyn Signer| {
        drop(signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(60)).unwrap());
    };
    let begin = Instant::now();
    signers.iter().for_each(|signer| sign(signer.as_ref()));
    println!("{:?}", begin.elapsed() / u32::try_from(USED).unwrap());
    let mut sessions: Vec<_> = used.iter().map(|number| library.session(id(*number).as_bytes())).collect();
    for _ in std::io::stdin().lines() {
        let raw = rate(|turn| sessions[turn % USED].sign(CKM_ECDSA, &[7; 32]));
        let pooled = rate(|turn| sign(signers[turn % USED].as_ref()));
        println!("{raw} {pooled}");
    }
}

fn rate(mut work: impl FnMut(usize)) -> f64 {
    let (start, used) = (Instant::now(), processor_time());
    let mut made = 0;
    while start.elapsed() < ROUND {
        work(made);
        made += 1;
    }
    made as f64 / (processor_time() - used)
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
