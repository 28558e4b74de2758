import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.verapdf.core.EncryptedPdfException;
import org.verapdf.core.VeraPDFException;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/**
 * veraPDF, asked by {@code verapdf.py}: a question per line, an answer per line.
 *
 * <p>A question is {@code PROFILES FILE}, separated by a tab: what the file must claim, separated by commas, or nothing where any claim will do.
 */
final class VeraPdf {
    /** What a file without a claim is taken for: no metadata can claim it, and with {@code NO_FLAVOUR} veraPDF would say PDF/A-1B. */
    private static final PDFAFlavour UNCLAIMED = PDFAFlavour.WCAG_2_2;

    public static void main(String[] arguments) throws IOException {
        Logger.getLogger("").setLevel(Level.OFF);
        VeraGreenfieldFoundryProvider.initialise();
        var questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (var line = questions.readLine(); line != null; line = questions.readLine()) {
            var question = line.split("\t");
            System.out.println(answer(question[0], new File(question[1])).replaceAll("\\R", " "));
        }
    }

    private static String answer(String expected, File file) {
        try (var parser = Foundries.defaultInstance().createParser(file, PDFAFlavour.NO_FLAVOUR, UNCLAIMED)) {
            var claimed = parser.getFlavours().stream().filter(flavour -> flavour != UNCLAIMED).toList();
            var names = String.join(",", claimed.stream().map(VeraPdf::name).sorted().toList());
            if (!expected.isEmpty() && !expected.equals(names)) {
                return "invalid\tit claims " + (names.isEmpty() ? "nothing" : names) + ", not " + expected;
            }
            if (claimed.isEmpty()) {
                return "n/a\tit claims no profile";
            }
            var complaints = new ArrayList<String>();
            try (var validator = Foundries.defaultInstance().createValidator(claimed)) {
                for (var result : validator.validateAll(parser)) {
                    complaints.addAll(complaints(result));
                }
            }
            return complaints.isEmpty() ? "valid\t" + names : "invalid\t" + names + "; " + String.join("; ", complaints);
        } catch (EncryptedPdfException encrypted) {
            return "n/a\tit is encrypted";
        } catch (VeraPDFException | IOException | RuntimeException | StackOverflowError refusal) {
            return "invalid\tveraPDF cannot read it: " + refusal;
        }
    }

    /** One for each rule that is broken, with the first place where it is. */
    private static List<String> complaints(ValidationResult result) {
        var complaints = new TreeMap<String, String>();
        for (var assertion : result.getTestAssertions()) {
            if (assertion.getStatus() == TestAssertion.Status.FAILED) {
                var rule = assertion.getRuleId();
                var name = rule.getSpecification().getId() + " clause " + rule.getClause() + " test " + rule.getTestNumber();
                complaints.putIfAbsent(name, name + ": " + assertion.getMessage() + " (" + assertion.getLocation().getContext() + ")");
            }
        }
        if (!result.isCompliant() && complaints.isEmpty()) {
            complaints.put("", name(result.getPDFAFlavour()) + " is not met");
        }
        return List.copyOf(complaints.values());
    }

    /** {@code 2b} as people write it: {@code PDF/A-2B}; {@code ua1}: {@code PDF/UA-1}. */
    private static String name(PDFAFlavour flavour) {
        var id = flavour.getId().toUpperCase(Locale.ROOT);
        return id.startsWith("UA") ? "PDF/UA-" + id.substring(2) : "PDF/A-" + id;
    }
}
