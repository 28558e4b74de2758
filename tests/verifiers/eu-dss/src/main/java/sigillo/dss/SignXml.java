/** Makes XAdES signatures with EU DSS, for tests that need signatures of others. Options in pairs, see the switch; the document comes last. */
package sigillo.dss;

import java.io.File;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.util.ArrayList;
import java.util.List;

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
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;

public final class SignXml {

    private SignXml() {
    }

    public static void main(String[] words) throws Exception {
        XAdESSignatureParameters parameters = new XAdESSignatureParameters();
        CommonTrustedCertificateSource roots = new CommonTrustedCertificateSource();
        CommonCertificateSource certificates = new CommonCertificateSource();
        List<DSSDocument> crls = new ArrayList<>();
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        XAdESService service = new XAdESService(verifier);
        KeyStore keys = null;
        String out = null;
        for (int i = 0; i + 1 < words.length - 1; i += 2) {
            String value = words[i + 1];
            switch (words[i]) {
                case "--level" -> parameters.setSignatureLevel(SignatureLevel.valueByName(value));
                case "--packaging" -> parameters.setSignaturePackaging(SignaturePackaging.valueOf(value));
                case "--key" -> keys = Sign.keys(value);
                case "--tsa" -> service.setTspSource(Sign.authority(value));
                case "--root" -> roots.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--cert" -> certificates.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--crl" -> crls.add(new FileDocument(value));
                case "--out" -> out = value;
                default -> throw new IllegalArgumentException("unknown option " + words[i]);
            }
        }
        verifier.setTrustedCertSources(roots);
        verifier.setAdjunctCertSources(certificates);
        verifier.setCrlSource(new ExternalResourcesCRLSource(crls.toArray(new DSSDocument[0])));
        sign(service, parameters, keys, new FileDocument(words[words.length - 1])).save(out);
    }

    private static DSSDocument sign(XAdESService service, XAdESSignatureParameters parameters, KeyStore keys, DSSDocument document)
            throws Exception {
        String alias = keys.aliases().nextElement();
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setSigningCertificate(new CertificateToken((java.security.cert.X509Certificate) keys.getCertificate(alias)));
        List<CertificateToken> chain = new ArrayList<>();
        for (java.security.cert.Certificate each : keys.getCertificateChain(alias)) {
            chain.add(new CertificateToken((java.security.cert.X509Certificate) each));
        }
        parameters.setCertificateChain(chain);
        ToBeSigned data = service.getDataToSign(document, parameters);
        Signature signature = Signature.getInstance(parameters.getSignatureAlgorithm().getJCEId());
        signature.initSign((PrivateKey) keys.getKey(alias, Sign.PASSWORD));
        signature.update(data.getBytes());
        return service.signDocument(document, parameters, new SignatureValue(parameters.getSignatureAlgorithm(), signature.sign()));
    }
}
