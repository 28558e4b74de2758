//! Which hosts may be asked: URLs come out of certificates, which others write, and must not lead into the operator's network.
//!
//! Names are judged before they are resolved, addresses after, and the connection goes to the addresses that were judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Hosts as a configuration lists them.
#[derive(Clone, Debug)]
pub(super) struct HostList(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    host: String,
    /// Every host below, and not the host itself.
    below: bool,
    port: Option<u16>,
}

impl HostList {
    pub(super) fn parse(hosts: &[String]) -> Result<Self, String> {
        hosts.iter().map(|host| Pattern::parse(host)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it lists the host of this URL.
    pub(super) fn contains(&self, url: &Uri) -> bool {
        let Some(host) = url.host().map(normal) else { return false };
        let port = url.port_u16().or_else(|| match url.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        });
        self.0.iter().any(|pattern| pattern.matches(&host, port))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no host; write one such as \"tsa.example.com\", \"10.1.2.3:8080\" or \"*.example.com\""
            )
        };
        let (rest, below) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        // An address of version 6 has colons of its own, and stands in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (rest, None),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
        if host.is_empty() || !host.chars().all(legal) || (below && host.starts_with('[')) {
            return Err(wrong());
        }
        Ok(Self { host: normal(host), below, port })
    }

    fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let named = match self.below {
            true => host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => host == self.host,
        };
        named && self.port.is_none_or(|wanted| Some(wanted) == port)
    }
}

fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Resolves names, and refuses hosts that are not allowed.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver {
    pub(super) allowed: HostList,
    pub(super) public: bool,
    /// The proxy's own host is the operator's choice.
    pub(super) proxy: Option<String>,
}

impl GuardedResolver {
    /// Judges what can be judged without resolving: all there is when a proxy resolves.
    pub(super) fn check_name(&self, url: &Uri) -> Result<(), String> {
        let host = url.host().unwrap_or_default();
        if self.allowed.contains(url) {
            return Ok(());
        }
        if !self.public {
            return Err(format!("host {host} is not in fetch.allow_hosts"));
        }
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !is_public(address) => Err(not_public(host, address)),
            _ if normal(host) == "localhost" || normal(host).ends_with(".localhost") => {
                Err(not_public(host, IpAddr::V4(Ipv4Addr::LOCALHOST)))
            }
            _ => Ok(()),
        }
    }
}

fn not_public(host: &str, address: IpAddr) -> String {
    format!(
        "host {host} has the address {address}, which is not public; add it to fetch.allow_hosts if it may be asked"
    )
}

/// Marks a refusal of ours among the errors of the client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HostRefused(pub(super) String);

impl Resolver for GuardedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolved = DefaultResolver::default().resolve(uri, config, timeout)?;
        let proxy = self.proxy.is_some() && self.proxy.as_deref() == uri.host();
        if proxy || self.allowed.contains(uri) {
            return Ok(resolved);
        }
        let refused =
            |reason| ureq::Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, HostRefused(reason)));
        self.check_name(uri).map_err(refused)?;
        // One that is not public is enough: whoever owns the name chooses which of them is used.
        match resolved.iter().map(SocketAddr::ip).find(|address| !is_public(*address)) {
            Some(address) => Err(refused(not_public(uri.host().unwrap_or_default(), address))),
            None => Ok(resolved),
        }
    }
}

/// Whether an address is one of the public Internet (IANA's registries of special-purpose addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        // Shared by carriers, protocol assignments, benchmarks, multicast and what is reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, ..] = segments;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    match segments {
        // Translation (RFC 6052) and 6to4 lead to the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Global unicast, less Teredo, protocol assignments, ORCHID and documentation.
        _ => a & 0xe000 == 0x2000 && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) && a != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_networks_that_are_not_public_are_told_apart() {
        for public in
            ["1.1.1.1", "193.40.5.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let inner = [
            "127.0.0.1",
            "127.8.9.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "203.0.113.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "::127.0.0.1",
            "fec0::1",
            "100::1",
            "64:ff9b:1::1",
        ];
        for inner in inner {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
    }

    #[test]
    fn a_list_names_hosts_below_another_and_ports() {
        let list = ["tsa.example.com", "*.pki.example", "10.0.0.1:8080", "[fd00::1]"].map(str::to_owned);
        let list = HostList::parse(&list).unwrap();
        for url in [
            "https://TSA.example.com./x",
            "http://tsa.example.com:81",
            "http://a.b.pki.example",
            "http://10.0.0.1:8080/",
            "http://[fd00::1]:9/",
        ] {
            assert!(list.contains(&url.parse().unwrap()), "{url}");
        }
        for url in [
            "http://example.com",
            "http://xtsa.example.com",
            "http://pki.example",
            "http://xpki.example",
            "http://10.0.0.1/",
            "http://.pki.example/",
        ] {
            assert!(!url.parse().is_ok_and(|url| list.contains(&url)), "{url}");
        }
        for wrong in ["", "*", "*.", "https://a", "a b", "a:b", "a/b"] {
            assert!(HostList::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
