/** The validation policies a question may name. */
package sigillo.dss;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import javax.xml.transform.TransformerException;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.stream.StreamResult;
import javax.xml.transform.stream.StreamSource;

import eu.europa.esig.dss.policy.ValidationPolicyFacade;

final class Policies {

    private final Map<String, byte[]> derived = new HashMap<>();

    /** A fresh stream of the policy, or null for the default policy of DSS, unchanged. */
    InputStream named(String name) throws Question.Unusable {
        return switch (name) {
            case "default" -> null;
            case "ed25519", "permissions" -> new ByteArrayInputStream(derived.computeIfAbsent(name, Policies::derive));
            default -> throw new Question.Unusable("unknown policy " + name + "; there are default, ed25519 and permissions");
        };
    }

    private static byte[] derive(String name) {
        try (InputStream original = ValidationPolicyFacade.class.getResourceAsStream("/policy/constraint.xml");
             InputStream changes = Policies.class.getResourceAsStream("/policy-" + name + ".xsl")) {
            ByteArrayOutputStream policy = new ByteArrayOutputStream();
            TransformerFactory.newInstance()
                .newTransformer(new StreamSource(changes))
                .transform(new StreamSource(original), new StreamResult(policy));
            return policy.toByteArray();
        } catch (java.io.IOException | TransformerException broken) {
            throw new IllegalStateException("the policy " + name + " cannot be derived", broken);
        }
    }
}
