import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.Security;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.CMSSignedDataParser;
import org.bouncycastle.cms.CMSTypedStream;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TSPException;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * Bouncy Castle, asked by {@code bouncycastle.py}: a question per line, an answer per line.
 *
 * <p>Questions, separated by tabs: {@code plain LEAF DATA SIGNATURE} and {@code cades ROOT DATA CONTENT SIGNED STAMPED}. DATA is
 * empty where the CMS carries it, CONTENT where it may carry any; STAMPED is {@code stamped} where every signature must have a
 * timestamp. Those that are there must fit in any case.
 */
final class BouncyCastle {
    public static void main(String[] arguments) throws IOException {
        Security.addProvider(new BouncyCastleProvider());
        var questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (var line = questions.readLine(); line != null; line = questions.readLine()) {
            System.out.println(answer(line.split("\t")).replaceAll("\\R", " "));
        }
    }

    private static String answer(String[] question) {
        try {
            var refusal = question[0].equals("plain") ? plain(question) : cades(question);
            return refusal == null ? "valid\tverified" : "invalid\t" + refusal;
        } catch (FileSystemException missing) {
            return "error\t" + missing;
        } catch (IOException | GeneralSecurityException | CMSException | RuntimeException | OperatorCreationException refusal) {
            return "invalid\t" + refusal;
        }
    }

    private static String plain(String[] question) throws GeneralSecurityException, IOException {
        var key = certificate(question[1]).getPublicKey();
        // "ML-DSA" takes every parameter set, and no key of another kind.
        var signature = Signature.getInstance("ML-DSA", "BC");
        signature.initVerify(key);
        signature.update(Files.readAllBytes(Path.of(question[2])));
        return signature.verify(Files.readAllBytes(Path.of(question[3]))) ? null : "the signature does not fit data and key";
    }

    private static String cades(String[] question)
            throws GeneralSecurityException, IOException, CMSException, OperatorCreationException {
        var root = certificate(question[1]);
        try (var cms = stream(question[4]); var data = question[2].isEmpty() ? null : stream(question[2])) {
            var digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
            return data == null
                    ? cades(root, question, new CMSSignedDataParser(digests, cms))
                    : cades(root, question, new CMSSignedDataParser(digests, new CMSTypedStream(data), cms));
        }
    }

    /** Reads from the beginning to the end once, so that the document may be larger than memory. */
    private static String cades(X509Certificate root, String[] question, CMSSignedDataParser signed)
            throws GeneralSecurityException, IOException, CMSException, OperatorCreationException {
        var expected = question[3];
        var content = signed.getSignedContent();
        if (content == null) {
            return "there is no content";
        }
        if (!expected.isEmpty()) {
            try (var other = stream(expected)) {
                if (!same(content.getContentStream(), other)) {
                    return "the signed content is not " + expected;
                }
            }
        }
        content.drain();
        // In the order of the file.
        var certificates = signed.getCertificates();
        var signers = signed.getSignerInfos();
        if (signers.size() == 0) {
            return "no signature found";
        }
        for (SignerInformation signer : signers) {
            @SuppressWarnings("unchecked")
            var candidates = certificates.getMatches(signer.getSID());
            if (candidates.size() != 1) {
                return candidates.size() + " certificates of the signer";
            }
            var holder = (X509CertificateHolder) candidates.iterator().next();
            var leaf = certificate(holder.getEncoded());
            leaf.verify(root.getPublicKey(), "BC");
            if (!leaf.getIssuerX500Principal().equals(root.getSubjectX500Principal())) {
                return "another issuer";
            }
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(leaf))) {
                return "the signature does not fit";
            }
            var refusal = timestamps(signer, question[5].equals("stamped"));
            if (refusal != null) {
                return refusal;
            }
        }
        return null;
    }

    private static String timestamps(SignerInformation signer, boolean expected)
            throws GeneralSecurityException, IOException, CMSException, OperatorCreationException {
        var unsigned = signer.getUnsignedAttributes();
        var stamps = unsigned == null ? null : unsigned.getAll(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
        if (stamps == null || stamps.size() == 0) {
            return expected ? "no signature timestamp" : null;
        }
        for (var index = 0; index < stamps.size(); index++) {
            var value = Attribute.getInstance(stamps.get(index)).getAttrValues().getObjectAt(0);
            try {
                var token = new TimeStampToken(ContentInfo.getInstance(value));
                @SuppressWarnings("unchecked")
                var authorities = token.getCertificates().getMatches(token.getSID());
                if (authorities.size() != 1) {
                    return authorities.size() + " certificates of the time-stamping authority";
                }
                var authority = (X509CertificateHolder) authorities.iterator().next();
                token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(authority));
                var info = token.getTimeStampInfo();
                var digest = MessageDigest.getInstance(info.getMessageImprintAlgOID().getId(), "BC").digest(signer.getSignature());
                if (!MessageDigest.isEqual(digest, info.getMessageImprintDigest())) {
                    return "the timestamp is over something else";
                }
            } catch (TSPException refusal) {
                return "the timestamp: " + refusal.getMessage();
            }
        }
        return null;
    }

    private static boolean same(InputStream one, InputStream other) throws IOException {
        for (;;) {
            var block = one.readNBytes(1 << 20);
            if (!Arrays.equals(block, other.readNBytes(1 << 20))) {
                return false;
            }
            if (block.length == 0) {
                return true;
            }
        }
    }

    private static InputStream stream(String path) throws IOException {
        return new BufferedInputStream(Files.newInputStream(Path.of(path)), 1 << 20);
    }

    private static X509Certificate certificate(String path) throws GeneralSecurityException, IOException {
        return certificate(Files.readAllBytes(Path.of(path)));
    }

    private static X509Certificate certificate(byte[] octets) throws GeneralSecurityException {
        var factory = CertificateFactory.getInstance("X.509", "BC");
        return (X509Certificate) factory.generateCertificate(new java.io.ByteArrayInputStream(octets));
    }
}
