//! Reading back what a development server wrote into its folder: only mails of our own making.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub id: String,
    pub to: String,
    pub subject: String,
    /// As the header says it.
    pub date: String,
    pub text: String,
    pub html: String,
}

/// The newest mails of a folder, at most `limit`. One that is none of ours is left out; a folder that is not there is empty.
///
/// # Errors
/// What the file system says.
pub fn newest(folder: &Path, limit: usize) -> std::io::Result<Vec<Kept>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".eml")).filter(|id| is_ours(id)) {
            ids.push(id.to_owned());
        }
    }
    // Ids sort by the time they were made.
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(limit);
    Ok(ids.iter().filter_map(|id| one(folder, id)).collect())
}

/// The mail of that id; none where there is no such one.
#[must_use]
pub fn one(folder: &Path, id: &str) -> Option<Kept> {
    let id = Some(id).filter(|id| is_ours(id))?;
    let raw = std::fs::read_to_string(folder.join(format!("{id}.eml"))).ok()?;
    let (head, body) = raw.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(words).unwrap_or_default();
    let boundary = head.split("boundary=\"").nth(1)?.split('"').next()?;
    let part = |content_type: &str| {
        body.split(&format!("--{boundary}")).find_map(|part| {
            let (head, body) = part.split_once("\r\n\r\n")?;
            head.contains(content_type).then(|| quoted_printable(body))
        })
    };
    Some(Kept {
        id: id.to_owned(),
        to: header("To"),
        subject: header("Subject"),
        date: header("Date"),
        text: part("text/plain")?,
        html: part("text/html")?,
    })
}

/// Nothing but our own names reaches the file system.
fn is_ours(id: &str) -> bool {
    id.strip_prefix("mail_").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// RFC 2047 §2 encoded words, in the one form that they are written in here.
fn words(header: &str) -> String {
    let mut out = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        // §6.2: white space between two encoded words is not shown.
        if !before.trim().is_empty() {
            out.push_str(before);
        }
        let Some((word, after)) = after.split_once("?=") else { break };
        out.push_str(&STANDARD.decode(word).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let (bytes, mut out, mut at) = (joined.as_bytes(), Vec::with_capacity(joined.len()), 0);
    while at < bytes.len() {
        let escaped =
            (bytes[at] == b'=').then(|| joined.get(at + 1..at + 3)).flatten().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).replace("\r\n", "\n").trim().to_owned()
}
