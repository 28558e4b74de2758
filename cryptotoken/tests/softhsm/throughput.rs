//! What the pool costs: signatures a second through it and by the library alone, in one run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptotoken::lifecycle::generate;
use cryptotoken_api::{DataToBeSigned, KeySpec, ToBeSigned};
use secrecy::SecretString;

use crate::bench::{USER_PIN, default_signer, softhsm, softhsm_test, soon};

const ROUND: Duration = Duration::from_millis(500);
const ROUNDS: usize = 5;

/// Signatures a second of so many threads; each makes its own work.
fn rate<W: FnMut()>(threads: usize, work: impl Fn() -> W + Sync) -> f64 {
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
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
    made.into_inner() as f64 / start.elapsed().as_secs_f64()
}

softhsm_test!(
    #[ignore = "measures: cargo test --release -p cryptotoken --test softhsm throughput -- --ignored"]
    the_pool_costs_little_beside_the_signature,
    |bench| {
        let token = bench.token("sessions = 8");
        for (spec, floor) in [(KeySpec::Rsa2048, 0.97), (KeySpec::EcP256, 0.85)] {
            let key = generate(&token, &spec.to_string().parse().unwrap(), spec).unwrap();
            let signer = default_signer(&token, &key, spec);
            let data = DataToBeSigned::new(vec![7; 32]);
            // The token has the library initialised and is logged in; a second handle of the library shares both.
            let library = Pkcs11::new(softhsm()).unwrap();
            let _ = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
            let slots = library.get_slots_with_initialized_token().unwrap();
            let raw = || {
                let session = library.open_ro_session(slots[0]).unwrap();
                let _ = session.login(UserType::User, Some(&SecretString::from(USER_PIN)));
                let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(key.id.as_bytes().to_vec())];
                let handle = session.find_objects(&wanted).unwrap()[0];
                // What the signer sends: DigestInfo and digest, or the digest alone.
                let input = vec![7; if spec == KeySpec::EcP256 { 32 } else { 51 }];
                let mechanism = if spec == KeySpec::EcP256 { Mechanism::Ecdsa } else { Mechanism::RsaPkcs };
                move || drop(session.sign(&mechanism, handle, &input).unwrap())
            };
            let pooled = || || drop(signer.sign(ToBeSigned::Data(&data), soon()).unwrap());
            for threads in [1, 4] {
                // Alternating, and the best of each: the machine has other things to do.
                let rounds: Vec<_> = (0..ROUNDS).map(|_| (rate(threads, raw), rate(threads, pooled))).collect();
                let best = |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
                let (raw, pooled) = (best(|round| round.0), best(|round| round.1));
                println!("{spec}, {threads} threads: {raw:.0}/s raw, {pooled:.0}/s pooled, {:.3}", pooled / raw);
                assert!(pooled / raw >= floor, "{spec}, {threads} threads: {:.3} of raw, {floor} wanted", pooled / raw);
            }
        }
    }
);
