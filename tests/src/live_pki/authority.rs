//! The files of the authority, made by openssl: keys, certificates, index.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::programs::run;

/// Keys, certificates and the index of the issuing CA.
pub(super) struct Authority {
    folder: PathBuf,
    url: String,
    /// The curve of its keys.
    curve: String,
    // openssl's files are for one process at a time.
    turn: Mutex<()>,
}

const LEAF: &str =
    "basicConstraints = critical, CA:FALSE\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n";

impl Authority {
    pub(super) fn create(folder: &Path, url: &str, curve: &str) -> Self {
        let folder = folder.join("live-pki");
        std::fs::create_dir(&folder).expect("a folder for the authority");
        let this = Self { folder, url: url.to_owned(), curve: curve.to_owned(), turn: Mutex::new(()) };
        let ca = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n";
        this.root("root", "/C=EE/O=Live Authority/CN=Live Root", ca);
        // Another one, which nobody trusts.
        this.root("stranger", "/C=EE/O=Other Authority/CN=Stranger", &format!("{ca}extendedKeyUsage = OCSPSigning\n"));
        this.database("root");
        this.database("issuing");
        let above = format!(
            "authorityKeyIdentifier = keyid\ncrlDistributionPoints = URI:{url}/root.crl\n\
             authorityInfoAccess = caIssuers;URI:{url}/root.crt\n"
        );
        let ca = ca.replace("CA:TRUE", "CA:TRUE, pathlen:0");
        this.issue("root", "issuing", "/C=EE/O=Live Authority/CN=Live Issuing CA", &format!("{ca}{above}"));
        let responder = format!("{LEAF}keyUsage = critical, digitalSignature\n");
        let usage = "extendedKeyUsage = OCSPSigning\nnoCheck = ignored\n";
        this.issue("issuing", "responder", "/C=EE/O=Live Authority/CN=Live OCSP", &format!("{responder}{usage}"));
        this.issue("issuing", "no-responder", "/C=EE/O=Live Authority/CN=No OCSP", &responder);
        // One that may be revoked like anybody else.
        let usage = format!("extendedKeyUsage = OCSPSigning\n{}\n", this.distribution_point());
        let name = "/C=EE/O=Live Authority/CN=Live OCSP that is checked";
        this.issue("issuing", "checked-responder", name, &format!("{responder}{usage}"));
        this.timestamp_authority();
        this
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The right to run openssl on the files.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn seal(&self, name: &str, extensions: &[&str]) -> (PathBuf, PathBuf) {
        self.request(name, &format!("/C=EE/O=Acme AS/CN=Seal {name}"));
        let _ = self.certify(&self.file(&format!("{name}.csr")), extensions);
        (self.certificate(name), self.file(&format!("{name}.key")))
    }

    pub(super) fn expired_seal(&self, name: &str) -> (PathBuf, PathBuf) {
        self.request(name, &format!("/C=EE/O=Acme AS/CN=Seal {name}"));
        let extensions = [
            "subjectKeyIdentifier = hash",
            "authorityKeyIdentifier = keyid",
            "keyUsage = critical, digitalSignature, nonRepudiation",
            &self.access(),
            &self.distribution_point(),
        ];
        let dates = ["-startdate", "20240101000000Z", "-enddate", "20240131000000Z"];
        self.sign_for("issuing", name, &self.file(&format!("{name}.csr")), &extensions.join("\n"), &dates);
        (self.certificate(name), self.file(&format!("{name}.key")))
    }

    pub(super) fn certify(&self, request: &Path, extensions: &[&str]) -> PathBuf {
        let name = request.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut all = vec![
            "basicConstraints = critical, CA:FALSE".to_owned(),
            "subjectKeyIdentifier = hash".to_owned(),
            "authorityKeyIdentifier = keyid".to_owned(),
            "keyUsage = critical, digitalSignature, nonRepudiation".to_owned(),
            self.access(),
            self.distribution_point(),
        ];
        for line in extensions {
            let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
            all.retain(|known| key(known) != key(line));
            all.push((*line).to_owned());
        }
        // An extension that is to be left out comes as its name alone.
        all.retain(|line| line.contains('='));
        let all = all.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").expect("a string takes all");
            text
        });
        self.sign("issuing", &name, request, &all);
        let text = |name: &str| std::fs::read_to_string(self.certificate(name)).expect("a certificate");
        let chain = self.file(&format!("{name}.chain.pem"));
        std::fs::write(&chain, text(&name) + &text("issuing") + &text("root")).expect("the chain");
        chain
    }

    pub(super) fn revoke(&self, certificate: &Path, when: &str) {
        self.revoke_for(certificate, when, "");
    }

    pub(super) fn hold(&self, certificate: &Path, when: &str) {
        self.revoke_for(certificate, when, ",certificateHold");
    }

    pub(super) fn release(&self, certificate: &Path) {
        self.change_index(certificate, |fields| {
            fields[0] = "V".into();
            fields[2].clear();
            true
        });
    }

    fn revoke_for(&self, certificate: &Path, when: &str, reason: &str) {
        let date = run(Command::new("date").args(["-u", "-d", when, "+%y%m%d%H%M%SZ"]));
        let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        self.change_index(certificate, |fields| {
            fields[0] = "R".into();
            fields[2] = format!("{date}{reason}");
            true
        });
    }

    pub(super) fn forget(&self, certificate: &Path) {
        self.change_index(certificate, |_| false);
    }

    pub(super) fn renew_timestamp_authority(&self) {
        self.timestamp_authority();
    }

    // State, end, revocation, serial, file, subject: `openssl ca`.
    fn change_index(&self, certificate: &Path, change: impl Fn(&mut Vec<String>) -> bool) {
        let output = run(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(certificate));
        let serial = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("serial=").to_owned();
        let _turn = self.turn();
        let path = self.file("issuing.index");
        let index = std::fs::read_to_string(&path).expect("the index");
        let mut found = false;
        let mut kept = String::new();
        for line in index.lines() {
            let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let here = fields.get(3).is_some_and(|known| *known == serial);
            found |= here;
            if !here || change(&mut fields) {
                writeln!(kept, "{}", fields.join("\t")).expect("a string takes all");
            }
        }
        assert!(found, "{serial} is not in the index:\n{index}");
        std::fs::write(path, kept).expect("the index");
    }

    fn access(&self) -> String {
        format!("authorityInfoAccess = OCSP;URI:{0}/ocsp, caIssuers;URI:{0}/issuing.crt", self.url)
    }

    fn distribution_point(&self) -> String {
        format!("crlDistributionPoints = URI:{}/issuing.crl", self.url)
    }

    fn timestamp_authority(&self) {
        let extensions = format!(
            "{LEAF}keyUsage = critical, digitalSignature\nextendedKeyUsage = critical, timeStamping\n{}\n{}\n",
            self.access(),
            self.distribution_point()
        );
        self.issue("issuing", "tsa", "/C=EE/O=Live Authority/CN=Live TSA", &extensions);
        let settings = "[tsa]\ndefault_tsa = t\n[t]\nserial = tsa.serial\ncrypto_device = builtin\nsigner_cert = tsa.pem\n\
             certs = issuing.pem\nsigner_key = tsa.key\nsigner_digest = sha256\ndefault_policy = 1.3.6.1.4.1.99999.1\n\
             other_policies = 1.3.6.1.4.1.99999.2\ndigests = sha256, sha384, sha512\naccuracy = secs:1\nordering = no\n\
             tsa_name = no\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n";
        std::fs::write(self.file("tsa.cnf"), settings).expect("settings");
        let _turn = self.turn();
        // Kept when it exists: no two timestamps have one number.
        if !self.file("tsa.serial").exists() {
            std::fs::write(self.file("tsa.serial"), "01").expect("a first number");
        }
    }

    fn issue(&self, issuer: &str, name: &str, subject: &str, extensions: &str) {
        self.request(name, subject);
        self.sign(issuer, name, &self.file(&format!("{name}.csr")), extensions);
    }

    fn root(&self, name: &str, subject: &str, extensions: &str) {
        let settings = format!("[ext]\n{extensions}[req]\ndistinguished_name = dn\n[dn]\n");
        std::fs::write(self.file(&format!("{name}.cnf")), settings).expect("settings");
        let mut root = openssl(&["req", "-x509", "-newkey", "ec", "-nodes", "-pkeyopt"]);
        root.arg(format!("ec_paramgen_curve:{}", self.curve));
        root.args(["-days", "3650", "-subj", subject, "-extensions", "ext", "-config", &format!("{name}.cnf")]);
        root.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
        run(root.current_dir(&self.folder));
    }

    fn request(&self, name: &str, subject: &str) {
        std::fs::write(self.file("req.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n").expect("settings");
        let mut request = openssl(&["req", "-new", "-newkey", "ec", "-nodes", "-pkeyopt"]);
        request.arg(format!("ec_paramgen_curve:{}", self.curve));
        request.args(["-subj", subject, "-config", "req.cnf"]);
        request.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.csr")]);
        run(request.current_dir(&self.folder));
    }

    fn sign(&self, issuer: &str, name: &str, request: &Path, extensions: &str) {
        self.sign_for(issuer, name, request, extensions, &["-days", "365"]);
    }

    fn sign_for(&self, issuer: &str, name: &str, request: &Path, extensions: &str, dates: &[&str]) {
        let _turn = self.turn();
        std::fs::write(self.file(&format!("{name}.ext")), extensions).expect("extensions");
        let mut sign = openssl(&["ca", "-batch", "-notext", "-utf8", "-preserveDN"]);
        sign.args(dates).arg("-config").arg(format!("{issuer}.ca")).args([
            "-cert",
            &format!("{issuer}.pem"),
            "-keyfile",
            &format!("{issuer}.key"),
        ]);
        sign.arg("-in").arg(request).args(["-extfile", &format!("{name}.ext"), "-out", &format!("{name}.pem")]);
        run(sign.current_dir(&self.folder));
    }

    fn database(&self, name: &str) {
        let settings = format!(
            "[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = .\ndatabase = {name}.index\nrand_serial = yes\ndefault_md = sha256\n\
             policy = p\nunique_subject = no\npreserve = yes\ncrlnumber = {name}.crlnumber\n[p]\nC = optional\nO = optional\n\
             organizationIdentifier = optional\nCN = supplied\n[crl]\nauthorityKeyIdentifier = keyid\n\
             [other-scope]\nauthorityKeyIdentifier = keyid\nissuingDistributionPoint = critical, @other\n\
             [other]\nfullname = URI:{0}/other.crl\n\
             [indirect]\nauthorityKeyIdentifier = keyid\nissuingDistributionPoint = critical, @through\n\
             [through]\nfullname = URI:{0}/{name}.crl\nindirectCRL = TRUE\n\
             [delta]\nauthorityKeyIdentifier = keyid\n2.5.29.27 = critical, ASN1:INTEGER:1\n",
            self.url
        );
        std::fs::write(self.file(&format!("{name}.ca")), settings).expect("settings");
        std::fs::write(self.file(&format!("{name}.index")), "").expect("an index");
        std::fs::write(self.file(&format!("{name}.crlnumber")), "01").expect("a number");
    }
}

pub(super) fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}
