//! No token while nothing vouches for the clock. Whether something does, on the machine of the tests, another program says.

use std::process::Command;

use tests::programs::{fixture, run};

use crate::authority::{Authority, POLICY, trusted};
use crate::refusals::TIME_NOT_AVAILABLE;

/// The largest error of the system clock in microseconds, by adjtimex(2) out of Python; `None` when it is not synchronised.
fn largest_error() -> Option<u64> {
    let script = "import ctypes\n\
        class T(ctypes.Structure): _fields_ = [('modes', ctypes.c_uint), ('offset', ctypes.c_long), ('freq', ctypes.c_long),\n\
        \x20('maxerror', ctypes.c_long), ('esterror', ctypes.c_long), ('status', ctypes.c_int), ('rest', ctypes.c_char * 256)]\n\
        t = T()\n\
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(t))\n\
        assert state >= 0\n\
        print('none' if state == 5 or t.status & 0x40 else t.maxerror)\n";
    let said = run(Command::new("python3").args(["-c", script]));
    String::from_utf8_lossy(&said.stdout).trim().parse().ok()
}

#[test]
fn a_worker_stamps_only_when_the_kernel_vouches_for_the_clock_or_the_operator_does() {
    let kernel = format!("policy = \"{POLICY}\"\naccuracy = \"100us\"");
    let authority = Authority::new(&[("kernel", "ec-p256", kernel), ("trusted", "ec-p256", trusted(""))]);
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    assert!(authority.reply("trusted", &query).is_granted());

    // One microsecond of a hundred is lost by cutting off genTime. Clocks kept that well are rare, so that this mostly sees a refusal;
    // the unit tests of the workers give every answer of the kernel.
    let vouched = largest_error().is_some_and(|micros| micros < 99);
    let reply = authority.reply("kernel", &query);
    tests::report(&format!("the kernel vouches for {:?} microseconds", largest_error()));
    let intents = |worker: &str| {
        let events = authority.service.audit_events();
        events.iter().filter(|event| event["event"] == "signing-intended" && event["worker"] == worker).count()
    };
    assert_eq!(reply.is_granted(), vouched, "{}", reply.text);
    assert_eq!((intents("trusted"), intents("kernel")), (1, usize::from(vouched)));
    if !vouched {
        assert_eq!(reply.failure(), TIME_NOT_AVAILABLE);
        assert!(reply.text.contains("clock"), "{}", reply.text);
    }
}

#[test]
fn that_the_operator_vouches_for_the_clock_is_on_record() {
    let authority = Authority::simple();
    let events = authority.service.audit_events();
    let applied = events.iter().find(|event| event["action"] == "worker apply").expect("a record of the definition");
    assert_eq!(applied["detail"]["clock"], "trusted", "{applied}");
}
