/**
 * EU DSS makes CAdES, PAdES and XAdES signatures, augments them, and stamps PDFs, for tests that need signatures of others.
 * Options in pairs, see the switch in Order.java. With --batch one order on each line of standard input, separated by tabs, and an
 * answer for each: "done", or "refused" with why.
 */
package sigillo.dss;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;

import eu.europa.esig.dss.cades.CAdESSignatureParameters;
import eu.europa.esig.dss.cades.signature.CAdESService;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.PAdESTimestampParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.signature.AbstractSignatureParameters;
import eu.europa.esig.dss.signature.DocumentSignatureService;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;

public final class Sign {

    private Sign() {
    }

    public static void main(String[] words) throws Exception {
        if (words.length == 1 && words[0].equals("--batch")) {
            batch();
        } else {
            carryOut(new Order(words));
        }
    }

    private static void batch() throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // Libraries that print must not be mistaken for answers.
        System.setOut(System.err);
        BaselineLog.install();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Order order = new Order(line.split("\t"));
            try {
                carryOut(order);
                answers.println("done");
            } catch (RuntimeException refusal) {
                // DSS has no common class for what it refuses.
                answers.println("refused\t" + refusal.toString().replaceAll("\\s+", " "));
            }
        }
    }

    private static void carryOut(Order order) throws Exception {
        switch (order.level.getSignatureForm()) {
            case CAdES -> {
                CAdESService service = new CAdESService(order.verifier());
                service.setTspSource(order.authority);
                CAdESSignatureParameters parameters = new CAdESSignatureParameters();
                parameters.setSignaturePackaging(order.packaging == null ? SignaturePackaging.ENVELOPING : order.packaging);
                carryOut(order, service, parameters);
            }
            case XAdES -> {
                XAdESService service = new XAdESService(order.verifier());
                service.setTspSource(order.authority);
                XAdESSignatureParameters parameters = new XAdESSignatureParameters();
                parameters.setSignaturePackaging(order.packaging);
                carryOut(order, service, parameters);
            }
            case PAdES -> {
                PAdESService service = new PAdESService(order.verifier());
                service.setTspSource(order.authority);
                PAdESSignatureParameters parameters = new PAdESSignatureParameters();
                parameters.setPermission(order.certification);
                parameters.getImageParameters().getFieldParameters().setFieldId(order.field);
                if (order.deed == Order.Deed.STAMP) {
                    service.timestamp(order.document, new PAdESTimestampParameters()).save(order.out);
                } else {
                    carryOut(order, service, parameters);
                }
            }
            default -> throw new IllegalArgumentException("no such format: " + order.level);
        }
    }

    private static <P extends AbstractSignatureParameters<?>> void carryOut(
            Order order, DocumentSignatureService<P, ?> service, P parameters) throws Exception {
        parameters.setSignatureLevel(order.level);
        DSSDocument made;
        if (order.deed == Order.Deed.AUGMENT) {
            parameters.setDetachedContents(order.detached);
            made = service.extendDocument(order.document, parameters);
        } else {
            made = sign(order, service, parameters);
        }
        made.save(order.out);
    }

    private static <P extends AbstractSignatureParameters<?>> DSSDocument sign(
            Order order, DocumentSignatureService<P, ?> service, P parameters) throws Exception {
        String alias = order.keys.aliases().nextElement();
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        List<CertificateToken> chain = new ArrayList<>();
        for (Certificate each : order.keys.getCertificateChain(alias)) {
            chain.add(new CertificateToken((X509Certificate) each));
        }
        parameters.setSigningCertificate(chain.get(0));
        parameters.setCertificateChain(chain);
        List<DSSDocument> documents = new ArrayList<>(order.others);
        documents.add(0, order.document);
        ToBeSigned data = !order.others.isEmpty() && service instanceof XAdESService xades && parameters instanceof XAdESSignatureParameters several
            ? xades.getDataToSign(documents, several)
            : service.getDataToSign(order.document, parameters);
        Signature signature = Signature.getInstance(parameters.getSignatureAlgorithm().getJCEId());
        signature.initSign((PrivateKey) order.keys.getKey(alias, Order.PASSWORD));
        signature.update(data.getBytes());
        SignatureValue value = new SignatureValue(parameters.getSignatureAlgorithm(), signature.sign());
        return !order.others.isEmpty() && service instanceof XAdESService xades && parameters instanceof XAdESSignatureParameters several
            ? xades.signDocument(documents, several, value)
            : service.signDocument(order.document, parameters, value);
    }
}
