//! `sigillo key authorize`.

mod offline;

use std::path::PathBuf;
use std::time::Duration;

use administration::authorization::{
    self, AuthorizationRequest, AuthorizationView, AuthorizedKey, Initialization, KakChoice, OfflineExchange,
};
use administration::{Actor, Node};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};
use cryptotoken_api::{AuthorizationProtocol, KeyAlias};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::key::Key;
use crate::output::{OutputFormat, moment};
use crate::prompt;
use offline::Files;

/// What `sigillo key authorize` is told.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["initialize", "count", "unlimited", "change", "unblock"]).required(true).multiple(true))]
pub(crate) struct Authorize {
    #[command(flatten)]
    key: Key,
    /// Bind the key to its key authorisation key (KAK) first, as an assigned key; once in its life.
    #[arg(long)]
    initialize: bool,
    /// With --initialize: as a general key, which makes no qualified seals.
    #[arg(long, requires = "initialize")]
    general_key: bool,
    /// The vendor's tool has bound the key to this KAK already.
    #[arg(long, conflicts_with = "initialize")]
    initialized_elsewhere: bool,
    /// How the KAK signs, said when the key is bound to it [default: rsa-pss-sha256].
    #[arg(long, value_parser = protocol())]
    protocol: Option<AuthorizationProtocol>,
    /// Let the key sign so often.
    #[arg(long, value_name = "N", conflicts_with = "unlimited", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Let the key sign without limit.
    #[arg(long)]
    unlimited: bool,
    /// Bind the key to another KAK; the present one signs. The key is authorised anew afterwards.
    #[arg(long, requires = "new_kak_public", conflicts_with_all = ["initialize", "initialized_elsewhere", "count", "unlimited"])]
    change: bool,
    /// Public half of the other KAK, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "change")]
    new_kak_public: Option<PathBuf>,
    /// Let a key be authorised again that wrong signatures have blocked; needs no KAK.
    #[arg(long, conflicts_with_all = ["initialize", "initialized_elsewhere", "count", "unlimited", "change", "kak_token", "kak_key", "export_challenge"])]
    unblock: bool,
    #[command(flatten)]
    kak: KakArguments,
}

/// Where the KAK is. Without any: where sigillo.toml says.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where the KAK is [default: as sigillo.toml says]")]
struct KakArguments {
    /// On this token of sigillo.toml.
    #[arg(long, value_name = "TOKEN", requires = "kak_alias")]
    kak_token: Option<String>,
    /// The KAK's alias there.
    #[arg(long, value_name = "ALIAS", requires = "kak_token")]
    kak_alias: Option<KeyAlias>,
    /// Elsewhere: write the challenge to this new file (JSON) and wait. The challenge is void when this command ends.
    #[arg(long, value_name = "FILE", requires = "import_signature", conflicts_with_all = ["kak_token", "kak_key"])]
    export_challenge: Option<PathBuf>,
    /// The file that will have the signature, raw or base64; it must not exist yet.
    #[arg(long, value_name = "FILE", requires = "export_challenge")]
    import_signature: Option<PathBuf>,
    /// How many seconds to wait for the signature.
    #[arg(long, value_name = "SECONDS", requires = "export_challenge", default_value_t = 600)]
    wait: u64,
    /// Public half of the KAK, PEM or DER, where the key is not bound to it yet.
    #[arg(long, value_name = "FILE", requires = "export_challenge")]
    kak_public: Option<PathBuf>,
    /// In this file, PKCS#8 (PEM or DER); not for qualified seals.
    #[arg(long, value_name = "FILE", conflicts_with = "kak_token")]
    kak_key: Option<PathBuf>,
    /// File with the passphrase of --kak-key [default: typed where there is one].
    #[arg(long, value_name = "FILE", requires = "kak_key")]
    kak_passphrase_file: Option<PathBuf>,
}

pub(crate) fn run(node: &Node, actor: &Actor, output: OutputFormat, arguments: Authorize) -> Result<(), Failure> {
    let Key { token, alias } = &arguments.key;
    if arguments.unblock {
        let unblocked = authorization::unblock(node, actor, token, alias)?;
        show(output, &unblocked)?;
        return output.next(&format!("sigillo key authorize --token {token} --alias {alias} --count N"));
    }
    let request = arguments.request()?;
    let files = arguments.files(&request)?;
    let choice = arguments.kak.choice(files.as_ref().map(|files| files as &dyn OfflineExchange))?;
    let authorized = authorization::authorize(node, actor, token, alias, &request, &choice)?;
    show(output, &authorized)
}

impl Authorize {
    fn request(&self) -> Result<AuthorizationRequest, Failure> {
        let protocol = self.protocol.unwrap_or_default();
        let initialization = match (self.initialize, self.initialized_elsewhere) {
            (true, _) => Initialization::Now { protocol, assigned: !self.general_key },
            (_, true) => Initialization::Elsewhere { protocol },
            _ if self.protocol.is_some() && !self.change => {
                return Err(Failure::Usage(
                    "--protocol is said with --initialize, --initialized-elsewhere or --change".into(),
                ));
            }
            _ => Initialization::Done,
        };
        if self.initialized_elsewhere && self.count.is_none() && !self.unlimited {
            return Err(Failure::Usage("--initialized-elsewhere goes with --count or --unlimited".into()));
        }
        let count = if self.unlimited { Some(None) } else { self.count.map(Some) };
        let change = self.new_kak_public.as_ref().map(|path| -> Result<_, Failure> {
            Ok((authorization::public_kak(&std::fs::read(path).map_err(Failure::file(path))?)?, protocol))
        });
        Ok(AuthorizationRequest { initialization, count, change: change.transpose()? })
    }

    fn files(&self, request: &AuthorizationRequest) -> Result<Option<Files>, Failure> {
        let (Some(challenge), Some(signature)) = (&self.kak.export_challenge, &self.kak.import_signature) else {
            return Ok(None);
        };
        if self.initialize && request.count.is_some() {
            // Each step has a challenge of its own, and one file is one signature.
            return Err(Failure::Usage(
                "with --export-challenge, first say --initialize alone, then --count N or --unlimited, each with files of its own".into(),
            ));
        }
        let wait = Duration::from_secs(self.kak.wait);
        Ok(Some(Files { challenge: challenge.clone(), signature: signature.clone(), wait }))
    }
}

impl KakArguments {
    fn choice<'a>(&self, files: Option<&'a dyn OfflineExchange>) -> Result<KakChoice<'a>, Failure> {
        if let Some(exchange) = files {
            let read = |path: &PathBuf| -> Result<_, Failure> {
                Ok(authorization::public_kak(&std::fs::read(path).map_err(Failure::file(path))?)?)
            };
            let public_key = self.kak_public.as_ref().map(read).transpose()?;
            return Ok(KakChoice::Offline { exchange, public_key });
        }
        match (&self.kak_token, &self.kak_alias, &self.kak_key) {
            (Some(token), Some(alias), _) => Ok(KakChoice::Token { token: token.clone(), alias: alias.clone() }),
            (_, _, Some(path)) => {
                let octets = Zeroizing::new(std::fs::read(path).map_err(Failure::file(path))?);
                let encrypted = octets.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
                let file = self.kak_passphrase_file.as_deref();
                let wanted = file.is_some() || encrypted;
                let secret = || prompt::secret(file, "passphrase of the KAK", "--kak-passphrase-file");
                let passphrase = wanted.then(secret).transpose()?;
                Ok(KakChoice::File { octets, passphrase })
            }
            _ => Ok(KakChoice::Configured),
        }
    }
}

/// What PEM of an encrypted key has in its first line (RFC 7468, section 11).
const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";

fn protocol() -> impl TypedValueParser<Value = AuthorizationProtocol> {
    let names = AuthorizationProtocol::ALL.map(AuthorizationProtocol::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<AuthorizationProtocol>())
}

fn show(output: OutputFormat, key: &AuthorizedKey) -> Result<(), Failure> {
    output.warnings(&key.warnings);
    let mut properties = vec![
        ("alias", key.alias.clone()),
        ("token", key.token.clone()),
        ("credential", key.credential.clone()),
        ("state", key.state.to_string()),
    ];
    if let Some(authorization) = &key.authorization {
        properties.push(("authorisation", summary(authorization)));
        properties.push(("KAK SHA-256", authorization.kak_sha256.clone()));
    }
    output.one(key, &properties)
}

/// An authorisation in one line.
pub(crate) fn summary(key: &AuthorizationView) -> String {
    let kind = if key.assigned { "assigned key" } else { "general key" };
    let kak = format!("KAK by {} ({})", key.kak_source.name(), key.protocol);
    match (key.authorized_at, key.count, key.remaining) {
        (None, _, _) => format!("{kind}, not authorised, {kak}"),
        (Some(at), Some(count), Some(left)) => {
            format!("{kind}, {left} of {count} signatures left since {}, {kak}", moment(at))
        }
        (Some(at), _, _) => format!("{kind}, without limit since {}, {kak}", moment(at)),
    }
}
