/** Reads questions, one per line, on standard input and answers each with one line: verdict, tab, detail. */
package sigillo.dss;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

public final class Main {

    private Main() {
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // Libraries that print must not be mistaken for answers.
        System.setOut(System.err);
        BaselineLog log = BaselineLog.install();
        Judge judge = new Judge(log);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            answers.println(answer(judge, line));
        }
    }

    private static String answer(Judge judge, String line) {
        Verdict verdict;
        try {
            verdict = judge.judge(Question.parse(line));
        } catch (Question.Unusable unusable) {
            verdict = Verdict.error(unusable.getMessage());
        } catch (RuntimeException | StackOverflowError refusal) {
            // DSS reports foreign bytes it cannot read by unchecked exceptions: that is a rejection of the document.
            verdict = Verdict.invalid("DSS cannot read it: " + refusal);
        }
        return verdict.line();
    }
}
