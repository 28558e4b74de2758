//! What came of it, in one word for each capability.

use std::collections::BTreeMap;

use cryptotoken_api::{KeySpec, SignatureScheme};

use super::Description;
use super::trial::{Item, Outcome};

/// The cells of one module, by the names under which they are expected.
fn cells(outcome: &Outcome) -> BTreeMap<String, String> {
    let mut cells: BTreeMap<String, String> =
        KeySpec::ALL.into_iter().map(|spec| (spec.name().to_owned(), kind_of_key(outcome, spec))).collect();
    cells.insert("attributes".to_owned(), attributes(outcome));
    cells.insert("duplicate ids".to_owned(), yes_or_no(outcome, "measure.duplicate_ids_refused", "refused", "taken"));
    cells.insert("sessions".to_owned(), found(outcome, "session.max").unwrap_or_default().to_owned());
    cells.insert(
        "handles".to_owned(),
        yes_or_no(outcome, "session.handles_span_sessions", "one", "each session its own"),
    );
    cells.insert("certificates".to_owned(), certificates(outcome));
    cells.insert("power cut".to_owned(), outcome.recovery.clone());
    cells
}

/// The columns that are no kinds of keys.
const CONDUCT: [&str; 6] = ["attributes", "duplicate ids", "sessions", "handles", "certificates", "power cut"];

/// What is said of a key whose attributes are not those asked for.
const MADE_WRONG: &str = "generated a key that may not be used: ";

fn found<'a>(outcome: &'a Outcome, field: &str) -> Option<&'a str> {
    outcome.items.iter().find(|item| item.field == field).map(|item| item.found.as_str())
}

/// The schemes in which a key signs with every digest, and how many of them where it is not every.
fn kind_of_key(outcome: &Outcome, spec: KeySpec) -> String {
    match found(outcome, &format!("keygen.kinds.{spec}, generated")) {
        Some("yes") => {}
        Some("not tried") => return "ruled out".to_owned(),
        Some(found) if found.contains(MADE_WRONG) => return "refused".to_owned(),
        Some(_) => return "no".to_owned(),
        None => return "not here".to_owned(),
    }
    let signatures = |scheme: SignatureScheme| {
        let (prefix, scheme) =
            (format!("sign, {spec} with "), if scheme == SignatureScheme::Eddsa { "ed25519" } else { scheme.name() });
        outcome
            .items
            .iter()
            .filter(move |item| item.field.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with(scheme)))
    };
    let schemes = SignatureScheme::ALL;
    let words: Vec<String> = schemes
        .into_iter()
        .filter_map(|scheme| {
            let all = signatures(scheme).count();
            let good = signatures(scheme).filter(|item| item.verdict == "ok").count();
            let name = scheme.name().trim_start_matches("rsa-");
            match good {
                0 => None,
                _ if good == all => Some(name.to_owned()),
                _ => Some(format!("{name} {good}/{all}")),
            }
        })
        .collect();
    let locked = schemes.into_iter().flat_map(signatures).any(|item| item.found.contains("authorisation"));
    match words.is_empty() {
        true if locked => "made, not authorised".to_owned(),
        true => "made, does not sign".to_owned(),
        false => words.join(" "),
    }
}

/// What of the attributes of any key could not be read back as they were asked for.
fn attributes(outcome: &Outcome) -> String {
    let of_keys: Vec<&Item> =
        outcome.items.iter().filter(|item| item.field.starts_with("keygen.private_template")).collect();
    let mut problems: Vec<&str> =
        of_keys.iter().filter(|item| item.verdict != "ok").map(|item| item.found.as_str()).collect();
    problems.sort_unstable();
    problems.dedup();
    let refused = outcome.items.iter().find_map(|item| item.found.split_once(MADE_WRONG)?.1.split(';').next());
    if let Some(problem) = refused {
        return problem.to_owned();
    }
    match (of_keys.is_empty(), problems.is_empty()) {
        (true, _) => "no key".to_owned(),
        (_, true) => "all as asked".to_owned(),
        _ => problems.join("; "),
    }
}

fn yes_or_no(outcome: &Outcome, field: &str, yes: &str, no: &str) -> String {
    match found(outcome, field) {
        Some(found) if found.starts_with("yes") => yes.to_owned(),
        Some(found) if found == "no" || found.starts_with("no (") => no.to_owned(),
        _ => "not measured".to_owned(),
    }
}

fn certificates(outcome: &Outcome) -> String {
    match found(outcome, "measure.certificates") {
        Some("written") => "stored".to_owned(),
        Some(found) if found.starts_with("not tried") => "ruled out".to_owned(),
        Some(_) => "refused".to_owned(),
        None => "not measured".to_owned(),
    }
}

/// One line for each module, in two tables: keys, and all else.
pub(super) fn draw(outcomes: &BTreeMap<String, Result<Outcome, String>>) -> String {
    let kinds: Vec<&str> = KeySpec::ALL.into_iter().map(KeySpec::name).collect();
    let rows: Vec<(&str, BTreeMap<String, String>)> = outcomes
        .iter()
        .map(|(name, outcome)| (name.as_str(), outcome.as_ref().map(cells).unwrap_or_default()))
        .collect();
    let verified: usize =
        outcomes.values().filter_map(|outcome| outcome.as_ref().ok()).map(|outcome| outcome.verified).sum();
    format!(
        "{}\n{}{} modules, {verified} signatures verified by this project and by others",
        one_table(&rows, &kinds),
        one_table(&rows, &CONDUCT),
        rows.len()
    )
}

fn one_table(rows: &[(&str, BTreeMap<String, String>)], columns: &[&str]) -> String {
    let header = [&["module"], columns].concat().into_iter().map(str::to_owned).collect();
    let lines = rows.iter().map(|(name, cells)| {
        let cell = |column: &&str| cells.get(*column).cloned().unwrap_or_else(|| "FAILED".to_owned());
        [vec![(*name).to_owned()], columns.iter().map(cell).collect()].concat()
    });
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(lines).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..=columns.len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// What is not as `description` has it.
pub(super) fn differences(name: &str, description: &Description, outcome: &Outcome) -> Vec<String> {
    let cells = cells(outcome);
    let as_expected = |column: &str, cell: &str| match description.expected.get(column) {
        Some(expected) => expected == cell,
        None => !CONDUCT.contains(&column) && ["no", "ruled out", "not here"].contains(&cell),
    };
    let mut wrong: Vec<String> = cells
        .iter()
        .filter(|(column, cell)| !as_expected(column, cell))
        .map(|(column, cell)| {
            format!("{name}: \"{column}\" is {cell:?}, expected {:?}", description.expected.get(column))
        })
        .collect();
    wrong.extend(
        description
            .expected
            .keys()
            .filter(|column| !cells.contains_key(*column))
            .map(|column| format!("{name}: there is no \"{column}\"")),
    );
    let differing: BTreeMap<&str, &str> = outcome
        .items
        .iter()
        .filter(|item| item.verdict == "differs")
        .map(|item| (item.field.as_str(), item.found.as_str()))
        .collect();
    for (field, found) in &differing {
        if !description.differs.get(*field).is_some_and(|expected| found.contains(expected.as_str())) {
            wrong.push(format!("{name}: {field} differs from the profile: {found:?}"));
        }
    }
    let kept = description.differs.keys().filter(|field| !differing.contains_key(field.as_str()));
    wrong.extend(kept.map(|field| format!("{name}: {field} does not differ from the profile, as it should")));
    if outcome.verified == 0 && cells.values().any(|cell| cell.contains("pkcs1") || cell.contains("ecdsa")) {
        wrong.push(format!("{name}: nothing was verified"));
    }
    if !wrong.is_empty() {
        let notes = outcome.items.iter().filter(|item| item.verdict != "ok");
        wrong.extend(notes.map(|item| format!("    {name}: {} {}: {}", item.field, item.verdict, item.found)));
    }
    wrong
}
