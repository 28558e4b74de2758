/** One order for a signature of others: options in pairs, the document last. */
package sigillo.dss;

import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;

import eu.europa.esig.dss.enumerations.CertificationPermission;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonCertificateSource;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;

final class Order {

    static final char[] PASSWORD = "password".toCharArray();

    /** What is done: sign, augment what is signed, or stamp (PDF alone). */
    enum Deed { SIGN, AUGMENT, STAMP }

    Deed deed = Deed.SIGN;
    /** Its name says the format too. */
    SignatureLevel level;
    SignaturePackaging packaging;
    KeyStore keys;
    KeyEntityTSPSource authority;
    final List<DSSDocument> detached = new ArrayList<>();
    /** Of a PDF: the empty field to sign; else a new one. */
    String field;
    /** Of a PDF: the DocMDP level of a certification. */
    CertificationPermission certification;
    String out;
    final DSSDocument document;
    /** Other documents that the same signature is over. */
    final List<DSSDocument> others = new ArrayList<>();
    private final CommonTrustedCertificateSource roots = new CommonTrustedCertificateSource();
    private final CommonCertificateSource certificates = new CommonCertificateSource();
    private final List<DSSDocument> crls = new ArrayList<>();

    Order(String[] words) throws Exception {
        for (int i = 0; i + 1 < words.length - 1; i += 2) {
            String value = words[i + 1];
            switch (words[i]) {
                case "--do" -> deed = Deed.valueOf(value.toUpperCase());
                case "--level" -> level = SignatureLevel.valueByName(value);
                case "--packaging" -> packaging = SignaturePackaging.valueOf(value);
                case "--key" -> keys = keys(value);
                case "--tsa" -> authority = authority(value);
                case "--root" -> roots.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--cert" -> certificates.addCertificate(DSSUtils.loadCertificate(new File(value)));
                case "--crl" -> crls.add(new FileDocument(value));
                case "--detached" -> detached.add(new FileDocument(value));
                case "--and" -> others.add(new FileDocument(value));
                case "--field" -> field = value;
                case "--certify" -> certification = CertificationPermission.fromCode(Integer.parseInt(value));
                case "--out" -> out = value;
                default -> throw new IllegalArgumentException("unknown option " + words[i]);
            }
        }
        if (level == null || out == null) {
            throw new IllegalArgumentException("--level and --out are needed");
        }
        document = new FileDocument(words[words.length - 1]);
    }

    /** Trusts the roots alone and fetches nothing. */
    CommonCertificateVerifier verifier() {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(roots);
        verifier.setAdjunctCertSources(certificates);
        verifier.setCrlSource(new ExternalResourcesCRLSource(crls.toArray(new DSSDocument[0])));
        return verifier;
    }

    private static KeyStore keys(String path) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(path)) {
            keys.load(file, PASSWORD);
        }
        return keys;
    }

    private static KeyEntityTSPSource authority(String path) throws Exception {
        KeyStore keys = keys(path);
        KeyEntityTSPSource source = new KeyEntityTSPSource(keys, keys.aliases().nextElement(), PASSWORD);
        source.setTsaPolicy("1.3.6.1.4.1.99999.3");
        return source;
    }
}
