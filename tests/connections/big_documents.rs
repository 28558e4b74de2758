//! Documents that are bigger than the memory that a request may take: sealed from a file that has no name.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use tests::Verdict;
use tests::verifiers::ask;

use crate::spool_bench::{Bench, MIB};

/// Changes one bit in the middle of a file.
fn change(file: &Path) {
    let middle = file.metadata().unwrap().len() / 2;
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, middle).unwrap();
    file.write_all_at(&[octet[0] ^ 1], middle).unwrap();
}

/// Has a document of this size sealed in memory that does not grow, and asks these tools, before and after a bit was changed.
fn sealed_in_little_memory(length: u64, worker: &str, tools: &[&str]) {
    let bench = Bench::new("");
    for _ in 0..3 {
        assert_eq!(bench.seal(worker, &bench.document(MIB)).0, 200);
    }
    let document = bench.document(length);
    let idle = bench.memory("VmRSS:");
    // The kernel counts the peak from here on.
    std::fs::write(format!("/proc/{}/clear_refs", bench.service.server().pid()), "5").unwrap();
    let started = Instant::now();
    let (status, signed) = bench.seal(worker, &document);
    let took = started.elapsed().as_secs_f32();
    let peak = bench.memory("VmHWM:");
    tests::report(&format!(
        "{worker:12} {:5} MiB: {took:6.1} s, idle {:3} MiB, peak {:3} MiB",
        length / MIB,
        idle / MIB,
        peak / MIB
    ));
    assert_eq!(status, 200, "{}", std::fs::read_to_string(&signed).unwrap_or_default());
    assert!(peak < idle + 64 * MIB, "from {idle} to {peak} octets");
    bench.nothing_left();

    let encapsulated = worker == "encapsulated";
    assert_eq!(signed.metadata().unwrap().len() > length, encapsulated);
    let question = bench.question(&signed).with(if encapsulated { "--content" } else { "--detached" }, &document);
    for &tool in tools {
        assert_eq!(ask(tool, std::slice::from_ref(&question))[0], Verdict::Valid, "{tool}: {worker}, {length} octets");
    }
    change(if encapsulated { &signed } else { &document });
    for &tool in tools {
        // Of the encapsulated one nothing but the signature says what must be in it.
        let question = if encapsulated { bench.question(&signed) } else { question.clone() };
        let verdict = &ask(tool, &[question])[0];
        assert!(matches!(verdict, Verdict::Invalid(_)), "{tool}: {worker}, {length} octets: {verdict:?}");
    }
}

#[test]
fn a_document_of_300_mib_is_sealed_in_little_memory() {
    let _alone = crate::alone();
    sealed_in_little_memory(300 * MIB, "encapsulated", &["bouncycastle"]);
    sealed_in_little_memory(300 * MIB, "detached", &["openssl"]);
}

/// Whether the sizes that take minutes are wanted: up to 9 GB of disk.
fn big() -> bool {
    let wanted = std::env::var_os("SIGILLO_BIG").is_some();
    if !wanted {
        tests::report("set SIGILLO_BIG=1 to seal documents of 1.9 to 4.9 GiB too");
    }
    wanted
}

#[test]
fn documents_of_1_9_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        // The buffer in which OpenSSL reads a CMS grows to 0x5ffffffc octets and no further; what is beside a CMS it reads in pieces.
        sealed_in_little_memory(1946 * MIB, "encapsulated", &["dss-stream", "bouncycastle"]);
        sealed_in_little_memory(1946 * MIB, "detached", &["dss", "openssl"]);
    }
}

#[test]
fn documents_beyond_2_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        sealed_in_little_memory(2560 * MIB, "encapsulated", &["dss-stream", "bouncycastle"]);
        sealed_in_little_memory(2560 * MIB, "detached", &["dss", "pyhanko"]);
    }
}

#[test]
fn documents_beyond_4_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        sealed_in_little_memory(5000 * MIB, "detached", &["dss"]);
        sealed_in_little_memory(4200 * MIB, "encapsulated", &["dss-stream"]);
    }
}
