/** What the checker thinks of one document. */
package sigillo.dss;

record Verdict(String word, String detail) {

    static Verdict valid(String detail) {
        return new Verdict("valid", detail);
    }

    static Verdict invalid(String detail) {
        return new Verdict("invalid", detail);
    }

    /** It cannot judge such a document at all, whoever signed it. */
    static Verdict notApplicable(String detail) {
        return new Verdict("n/a", detail);
    }

    /** The question could not be answered: says nothing about the document. */
    static Verdict error(String detail) {
        return new Verdict("error", detail);
    }

    String line() {
        return word + "\t" + detail.replaceAll("\\s+", " ").strip();
    }
}
