//! Files of people, record by record: JSON Lines, CSV, a JSON array, or an object with the array `users` (Firebase, Keycloak).
//!
//! Owns: where a record begins and ends, and how reading goes on behind a broken one. What a record says is `row`'s. Nothing but the record at
//! hand is kept in memory, and no record may be larger than [`MAX_RECORD`].

use std::io::Read;

use serde_json::{Map, Value};

use super::csv::{self, Parsed};
use crate::protocol::json;

const MAX_RECORD: usize = 1 << 20;
/// A quoted value may hold line breaks; so many lines are not one record any more.
const MAX_LINES: usize = 200;
const CHUNK: usize = 64 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Lines,
    Csv,
    /// An array, or an object with the array `users`.
    Json,
}

/// One person's record, or what stands where one should.
#[derive(Debug, PartialEq)]
pub struct Record {
    /// Where it begins, from 1.
    pub line: u64,
    pub members: Result<Map<String, Value>, String>,
}

/// The file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Form(&'static str),
}

pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where the next record begins.
    start: usize,
    ended: bool,
    line: u64,
    bytes: u64,
    layout: Layout,
    /// The member with which the elements of an array begin, in its quotes: by it the next one is known behind a broken one.
    first_member: Vec<u8>,
}

enum Layout {
    Lines,
    Csv { head: Vec<String>, delimiter: u8 },
    Elements { over: bool },
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning of the file; `format` where it is known.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(input: R, format: Option<Format>) -> Result<Self, Unreadable> {
        let mut reader =
            Self { input, buffer: Vec::new(), start: 0, ended: false, line: 1, bytes: 0, layout: Layout::Lines, first_member: Vec::new() };
        while reader.buffer.len() < CHUNK && reader.fill()? {}
        if reader.buffer.starts_with(b"\xef\xbb\xbf") {
            reader.start = 3;
        }
        reader.skip_space()?;
        match format.unwrap_or_else(|| reader.guess()) {
            Format::Lines => {}
            Format::Csv => reader.read_head()?,
            Format::Json => reader.enter_array()?,
        }
        Ok(reader)
    }

    /// How much of the input was taken in.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// The input's own fault.
    pub fn next(&mut self) -> std::io::Result<Option<Record>> {
        // What was handed out goes, so that the buffer holds little more than one record.
        if self.start >= CHUNK {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        match &self.layout {
            Layout::Lines => self.next_line(),
            Layout::Csv { .. } => self.next_row(),
            Layout::Elements { over: true } => Ok(None),
            Layout::Elements { .. } => self.next_element(),
        }
    }

    fn guess(&self) -> Format {
        let text = &self.buffer[self.start..];
        match text.first() {
            Some(b'[') => Format::Json,
            Some(b'{') => {
                let mut lines = text.split(|byte| *byte == b'\n');
                let first = lines.next().unwrap_or_default();
                match serde_json::from_slice::<Value>(first) {
                    Ok(value) if value.get("users").is_some_and(Value::is_array) => Format::Json,
                    Ok(_) => Format::Lines,
                    // A broken first line is still a line where others like it follow.
                    Err(_) if lines.any(|line| line.starts_with(b"{\"")) => Format::Lines,
                    Err(_) if first.trim_ascii() == b"{" => Format::Json,
                    Err(_) if text.windows(7).any(|window| window == b"\"users\"") => Format::Json,
                    Err(_) => Format::Lines,
                }
            }
            _ => Format::Csv,
        }
    }

    fn fill(&mut self) -> std::io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer.truncate(before + read);
        self.bytes += read as u64;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// The byte at `at`, from the input if need be.
    fn byte(&mut self, at: usize) -> std::io::Result<Option<u8>> {
        while at >= self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[at]))
    }

    /// Where the line that begins at `from` ends (without its line break), and where the next begins. None: too long for a record.
    fn line_at(&mut self, from: usize) -> std::io::Result<Option<(usize, usize)>> {
        let mut at = from;
        loop {
            if let Some(found) = self.buffer[at..].iter().position(|byte| *byte == b'\n') {
                let end = at + found;
                let cut = usize::from(end > from && self.buffer[end - 1] == b'\r');
                return Ok(Some((end - cut, end + 1)));
            }
            at = self.buffer.len();
            if at - from > MAX_RECORD {
                return Ok(None);
            }
            if !self.fill()? {
                return Ok(Some((at, at)));
            }
        }
    }

    /// Leaves the line at `start`, however long it is.
    fn drop_line(&mut self) -> std::io::Result<()> {
        loop {
            match self.buffer[self.start..].iter().position(|byte| *byte == b'\n') {
                Some(found) => {
                    self.start += found + 1;
                    self.line += 1;
                    return Ok(());
                }
                None => {
                    self.buffer.clear();
                    self.start = 0;
                    if !self.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The record at `start` cannot be read: reading goes on with the next line.
    fn broken(&mut self, reason: String) -> std::io::Result<Option<Record>> {
        let line = self.line;
        self.drop_line()?;
        Ok(Some(Record { line, members: Err(reason) }))
    }

    fn next_line(&mut self) -> std::io::Result<Option<Record>> {
        loop {
            if self.byte(self.start)?.is_none() {
                return Ok(None);
            }
            let Some((end, next)) = self.line_at(self.start)? else { return self.broken(TOO_LONG.to_owned()) };
            let members = object(&self.buffer[self.start..end]);
            let blank = self.buffer[self.start..end].iter().all(u8::is_ascii_whitespace);
            let line = self.line;
            self.start = next;
            self.line += 1;
            if !blank {
                return Ok(Some(Record { line, members }));
            }
        }
    }

    fn read_head(&mut self) -> Result<(), Unreadable> {
        let (end, next) = self.line_at(self.start)?.ok_or(Unreadable::Form("the first line is no CSV header"))?;
        let text = &self.buffer[self.start..end];
        let columns = |delimiter: u8| match csv::parse(text, delimiter) {
            Parsed::Fields(fields) => fields.into_iter().map(|field| field.unwrap_or_default().trim().to_owned()).collect(),
            Parsed::Open | Parsed::Broken(_) => Vec::new(),
        };
        // Spreadsheets of half the world write semicolons.
        let (head, delimiter): (Vec<String>, u8) = [b',', b';', b'\t']
            .map(|delimiter| (columns(delimiter), delimiter))
            .into_iter()
            .max_by_key(|(head, delimiter)| (head.len(), *delimiter == b','))
            .expect("three were tried");
        if !head.iter().any(|column| column == "email") {
            return Err(Unreadable::Form("it is neither JSON nor CSV: the first line names no column `email`"));
        }
        // Spreadsheets end with columns that have no name.
        let twice = |(at, column): (usize, &String)| !column.is_empty() && head[..at].contains(column);
        if head.iter().enumerate().any(twice) {
            return Err(Unreadable::Form("the first line names a column twice"));
        }
        self.layout = Layout::Csv { head, delimiter };
        self.start = next;
        self.line += 1;
        Ok(())
    }

    fn next_row(&mut self) -> std::io::Result<Option<Record>> {
        let Layout::Csv { delimiter, ref head } = self.layout else { unreachable!("rows are read from CSV") };
        let columns = head.len();
        loop {
            let mut end = self.start;
            for lines in 1.. {
                if self.byte(end)?.is_none() {
                    // A quote that nothing closes takes one line with it, not the rest of the file.
                    return if lines == 1 { Ok(None) } else { self.broken(OPEN_QUOTE.to_owned()) };
                }
                let Some((text_end, next)) = self.line_at(end)? else { return self.broken(TOO_LONG.to_owned()) };
                let text = &self.buffer[self.start..text_end];
                if text.is_empty() {
                    self.start = next;
                    self.line += 1;
                    break;
                }
                end = next;
                match csv::parse(text, delimiter) {
                    Parsed::Open if lines < MAX_LINES && end - self.start < MAX_RECORD => {}
                    Parsed::Open => return self.broken(OPEN_QUOTE.to_owned()),
                    // Lines that were taken for one value, up to a quote of somebody else's.
                    Parsed::Broken(_) if lines > 1 => return self.broken(OPEN_QUOTE.to_owned()),
                    Parsed::Fields(fields) if fields.len() != columns && lines > 1 => return self.broken(OPEN_QUOTE.to_owned()),
                    Parsed::Broken(reason) => return self.broken(reason.to_owned()),
                    Parsed::Fields(fields) if fields.len() != columns => {
                        return self.broken(format!("there are {} columns instead of {columns}", fields.len()));
                    }
                    Parsed::Fields(fields) => {
                        let Layout::Csv { ref head, .. } = self.layout else { unreachable!("rows are read from CSV") };
                        let values = fields.into_iter().map(|field| field.map_or(Value::Null, Value::String));
                        let record = Record { line: self.line, members: Ok(head.iter().cloned().zip(values).collect()) };
                        self.start = end;
                        self.line += lines as u64;
                        return Ok(Some(record));
                    }
                }
            }
        }
    }

    /// To the first element: of the file's array, or of the array `users` in its object.
    fn enter_array(&mut self) -> Result<(), Unreadable> {
        const NONE: Unreadable = Unreadable::Form("it holds no array of people");
        self.layout = Layout::Elements { over: false };
        let mut depth = 0_u32;
        let mut named = Vec::new();
        loop {
            self.skip_space()?;
            // Only the name at hand is kept: what stands before the people may be large.
            self.buffer.drain(..self.start);
            self.start = 0;
            let Some(byte) = self.byte(0)? else { return Err(NONE) };
            self.start = 1;
            match byte {
                b'[' if depth == 0 || (depth == 1 && named == b"users") => return Ok(()),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1).ok_or(NONE)?,
                b'"' => {
                    let mut text = Vec::new();
                    loop {
                        let byte = self.byte(self.start)?.ok_or(NONE)?;
                        self.start += 1;
                        match byte {
                            b'"' => break,
                            b'\\' => self.start += 1,
                            b'\n' => return Err(NONE),
                            _ if text.len() < 32 => text.push(byte),
                            _ => {}
                        }
                        if self.start > CHUNK {
                            let read = self.start.min(self.buffer.len());
                            self.buffer.drain(..read);
                            self.start -= read;
                        }
                    }
                    if depth == 1 {
                        named = text;
                    }
                    continue;
                }
                b':' => continue,
                b',' if depth == 1 => {}
                _ => continue,
            }
            named.clear();
        }
    }

    fn skip_space(&mut self) -> std::io::Result<()> {
        while let Some(byte) = self.byte(self.start)?.filter(u8::is_ascii_whitespace) {
            self.line += u64::from(byte == b'\n');
            self.start += 1;
        }
        Ok(())
    }

    fn next_element(&mut self) -> std::io::Result<Option<Record>> {
        let before = loop {
            let before = self.start;
            self.skip_space()?;
            match self.byte(self.start)? {
                Some(b',') => self.start += 1,
                _ => break before,
            }
        };
        let indent = self.buffer[before..self.start].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let line = self.line;
        let reason = match self.byte(self.start)? {
            Some(b']') => {
                self.layout = Layout::Elements { over: true };
                return Ok(None);
            }
            None => {
                self.layout = Layout::Elements { over: true };
                return Ok(Some(Record { line, members: Err("the file ends inside its array".to_owned()) }));
            }
            Some(b'{') => match self.element_end()? {
                Some(end) => match object(&self.buffer[self.start..end]) {
                    Ok(members) => {
                        if self.first_member.is_empty() {
                            self.first_member = first_member(&self.buffer[self.start..end]).to_vec();
                        }
                        self.line += self.buffer[self.start..end].iter().filter(|byte| **byte == b'\n').count() as u64;
                        self.start = end;
                        return Ok(Some(Record { line, members: Ok(members) }));
                    }
                    Err(reason) => reason,
                },
                None => "not JSON, or longer than 1 MiB".to_owned(),
            },
            Some(_) => "not a JSON object".to_owned(),
        };
        if let Some(next) = self.next_in_line()? {
            self.start = next;
            return Ok(Some(Record { line, members: Err(reason) }));
        }
        // The next one begins on a line of its own, no deeper than this.
        loop {
            self.drop_line()?;
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.byte(0)?.is_none() {
                break;
            }
            let mut at = 0;
            while self.byte(at)?.is_some_and(|byte| matches!(byte, b' ' | b'\t')) && at <= MAX_RECORD {
                at += 1;
            }
            let begins = match self.byte(at)? {
                Some(b'{') => at <= indent,
                Some(b']') => at < indent.max(1),
                // Keycloak writes `}, {` in one line.
                Some(b'}') if at <= indent.max(4) => match self.behind_comma(at + 1)? {
                    Some(next) => {
                        self.start = next;
                        true
                    }
                    None => false,
                },
                _ => false,
            };
            if begins {
                break;
            }
        }
        if self.byte(self.start)?.is_none() {
            self.layout = Layout::Elements { over: true };
        }
        Ok(Some(Record { line, members: Err(reason) }))
    }

    /// Where in the line of a broken element the next begins: behind a comma, an object with the first member of all of them; behind what is no
    /// object, any.
    fn next_in_line(&mut self) -> std::io::Result<Option<usize>> {
        if self.buffer[self.start] != b'{' {
            return self.object_in_line();
        }
        if self.first_member.is_empty() {
            self.first_member = first_member(&self.buffer[self.start..]).to_vec();
        }
        if self.first_member.is_empty() {
            return Ok(None);
        }
        let mut at = self.start + 1;
        while let Some(byte) = self.byte(at)?.filter(|byte| *byte != b'\n' && at - self.start <= MAX_RECORD) {
            if byte == b','
                && let Some(begin) = self.behind_comma(at)?
            {
                // Enough of it to see its first member.
                self.byte(begin + MAX_MEMBER)?;
                if first_member(&self.buffer[begin..]) == self.first_member {
                    return Ok(Some(begin));
                }
            }
            at += 1;
        }
        Ok(None)
    }

    /// Where in the line of a number, a string or an array that stands in the place of a person the next object begins, outside of all of them.
    fn object_in_line(&mut self) -> std::io::Result<Option<usize>> {
        let (mut at, mut depth, mut quoted) = (self.start, 0_u32, false);
        while let Some(byte) = self.byte(at)?.filter(|byte| *byte != b'\n' && at - self.start <= MAX_RECORD) {
            match byte {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' if depth == 0 => return Ok(Some(at)),
                b'[' | b'{' => depth += 1,
                b']' if depth == 0 => return Ok(Some(at)),
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        Ok(None)
    }

    /// Where in this line an object begins, behind a comma.
    fn behind_comma(&mut self, from: usize) -> std::io::Result<Option<usize>> {
        let mut at = from;
        let mut comma = false;
        while let Some(byte) = self.byte(at)?.filter(|byte| matches!(byte, b' ' | b'\t' | b',' | b'{')) {
            match byte {
                b'{' => return Ok(comma.then_some(at)),
                b',' => comma = true,
                _ => {}
            }
            at += 1;
        }
        Ok(None)
    }

    /// Where the object at `start` ends; none where it does not.
    fn element_end(&mut self) -> std::io::Result<Option<usize>> {
        let (mut at, mut depth, mut quoted) = (self.start, 0_u32, false);
        while let Some(byte) = self.byte(at)? {
            at += 1;
            match byte {
                b'\\' if quoted => at += 1,
                // RFC 8259 §7: a line break inside a string is escaped.
                b'\n' if quoted => return Ok(None),
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Some(at));
                    }
                }
                _ => {}
            }
            if at - self.start > MAX_RECORD {
                break;
            }
        }
        Ok(None)
    }
}

const TOO_LONG: &str = "longer than 1 MiB";
const OPEN_QUOTE: &str = "a quote is not closed";
/// Far above the length of any name of a first member.
const MAX_MEMBER: usize = 128;

/// The quoted name right behind the brace of an object; empty where there is none.
fn first_member(object: &[u8]) -> &[u8] {
    let inner = object.get(1..).unwrap_or_default().trim_ascii_start();
    let inner = &inner[..inner.len().min(MAX_MEMBER)];
    let name = |end: &usize| inner[*end + 2..].trim_ascii_start().first() == Some(&b':');
    let end = inner.get(1..).and_then(|rest| rest.iter().position(|byte| *byte == b'"')).filter(name);
    match (inner.first(), end) {
        (Some(b'"'), Some(end)) => &inner[..end + 2],
        _ => &[],
    }
}

fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<Value>(text) {
        // As in every other JSON that is read here: of two values nobody knows which was meant.
        Ok(Value::Object(_)) => json::object(text).ok_or_else(|| "a member stands twice".to_owned()),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not JSON ({})", error.to_string().replace(" at line 1 column", " at column"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Result<String, String>)> {
        read_bytes(text.as_bytes())
    }

    fn read_bytes(bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut reader = Reader::open(bytes, None).expect("a form that is known");
        let mut all = Vec::new();
        while let Some(Record { line, members }) = reader.next().expect("memory does not fail") {
            all.push((line, members.map(|members| members["email"].as_str().unwrap_or("-").to_owned())));
        }
        all
    }

    fn good(line: u64, email: &str) -> (u64, Result<String, String>) {
        (line, Ok(email.to_owned()))
    }

    #[test]
    fn lines_are_read_and_broken_ones_named() {
        let all = read("{\"email\":\"a\"}\r\n\n{\"email\":\n{\"email\":\"b\"}\n[1]\n{\"email\":\"c\"}");
        assert_eq!([&all[0], &all[2], &all[4]], [&good(1, "a"), &good(4, "b"), &good(6, "c")]);
        assert_eq!(all[1], (3, Err("not JSON (EOF while parsing a value at column 9)".to_owned())));
        assert_eq!(all[3], (5, Err("not a JSON object".to_owned())));
        // A broken first line does not turn the file into something else; a byte order mark is no character.
        let all = read("\u{feff}{\"email\":\"a\n{\"email\":\"b\"}\n");
        assert!(all[0].1.is_err());
        assert_eq!(all[1], good(2, "b"));
        let mut bytes = b"{\"email\":\"a\xff\"}\n{\"email\":\"b\"}\n".to_vec();
        assert!(read_bytes(&bytes)[0].1.is_err());
        // A line that is too long goes by without being kept.
        bytes.splice(0..0, [b"{\"email\":\"".to_vec(), vec![b'x'; 3 << 20], b"\"}\n".to_vec()].concat());
        let all = read_bytes(&bytes);
        assert_eq!((all[0].0, all[0].1.clone(), all.len()), (1, Err("longer than 1 MiB".to_owned()), 3));
        assert_eq!(all[2], good(3, "b"));
    }

    #[test]
    fn rows_are_read_and_an_open_quote_takes_one_line_with_it() {
        let all = read("id,email,name\n1,a,\"Ana, \"\"la\n de\"\" Madrid\"\n2,b,Ben\n");
        assert_eq!(all, [good(2, "a"), good(4, "b")]);
        let rows: Vec<String> =
            (1..=40).map(|n| if n % 10 == 0 { format!("{n},\"e{n},N") } else { format!("{n},e{n},\"N {n}\"") }).collect();
        let all = read(&format!("id,email,name\n{}\n", rows.join("\n")));
        assert_eq!(all.len(), 40);
        for (n, (line, email)) in (1..).zip(all) {
            assert_eq!(line, n + 1);
            assert_eq!(email.err().as_deref(), (n % 10 == 0).then_some("a quote is not closed"), "{n}");
        }
        let all = read("email;id\na;1\nb\nc;3;4\n\nd;\"4\"");
        assert_eq!([&all[0], &all[3]], [&good(2, "a"), &good(6, "d")]);
        assert_eq!(all[1], (3, Err("there are 1 columns instead of 2".to_owned())));
        assert!(Reader::open(&b"name,id\nx,1\n"[..], None).is_err(), "no e-mail");
        assert!(Reader::open(&b""[..], None).is_err());
    }

    #[test]
    fn arrays_are_read_one_element_at_a_time() {
        let all = read("[{\"email\":\"a\"},{\"email\":\"b\",\"x\":[{\"y\":\"]}\"}]}\n]");
        assert_eq!(all, [good(1, "a"), good(1, "b")]);
        let pretty = "[\n  {\n    \"email\": \"a\"\n  },\n  {\n    \"email\": \"b,\n    \"x\": [\n      {\n      }\n    ]\n  },\n  {\n    \"email\": \"c\"\n  }\n]\n";
        let all = read(pretty);
        assert_eq!([&all[0], &all[2]], [&good(2, "a"), &good(12, "c")]);
        assert!(all[1].1.is_err() && all.len() == 3, "{all:?}");
        let lines: Vec<String> =
            (1..=40).map(|n| if n % 10 == 0 { format!("{{\"email\":\"e{n}}}") } else { format!("{{\"email\":\"e{n}\"}}") }).collect();
        let all = read(&format!("[\n{}\n]", lines.join(",\n")));
        assert_eq!(all.len(), 40);
        assert_eq!(all.iter().filter(|(line, email)| email.is_err() && (line - 1) % 10 == 0).count(), 4);
        // All in one line: the next is known by the member that all begin with.
        for broken in [
            "{\"email\":\"x\",name:1}",
            "{\"email\":\"x",
            "{\"email\":\"x\",\"l\":[{\"a\":1},{\"b\":2},{\"c\"",
            "{\"email\":\"x\",\"l\":[1,2}",
        ] {
            for between in [",", " , "] {
                let all = read(&format!("[{}]", ["{\"email\":\"a\"}", broken, "{\"email\":\"b\"}", "{\"email\":\"c\"}"].join(between)));
                assert_eq!([&all[0], &all[2], &all[3]], [&good(1, "a"), &good(1, "b"), &good(1, "c")], "{broken}");
                assert!(all[1].1.is_err() && all.len() == 4, "{all:?}");
            }
            let all = read(&format!("[{broken},{{\"email\":\"b\"}},{broken}]"));
            assert_eq!((all[1].clone(), all.len()), (good(1, "b"), 3), "{broken}: {all:?}");
        }
        let cut = read("[{\"email\":\"a\"},");
        assert_eq!(cut[1], (1, Err("the file ends inside its array".to_owned())));
        assert_eq!(read("[]"), []);
    }

    #[test]
    fn people_inside_an_object_are_found() {
        let all = read("{\"realm\":\"r\",\"clients\":[{\"users\":[1]}],\"users\":[{\"email\":\"a\"}],\"x\":1}");
        assert_eq!(all, [good(1, "a")]);
        let all = read("{\n \"realm\" : \"users\",\n \"users\" : [ {\n  \"email\" : \"a\"\n }, {\n  \"email\" : \"b\"\n } ]\n}");
        assert_eq!(all, [good(3, "a"), good(5, "b")]);
        let broken = "{\n \"users\" : [ {\n  \"email\" : \"a\n }, {\n  \"email\" : \"b\"\n } ]\n}";
        assert_eq!(read(broken)[1..], [good(4, "b")]);
        let large = format!("{{\n\"about\":\"{}\",\n\"users\":[{{\"email\":\"a\"}}]}}", "\\\"x".repeat(200_000));
        assert_eq!(read(&large), [good(3, "a")]);
        assert!(Reader::open(&b"{\n\"realm\": \"users\"\n}"[..], Some(Format::Json)).is_err());
    }

    #[test]
    fn nothing_is_read_that_stands_twice() {
        let twice = read("{\"email\":\"a@example.org\",\"email\":\"b@example.org\"}\n{\"email\":\"c@example.org\"}");
        assert_eq!(twice, [(1, Err("a member stands twice".to_owned())), (2, Ok("c@example.org".to_owned()))]);
        for (head, unreadable) in [("email,email", true), ("email,name, name", true), ("email,,", false)] {
            assert_eq!(Reader::open(format!("{head}\n").as_bytes(), None).is_err(), unreadable, "{head}");
        }
    }

    #[test]
    fn what_is_no_person_takes_nobody_with_it() {
        let text = "[1,\"x, {\",[{\"email\":\"no\"}],{\"email\":\"n1@example.org\"}, 2 , {\"email\":\"n2@example.org\"},null]";
        let mails: Vec<_> = read(text).into_iter().filter_map(|(_, mail)| mail.ok()).collect();
        assert_eq!(mails, ["n1@example.org", "n2@example.org"]);
    }
}
