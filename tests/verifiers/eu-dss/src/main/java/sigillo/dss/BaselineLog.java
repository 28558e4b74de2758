/** Collects why DSS denied a signature its baseline level: it tells that only in its log. */
package sigillo.dss;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.ConsoleHandler;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

final class BaselineLog extends Handler {

    // Held here: java.util.logging keeps loggers only weakly, and with them their handlers.
    private final Logger dss = Logger.getLogger("eu.europa.esig.dss");
    private final Logger everything = Logger.getLogger("");
    private final List<String> reasons = new ArrayList<>();

    static BaselineLog install() {
        BaselineLog log = new BaselineLog();
        for (Handler handler : log.everything.getHandlers()) {
            log.everything.removeHandler(handler);
        }
        ConsoleHandler errors = new ConsoleHandler();
        errors.setLevel(Level.SEVERE);
        log.everything.addHandler(errors);
        log.dss.addHandler(log);
        return log;
    }

    /** What was said since the last call. */
    List<String> take() {
        List<String> taken = List.copyOf(reasons);
        reasons.clear();
        return taken;
    }

    @Override
    public void publish(LogRecord entry) {
        if (entry.getLoggerName().endsWith("BaselineRequirementsChecker")) {
            reasons.add(entry.getMessage());
        }
    }

    @Override
    public void flush() {
    }

    @Override
    public void close() {
    }
}
