/** What a signer says beside the signature, as EU DSS reads it: NAME=VALUE. */
package sigillo.dss;

import java.util.ArrayList;
import java.util.List;

import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.diagnostic.jaxb.XmlCommitmentTypeIndication;
import eu.europa.esig.dss.diagnostic.jaxb.XmlSignatureScope;
import eu.europa.esig.dss.diagnostic.jaxb.XmlSignerRole;
import eu.europa.esig.dss.diagnostic.jaxb.XmlUserNotice;

final class Properties {

    private Properties() {
    }

    static List<String> of(SignatureWrapper signature) {
        List<String> said = new ArrayList<>();
        for (XmlCommitmentTypeIndication commitment : signature.getCommitmentTypeIndications()) {
            said.add("commitment=" + commitment.getIdentifier());
        }
        for (XmlSignerRole role : signature.getClaimedRoles()) {
            said.add("role=" + role.getRole());
        }
        for (TimestampWrapper timestamp : signature.getContentTimestamps()) {
            said.add("content-timestamp=" + (timestamp.isMessageImprintDataIntact() && timestamp.isSignatureValid() ? "intact" : "broken"));
            said.add("content-timestamp-type=" + timestamp.getType());
        }
        said.add("country=" + signature.getCountryName());
        said.add("locality=" + signature.getCity());
        said.add("address=" + String.join(", ", signature.getPostalAddress()));
        said.add("policy=" + signature.getPolicyId());
        said.add("policy-url=" + signature.getPolicyUrl());
        said.add("policy-document=" + (!signature.isPolicyIdentified() ? "unknown" : signature.isPolicyDigestValid() ? "fits" : "other"));
        XmlUserNotice notice = signature.getPolicyUserNotice();
        if (notice != null) {
            said.add("policy-organization=" + notice.getOrganization());
            said.add("policy-notice-numbers=" + notice.getNoticeNumbers());
            said.add("policy-notice=" + notice.getExplicitText());
        }
        for (XmlSignatureScope scope : signature.getSignatureScopes()) {
            said.add("covers=" + scope.getName());
        }
        said.add("hints=" + signature.getContentHints());
        said.add("mime=" + signature.getMimeType());
        return said;
    }
}
