//! A wrong PIN: tried once, never again by itself, not by a restart and not by a command.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Client;
use tests::server::Server;

use crate::spied::Spied;

/// What the housekeeping of a server needs to notice what others did, and more.
const A_WHILE: Duration = Duration::from_millis(2500);

#[test]
fn a_rejected_pin_is_tried_once_over_restarts_and_commands_until_an_operator_unlocks() {
    let mut spied = Spied::create();
    spied.write_pin("0000-wrong");
    for _ in 0..4 {
        spied.service.start();
        spied.is_away("pin-rejected");
        std::thread::sleep(A_WHILE);
        spied.is_away("pin-rejected");
        spied.unavailable(&["token", "check", "hsm"]);
        spied.unavailable(&["key", "list", "--token", "hsm"]);
        let listed = spied.service.sigillo(&["token", "list"]);
        assert_eq!(listed["items"][0]["state"], "pin-rejected");
        spied.service.sigillo(&["status"]);
        spied.service.take_server().stop();
    }
    assert_eq!(spied.calls("C_Login"), 1, "exactly one login, by whomever");

    // The right PIN is not tried either before an operator says so: the service cannot know that it is right.
    spied.write_pin(tests::token::PIN);
    spied.service.start();
    spied.is_away("pin-rejected");
    assert_eq!(spied.calls("C_Login"), 1);
    let unlocked = spied.service.sigillo(&["token", "unlock", "hsm"]);
    assert_eq!(unlocked["state"], "ready");
    spied.heals();
    assert_eq!(spied.calls("C_Login"), 3, "one by the command, one by the server");

    let events = spied.service.audit_events();
    let rejected = |event: &&Value| event["event"] == "token-login" && event["outcome"] == "pin-rejected";
    assert_eq!(events.iter().filter(rejected).count(), 1);
}

#[test]
fn a_pin_that_one_node_had_rejected_is_not_tried_by_another_node_of_the_same_database() {
    let mut spied = Spied::create();
    spied.write_pin("0000-wrong");
    spied.service.start();
    spied.is_away("pin-rejected");
    assert_eq!(spied.calls("C_Login"), 1);
    // The second node has a configuration of its own: the same database, the same token.
    let configuration = spied.service.folder().join("second-node.toml");
    std::fs::copy(spied.service.folder().join("sigillo.toml"), &configuration).unwrap();
    for _ in 0..3 {
        let second = Server::start(&configuration, spied.service.environment());
        let ready = Client::new(second.url()).get("/health/ready");
        assert_eq!((ready.status, &ready.json()["tokens"][0]["state"]), (503, &json!("pin-rejected")));
        std::thread::sleep(A_WHILE);
        spied.is_away("pin-rejected");
        second.stop();
    }
    assert_eq!(spied.calls("C_Login"), 1, "exactly one login, by whichever node");

    let second = Server::start(&configuration, spied.service.environment());
    spied.write_pin(tests::token::PIN);
    spied.service.sigillo(&["token", "unlock", "hsm"]);
    spied.heals();
    let until = Instant::now() + Duration::from_secs(5);
    while Client::new(second.url()).get("/health/ready").status != 200 {
        assert!(Instant::now() < until, "the second node follows");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(spied.calls("C_Login"), 4, "one by the command, one by each node");
}

#[test]
fn nodes_that_start_at_the_same_moment_try_a_wrong_pin_once_between_them() {
    let spied = Spied::create();
    let configurations = ["first", "second", "third", "fourth"].map(|name| {
        let configuration = spied.service.folder().join(format!("{name}-node.toml"));
        std::fs::copy(spied.service.folder().join("sigillo.toml"), &configuration).unwrap();
        configuration
    });
    let start = || {
        std::thread::scope(|scope| {
            let nodes = configurations
                .each_ref()
                .map(|configuration| scope.spawn(|| Server::start(configuration, spied.service.environment())));
            nodes.map(|node| node.join().unwrap())
        })
    };
    // SoftHSM writes the token anew at a failed login; a node that reads it at that moment finds none, and looks again.
    let state = |node: &Server| {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let state = Client::new(node.url()).get("/health/ready").json()["tokens"][0]["state"].clone();
            if state != "uninitialized" || Instant::now() > until {
                return state;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    spied.write_pin("0000-wrong");
    for round in 0..4 {
        if round > 0 {
            spied.service.sql(&["DELETE FROM pin_rejection"]);
        }
        spied.forget_calls();
        let nodes = start();
        assert_eq!(nodes.each_ref().map(state), [(); 4].map(|()| json!("pin-rejected")), "round {round}");
        nodes.into_iter().for_each(Server::stop);
        assert_eq!(spied.calls("C_Login"), 1, "round {round}: exactly one login, by whichever node");
    }
    // With the right PIN each logs in for itself.
    spied.write_pin(tests::token::PIN);
    spied.service.sql(&["DELETE FROM pin_rejection"]);
    spied.forget_calls();
    let nodes = start();
    assert_eq!(nodes.each_ref().map(state), [(); 4].map(|()| json!("ready")));
    nodes.into_iter().for_each(Server::stop);
    assert_eq!(spied.calls("C_Login"), 4);
}

#[test]
fn an_unlocked_token_signs_at_the_next_start_when_the_server_did_not_run() {
    let mut spied = Spied::create();
    spied.write_pin("0000-wrong");
    spied.unavailable(&["token", "check", "hsm"]);
    spied.unavailable(&["token", "check", "hsm"]);
    assert_eq!(spied.calls("C_Login"), 1, "a command counts as a server does");
    spied.write_pin(tests::token::PIN);
    spied.service.sigillo(&["token", "unlock", "hsm"]);
    spied.service.start();
    spied.heals();
}

#[test]
fn unlocking_with_a_pin_that_is_still_wrong_costs_one_login_and_not_one_for_each_process() {
    let mut spied = Spied::create();
    spied.write_pin("0000-wrong");
    spied.service.start();
    spied.is_away("pin-rejected");
    for logins in 2..5 {
        spied.unavailable(&["token", "unlock", "hsm"]);
        std::thread::sleep(A_WHILE);
        spied.is_away("pin-rejected");
        assert_eq!(spied.calls("C_Login"), logins);
    }
}

#[test]
fn a_token_that_is_locked_and_whose_pin_was_rejected_needs_one_unlock() {
    let mut spied = Spied::create();
    spied.write_pin("0000-wrong");
    spied.service.start();
    spied.is_away("pin-rejected");
    spied.service.sigillo(&["token", "lock", "hsm"]);
    std::thread::sleep(A_WHILE);
    spied.is_away("locked");
    spied.write_pin(tests::token::PIN);
    assert_eq!(spied.service.sigillo(&["token", "unlock", "hsm"])["state"], json!("ready"));
    spied.heals();
}
