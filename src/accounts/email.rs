//! E-mail addresses and user names: what is valid, and the canonical form under which two spellings are one.
//!
//! Owns: [`Email`], [`Username`], [`identifier`]. Leaves to others: whether one is taken (`storage.users`). Called by `users` when an
//! account is made, by `authenticate` and `limits` for what a person types, so that every spelling of a name shares one counter.

use unicode_normalization::UnicodeNormalization as _;

use super::legible::shows;

/// Characters of an address (RFC 5321 §4.5.3.1.3 less the angle brackets).
const MAX_EMAIL: usize = 254;
/// Octets before the `@` (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
const MAX_USERNAME: usize = 64;

/// Why a name is not taken as it is; `key` is stable, the text for logs and the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("an e-mail address has the form name@example.org, at most 254 characters")]
    Email,
    #[error("a user name has 1 to 64 letters, digits and . _ - between them, and begins and ends with a letter or digit")]
    Username,
}

/// Why a user name is not somebody's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It reads as if the house itself spoke.
    Reserved,
    /// Letters of several alphabets that look like one another.
    Mixed,
}

/// Names that people take for the house, in English and Spanish; without the signs between their letters.
const RESERVED: [&str; 30] = [
    "abuse",
    "admin",
    "administrador",
    "administrator",
    "anonymous",
    "auditor",
    "ayuda",
    "clientadmin",
    "help",
    "hostmaster",
    "info",
    "mailerdaemon",
    "moderador",
    "moderator",
    "noreply",
    "nobody",
    "oauth",
    "owner",
    "portero",
    "postmaster",
    "root",
    "security",
    "seguridad",
    "soporte",
    "staff",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "useradmin",
];

/// The alphabet of a letter, where it has doubles in another one; Unicode TR 39 §5.1 in small.
fn script(c: char) -> Option<&'static str> {
    Some(match c {
        'a'..='z' | 'A'..='Z' | '\u{aa}' | '\u{ba}' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => "Latin",
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => "Greek",
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => "Cyrillic",
        '\u{530}'..='\u{58f}' => "Armenian",
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => "Cherokee",
        _ => return None,
    })
}

/// An e-mail address: as it is written to, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// As typed, trimmed and in NFC.
    pub address: String,
    pub canonical: String,
}

impl Email {
    /// # Errors
    /// [`BadName::Email`].
    pub fn parse(typed: &str) -> Result<Self, BadName> {
        let address: String = typed.trim().nfc().collect();
        let canonical = canonical_email(&address).ok_or(BadName::Email)?;
        Ok(Self { address, canonical })
    }
}

/// A user name: as it is shown, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    /// As typed, trimmed and in NFC.
    pub name: String,
    pub canonical: String,
}

impl Username {
    /// # Errors
    /// [`BadName::Username`].
    pub fn parse(typed: &str) -> Result<Self, BadName> {
        let name: String = typed.trim().nfc().collect();
        let canonical = fold(&name);
        let plain = |c: char| c.is_alphanumeric();
        let valid = name.chars().count() <= MAX_USERNAME
            && canonical.chars().count() <= MAX_USERNAME
            && canonical.starts_with(plain)
            && canonical.ends_with(plain)
            && name.chars().all(shows)
            && canonical.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-') || unicode_normalization::char::is_combining_mark(c));
        // No `@`: a user name is never somebody's address.
        if valid { Ok(Self { name, canonical }) } else { Err(BadName::Username) }
    }

    /// May somebody give it to themselves? Not a name that speaks for the house, nor one whose letters only look like those of another. An
    /// administrator and an import may, for whom they know.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check_own(&self) -> Result<(), Unfit> {
        let plain: String = self.canonical.chars().filter(|c| !matches!(c, '.' | '_' | '-')).collect();
        if RESERVED.contains(&&*plain) {
            return Err(Unfit::Reserved);
        }
        let mut scripts = self.canonical.chars().filter_map(script);
        let first = scripts.next();
        if scripts.any(|script| Some(script) != first) { Err(Unfit::Mixed) } else { Ok(()) }
    }
}

/// The canonical form of whatever a person typed to sign in: an address, a user name, or neither, which is nobody's but still counted.
/// None for what cannot be a name at all: empty, longer than any name, or with control characters.
#[must_use]
pub fn identifier(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() || typed.chars().count() > MAX_EMAIL || typed.chars().any(char::is_control) {
        return None;
    }
    let typed: String = typed.nfc().collect();
    if typed.contains('@') {
        return Some(canonical_email(&typed).unwrap_or_else(|| lower(&typed)));
    }
    // What only folding makes an address of (a full-width @) is nobody's: addresses know no compatibility forms.
    let folded = fold(&typed);
    Some(if folded.contains('@') { lower(&typed) } else { folded })
}

/// `address` is trimmed and in NFC.
fn canonical_email(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if address.chars().count() > MAX_EMAIL || local.is_empty() || local.len() > MAX_LOCAL {
        return None;
    }
    // RFC 5321 §4.1.2 Dot-string, with RFC 6531 §3.3 for other scripts; quoted local parts are not taken.
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && is_printable(c));
    if !local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext)) {
        return None;
    }
    let canonical = format!("{}@{}", lower(local), canonical_domain(domain)?);
    (canonical.len() <= MAX_EMAIL).then_some(canonical)
}

/// The domain in its ASCII form (IDNA), lower case; no address literal, no number that would be read as one.
fn canonical_domain(domain: &str) -> Option<String> {
    // The parser would decode percent signs and drop what it ignores: only what can stand in a name goes in.
    if !domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || (!c.is_ascii() && is_printable(c))) {
        return None;
    }
    let url::Host::Domain(ascii) = url::Host::parse(domain).ok()? else { return None };
    let label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    (ascii.len() <= 253 && ascii.split('.').all(label)).then_some(ascii)
}

/// Letters, marks, digits: no white space, no control, no character that turns the direction of text or shows nothing.
fn is_printable(c: char) -> bool {
    shows(c) && (c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c))
}

/// Lower case letter by letter, so that the end of a word is no special place, then NFC.
fn lower(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// Names that look alike or differ only in case become one: compatibility forms, then lower, upper and lower case, which is nearly
/// Unicode's case folding (ẞ, ß and ss, ς and σ are one).
fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(typed: &str) -> Option<String> {
        Email::parse(typed).ok().map(|email| email.canonical)
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        for typed in ["ana@example.org", " Ana@Example.ORG ", "ANA@EXAMPLE.org\n", "ana@ＥＸＡＭＰＬＥ.org"] {
            assert_eq!(canonical(typed).as_deref(), Some("ana@example.org"), "{typed:?}");
        }
        // The same name composed and decomposed, and a domain in both its forms.
        let composed = canonical("peña@españa.example");
        assert_eq!(composed, canonical("PEN\u{303}A@ESPAN\u{303}A.example"));
        assert_eq!(composed.as_deref(), Some("peña@xn--espaa-rta.example"));
        assert_eq!(composed, canonical("peña@xn--espaa-rta.example"));
        assert_eq!(Email::parse(" Ana@Example.ORG ").expect("an address").address, "Ana@Example.ORG");
    }

    #[test]
    fn letters_that_only_resemble_each_other_stay_two_addresses() {
        assert_ne!(canonical("mike@example.org"), canonical("m\u{131}ke@example.org"), "dotless i");
        assert_ne!(canonical("ana@example.org"), canonical("\u{430}na@example.org"), "Cyrillic a");
    }

    #[test]
    fn what_is_no_address() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", "a.".repeat(130));
        for typed in [
            "",
            "ana",
            "@example.org",
            "ana@",
            "ana@@example.org",
            "a na@example.org",
            "ana@exa mple.org",
            ".ana@example.org",
            "ana.@example.org",
            "a..b@example.org",
            "\"a b\"@example.org",
            "ana@127.0.0.1",
            "ana@[127.0.0.1]",
            "ana@[::1]",
            "ana@123",
            "ana@0x7f.1",
            "ana@ex%61mple.org",
            "ana@example..org",
            "ana@example.org.",
            "ana@-a.org",
            "ana@a-.org",
            "ana@ex_ample.org",
            "ana\u{0}@example.org",
            "ana@example.org\u{0}",
            "a\u{202e}na@example.org",
            "a\u{200b}na@example.org",
            "ana@exam\u{ad}ple.org",
            "<ana@example.org>",
            "ana@example.org,b@example.org",
            &long_local,
            &long,
        ] {
            assert_eq!(canonical(typed), None, "{typed:?}");
        }
        for typed in ["a@b", "o'brien+tag@mail.example.org", "ana@localhost", &format!("{}@example.org", "a".repeat(64))] {
            assert!(canonical(typed).is_some(), "{typed:?}");
        }
    }

    #[test]
    fn spellings_of_one_user_name_are_one() {
        let name = |typed: &str| Username::parse(typed).ok().map(|name| name.canonical);
        assert_eq!(name(" Ana.Núñez "), name("ANA.NU\u{301}N\u{303}EZ"));
        assert_eq!(name("straße"), name("STRASSE"));
        assert_eq!(name("ａｎａ"), Some("ana".into()));
        assert_eq!(name("ΟΔΟΣ"), name("οδος"));
        assert_eq!(Username::parse("Ana").expect("a name").name, "Ana");
    }

    #[test]
    fn what_is_no_user_name() {
        for typed in
            ["", "  ", "ana@example.org", "a b", ".ana", "ana-", "an/a", "a\u{200b}a", "a\u{202e}a", "ana\0", "＠ana", &"a".repeat(65)]
        {
            assert_eq!(Username::parse(typed), Err(BadName::Username), "{typed:?}");
        }
        for typed in ["a", "ana.nunez-2_x", "Ñandú", "安娜", &"a".repeat(64)] {
            assert!(Username::parse(typed).is_ok(), "{typed:?}");
        }
    }

    #[test]
    fn rg_15_nobody_names_themselves_after_the_house_or_after_another() {
        let own = |typed: &str| Username::parse(typed).expect("a user name").check_own();
        for reserved in ["admin", "ADMIN", "ad.min", "ａdmin", "Sys-Admin", "soporte"] {
            assert_eq!(own(reserved), Err(Unfit::Reserved), "{reserved}");
        }
        for mixed in ["\u{430}dmin", "p\u{435}dro", "\u{3bf}scar", "m\u{430}r\u{ed}a", "an\u{578}a"] {
            assert_eq!(own(mixed), Err(Unfit::Mixed), "{mixed}");
        }
        for fine in ["maría", "анна", "οδος", "安娜ana", "administradora", "adminis", "ana1", "李.ana"] {
            assert_eq!(own(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn an_identifier_is_counted_under_one_form_however_it_is_typed() {
        assert_eq!(identifier(" ANA@Example.org"), Email::parse("ana@example.org").ok().map(|email| email.canonical));
        assert_eq!(identifier(" ANA "), Username::parse("ana").ok().map(|name| name.canonical));
        assert_eq!(identifier("No Such@@Name").as_deref(), Some("no such@@name"), "nobody's, still counted");
        assert_eq!(identifier("No Such Name").as_deref(), Some("no such name"));
        for sign in ['\u{ff20}', '\u{fe6b}'] {
            let resembling = format!("ana{sign}example.org");
            assert_ne!(identifier(&resembling).as_deref(), Some("ana@example.org"), "another sign is no @");
        }
        for typed in ["", " \t", "a\0b", "a\nb", &"a".repeat(255)] {
            assert_eq!(identifier(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn canonical_forms_are_stable() {
        for typed in ["Ana@Example.org", "PEÑA@ESPAÑA.example", "İ@example.org", "ẞ", "ﬁx", "Ǆ", "ΑΣ", "ΐ", "K"] {
            if let Some(once) = identifier(typed) {
                assert_eq!(identifier(&once).as_deref(), Some(&*once), "{typed}");
            }
        }
    }
}
