//! TLS as the configuration asks for it, by OpenSSL.

use std::path::Path;

use administration::configuration::TlsConfig;
use anyhow::Context;
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod, SslVerifyMode};

/// The acceptor for a listener. Paths start at `base`, the folder of the configuration.
pub(crate) fn acceptor(config: &TlsConfig, base: &Path) -> anyhow::Result<SslAcceptorBuilder> {
    let (certificate, key) = (base.join(&config.certificate), base.join(&config.private_key));
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder
        .set_certificate_chain_file(&certificate)
        .with_context(|| format!("[server.tls] certificate {}", certificate.display()))?;
    builder
        .set_private_key_file(&key, SslFiletype::PEM)
        .with_context(|| format!("[server.tls] private_key {}", key.display()))?;
    builder.check_private_key().context("[server.tls] private_key does not belong to certificate")?;
    if let Some(client_ca) = &config.client_ca {
        let path = base.join(client_ca);
        let context = || format!("[server.tls] client_ca {}", path.display());
        builder.set_ca_file(&path).with_context(context)?;
        let pem = std::fs::read(&path).with_context(context)?;
        for ca in openssl::x509::X509::stack_from_pem(&pem).with_context(context)? {
            builder.add_client_ca(&ca)?;
        }
        // A client without a certificate may still send an API key, so none is demanded here.
        builder.set_verify(SslVerifyMode::PEER);
        // OpenSSL refuses to resume sessions of verified clients without it (SSL_CTX_set_session_id_context(3)).
        builder.set_session_id_context(b"sigillo")?;
    }
    Ok(builder)
}
