//! `kill -9`: what was acknowledged is on record, what was begun is closed as unknown, the chain is whole.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cryptotoken_api::{DataToBeSigned, SignatureValue, Signer as _, ToBeSigned};
use store::audit::RequestOutcome;
use store::{AuditEvent, Store};
use uuid::Uuid;

use crate::fixture::{FakeSigner, Fixture, NO_ATTEMPTS, act, context, intent, open};

const FOLDER: &str = "SIGILLO_TEST_STORE";
const THREADS: usize = 16;

/// Signs without end from many threads and says on its output what was done: `used` when the key is used, `released` when the answer
/// would be sent.
#[test]
#[ignore = "the child process of the tests beside it, which kill it"]
fn signs_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("started by the tests beside it");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = runtime.block_on(async { open(Path::new(&folder)).await.audit_log().await.unwrap() });
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let context = context();
                    let request_id = context.request_id;
                    let inner = FakeSigner(move || {
                        println!("used {request_id}");
                        Ok(SignatureValue::new(vec![1]))
                    });
                    let signer = log.signer(Box::new(inner), context);
                    let data = DataToBeSigned::new(b"abc".to_vec());
                    signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(5)).unwrap();
                    signer
                        .complete(AuditEvent::RequestCompleted {
                            request_id,
                            client: "erp".to_owned(),
                            worker: "invoices".to_owned(),
                            outcome: RequestOutcome::Released,
                            level: None,
                            reason: None,
                        })
                        .unwrap();
                    println!("released {request_id}");
                }
            });
        }
    });
}

fn start_child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::signs_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child sign, kills it, and returns the requests it said it used the key for, and those it said it released.
fn kill_while_signing(folder: &Path, after: Duration) -> (BTreeSet<Uuid>, BTreeSet<Uuid>) {
    let mut child = start_child(folder);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    // The time counts from the first signature, not from the start of the process.
    let mut said = String::new();
    while !said.contains("released") {
        assert_ne!(output.read_line(&mut said).unwrap(), 0, "the child ended by itself");
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut said).unwrap();
    // The last line may be cut off.
    let lines: Vec<&str> = said.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    let those = |word: &str| {
        lines.iter().filter_map(|line| line.trim().strip_prefix(word)?.trim().parse().ok()).collect::<BTreeSet<Uuid>>()
    };
    (those("used"), those("released"))
}

#[tokio::test]
async fn killed_twenty_times_under_load_everything_acknowledged_is_on_record_and_the_rest_is_closed_as_unknown() {
    let fixture = Fixture::with_credential(None).await;
    let (mut used, mut released) = (BTreeSet::new(), BTreeSet::new());
    let mut closed_in_all = 0;
    for _ in 0..20 {
        let milliseconds = u64::from(Uuid::new_v4().as_bytes()[0]);
        let (more_used, more_released) = kill_while_signing(fixture.folder.path(), Duration::from_millis(milliseconds));
        used.extend(more_used);
        released.extend(more_released);

        // As a service that starts.
        let left_open = fixture.verified().await.open_intents;
        let mut closed = fixture.open_again().await.close_open_intents().await.unwrap();
        closed.sort();
        assert_eq!(closed, left_open);
        assert_eq!(fixture.verified().await.open_intents, NO_ATTEMPTS);
        closed_in_all += closed.len();
    }
    let (mut intended, mut created, mut completed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut unknown = 0;
    for event in fixture.events().await {
        match event {
            AuditEvent::SigningIntended(intent) => assert!(intended.insert(intent.request_id)),
            AuditEvent::SignatureCreated { request_id, .. } => assert!(created.insert(request_id)),
            AuditEvent::RequestCompleted { request_id, .. } => assert!(completed.insert(request_id)),
            AuditEvent::OutcomeUnknown { .. } => unknown += 1,
            _ => {}
        }
    }
    assert!(used.is_subset(&intended), "a key was used without an intent on record");
    assert!(released.is_subset(&created), "an answer was sent without its outcome on record");
    assert!(released.is_subset(&completed), "an answer was sent without its completion on record");
    assert_eq!(unknown, closed_in_all);
    assert_eq!(intended.len(), created.len() + unknown, "every intent has exactly one outcome");
    assert!(closed_in_all > 0 && released.len() > 100, "{closed_in_all} closed, {} released", released.len());
    println!("{} released, {} used, {closed_in_all} closed as unknown", released.len(), used.len());
}

#[tokio::test]
async fn a_second_program_shares_the_chain_with_a_living_one_and_leaves_its_intents_alone() {
    let fixture = Fixture::with_credential(None).await;
    let mut child = start_child(fixture.folder.path());
    let mut first_line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while !first_line.contains("released") {
        assert_ne!(output.read_line(&mut first_line).unwrap(), 0, "the child ended by itself");
    }
    let reader = std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    for _ in 0..20 {
        let other: Store = fixture.open_again().await;
        assert_eq!(other.close_open_intents().await.unwrap(), NO_ATTEMPTS);
        // It writes records of its own meanwhile, and the chain stays one chain.
        other.lock_token("seal-hsm", act("token lock", "seal-hsm")).await.unwrap();
    }
    fixture.verified().await;
    assert!(child.try_wait().unwrap().is_none(), "the child must still be signing");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().unwrap();
    assert!(!fixture.open_again().await.close_open_intents().await.unwrap().is_empty());
}

#[tokio::test]
async fn intents_of_this_process_are_left_alone_while_its_log_lives() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let attempt = Uuid::now_v7();
    log.submit(vec![intent(attempt)]).await.unwrap();
    assert_eq!(fixture.store.close_open_intents().await.unwrap(), NO_ATTEMPTS);
    assert_eq!(fixture.open_again().await.close_open_intents().await.unwrap(), NO_ATTEMPTS);
    drop(log);
    assert_eq!(fixture.open_again().await.close_open_intents().await.unwrap(), [attempt]);
    assert_eq!(fixture.open_again().await.close_open_intents().await.unwrap(), NO_ATTEMPTS);
}
