/** Makes or augments CAdES signatures with EU DSS, for tests that need signatures of others. Options in pairs, see the switch. */
package sigillo.dss;

import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.util.ArrayList;
import java.util.List;

import eu.europa.esig.dss.cades.CAdESSignatureParameters;
import eu.europa.esig.dss.cades.signature.CAdESService;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonCertificateSource;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;

public final class Sign {

    static final char[] PASSWORD = "password".toCharArray();

    private Sign() {
    }

    public static void main(String[] words) throws Exception {
        CAdESSignatureParameters parameters = new CAdESSignatureParameters();
        parameters.setSignaturePackaging(SignaturePackaging.ENVELOPING);
        CommonTrustedCertificateSource roots = new CommonTrustedCertificateSource();
        CommonCertificateSource certificates = new CommonCertificateSource();
        List<DSSDocument> crls = new ArrayList<>();
        List<DSSDocument> detached = new ArrayList<>();
        KeyEntityTSPSource authority = null;
        KeyStore keys = null;
        String augment = null;
        String out = null;
        for (int i = 0; i + 1 < words.length - 1; i += 2) {
            String value = words[i + 1];
            switch (words[i]) {
                case "--level" -> parameters.setSignatureLevel(SignatureLevel.valueByName(value));
                case "--packaging" -> parameters.setSignaturePackaging(SignaturePackaging.valueOf(value));
                case "--key" -> keys = keys(value);
                case "--tsa" -> authority = authority(value);
                case "--root" -> roots.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--cert" -> certificates.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--crl" -> crls.add(new FileDocument(value));
                case "--detached" -> detached.add(new FileDocument(value));
                case "--augment" -> augment = value;
                case "--out" -> out = value;
                default -> throw new IllegalArgumentException("unknown option " + words[i]);
            }
        }
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(roots);
        verifier.setAdjunctCertSources(certificates);
        verifier.setCrlSource(new ExternalResourcesCRLSource(crls.toArray(new DSSDocument[0])));
        CAdESService service = new CAdESService(verifier);
        service.setTspSource(authority);
        DSSDocument document = new FileDocument(words[words.length - 1]);
        DSSDocument signed;
        if ("yes".equals(augment)) {
            parameters.setDetachedContents(detached);
            signed = service.extendDocument(document, parameters);
        } else {
            signed = sign(service, parameters, keys, document);
        }
        signed.save(out);
    }

    private static DSSDocument sign(CAdESService service, CAdESSignatureParameters parameters, KeyStore keys, DSSDocument document)
            throws Exception {
        String alias = keys.aliases().nextElement();
        PrivateKey key = (PrivateKey) keys.getKey(alias, PASSWORD);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setSigningCertificate(new CertificateToken((java.security.cert.X509Certificate) keys.getCertificate(alias)));
        List<CertificateToken> chain = new ArrayList<>();
        for (java.security.cert.Certificate each : keys.getCertificateChain(alias)) {
            chain.add(new CertificateToken((java.security.cert.X509Certificate) each));
        }
        parameters.setCertificateChain(chain);
        ToBeSigned data = service.getDataToSign(document, parameters);
        Signature signature = Signature.getInstance(parameters.getSignatureAlgorithm().getJCEId());
        signature.initSign(key);
        signature.update(data.getBytes());
        return service.signDocument(document, parameters, new SignatureValue(parameters.getSignatureAlgorithm(), signature.sign()));
    }

    static KeyStore keys(String path) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(path)) {
            keys.load(file, PASSWORD);
        }
        return keys;
    }

    static KeyEntityTSPSource authority(String path) throws Exception {
        KeyStore keys = keys(path);
        KeyEntityTSPSource source = new KeyEntityTSPSource(keys, keys.aliases().nextElement(), PASSWORD);
        source.setTsaPolicy("1.3.6.1.4.1.99999.3");
        return source;
    }
}
