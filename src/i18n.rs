//! The languages people are spoken to in: which one, and the words. A leaf.
//!
//! The words stand in `templates/locales/{en,es}/*.ftl` (Project Fluent) and are part of the binary; those of the boxed text of `cli` in
//! `templates/terminal`. Called by `browser`, `web`, `demo`, `mail`, `api`, `legacy` and `cli`. A test below fails on a key that one language lacks, that takes other arguments in the
//! other one, that is used and not defined, or defined and not used.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::Datelike as _;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, StaticLoader, langid};

use crate::clock::Time;

fluent_templates::static_loader! {
    static TEXTS = {
        locales: "./templates/locales",
        fallback_language: "en",
        // Values are isolated by `bdi` on pages; a terminal would show the marks.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

// What a server prints when it starts is apart: read in, the words of pages and mails take a megabyte, and nobody has asked for a page yet.
fluent_templates::static_loader! {
    static TERMINAL = {
        locales: "./templates/terminal",
        fallback_language: "en",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The tags of [`Lang::ALL`], for `ui_locales_supported`.
pub const LOCALES: [&str; 2] = [Lang::En.tag(), Lang::Es.tag()];

/// A language that every page, mail and message exists in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    #[default]
    En,
    Es,
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::En, Self::Es];

    /// The BCP 47 tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }

    /// Its own name for itself, for the switch at the foot of pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Es => "Español",
        }
    }

    /// The language of a BCP 47 tag, by its primary subtag: `es-MX` is Spanish.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// The language of a POSIX locale such as `es_AR.UTF-8`; English for `C`, `POSIX` and what there is no text in.
    #[must_use]
    pub fn from_posix(locale: &str) -> Self {
        Self::parse(locale.split(['.', '@']).next().unwrap_or_default()).unwrap_or_default()
    }

    fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::En => langid!("en"),
            Self::Es => langid!("es"),
        }
    }
}

/// What is known about the language somebody wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    /// `ui_locales` of the request (OIDC Core §3.1.2.1): BCP 47 tags by preference, separated by spaces.
    pub ui_locales: Option<&'a str>,
    /// The setting of the person's account.
    pub setting: Option<&'a str>,
    /// The switch at the foot of a page, and when it was used.
    pub chosen: Option<(Lang, Time)>,
    /// When this flow, or session, began. A switch used since then is the latest wish there is and wins over all others; an older one
    /// yields to what the app and the account say.
    pub since: Option<Time>,
    /// The header `Accept-Language` (RFC 9110 §12.5.4).
    pub accept_language: Option<&'a str>,
    pub default: Lang,
}

impl Wishes<'_> {
    /// `ui_locales` > the account's setting > the switch > `Accept-Language` > default.
    #[must_use]
    pub fn negotiate(&self) -> Lang {
        let fresh = self.chosen.filter(|(_, at)| self.since.is_some_and(|since| at.timestamp() >= since.timestamp()));
        fresh
            .map(|(lang, _)| lang)
            .or_else(|| self.ui_locales.and_then(|tags| tags.split_ascii_whitespace().find_map(Lang::parse)))
            .or_else(|| self.setting.and_then(Lang::parse))
            .or(self.chosen.map(|(lang, _)| lang))
            .or_else(|| self.accept_language.and_then(accepted))
            .unwrap_or(self.default)
    }
}

/// The best language of an `Accept-Language` header: highest quality first, then order.
fn accepted(header: &str) -> Option<Lang> {
    let mut best: Option<(Lang, f32)> = None;
    for range in header.split(',').take(32) {
        let mut parts = range.split(';');
        let lang = parts.next().and_then(Lang::parse);
        let quality = parts.find_map(|p| p.trim().strip_prefix("q=")).map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        if let Some(lang) = lang
            && quality > 0.0
            && best.is_none_or(|(_, before)| quality > before)
        {
            best = Some((lang, quality));
        }
    }
    best.map(|(lang, _)| lang)
}

/// A value inside a text.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    Text(&'a str),
    /// Chooses the plural form.
    Count(u64),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Arg<'_> {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// The text `key` in `lang`. English stands in for a text that a language lacks, the key itself for one that is nowhere: neither
/// happens as long as the test below passes.
#[must_use]
pub fn text(lang: Lang, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
    find(&TEXTS, lang, key, args)
}

/// The same for what is printed on a terminal.
#[must_use]
pub fn terminal(lang: Lang, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
    find(&TERMINAL, lang, key, args)
}

fn find(texts: &StaticLoader, lang: Lang, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
    let args: HashMap<Cow<'static, str>, FluentValue<'_>> = args
        .iter()
        .map(|(name, arg)| {
            let value = match arg {
                Arg::Text(text) => FluentValue::from(Cow::Owned::<str>((*text).to_owned())),
                Arg::Count(count) => FluentValue::from(*count),
            };
            (Cow::Borrowed(*name), value)
        })
        .collect();
    let found = texts
        .lookup_single_language(&lang.identifier(), key, Some(&args))
        .or_else(|_| texts.lookup_single_language(&Lang::En.identifier(), key, Some(&args)));
    debug_assert!(found.is_ok(), "the text {key:?} is missing, or an argument of it: {found:?}");
    found.unwrap_or_else(|_| key.to_owned())
}

/// A moment in words, in UTC: `21 November 2026, 12:30 UTC`.
#[must_use]
pub fn date_time(lang: Lang, at: Time) -> String {
    format!("{}, {} UTC", date(lang, at), at.format("%H:%M"))
}

/// A day in words, in UTC.
#[must_use]
pub fn date(lang: Lang, at: Time) -> String {
    const ENGLISH: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    const SPANISH: [&str; 12] =
        ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"];
    let (day, month, year) = (at.day(), at.month0() as usize, at.year());
    match lang {
        Lang::En => format!("{day} {} {year}", ENGLISH[month]),
        Lang::Es => format!("{day} de {} de {year}", SPANISH[month]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(seconds, 0).expect("in range")
    }

    #[test]
    fn the_order_of_wishes() {
        let all = Wishes {
            ui_locales: Some("fr es-MX en"),
            setting: Some("en-GB"),
            chosen: Some((Lang::En, at(10))),
            accept_language: Some("en"),
            ..Wishes::default()
        };
        assert_eq!(all.negotiate(), Lang::Es);
        assert_eq!(Wishes { ui_locales: Some("fr"), setting: Some("es"), ..all }.negotiate(), Lang::Es);
        assert_eq!(Wishes { ui_locales: None, setting: None, chosen: Some((Lang::Es, at(10))), ..all }.negotiate(), Lang::Es);
        assert_eq!(Wishes { accept_language: Some("de, es;q=0.5, en;q=0.2"), ..Wishes::default() }.negotiate(), Lang::Es);
        assert_eq!(Wishes { accept_language: Some("de"), default: Lang::Es, ..Wishes::default() }.negotiate(), Lang::Es);
        assert_eq!(Wishes::default().negotiate(), Lang::En);
    }

    #[test]
    fn a_switch_used_in_this_flow_wins_and_an_older_one_does_not() {
        let wishes = Wishes { ui_locales: Some("es"), chosen: Some((Lang::En, at(100))), since: Some(at(90)), ..Wishes::default() };
        assert_eq!(wishes.negotiate(), Lang::En);
        assert_eq!(Wishes { since: Some(at(101)), ..wishes }.negotiate(), Lang::Es);
    }

    #[test]
    fn accept_language_by_quality() {
        assert_eq!(accepted("en;q=0.3, es;q=0.9"), Some(Lang::Es));
        assert_eq!(accepted("en;q=0, es;q=0.1"), Some(Lang::Es));
        assert_eq!(accepted("es-419,es;q=0.9,en;q=0.8"), Some(Lang::Es));
        assert_eq!(accepted("x;;q=,,*"), None);
    }

    #[test]
    fn moments_in_words() {
        let moment = at(1_795_264_200);
        assert_eq!(date_time(Lang::En, moment), "21 November 2026, 12:30 UTC");
        assert_eq!(date_time(Lang::Es, moment), "21 de noviembre de 2026, 12:30 UTC");
        assert_eq!(date(Lang::Es, at(0)), "1 de enero de 1970");
    }

    #[test]
    fn posix_locales() {
        assert_eq!(Lang::from_posix("es_AR.UTF-8"), Lang::Es);
        assert_eq!(Lang::from_posix("C.UTF-8"), Lang::En);
        assert_eq!(Lang::from_posix(""), Lang::En);
    }

    fn files(under: &str, ending: &str) -> Vec<(String, String)> {
        fn walk(folder: &Path, ending: &str, out: &mut Vec<(String, String)>) {
            for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, ending, out);
                } else if path.to_string_lossy().ends_with(ending) {
                    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                    out.push((name, std::fs::read_to_string(&path).expect("a text file")));
                }
            }
        }
        let mut out = Vec::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), ending, &mut out);
        out.sort();
        out
    }

    const TERMINAL_FILE: &str = "cli.ftl";

    /// Key → (file, arguments).
    fn defined(lang: Lang) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut out: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        let both = ["locales", "terminal"].map(|of| files(&format!("templates/{of}/{}", lang.tag()), ".ftl"));
        for (file, text) in both.into_iter().flatten() {
            let mut current = None;
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| key.starts_with(|c: char| c.is_ascii_lowercase())) {
                    let before = out.insert(key.to_owned(), (file.clone(), BTreeSet::new()));
                    assert!(before.is_none(), "{key} is defined twice in {}", lang.tag());
                    current = Some(key.to_owned());
                }
                if let Some(key) = &current {
                    for (at, _) in line.match_indices('$') {
                        let name = line[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                        out.get_mut(key).expect("just inserted").1.insert(name);
                    }
                }
            }
        }
        out
    }

    #[test]
    fn every_text_exists_in_every_language_with_the_same_arguments() {
        let english = defined(Lang::En);
        assert!(english.len() > 100, "the files were not found");
        assert_eq!(english, defined(Lang::Es));
        for lang in Lang::ALL {
            for (key, (file, names)) in defined(lang) {
                // Every name gets a number: both a placeable and a selector take one.
                let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
                let args: Vec<_> = names.into_iter().map(|name| (name, Arg::Count(2))).collect();
                let find = if file == TERMINAL_FILE { terminal } else { text };
                let text = find(lang, &key, &args);
                assert!(!text.is_empty() && !text.contains(['{', '}', '\u{2068}']), "{key}: {text}");
            }
        }
    }

    #[test]
    fn every_text_that_is_used_is_defined_and_the_other_way_round() {
        let defined = defined(Lang::En);
        let templates = files("templates", ".html");
        let code = files("src", ".rs");
        let mut used = BTreeSet::new();
        for (file, source) in templates.iter().chain(&code) {
            // Other rooms have methods of these names that have nothing to do with texts.
            let speaks = file.ends_with(".html") || source.contains("browser::layout") || source.contains("super::layout");
            for call in if speaks { [".t(\"", ".with(\"", ".strong(\"", ".count(\"", "text(lang, \""].as_slice() } else { &[] } {
                for (at, _) in source.match_indices(*call) {
                    let rest = &source[at + call.len()..];
                    let (key, after) = rest.split_once('"').expect("a closed literal");
                    let (_, names) = defined.get(key).unwrap_or_else(|| panic!("{file} uses {key}, which is not defined"));
                    if matches!(*call, ".with(\"" | ".strong(\"" | ".count(\"") {
                        let name = after.trim_start_matches([',', ' ', '\n', '"']).split('"').next().expect("a name");
                        assert_eq!(names.iter().collect::<Vec<_>>(), [name], "{file}: the arguments of {key}");
                    } else if *call == ".t(\"" {
                        assert!(names.is_empty(), "{file}: {key} takes arguments");
                    }
                }
            }
            // A key may also be chosen by a `match`: any literal of its form counts as a use.
            for literal in source.split('"') {
                if defined.contains_key(literal) {
                    used.insert(literal.to_owned());
                }
            }
        }
        let unused: Vec<_> = defined.iter().filter(|(key, (file, _))| file != TERMINAL_FILE && !used.contains(*key)).collect();
        assert!(unused.is_empty(), "defined and used nowhere: {unused:?}");
    }
}
