//! No serial number comes twice: from many clients at a time, two nodes over one database, and after restarts.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tests::Client;
use tests::programs::fixture;
use tests::server::Server;

use crate::authority::Authority;

const CLIENTS: usize = 16;
const REQUESTS: usize = 8;

/// Serial numbers of tokens that many clients ask several nodes for at the same time.
fn serials(authority: &Authority, nodes: &[Client], query: &[u8]) -> Vec<String> {
    let serials: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (serials, node) = (&serials, &nodes[number % nodes.len()]);
            scope.spawn(move || {
                for _ in 0..REQUESTS {
                    let reply = authority.read(node.post("/tsa/tsa", "application/timestamp-query", query));
                    assert!(reply.is_granted(), "{}", reply.text);
                    serials.lock().unwrap().push(reply.value("Serial number").to_owned());
                }
            });
        }
    });
    serials.into_inner().unwrap()
}

#[test]
fn serial_numbers_are_unique_under_load_over_two_nodes_and_restarts() {
    let mut authority = Authority::simple();
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    let key = authority.service.api_key("everybody", &["tsa"]);
    // A second node: another process with the same configuration, database and token.
    let configuration = authority.service.folder().join("second.toml");
    std::fs::copy(authority.service.folder().join("sigillo.toml"), &configuration).unwrap();

    let mut all = Vec::new();
    for restart in 0..3 {
        if restart > 0 {
            let server = authority.service.take_server();
            // In good order, and as by a power cut.
            if restart == 1 {
                server.stop()
            } else {
                server.kill()
            }
            authority.service.start();
        }
        let second = Server::start(&configuration, authority.service.environment());
        let nodes = [authority.service.client().key(&key), Client::new(second.url()).key(&key)];
        all.extend(serials(&authority, &nodes, &query));
        second.stop();
    }
    assert_eq!(all.len(), 3 * CLIENTS * REQUESTS);
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    // Positive, and all of one length, so that none can be mistaken for another with a zero before it.
    assert!(all.iter().all(|serial| serial.len() == "0x".len() + 40), "{all:?}");
}
