/**
 * A CMS that may be larger than memory, read once: the signature without its content, as EU DSS takes it, and the content's digests.
 *
 * Bouncy Castle reads it. EU DSS's own module for this, dss-cms-stream, does the same, but is not in the Maven repository.
 */
package sigillo.dss;

import java.io.BufferedInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.EnumMap;
import java.util.Map;

import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1OctetStringParser;
import org.bouncycastle.asn1.ASN1SequenceParser;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.ASN1SetParser;
import org.bouncycastle.asn1.ASN1StreamParser;
import org.bouncycastle.asn1.BERTags;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.ContentInfoParser;
import org.bouncycastle.asn1.cms.SignedData;
import org.bouncycastle.asn1.cms.SignedDataParser;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.DigestDocument;
import eu.europa.esig.dss.model.InMemoryDocument;

record TakenApart(DSSDocument signature, DSSDocument content) {

    /** Bytes that are no CMS are refused with an unchecked exception, as EU DSS does. */
    static TakenApart of(File file) throws Question.Unusable {
        try (InputStream octets = new BufferedInputStream(Files.newInputStream(file.toPath()), 1 << 20)) {
            ContentInfoParser outer = new ContentInfoParser((ASN1SequenceParser) new ASN1StreamParser(octets).readObject());
            SignedDataParser signed = SignedDataParser.getInstance(outer.getContent(BERTags.SEQUENCE));
            ASN1Set algorithms = set(signed.getDigestAlgorithms());
            ContentInfoParser encapsulated = signed.getEncapContentInfo();
            DSSDocument content = content(algorithms, (ASN1OctetStringParser) encapsulated.getContent(BERTags.OCTET_STRING));
            // In the order of the file.
            ASN1Set certificates = set(signed.getCertificates());
            ASN1Set lists = set(signed.getCrls());
            ASN1Set signers = set(signed.getSignerInfos());
            SignedData detached = new SignedData(algorithms, new ContentInfo(encapsulated.getContentType(), null), certificates, lists, signers);
            byte[] signature = new ContentInfo(CMSObjectIdentifiers.signedData, detached).getEncoded();
            return new TakenApart(new InMemoryDocument(signature, file.getName()), content);
        } catch (IOException malformed) {
            throw new IllegalArgumentException(malformed);
        }
    }

    private static DSSDocument content(ASN1Set algorithms, ASN1OctetStringParser content) throws IOException, Question.Unusable {
        if (content == null) {
            throw new Question.Unusable("it is detached: there is nothing to take apart");
        }
        try {
            // That of timestamps and those of signers.
            Map<DigestAlgorithm, MessageDigest> digests = new EnumMap<>(DigestAlgorithm.class);
            digests.put(DigestAlgorithm.SHA256, MessageDigest.getInstance("SHA-256"));
            for (ASN1Encodable algorithm : algorithms) {
                DigestAlgorithm named = DigestAlgorithm.forOID(AlgorithmIdentifier.getInstance(algorithm).getAlgorithm().getId());
                digests.put(named, MessageDigest.getInstance(named.getJavaName()));
            }
            InputStream octets = content.getOctetStream();
            byte[] block = new byte[1 << 20];
            for (int length = octets.read(block); length >= 0; length = octets.read(block)) {
                for (MessageDigest digest : digests.values()) {
                    digest.update(block, 0, length);
                }
            }
            DigestDocument document = new DigestDocument();
            digests.forEach((algorithm, digest) -> document.addDigest(algorithm, digest.digest()));
            return document;
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    private static ASN1Set set(ASN1SetParser members) {
        return members == null ? null : ASN1Set.getInstance(members.toASN1Primitive());
    }
}
