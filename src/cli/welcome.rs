//! What a development server prints last when it starts: where it is, what is in it, and lines to paste.
//!
//! Facts stand in a box; what is to be copied (links, commands) stands below it, each in one piece and without a border.

use std::fmt::Write as _;

use crate::config::ModeReason;
use crate::i18n::{self, Lang};

/// What there is to say.
pub struct Facts<'a> {
    pub reason: ModeReason,
    pub issuer: &'a str,
    pub discovery: &'a str,
    pub token_endpoint: &'a str,
    pub introspection_endpoint: &'a str,
    /// None once there is an administrator.
    pub setup_link: Option<&'a str>,
    /// Id and secret.
    pub confidential: Option<(&'a str, &'a str)>,
    pub public: Option<&'a str>,
    /// Name and password.
    pub user: Option<(&'a str, &'a str)>,
    pub demo: &'a str,
}

/// Columns inside the box: with its borders it fits a terminal of 80.
const WIDTH: usize = 76;

/// The text, ending in a line end.
#[must_use]
pub fn text(facts: &Facts<'_>, lang: Lang) -> String {
    let t = |key: &str| i18n::terminal(lang, key, &[]);
    let reason = match facts.reason {
        ModeReason::Loopback => t("box-why-loopback"),
        ModeReason::Setting => t("box-why-setting"),
        // A server elsewhere is in production and prints no box; should that change, its own words will do.
        ModeReason::Elsewhere => facts.reason.to_string(),
    };
    let why = i18n::terminal(lang, "box-why", &[("reason", reason.as_str().into())]);
    let mode = t("box-mode-development");
    let together = format!("{mode}, {why}");
    let mut rows =
        if together.chars().count() <= WIDTH { vec![Row::Text(together)] } else { vec![Row::Text(mode), Row::Text(format!("  {why}"))] };
    rows.push(Row::Gap);
    rows.push(Row::Fact(t("box-issuer"), facts.issuer.to_owned()));
    rows.push(Row::Fact(t("box-discovery"), facts.discovery.to_owned()));
    if let Some((id, secret)) = facts.confidential {
        rows.push(Row::Fact(t("box-confidential-client"), id.to_owned()));
        rows.push(Row::Fact(String::new(), secret.to_owned()));
    }
    if let Some(id) = facts.public {
        rows.push(Row::Fact(t("box-public-client"), id.to_owned()));
    }
    if let Some((name, password)) = facts.user {
        rows.push(Row::Fact(t("box-user"), name.to_owned()));
        rows.push(Row::Fact(t("box-password"), password.to_owned()));
    }
    if facts.setup_link.is_none() {
        rows.extend([Row::Gap, Row::Text(t("box-setup-done"))]);
    }

    let mut out = boxed(&t("box-title"), &rows);
    if let Some(link) = facts.setup_link {
        let _ = write!(out, "\n{}\n{link}\n", t("box-setup-link"));
    }
    let _ = write!(out, "\n{}\n{}\n", t("box-demo"), facts.demo);
    if let Some((id, secret)) = facts.confidential {
        let _ = write!(out, "\n{}\n", t("box-try"));
        for (title, command) in commands(facts, id, secret) {
            let _ = write!(out, "# {}\n{command}\n", t(title));
        }
    }
    out
}

/// Each line works in any POSIX shell, with curl and sed alone. What one line gets, the next uses.
fn commands(facts: &Facts<'_>, id: &str, secret: &str) -> Vec<(&'static str, String)> {
    let (token, introspect) = (facts.token_endpoint, facts.introspection_endpoint);
    let member = |name: &str| format!(r#""$(printf %s "$TOKENS" | sed 's/.*"{name}" *: *"\([^"]*\)".*/\1/')""#);
    let curl = format!("curl -sS -u '{id}:{secret}'");
    let mut lines = vec![("box-curl-client-credentials", format!("{curl} {token} -d grant_type=client_credentials; echo"))];
    if let Some((name, password)) = facts.user {
        lines.push((
            "box-curl-password",
            format!(
                "TOKENS=$({curl} {token} -d grant_type=password -d username={name} -d password={password} -d 'scope=openid profile email'); \
                 echo \"$TOKENS\""
            ),
        ));
        let refresh = member("refresh_token");
        lines.push((
            "box-curl-refresh",
            format!("TOKENS=$({curl} {token} -d grant_type=refresh_token -d refresh_token={refresh}); echo \"$TOKENS\""),
        ));
        lines.push(("box-curl-introspection", format!("{curl} {introspect} -d token={}; echo", member("access_token"))));
    }
    lines
}

enum Row {
    Text(String),
    /// A label and its value; without a label it belongs to the one before.
    Fact(String, String),
    Gap,
}

fn boxed(title: &str, rows: &[Row]) -> String {
    let chars = |text: &str| text.chars().count();
    let label = rows.iter().map(|row| if let Row::Fact(label, _) = row { chars(label) } else { 0 }).max().unwrap_or_default() + 2;
    let mut lines = Vec::new();
    for row in rows {
        match row {
            Row::Text(text) => lines.push(text.clone()),
            Row::Gap => lines.push(String::new()),
            Row::Fact(name, value) if label + chars(value) <= WIDTH => lines.push(format!("{name:label$}{value}")),
            // Too long to stand beside its label: below it.
            Row::Fact(name, value) => {
                if !name.is_empty() {
                    lines.push(name.clone());
                }
                lines.push(format!("  {value}"));
            }
        }
    }
    let width = lines.iter().map(|line| chars(line)).max().unwrap_or_default().max(WIDTH);
    let mut out = format!("\n╭─ {title} {}╮\n", "─".repeat(width.saturating_sub(chars(title) + 1)));
    for line in lines {
        let _ = writeln!(out, "│ {line:width$} │");
    }
    let _ = writeln!(out, "╰{}╯", "─".repeat(width + 2));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pcs_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";

    fn facts(setup_link: Option<&str>) -> Facts<'_> {
        Facts {
            reason: ModeReason::Loopback,
            issuer: "http://127.0.0.1:8080",
            discovery: "http://127.0.0.1:8080/.well-known/openid-configuration",
            token_endpoint: "http://127.0.0.1:8080/oauth2/token",
            introspection_endpoint: "http://127.0.0.1:8080/oauth2/introspect",
            setup_link,
            confidential: Some(("demo-web", SECRET)),
            public: Some("demo-native"),
            user: Some(("demo", "abcdefghijklmnopqrst")),
            demo: "http://127.0.0.1:8080/demo",
        }
    }

    #[test]
    fn the_box_is_straight_and_fits_a_terminal() {
        for lang in Lang::ALL {
            let text = text(&facts(Some("http://127.0.0.1:8080/setup?token=1")), lang);
            let framed: Vec<&str> = text.lines().filter(|line| line.starts_with(['╭', '│', '╰'])).collect();
            assert!(framed.len() > 8, "{text}");
            for line in &framed {
                assert_eq!(line.chars().count(), WIDTH + 4, "{line}");
                assert!(line.ends_with(['╮', '│', '╯']), "{line}");
            }
        }
    }

    #[test]
    fn what_is_copied_stands_in_one_piece() {
        let link = "http://127.0.0.1:8080/setup?token=1763719999.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
        let text = text(&facts(Some(link)), Lang::Es);
        assert!(text.lines().any(|line| line == link), "{text}");
        let commands: Vec<&str> = text.lines().filter(|line| line.contains("curl")).collect();
        assert_eq!(commands.len(), 4);
        assert!(commands.iter().all(|line| line.starts_with("curl ") || line.starts_with("TOKENS=$(curl ")), "{commands:?}");
        assert!(!self::text(&facts(None), Lang::Es).contains("/setup"));
    }

    #[test]
    fn the_lines_are_a_shell_program() {
        let text = text(&facts(None), Lang::En);
        let script: String = text.lines().filter(|line| line.contains("curl")).map(|line| format!("{line}\n")).collect();
        // `curl` is played by a function that shows what it was given.
        let script = format!(
            "curl() {{ printf '%s|' \"$@\" >&2; printf '{{\"access_token\":\"A.b-c\",\"token_type\":\"Bearer\",\"refresh_token\":\"R_1\"}}'; }}\n{script}"
        );
        let done = std::process::Command::new("sh").args(["-euc", &script]).output().expect("a shell");
        let asked = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{asked}");
        assert!(asked.contains("grant_type=client_credentials|"), "{asked}");
        assert!(asked.contains("username=demo|-d|password=abcdefghijklmnopqrst|-d|scope=openid profile email|"), "{asked}");
        assert!(asked.contains("refresh_token=R_1|"), "{asked}");
        assert!(asked.contains("introspect|-d|token=A.b-c|"), "{asked}");
        assert!(asked.contains(&format!("-u|demo-web:{SECRET}|")), "{asked}");
    }
}
