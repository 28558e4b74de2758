//! Configurations that put together what is known of one vendor's device, under the names of Sigillo's profiles.

/// The names of [`device`].
pub const DEVICES: &[&str] =
    &["trident", "utimaco-cp5", "utimaco-gp", "nshield-cc", "primus", "smartcard-hsm", "luna", "cloudhsm"];

/// The tables of a configuration for a device; `None` for a device of which there is none. To stand after `module`, `call_log` and
/// `state`; faults may follow it.
#[must_use]
pub fn device(name: &str) -> Option<&'static str> {
    match name {
        "trident" => Some(include_str!("../devices/trident.toml")),
        "utimaco-cp5" => Some(include_str!("../devices/utimaco-cp5.toml")),
        "utimaco-gp" => Some(include_str!("../devices/utimaco-gp.toml")),
        "nshield-cc" => Some(include_str!("../devices/nshield-cc.toml")),
        "primus" => Some(include_str!("../devices/primus.toml")),
        "smartcard-hsm" => Some(include_str!("../devices/smartcard-hsm.toml")),
        "luna" => Some(include_str!("../devices/luna.toml")),
        "cloudhsm" => Some(include_str!("../devices/cloudhsm.toml")),
        _ => None,
    }
}
