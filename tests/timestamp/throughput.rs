//! How many timestamps a second; run with a release build: `cargo test --release --test timestamp -- --ignored throughput`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::programs::fixture;

use crate::authority::Authority;

#[test]
#[ignore = "a measurement, not a check"]
fn throughput_with_a_p256_key_and_eight_clients() {
    let authority = Authority::simple();
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256", "-cert"])).unwrap();
    for clients in [1, 8] {
        let (count, slowest) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let length = Duration::from_secs(10);
        let until = Instant::now() + length;
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while Instant::now() < until {
                        let asked = Instant::now();
                        let answer = authority.ask("tsa", &query);
                        assert_eq!(answer.status, 200);
                        count.fetch_add(1, Ordering::Relaxed);
                        let millis = usize::try_from(asked.elapsed().as_millis()).unwrap();
                        slowest.fetch_max(millis, Ordering::Relaxed);
                    }
                });
            }
        });
        let rate = count.load(Ordering::Relaxed) as f64 / length.as_secs_f64();
        let slowest = slowest.load(Ordering::Relaxed);
        tests::report(&format!("{clients} clients: {rate:.0} timestamps a second, the slowest in {slowest} ms"));
    }
}
