// Canonical forms as Apache Santuario writes them, which EU DSS uses and which shares nothing with libxml2.
//
// On standard input: paths of XML files, one on each line. On standard output for each file and each algorithm the canonical form of the
// root element, then of the element whose attribute Id is "T", where there is one, in the order of the arguments (an algorithm, or an algorithm
// and a PrefixList after a blank): four octets of length, and the octets. What Santuario refuses has the length -1.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;

import org.apache.xml.security.Init;
import org.apache.xml.security.c14n.Canonicalizer;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

public class Santuario {

    public static void main(String[] algorithms) throws Exception {
        Init.init();
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        DocumentBuilder builder = factory.newDocumentBuilder();
        builder.setErrorHandler(null);
        DataOutputStream out = new DataOutputStream(new java.io.BufferedOutputStream(System.out));
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            Document document = builder.parse(new File(path));
            write(out, document.getDocumentElement(), algorithms);
            if (find(document.getDocumentElement()) == null) {
                continue;
            }
            for (String algorithm : algorithms) {
                // Read again: C14N 1.1 leaves the bases that it joined in the tree.
                write(out, find(builder.parse(new File(path)).getDocumentElement()), new String[] {algorithm});
            }
        }
        out.flush();
    }

    private static void write(DataOutputStream out, Node node, String[] algorithms) throws Exception {
        for (String algorithm : algorithms) {
            String[] words = algorithm.split(" ", 2);
            ByteArrayOutputStream form = new ByteArrayOutputStream();
            try {
                Canonicalizer canonicalizer = Canonicalizer.getInstance(words[0]);
                if (words.length == 1) {
                    canonicalizer.canonicalizeSubtree(node, form);
                } else {
                    canonicalizer.canonicalizeSubtree(node, words[1], form);
                }
                out.writeInt(form.size());
                form.writeTo(out);
            } catch (org.apache.xml.security.c14n.CanonicalizationException refusal) {
                System.err.println(refusal);
                out.writeInt(-1);
            }
        }
    }

    private static Element find(Element element) {
        if (element.getAttribute("Id").equals("T")) {
            return element;
        }
        for (Node child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element inner) {
                Element found = find(inner);
                if (found != null) {
                    return found;
                }
            }
        }
        return null;
    }
}
