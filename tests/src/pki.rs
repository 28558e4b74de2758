//! A certification authority, made by the openssl program.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{repository, run};

/// An authority that certifies seals.
pub struct TestPki {
    folder: PathBuf,
}

/// What a seal certificate says beside the subject of the request.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Begin and end, from now on, as `date -d` takes them.
    pub validity: (&'static str, &'static str),
    /// `keyUsage` as OpenSSL writes it.
    pub key_usage: &'static str,
    /// `extendedKeyUsage` as OpenSSL writes it; empty for none.
    pub extended_key_usage: &'static str,
    /// Whether it says that there is no revocation information on it (`noRevAvail`). EU DSS does not heed that in a timestamp.
    pub without_revocation: bool,
    /// Lines of OpenSSL's extension section, sections of their own last.
    pub extensions: Vec<String>,
}

impl Default for Profile {
    /// A certificate that every verifier of `tests/verifiers` takes, without revocation.
    fn default() -> Self {
        Self {
            validity: ("0 days", "30 days"),
            key_usage: "critical, digitalSignature, nonRepudiation",
            extended_key_usage: "emailProtection",
            without_revocation: true,
            extensions: Vec::new(),
        }
    }
}

impl Profile {
    /// A certificate of a time-stamping unit.
    #[must_use]
    pub fn timestamping() -> Self {
        Self {
            key_usage: "critical, digitalSignature",
            extended_key_usage: "critical, timeStamping",
            without_revocation: false,
            ..Self::default()
        }
    }
}

impl TestPki {
    /// Makes an authority below `folder`.
    #[must_use]
    pub fn create(folder: &Path) -> Self {
        let folder = folder.join("pki");
        std::fs::create_dir(&folder).expect("a folder for the authority");
        let extensions = "[ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n\
                          subjectKeyIdentifier = hash\n[req]\ndistinguished_name = dn\n[dn]\n";
        std::fs::write(folder.join("ca.cnf"), extensions).expect("ca.cnf");
        let mut root = Command::new("openssl");
        root.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60"]);
        root.args(["-subj", "/C=EE/O=Test Authority/CN=Test Root", "-config", "ca.cnf", "-extensions", "ca"]);
        run(root.args(["-keyout", "root.key", "-out", "root.pem"]).current_dir(&folder));
        Self { folder }
    }

    /// The trust anchor.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// Certifies the request of an ML-DSA key, which the openssl program may not know, with the root in `issuer`: [`Self::folder`] or that
    /// of [`Self::ml_dsa_root`]. Returns the chain: the certificate, then the root.
    #[must_use]
    pub fn certify_ml_dsa(&self, request: &Path, issuer: &Path) -> PathBuf {
        let name = request.file_stem().expect("a name").to_string_lossy().into_owned();
        let (leaf, chain) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.chain.pem")));
        let (root, key) = (issuer.join("root.pem"), issuer.join("root.key"));
        run(authority("certify").arg(request).args([&root, &key, &leaf]));
        let text = |path| std::fs::read_to_string(path).expect("a certificate");
        std::fs::write(&chain, text(&leaf) + &text(&root)).expect("the chain");
        chain
    }

    /// Makes a root that signs with ML-DSA, `ml-dsa/root.pem` in the folder.
    pub fn ml_dsa_root(&self) {
        let folder = self.folder.join("ml-dsa");
        std::fs::create_dir(&folder).expect("a folder for the authority");
        run(authority("root").arg(&folder));
    }

    /// The folder of [`Self::root`].
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Certifies a request. Returns the chain: the certificate, then the root.
    #[must_use]
    pub fn certify(&self, request: &Path, profile: &Profile) -> PathBuf {
        let name = request.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut extensions = format!(
            "basicConstraints = critical, CA:FALSE\nkeyUsage = {}\nsubjectKeyIdentifier = hash\n\
             authorityKeyIdentifier = keyid\n",
            profile.key_usage
        );
        if !profile.extended_key_usage.is_empty() {
            writeln!(extensions, "extendedKeyUsage = {}", profile.extended_key_usage).expect("a string takes all");
        }
        if profile.without_revocation {
            extensions.push_str("2.5.29.56 = ASN1:NULL\n");
        }
        for line in &profile.extensions {
            writeln!(extensions, "{line}").expect("a string takes all");
        }
        let file = |ending: &str| self.folder.join(format!("{name}.{ending}"));
        std::fs::write(file("cnf"), extensions).expect("extensions");
        std::fs::write(file("serial"), "").expect("serial");
        // `openssl ca` and not `openssl x509`, because only it takes the first day too.
        let settings = format!(
            "[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = .\ndatabase = {name}.index\nrand_serial = yes\ndefault_md = sha256\n\
             policy = p\nunique_subject = no\npreserve = yes\n[p]\nC = optional\nO = optional\norganizationIdentifier = optional\nCN = supplied\n"
        );
        std::fs::write(file("ca"), settings).expect("settings");
        std::fs::write(file("index"), "").expect("index");
        let mut sign = Command::new("openssl");
        sign.args(["ca", "-batch", "-notext", "-utf8", "-preserveDN", "-config"]).arg(file("ca"));
        sign.args(["-cert", "root.pem", "-keyfile", "root.key", "-in"]).arg(request);
        sign.args(["-startdate", &moment(profile.validity.0), "-enddate", &moment(profile.validity.1), "-extfile"])
            .arg(file("cnf"));
        run(sign.arg("-out").arg(file("pem")).current_dir(&self.folder));
        let leaf = std::fs::read_to_string(file("pem")).expect("the certificate");
        let root = std::fs::read_to_string(self.root()).expect("the root");
        std::fs::write(file("chain.pem"), leaf + &root).expect("the chain");
        file("chain.pem")
    }
}

fn authority(verb: &str) -> Command {
    let mut command = Command::new(repository().join("tests/verifiers/run"));
    command.args(["authority", verb]);
    command
}

// As `openssl ca -startdate` wants it.
fn moment(offset: &str) -> String {
    let output = run(Command::new("date").args(["-u", "-d", offset, "+%Y%m%d%H%M%SZ"]));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
