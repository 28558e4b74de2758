//! Tables for people, JSON for programs. Standard output carries the answer, standard error what went wrong.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};

use administration::Items;
use administration::error::causes;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// How the names of problem types begin.
pub(crate) const PROBLEM: &str = "urn:sigillo:problem:";

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Table,
    Json,
}

impl OutputFormat {
    /// What a command line wants that could not be parsed as a whole.
    pub(crate) fn wanted_by(arguments: impl Iterator<Item = OsString>) -> Self {
        let arguments: Vec<String> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
        let json = arguments.iter().any(|argument| argument == "--output=json")
            || arguments.windows(2).any(|pair| pair == ["--output", "json"]);
        if json { Self::Json } else { Self::Table }
    }

    /// A list: one row each.
    pub(crate) fn list<T: Serialize>(
        self,
        list: &Items<T>,
        columns: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        match self {
            Self::Json => self.json(list),
            Self::Table if list.items.is_empty() => self.text("none\n"),
            Self::Table => {
                let mut table = empty_table();
                table.set_header(columns.iter().map(|column| column.to_uppercase()));
                table.add_rows(list.items.iter().map(row));
                self.text(&lines(&table))
            }
        }
    }

    /// One thing: its properties, those without a value left out.
    pub(crate) fn one<T: Serialize>(self, thing: &T, properties: &[(&str, String)]) -> Result<(), Failure> {
        match self {
            Self::Json => self.json(thing),
            Self::Table => {
                let mut table = empty_table();
                for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
                    table.add_row([*name, value.as_str()]);
                }
                self.text(&lines(&table))
            }
        }
    }

    /// A list whose things have too many properties for one row: one table each.
    pub(crate) fn each<T: Serialize, P: AsRef<[(&'static str, String)]>>(
        self,
        list: &Items<T>,
        properties: impl Fn(&T) -> P,
    ) -> Result<(), Failure> {
        if self == Self::Json {
            return self.json(list);
        }
        for (index, thing) in list.items.iter().enumerate() {
            if index > 0 {
                self.text("\n")?;
            }
            self.one(thing, properties(thing).as_ref())?;
        }
        Ok(())
    }

    /// Something that is done and has no more to show: a sentence, or `value` for programs.
    pub(crate) fn done(self, sentence: &str, value: &impl Serialize) -> Result<(), Failure> {
        match self {
            Self::Json => self.json(value),
            Self::Table => self.text(&format!("{sentence}\n")),
        }
    }

    /// The command that usually comes next; people only.
    pub(crate) fn next(self, command: &str) -> Result<(), Failure> {
        match self {
            Self::Json => Ok(()),
            Self::Table => self.text(&format!("\nnext: {command}\n")),
        }
    }

    /// What is worth a look; people only, as JSON has it in the answer.
    pub(crate) fn warnings(self, warnings: &[String]) {
        if self == Self::Table {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
        }
    }

    /// Text as it is.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            // Whoever reads has read enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// What went wrong.
    pub(crate) fn failure(self, failure: &Failure) {
        self.complaint(failure.problem(), &causes(failure));
    }

    /// What went wrong: a sentence, or a problem document (RFC 9457) on one line.
    pub(crate) fn complaint(self, name: &str, detail: &str) {
        match self {
            Self::Json => {
                let title = name.replace('-', " ");
                let problem = Problem { r#type: format!("{PROBLEM}{name}"), title, detail };
                eprintln!("{}", serde_json::to_string(&problem).unwrap_or_default());
            }
            Self::Table => eprintln!("error: {detail}"),
        }
    }

    fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
        self.text(&format!("{text}\n"))
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: String,
    detail: &'a str,
}

/// A digest as tables have it.
pub(crate) fn short(digest: &str) -> String {
    match digest.get(..16) {
        Some(start) if digest.len() > 16 => format!("{start}…"),
        _ => digest.to_owned(),
    }
}

/// A time as tables have it.
pub(crate) fn moment(time: time::OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    time.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // A pipe has no width; lines then stay whole, for `grep`.
    if !table.is_tty() {
        table.set_content_arrangement(ContentArrangement::Disabled);
        return table;
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // Some terminals say they have no columns at all, as `docker exec -t` makes them.
    if table.width().is_none_or(|width| width < 40) {
        table.set_width(100);
    }
    table
}

fn lines(table: &Table) -> String {
    // The first column's own padding; wrapped lines keep their place under it.
    table.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_shortened_and_short_ones_left_alone() {
        assert_eq!(short("0123456789abcdef0123"), "0123456789abcdef…");
        assert_eq!(short("0123"), "0123");
    }

    #[test]
    fn json_is_recognised_in_a_command_line_that_cannot_be_parsed() {
        let wanted = |line: &str| OutputFormat::wanted_by(line.split(' ').map(OsString::from));
        assert_eq!(wanted("sigillo --output json nonsense"), OutputFormat::Json);
        assert_eq!(wanted("sigillo nonsense --output=json"), OutputFormat::Json);
        assert_eq!(wanted("sigillo nonsense"), OutputFormat::Table);
    }
}
