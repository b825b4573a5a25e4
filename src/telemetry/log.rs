//! One line for each event: JSON for machines, columns for a terminal. Secrets are masked by the names of fields and by their looks.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::queue::Queue;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Json,
    Pretty,
}

/// Where lines go.
pub(super) enum Output {
    Stdout(Queue),
    Stderr,
    #[cfg(test)]
    Kept(&'static std::sync::Mutex<Vec<u8>>),
}

/// The layer that writes lines.
pub(super) struct Lines {
    style: Style,
    output: Output,
}

/// Says that lines were left out, as a line of this style.
pub(super) fn dropped(style: Style) -> fn(u64) -> Vec<u8> {
    const WORDS: &str = "lines of the log were left out: nobody took them";
    match style {
        Style::Json => |lines| {
            line_of(|line| {
                let _ = SystemTime.format_time(&mut Writer::new(line));
                let stamp = std::mem::take(line);
                let _ = writeln!(
                    line,
                    r#"{{"timestamp":"{stamp}","level":"warn","target":"portero::telemetry","event":"log_lines_dropped","lines":{lines},"message":"{WORDS}"}}"#
                );
            })
        },
        Style::Pretty => |lines| {
            line_of(|line| {
                let _ = writeln!(line, "{lines} {WORDS}");
            })
        },
    }
}

fn line_of(write: impl FnOnce(&mut String)) -> Vec<u8> {
    let mut line = String::new();
    write(&mut line);
    line.into_bytes()
}

impl Lines {
    pub(super) const fn new(style: Style, output: Output) -> Self {
        Self { style, output }
    }

    /// A line in one piece: two threads never mix theirs. Where nobody reads any more there is nobody to tell.
    fn write(&self, line: &[u8]) {
        match &self.output {
            Output::Stdout(queue) => queue.push(line),
            Output::Stderr => drop(std::io::stderr().lock().write_all(line)),
            #[cfg(test)]
            Output::Kept(lines) => lines.lock().expect("lines").extend_from_slice(line),
        }
    }
}

/// Fields of a span, ready to stand in a line.
#[derive(Default)]
struct Kept(Vec<(&'static str, String)>);

impl Kept {
    fn put(&mut self, name: &'static str, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Kept {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut out = String::new();
        json_text(&mut out, field.name(), format_args!("{value:?}"));
        self.put(field.name(), out);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut out = String::new();
        json_text(&mut out, field.name(), format_args!("{value}"));
        self.put(field.name(), out);
    }
}

thread_local! {
    /// A line under construction and a place to format a value in, kept so that a line costs no allocation.
    static BUFFERS: RefCell<(String, String)> = const { RefCell::new((String::new(), String::new())) };
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut kept = Kept::default();
            attributes.record(&mut kept);
            span.extensions_mut().insert(kept);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(kept) = span.extensions_mut().get_mut::<Kept>()
        {
            values.record(kept);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        BUFFERS.with(|buffers| {
            // A value whose `Debug` logs would come back in here; its line is left out rather than the process.
            let Ok(mut buffers) = buffers.try_borrow_mut() else { return };
            let (line, scratch) = &mut *buffers;
            line.clear();
            match self.style {
                Style::Json => json_line(line, scratch, event, &context),
                Style::Pretty => pretty_line(line, scratch, event, &context),
            }
            line.push('\n');
            self.write(line.as_bytes());
        });
    }
}

fn json_line<S>(line: &mut String, scratch: &mut String, event: &Event<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let metadata = event.metadata();
    line.push_str("{\"timestamp\":\"");
    let _ = SystemTime.format_time(&mut Writer::new(line));
    let _ = write!(line, "\",\"level\":\"{}\",\"target\":\"{}\"", level(*metadata.level()), metadata.target());
    event.record(&mut JsonFields { line, scratch });
    // What the event says itself wins over what its spans say.
    let mut said: [&str; 8] = [""; 8];
    let mut count = 0;
    for span in context.event_scope(event).into_iter().flatten() {
        let extensions = span.extensions();
        for (name, value) in extensions.get::<Kept>().map(|kept| kept.0.as_slice()).unwrap_or_default() {
            if metadata.fields().field(name).is_some() || said[..count].contains(name) {
                continue;
            }
            if count < said.len() {
                said[count] = name;
                count += 1;
            }
            let _ = write!(line, ",\"{name}\":{value}");
        }
    }
    line.push('}');
}

struct JsonFields<'a> {
    line: &'a mut String,
    scratch: &'a mut String,
}

impl JsonFields<'_> {
    fn name(&mut self, field: &Field) {
        let _ = write!(self.line, ",\"{}\":", field.name());
    }
}

impl Visit for JsonFields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        escape(self.line, &clean(field.name(), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.scratch.clear();
        let _ = write!(self.scratch, "{value:?}");
        escape(self.line, &clean(field.name(), self.scratch));
    }
}

fn json_text(out: &mut String, name: &str, value: fmt::Arguments<'_>) {
    let text = value.to_string();
    escape(out, &clean(name, &text));
}

/// RFC 8259 §7.
fn escape(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        let _ = match byte {
            b'"' => out.write_str("\\\""),
            b'\\' => out.write_str("\\\\"),
            b'\n' => out.write_str("\\n"),
            b'\r' => out.write_str("\\r"),
            b'\t' => out.write_str("\\t"),
            _ => write!(out, "\\u{byte:04x}"),
        };
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

fn pretty_line<S>(line: &mut String, scratch: &mut String, event: &Event<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let metadata = event.metadata();
    let _ = SystemTime.format_time(&mut Writer::new(scratch_cleared(scratch)));
    // 2026-11-21T09:30:00.123456Z: a person at a terminal knows the day.
    line.push_str(scratch.get(11..19).unwrap_or(scratch));
    let colour = match *metadata.level() {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    let _ = write!(line, " \u{1b}[{colour}m{:5}\u{1b}[0m", level(*metadata.level()));
    let mut fields = PrettyFields { message: String::new(), rest: String::new() };
    event.record(&mut fields);
    if !fields.message.is_empty() {
        let _ = write!(line, " {}", fields.message);
    }
    line.push_str(&fields.rest);
    for span in context.event_scope(event).into_iter().flatten() {
        let extensions = span.extensions();
        for (name, value) in extensions.get::<Kept>().map(|kept| kept.0.as_slice()).unwrap_or_default() {
            if metadata.fields().field(name).is_none() {
                let _ = write!(line, " \u{1b}[2m{name}={}\u{1b}[0m", value.trim_matches('"'));
            }
        }
    }
}

fn scratch_cleared(scratch: &mut String) -> &mut String {
    scratch.clear();
    scratch
}

struct PrettyFields {
    message: String,
    rest: String,
}

impl Visit for PrettyFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = clean(field.name(), value);
        // What was logged may have come from outside: nothing of it moves the cursor, begins a line or turns one round.
        let turns = |c| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut visible = String::with_capacity(value.len());
        for c in value.chars() {
            match c {
                '\n' => visible.push_str("\\n"),
                c if c.is_control() || turns(c) => visible.push('\u{fffd}'),
                c => visible.push(c),
            }
        }
        if field.name() == "message" {
            self.message = visible;
        } else {
            let _ = write!(self.rest, " \u{1b}[2m{}=\u{1b}[0m{visible}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const MASK: &str = "***";
/// Fields that hold a secret or a person's name whatever somebody put in them.
const SECRET_FIELDS: [&str; 26] = [
    "access_token",
    "api_key",
    "assertion",
    "authorization",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "cookie",
    "email",
    "id_token",
    "id_token_hint",
    "identifier",
    "login_hint",
    "master_key",
    "nonce",
    "passwd",
    "password",
    "phone_number",
    "refresh_token",
    "secret",
    "set_cookie",
    "state",
    "token",
    "username",
    "verifier",
];

/// The value as it may be written. Errors of libraries quote what they were given, so texts are looked through, too.
fn clean<'v>(name: &str, value: &'v str) -> std::borrow::Cow<'v, str> {
    if SECRET_FIELDS.binary_search(&name).is_ok() {
        return MASK.into();
    }
    let suspicious = (value.contains("://") && value.contains('@')) || value.contains("Bearer ") || value.contains("Basic ");
    if suspicious { mask_words(value).into() } else { value.into() }
}

/// Masks `scheme://user:password@` and what follows `Bearer` or `Basic`.
fn mask_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_scheme = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if after_scheme {
            out.push_str(MASK);
            out.push_str(&word[bare.len()..]);
        } else if let Some((scheme, rest)) = bare.split_once("://")
            && let Some((_, host)) = rest.rsplit_once('@')
        {
            let _ = write!(out, "{scheme}://{MASK}@{host}{}", &word[bare.len()..]);
        } else {
            out.push_str(word);
        }
        after_scheme = bare.ends_with("Bearer") || bare.ends_with("Basic");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn lines(style: Style, run: impl FnOnce()) -> String {
        let kept: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
        let subscriber = tracing_subscriber::registry().with(Lines::new(style, Output::Kept(kept)));
        tracing::subscriber::with_default(subscriber, run);
        String::from_utf8(kept.lock().expect("lines").clone()).expect("text")
    }

    fn json(run: impl FnOnce()) -> serde_json::Value {
        let text = lines(Style::Json, run);
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
        serde_json::from_str(&text).expect("one JSON object")
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let line = json(|| {
            let span = tracing::info_span!("request", request_id = %"r-1", client_id = tracing::field::Empty);
            let _inside = span.enter();
            span.record("client_id", "web");
            tracing::info!(event = "request", status = 200u16, ok = true, "served \"it\"\n{}", '\u{7}');
        });
        assert_eq!(line["level"], "info");
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["client_id"], "web");
        assert_eq!(line["event"], "request");
        assert_eq!(line["status"], 200);
        assert_eq!(line["ok"], true);
        assert_eq!(line["message"], "served \"it\"\n\u{7}");
        assert_eq!(line["target"], module_path!());
        let at = line["timestamp"].as_str().expect("text");
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");
    }

    #[test]
    fn what_the_event_says_wins_over_its_span() {
        let text = lines(Style::Json, || {
            let _inside = tracing::info_span!("request", client_id = "outer").entered();
            tracing::warn!(client_id = "inner");
        });
        assert!(text.contains("inner") && !text.contains("outer"), "{text}");
    }

    #[test]
    fn secrets_do_not_reach_a_line() {
        for style in [Style::Json, Style::Pretty] {
            let text = lines(style, || {
                let _inside = tracing::info_span!("request", password = "geheim", cookie = %"geheim").entered();
                tracing::info!(client_secret = "geheim", code = ?"geheim", email = "geheim@example.org", "plain");
                tracing::error!(detail = "cannot reach postgres://portero:geheim@db/portero at all");
                tracing::error!("header was Authorization: Bearer geheim");
                tracing::error!(detail = %"Basic geheim");
            });
            assert!(!text.contains("geheim"), "{text}");
            assert!(text.contains("postgres://***@db/portero"), "{text}");
        }
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let text = lines(Style::Pretty, || tracing::info!(route = "\u{1b}[2J", "x\u{1b}[31m"));
        assert!(!text.contains("\u{1b}[2J") && !text.contains("x\u{1b}"), "{text:?}");
        let text = lines(Style::Pretty, || tracing::info!(detail = "no client x\nFAKE \u{202e}LINE", "refused"));
        assert!(text.trim_end().lines().count() == 1 && text.contains("x\\nFAKE \u{fffd}LINE"), "{text:?}");
    }

    #[test]
    fn the_names_of_secrets_are_sorted() {
        assert!(SECRET_FIELDS.is_sorted());
    }
}
