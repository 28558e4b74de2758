/** One question: which document, signed how, trusted by whom. Tab-separated options, the document last. */
package sigillo.dss;

import java.io.File;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

record Question(String format, List<File> roots, List<File> certificates, List<File> crls, List<String> says, String signers, List<File> detached, File content, String expect,
                String policy, Map<String, File> signaturePolicies, boolean takenApart, File before, String password, File document) {

    static Question parse(String line) throws Unusable {
        String format = null;
        String expect = null;
        String policy = "default";
        String signers = null;
        boolean takenApart = false;
        List<File> detached = new ArrayList<>();
        File content = null;
        File before = null;
        String password = null;
        List<File> roots = new ArrayList<>();
        List<File> certificates = new ArrayList<>();
        List<File> crls = new ArrayList<>();
        List<String> says = new ArrayList<>();
        Map<String, File> signaturePolicies = new HashMap<>();
        String[] words = line.split("\t");
        for (int i = 0; i + 2 < words.length; i += 2) {
            String value = words[i + 1];
            switch (words[i]) {
                case "--format" -> format = value;
                case "--root" -> roots.add(readable(value));
                case "--cert" -> certificates.add(readable(value));
                case "--crl" -> crls.add(readable(value));
                case "--says" -> says.add(value);
                case "--signers" -> signers = value;
                case "--detached" -> detached.add(readable(value));
                case "--content" -> content = readable(value);
                case "--expect" -> expect = value;
                case "--policy" -> policy = value;
                case "--signature-policy" -> {
                    String[] policyAndFile = value.split("=", 2);
                    signaturePolicies.put(policyAndFile[0], readable(policyAndFile[1]));
                }
                case "--taken-apart" -> takenApart = value.equals("yes");
                case "--before" -> before = readable(value);
                case "--password" -> password = value;
                default -> throw new Unusable("unknown option " + words[i]);
            }
        }
        if (format == null || words.length % 2 == 0) {
            throw new Unusable("not a question: " + line);
        }
        return new Question(format, roots, certificates, crls, says, signers, detached, content, expect, policy, signaturePolicies, takenApart, before,
                            password, readable(words[words.length - 1]));
    }

    private static File readable(String path) throws Unusable {
        File file = new File(path);
        if (!file.canRead()) {
            throw new Unusable("cannot read " + path);
        }
        return file;
    }

    /** The asker must change the question. */
    static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;

        Unusable(String message) {
            super(message);
        }
    }
}
