/** Validates one document with EU DSS: offline, trusting only the given roots, with the default policy or a named one. */
package sigillo.dss;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.Indication;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.pades.validation.PDFDocumentValidator;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.policy.SignaturePolicyProvider;
import eu.europa.esig.dss.spi.signature.AdvancedSignature;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonCertificateSource;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;

final class Judge {

    private final Policies policies = new Policies();
    private final BaselineLog log;

    Judge(BaselineLog log) {
        this.log = log;
    }

    Verdict judge(Question question) throws Question.Unusable {
        log.take();
        Map<String, Indication> earlier;
        try {
            earlier = earlier(question);
        } catch (RuntimeException | StackOverflowError unreadable) {
            return judgeUnreadable(question, unreadable);
        }
        return judge(question, earlier);
    }

    /** Even where it cannot read what was there before, it may accept what was made of it; its rejection then says nothing. */
    private Verdict judgeUnreadable(Question question, Throwable unreadable) throws Question.Unusable {
        try {
            Verdict verdict = judge(question, Map.of());
            if (verdict.word().equals("valid")) {
                return verdict;
            }
        } catch (RuntimeException | StackOverflowError stillUnreadable) {
            // As before.
        }
        return Verdict.notApplicable("DSS cannot read the document itself: " + unreadable);
    }

    private Verdict judge(Question question, Map<String, Indication> earlier) throws Question.Unusable {
        TakenApart apart = question.takenApart() ? TakenApart.of(question.document()) : null;
        SignedDocumentValidator validator = validator(question, apart == null ? new FileDocument(question.document()) : apart.signature());
        if (apart != null) {
            validator.setDetachedContents(List.of(apart.content()));
        } else if (!question.detached().isEmpty()) {
            validator.setDetachedContents(question.detached().stream().<DSSDocument>map(FileDocument::new).toList());
        }
        validator.setSignaturePolicyProvider(signaturePolicies(question));
        Reports reports = validate(validator, question);
        List<String> findings = new ArrayList<>();
        List<String> complaints = new ArrayList<>();
        SimpleReport report = reports.getSimpleReport();
        if (question.format().equals("timestamp")) {
            complaints.addAll(timestampComplaints(report));
        } else if (report.getSignatureIdList().isEmpty()) {
            complaints.add("no signature found");
        }
        if (question.signers() != null && report.getSignatureIdList().size() != Integer.parseInt(question.signers())) {
            complaints.add("it has " + report.getSignatureIdList().size() + " signatures, not " + question.signers());
        }
        if (question.before() != null && report.getSignatureIdList().stream().filter(id -> !earlier.containsKey(id)).count() != 1) {
            complaints.add("of " + report.getSignatureIdList().size() + " signatures " + earlier.size() + " are earlier ones");
        }
        for (String id : report.getSignatureIdList()) {
            if (earlier.containsKey(id)) {
                if (earlier.get(id) != report.getIndication(id)) {
                    complaints.add("an earlier signature was " + earlier.get(id) + " and is " + report.getIndication(id));
                }
                continue;
            }
            findings.add(report.getSignatureFormat(id) == null ? "unknown format" : spelling(report.getSignatureFormat(id)));
            complaints.addAll(complaints(question, reports, id));
        }
        if (apart != null) {
            complaints.addAll(contentComplaints(question, apart.content()));
        } else {
            for (AdvancedSignature signature : validator.getSignatures()) {
                complaints.addAll(contentComplaints(question, validator, signature));
            }
        }
        findings.add("policy " + question.policy());
        findings.addAll(complaints);
        String detail = String.join("; ", findings);
        return complaints.isEmpty() ? Verdict.valid(detail) : Verdict.invalid(detail);
    }

    /** The documents of signature policies, by their object identifiers: nothing is fetched. */
    private static SignaturePolicyProvider signaturePolicies(Question question) {
        Map<String, DSSDocument> known = new HashMap<>();
        question.signaturePolicies().forEach((oid, file) -> {
            known.put(oid, new FileDocument(file));
            known.put("urn:oid:" + oid, new FileDocument(file));
        });
        SignaturePolicyProvider provider = new SignaturePolicyProvider();
        provider.setSignaturePoliciesById(known);
        return provider;
    }

    private SignedDocumentValidator validator(Question question, DSSDocument document) throws Question.Unusable {
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(document);
        validator.setCertificateVerifier(trust(question));
        validator.setEnableEtsiValidationReport(false);
        validator.setLocale(Locale.ENGLISH);
        if (question.password() != null && validator instanceof PDFDocumentValidator pdf) {
            pdf.setPasswordProtection(question.password().toCharArray());
        }
        return validator;
    }

    /** The signatures that were there before the last, and how they fared then. */
    private Map<String, Indication> earlier(Question question) throws Question.Unusable {
        Map<String, Indication> earlier = new HashMap<>();
        if (question.before() == null) {
            return earlier;
        }
        SimpleReport report = validate(validator(question, new FileDocument(question.before())), question).getSimpleReport();
        report.getSignatureIdList().forEach(id -> earlier.put(id, report.getIndication(id)));
        return earlier;
    }

    private static CommonCertificateVerifier trust(Question question) throws Question.Unusable {
        CommonTrustedCertificateSource roots = new CommonTrustedCertificateSource();
        for (File root : question.roots()) {
            roots.addCertificate(DSSUtils.loadCertificate(root));
        }
        CommonCertificateSource certificates = new CommonCertificateSource();
        for (File certificate : question.certificates()) {
            certificates.addCertificate(DSSUtils.loadCertificate(certificate));
        }
        // true: nothing is fetched, neither certificates nor revocation data.
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(roots);
        verifier.setAdjunctCertSources(certificates);
        if (!question.crls().isEmpty()) {
            verifier.setCrlSource(new ExternalResourcesCRLSource(
                question.crls().stream().map(FileDocument::new).toArray(DSSDocument[]::new)));
        }
        return verifier;
    }

    private Reports validate(SignedDocumentValidator validator, Question question) throws Question.Unusable {
        InputStream policy = policies.named(question.policy());
        return policy == null ? validator.validateDocument() : validator.validateDocument(policy);
    }

    private List<String> complaints(Question question, Reports reports, String id) {
        SimpleReport report = reports.getSimpleReport();
        List<String> complaints = new ArrayList<>();
        if (report.getIndication(id) != Indication.TOTAL_PASSED) {
            complaints.add(report.getIndication(id) + "/" + report.getSubIndication(id));
            for (Message error : report.getAdESValidationErrors(id)) {
                complaints.add(error.getValue());
            }
        }
        SignatureLevel level = report.getSignatureFormat(id);
        if (question.expect() != null && (level == null || !spelling(level).equals(question.expect()))) {
            complaints.add("expected " + question.expect());
            complaints.addAll(log.take());
        }
        SignatureWrapper signature = reports.getDiagnosticData().getSignatureById(id);
        complaints.addAll(signature.getStructuralValidationMessages());
        List<String> said = Properties.of(signature);
        for (String says : question.says()) {
            if (!said.contains(says)) {
                complaints.add("it does not say " + says + ", but " + said);
            }
        }
        return complaints;
    }

    /** A timestamp by itself, over the detached document. */
    private static List<String> timestampComplaints(SimpleReport report) {
        List<String> complaints = new ArrayList<>();
        if (report.getTimestampIdList().isEmpty()) {
            complaints.add("no timestamp found");
        }
        for (String id : report.getTimestampIdList()) {
            if (report.getIndication(id) != Indication.PASSED) {
                complaints.add(report.getIndication(id) + "/" + report.getSubIndication(id));
                for (Message error : report.getAdESValidationErrors(id)) {
                    complaints.add(error.getValue());
                }
            }
        }
        return complaints;
    }

    /** `CAdES_BASELINE_B` as the standards spell it: `CAdES-BASELINE-B`. */
    private static String spelling(SignatureLevel level) {
        return level.name().replace('_', '-');
    }

    private static List<String> contentComplaints(Question question, SignedDocumentValidator validator, AdvancedSignature signature)
            throws Question.Unusable {
        if (question.content() == null) {
            return List.of();
        }
        try {
            byte[] expected = Files.readAllBytes(question.content().toPath());
            for (DSSDocument original : validator.getOriginalDocuments(signature)) {
                if (Arrays.equals(expected, DSSUtils.toByteArray(original))) {
                    return List.of();
                }
            }
        } catch (IOException unreadable) {
            throw new Question.Unusable("cannot read " + question.content());
        }
        return List.of("the signed content is not " + question.content());
    }

    private static List<String> contentComplaints(Question question, DSSDocument content) {
        if (question.content() == null) {
            return List.of();
        }
        byte[] expected = new FileDocument(question.content()).getDigestValue(DigestAlgorithm.SHA256);
        boolean same = Arrays.equals(expected, content.getDigestValue(DigestAlgorithm.SHA256));
        return same ? List.of() : List.of("the signed content is not " + question.content());
    }
}
