//! What a command prints: its answer on standard output, everything else on standard error.

use std::io::Write as _;

use serde_json::Value;

use super::{Done, Failure};

/// How the answer is printed.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// The answer, in the form that was asked for.
    ///
    /// # Errors
    /// As [`print`].
    pub fn answer(self, json: &Value, text: impl FnOnce() -> String) -> Done {
        let answer = if self.json { json.to_string() } else { text() };
        print(answer.trim_end_matches('\n'))
    }
}

/// A line on standard output. Whoever closed it has read enough.
///
/// # Errors
/// Where it cannot be written: what was asked for is done, and whoever asked does not read of it.
pub fn print(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("it is done, but the answer cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Something to know beside the answer.
pub fn hint(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Why it was not done.
pub fn complain(reason: &str) {
    let _ = writeln!(std::io::stderr(), "portero: {reason}");
}

/// Columns, each as wide as its widest cell; the last is not padded.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// Text from outside as it may reach a terminal.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".to_owned(), "año".to_owned()], vec!["bbb".to_owned(), String::new()]];
        assert_eq!(table(&["ID", "NAME"], &rows), "ID   NAME\na    año\nbbb");
        assert_eq!(plain("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
