//! Callers who send nothing, or slowly, take nothing from those who send a request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Broken, Client, RawConnection, TestService};

use crate::crowd::{Crowd, SIZE};

const REQUESTS: usize = 60;
/// Below this, the medians of two runs on a busy machine differ by scheduling alone.
const NOISE: Duration = Duration::from_millis(10);
/// A machine may be busy with something else while one of two medians is measured, but hardly each time.
const ATTEMPTS: usize = 3;

fn service() -> (TestService, String) {
    let service = TestService::builder().start();
    service.key("seal", "rsa-3072", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    (service, key)
}

fn median(client: &Client) -> Duration {
    let time = |_| {
        let started = Instant::now();
        let _ = client.sign("cms", b"document").success();
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..REQUESTS).map(time).collect();
    times.sort_unstable();
    times[REQUESTS / 2]
}

/// Resident memory of a process, and its files and sockets.
fn footprint(pid: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (kibibytes * 1024, std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count))
}

#[test]
fn five_hundred_idle_or_slow_connections_do_not_slow_others_down_nor_take_memory() {
    let _alone = crate::alone();
    let (service, key) = service();
    let client = service.client().key(&key);
    let pid = service.server().pid();
    let _ = median(&client);
    let before = footprint(pid);
    let mut measured = Vec::new();
    for _ in 0..ATTEMPTS {
        let usual = median(&client);
        let crowd = Crowd::gather(service.server().url(), "/v1/workers/cms/sign/raw", &key);
        let until = Instant::now() + Duration::from_secs(10);
        while footprint(pid).1 < before.1 + SIZE - 10 {
            assert!(Instant::now() < until, "the server has not taken all connections");
            std::thread::sleep(Duration::from_millis(50));
        }
        let crowded = median(&client);
        let after = footprint(pid);
        tests::report(&format!(
            "median {usual:?}, with {SIZE} connections {crowded:?}; resident {} MiB, then {} MiB; {} reopened",
            before.0 >> 20,
            after.0 >> 20,
            crowd.reopened()
        ));
        // Each of them costs less than 64 KiB, although a third has announced 50 MiB.
        assert!(after.0 < before.0 + (SIZE as u64) * (64 << 10), "from {} to {} octets", before.0, after.0);
        measured.push((usual, crowded));
        if crowded <= (usual * 2).max(usual + NOISE) {
            return;
        }
        drop(crowd);
    }
    panic!("more than twice the usual time, each time: {measured:?}");
}

#[test]
fn a_head_that_does_not_come_and_a_body_that_does_not_end_are_given_up() {
    let _alone = crate::alone();
    let service = TestService::builder().server("request_timeout = \"2s\"").start();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);

    let started = Instant::now();
    let mut body = RawConnection::open(service.server().url()).unwrap();
    body.send(&RawConnection::head("/v1/workers/cms/sign/raw", &key, "application/octet-stream", 100)).unwrap();
    let answer = body.answer().unwrap();
    assert_eq!(answer.status, 408, "{}", answer.head);
    assert!(String::from_utf8_lossy(&answer.body).contains("urn:sigillo:problem:too-slow"));
    assert!(started.elapsed() < Duration::from_secs(5));

    let mut head = RawConnection::open(service.server().url()).unwrap();
    head.send(b"POST / HTTP/1.1\r\nHost: ").unwrap();
    let mut idle = RawConnection::open(service.server().url()).unwrap();
    for connection in [&mut head, &mut idle] {
        match connection.answer() {
            Ok(answer) => assert_eq!(answer.status, 408),
            Err(broken) => assert_eq!(broken, Broken::Closed),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn an_answer_from_memory_that_is_taken_too_slowly_counts_as_memory_and_is_given_up() {
    let _alone = crate::alone();
    let server = "send_timeout = \"6s\"\nmin_send_rate = \"64MiB\"\nmax_pending_bytes = \"64MiB\"";
    let service = TestService::builder().server(server).start();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let client = service.client().key(&key);
    let json = |mebibytes: usize| {
        let document = STANDARD.encode(vec![b'a'; mebibytes << 20]);
        format!("{{\"document\":\"{document}\"}}").into_bytes()
    };
    let other = json(12);
    let slow = [("sign", "application/json", json(20)), ("sign/raw", "application/octet-stream", vec![b'a'; 40 << 20])];
    for (action, media_type, body) in slow {
        let mut connection = TcpStream::connect(service.server().url().trim_start_matches("http://")).unwrap();
        let path = format!("/v1/workers/cms/{action}");
        connection.write_all(&RawConnection::head(&path, &key, media_type, body.len())).unwrap();
        connection.write_all(&body).unwrap();
        let mut block = vec![0; 128 << 10];
        let mut received = connection.read(&mut block).unwrap();
        assert!(block.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&block[..received]));
        // As long as the answer waits, there is no room for what needs 28 MiB of the 64.
        let refused = client.post("/v1/workers/cms/sign", "application/json", &other);
        assert_eq!(refused.status, 503, "{action}");
        assert_eq!(refused.problem(), "overloaded", "{action}");

        let started = Instant::now();
        let cut = loop {
            // Never long without taking something, but no more than 1.25 MiB a second.
            std::thread::sleep(Duration::from_millis(100));
            match connection.read(&mut block) {
                Ok(0) | Err(_) => break started.elapsed(),
                Ok(length) => received += length,
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{action}: {received} octets, and no end");
        };
        assert!(received < 24 << 20, "{action}: {received} octets in {cut:?}");
        assert_eq!(client.post("/v1/workers/cms/sign", "application/json", &other).status, 200, "{action}");
    }
    let log = service.server().log();
    assert!(log.contains("was not taken within 6 s"), "{log}");
}

#[test]
fn who_takes_a_big_answer_from_memory_in_time_gets_all_of_it() {
    let _alone = crate::alone();
    let (service, key) = service();
    let client = service.client().key(&key);
    // A little more and less than what is sent at a time, and much more.
    for length in [1, 60_000, 65_536, 70_000, 5 << 20] {
        let document = vec![b'a'; length];
        let raw = client.sign("cms", &document).success();
        assert!(raw.windows(length).any(|window| window == document), "{length}");
        let answer = client.post_json("/v1/workers/cms/sign", &json!({ "document": STANDARD.encode(&document) }));
        assert_eq!(answer.media_type, "application/json");
        let signed = STANDARD.decode(answer.json()["signedDocument"].as_str().unwrap()).unwrap();
        assert!(signed.windows(length).any(|window| window == document), "{length}");
    }
}
