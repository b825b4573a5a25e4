//! Language and theme: what the switch at the foot of every page set, and where it leads back to.

use std::time::Duration;

use axum::http::HeaderValue;

use super::visit::{Visit, clear_cookie, set_cookie};
use crate::clock::Time;
use crate::i18n::{Lang, Wishes};
use crate::urls::{HOME, Urls};

const LANGUAGE: &str = "lang";
const THEME: &str = "theme";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The colours of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == name)
    }

    /// The theme this browser chose.
    #[must_use]
    pub fn of(visit: &Visit, urls: &Urls) -> Self {
        visit.cookie(urls, THEME).and_then(Self::parse).unwrap_or_default()
    }

    #[must_use]
    pub fn set(self, urls: &Urls) -> HeaderValue {
        match self {
            Self::System => clear_cookie(urls, THEME),
            chosen => set_cookie(urls, THEME, chosen.as_str(), Some(YEAR)),
        }
    }
}

/// The language cookie: the switch, and when it was used (`es.1767225600`).
#[must_use]
pub fn set_language(urls: &Urls, lang: Lang, now: Time) -> HeaderValue {
    set_cookie(urls, LANGUAGE, &format!("{}.{}", lang.tag(), now.timestamp()), Some(YEAR))
}

/// What the switch last said in this browser.
#[must_use]
pub fn chosen(visit: &Visit, urls: &Urls) -> Option<(Lang, Time)> {
    let (tag, at) = visit.cookie(urls, LANGUAGE)?.split_once('.')?;
    Some((Lang::parse(tag)?, Time::from_timestamp(at.parse().ok()?, 0)?))
}

/// The language of a page outside a flow. `setting` is the account's, `since` the beginning of the session.
#[must_use]
pub fn of(visit: &Visit, urls: &Urls, ui_locales: Option<&str>, setting: Option<&str>, since: Option<Time>, default: Lang) -> Lang {
    Wishes { ui_locales, setting, chosen: chosen(visit, urls), since, accept_language: visit.accept_language(), default }.negotiate()
}

/// Where the switch leads back to: a path of this server as it was asked for, or the start page for anything else.
#[must_use]
pub fn return_path(urls: &Urls, wanted: &str) -> String {
    let home = urls.path(HOME);
    let relative = wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.contains(['\\', '#']);
    if !relative || wanted.len() > 8192 || wanted.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return home;
    }
    // The last word is the URL parser's, because the browser's is.
    let Ok(base) = url::Url::parse(urls.origin()) else { return home };
    match base.join(wanted) {
        Ok(url) if url.origin() == base.origin() && url.path().starts_with(&home) && !url.path().starts_with("//") => {
            url[url::Position::BeforePath..].to_owned()
        }
        _ => home,
    }
}

#[cfg(test)]
mod tests {
    use super::super::visit::tests::visit;
    use super::*;

    #[test]
    fn the_switch_leads_nowhere_else() {
        let urls = Urls::new("https://id.example");
        assert_eq!(return_path(&urls, "/sign-in?interaction=a&mac=b%3D"), "/sign-in?interaction=a&mac=b%3D");
        for evil in
            ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", "javascript:alert(1)", "/.//evil\u{a0}"]
        {
            assert_eq!(return_path(&urls, evil), "/", "{evil:?}");
        }
        assert_eq!(return_path(&urls, "/x/..//evil.example"), "/");
        let nested = Urls::new("https://id.example/auth");
        assert_eq!(return_path(&nested, "/auth/consent?a=1"), "/auth/consent?a=1");
        assert_eq!(return_path(&nested, "/other-app"), "/auth/");
        assert_eq!(return_path(&nested, "/auth/../other-app"), "/auth/");
    }

    #[test]
    fn the_cookies_come_back_as_they_were_set() {
        let urls = Urls::new("http://127.0.0.1:8080");
        let now = Time::from_timestamp(1_767_225_600, 0).expect("in range");
        let set = set_language(&urls, Lang::Es, now);
        let pair = set.to_str().expect("ascii").split(';').next().expect("a pair").to_owned();
        let seen = visit("GET", "/", &[("cookie", &format!("{pair}; portero_theme=dark"))]);
        assert_eq!(chosen(&seen, &urls), Some((Lang::Es, now)));
        assert_eq!(Theme::of(&seen, &urls), Theme::Dark);
        assert_eq!(chosen(&visit("GET", "/", &[("cookie", "portero_lang=xx.1")]), &urls), None);
        assert_eq!(chosen(&visit("GET", "/", &[("cookie", "portero_lang=es.99999999999999999")]), &urls), None);
    }
}
