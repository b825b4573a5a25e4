//! Which passwords a person may choose: long enough, not one of the commonest, not their own name, not soon guessed, not known from a
//! breach. No rule about kinds of characters.
//!
//! Owns: [`Rules`]. Leaves to others: the file of breached passwords (`breached`), and what a breached one means at sign-in
//! (`authenticate`): an older password stays good. Called where a password is set. zxcvbn is named here and nowhere else.

use super::breached::Breached;

/// Characters.
pub const MIN: usize = 8;
pub const MAX: usize = 1024;
/// Of five degrees the third: somewhat guessable, a million tries and more.
pub const STRENGTH: u8 = 2;
/// zxcvbn looks at no more, and takes its time for what it looks at.
const LOOKED_AT: usize = 100;

/// Why a password is not taken. [`BadPassword::key`] names the text in the locale files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least 8 characters")]
    TooShort,
    #[error("a password has at most 1024 characters")]
    TooLong,
    #[error("a password needs something other than white space")]
    Blank,
    #[error("a password cannot hold a NUL character")]
    Nul,
    #[error("this is one of the passwords that are tried first; choose another")]
    Common,
    #[error("this password is soon guessed; a few unrelated words are better")]
    Guessable,
    #[error("this password is known from a breach of another service; choose another")]
    Breached,
    #[error("a password is not the name of its account")]
    OwnName,
    #[error("this is the password that is to be replaced; choose another")]
    Same,
}

impl BadPassword {
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::TooShort => "password-too-short",
            Self::TooLong => "password-too-long",
            Self::Blank => "password-blank",
            Self::Nul => "password-nul",
            Self::Common => "password-common",
            Self::Guessable => "password-guessable",
            Self::Breached => "password-breached",
            Self::OwnName => "password-own-name",
            Self::Same => "password-same",
        }
    }
}

/// What is asked of a new password.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Characters.
    pub min: usize,
    /// Are the commonest and the own name refused?
    pub listed: bool,
    /// From 0 (anything) to 4: zxcvbn's score.
    pub strength: u8,
    pub breached: Option<&'a Breached>,
}

impl Default for Rules<'_> {
    fn default() -> Self {
        Self { min: MIN, listed: true, strength: STRENGTH, breached: None }
    }
}

impl Rules<'_> {
    /// What an old service asked for, where a dialect says so: so many characters, and nothing else.
    #[must_use]
    pub fn relaxed(min: usize) -> Self {
        Self { min: min.max(1), listed: false, strength: 0, breached: None }
    }

    /// Is `password` good enough for an account of these names (e-mail, user name, full name)?
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, password: &str, names: &[&str]) -> Result<(), BadPassword> {
        possible(password, self.min)?;
        if self.listed {
            unlisted(password, names)?;
        }
        if self.breached.is_some_and(|breached| breached.contains(password)) {
            return Err(BadPassword::Breached);
        }
        if self.strength > 0 && strength(password, names) < self.strength {
            return Err(BadPassword::Guessable);
        }
        Ok(())
    }
}

/// How hard it is to guess, from 0 to 4 (zxcvbn), by somebody who knows these names.
#[must_use]
pub fn strength(password: &str, names: &[&str]) -> u8 {
    let looked_at: String = password.chars().take(LOOKED_AT).collect();
    let piece = |piece: &&str| piece.chars().count() > 2;
    let mut known: Vec<&str> = names.iter().flat_map(|name| name.split(|c: char| !c.is_alphanumeric())).filter(piece).collect();
    known.extend(names);
    known.push("portero");
    zxcvbn::zxcvbn(&looked_at, &known).score().into()
}

/// What holds for every password, whoever sets it.
fn possible(password: &str, min: usize) -> Result<(), BadPassword> {
    let length = password.chars().count();
    if length < min {
        return Err(BadPassword::TooShort);
    }
    if length > MAX {
        return Err(BadPassword::TooLong);
    }
    if password.contains('\0') {
        return Err(BadPassword::Nul);
    }
    if password.chars().all(char::is_whitespace) {
        return Err(BadPassword::Blank);
    }
    Ok(())
}

fn unlisted(password: &str, names: &[&str]) -> Result<(), BadPassword> {
    let plain = password.trim().to_lowercase();
    if is_common(&plain) {
        return Err(BadPassword::Common);
    }
    let own = |name: &&str| {
        let name = name.trim().to_lowercase();
        let local = name.split('@').next().unwrap_or_default().to_owned();
        plain == name || plain == local
    };
    if names.iter().any(own) {
        return Err(BadPassword::OwnName);
    }
    Ok(())
}

/// In the list, or one short piece repeated, or a run of the keyboard or the alphabet: what a guesser tries first.
fn is_common(plain: &str) -> bool {
    let chars: Vec<char> = plain.chars().collect();
    let repeats = (1..=4.min(chars.len() / 2)).any(|piece| chars.iter().enumerate().all(|(at, c)| *c == chars[at % piece]));
    let run = RUNS.iter().any(|run| run.contains(plain) || run.chars().rev().collect::<String>().contains(plain));
    let stem = plain.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    repeats || run || COMMON.split_whitespace().any(|word| word == plain || (word == stem && plain.len() - stem.len() <= 4))
}

const RUNS: [&str; 7] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklñzxcvbnm",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "azertyuiopqsdfghjklmwxcvbn",
];

/// Short words stand for themselves with digits and signs behind (`password1!`); with eight characters and more they count alone, too.
const COMMON: &str = "
    password passw0rd p@ssword p@ssw0rd pa$$word pass word admin admin admin123 administrator root toor user guest test testing tester
    default changeme changeit change letmein welcome welcome1 login master master123 secret secure security access private hello
    hello123 whatever trustno1 iloveyou iloveu loveme lovely princess sunshine football baseball basketball soccer hockey superman
    batman spiderman starwars pokemon naruto dragon monkey shadow michael jennifer jessica ashley daniel charlie thomas jordan
    jordan23 michelle nicole andrew joshua matthew hunter hunter2 ranger buster tigger pepper ginger cookie summer winter spring autumn
    january february march april june july august september october november december monday friday freedom computer internet
    samsung google facebook microsoft windows iphone android portero qwerty qwerty123 qwertyuiop qazwsx qazwsxedc asdfgh asdfghjkl
    zxcvbn zxcvbnm abc123 abcd1234 a1b2c3d4 1234qwer qwer1234 q1w2e3r4 q1w2e3r4t5 1q2w3e4r 1q2w3e4r5t 1qaz2wsx zaq12wsx xsw2zaq1
    123456789 1234567890 12345678 87654321 987654321 0987654321 11223344 112233445566 123123123 123321123 147258369 159753
    159357456 741852963 789456123 123654789 football1 liverpool chelsea arsenal barcelona realmadrid mercedes ferrari corvette
    mustang harley yamaha metallica nirvana slipknot blink182 startrek gandalf matrix phoenix mickey snoopy garfield
    contraseña contrasena contraseña1 clave micontraseña hola holahola tequiero tequieromucho teamo teamomucho amor miamor amorcito
    bienvenido bienvenida usuario administrador invitado secreto prueba pruebas cambiame españa mexico argentina colombia
    correcthorsebatterystaple opensesame zxcvbnm123 aa123456 a123456 a12345678 asd123456 qwe123456 pass@123 admin@123 welcome@123
    p@ssw0rd1 password12 password123 password1234";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str, names: &[&str]) -> Result<(), BadPassword> {
        Rules::default().check(password, names)
    }

    #[test]
    fn what_is_soon_guessed_is_refused() {
        for bad in ["portero2026", "maria1985", "estrella7", "nunez1990"] {
            assert!(matches!(check(bad, &["ana.nunez@example.org"]), Err(BadPassword::Guessable | BadPassword::Common)), "{bad}");
        }
        assert!(strength("tres tristes tigres", &[]) >= STRENGTH);
        assert!(strength(&"x9-".repeat(300), &[]) <= 4, "a long one takes no longer");
    }

    #[test]
    fn a_dialect_asks_for_what_it_asked_for() {
        let relaxed = Rules::relaxed(4);
        for good in ["secret", "contraseña", "antiguo", "1234"] {
            assert_eq!(relaxed.check(good, &[]), Ok(()), "{good}");
        }
        assert_eq!(relaxed.check("123", &[]), Err(BadPassword::TooShort));
        assert_eq!(relaxed.check("    ", &[]), Err(BadPassword::Blank));
        assert_eq!(relaxed.check("abc\0d", &[]), Err(BadPassword::Nul));
        assert_eq!(Rules::relaxed(0).check("", &[]), Err(BadPassword::TooShort));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("1x3y5z7", &[]), Err(BadPassword::TooShort));
        assert_eq!(check("ñandúes", &[]), Err(BadPassword::TooShort));
        assert_eq!(check("ñandúesx", &[]), Ok(()));
        assert_eq!(check(&"ab cd!".repeat(22), &[]), Ok(()), "132 characters");
        assert_eq!(check(&"correct horse ".repeat(73)[..1022], &[]), Ok(()));
        assert_eq!(check(&"xy-z!9".repeat(171), &[]), Err(BadPassword::TooLong), "1026 characters");
    }

    #[test]
    fn no_composition_is_asked_for() {
        for good in ["tres tristes tigres", "horse battery", "7391827364", "ρωμαίος 17"] {
            assert_eq!(check(good, &[]), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for bad in [
            "password",
            "Password1!",
            "PASSWORD123",
            "p@ssw0rd",
            "12345678",
            "123456789",
            "87654321",
            "aaaaaaaa",
            "abababab",
            "abcdabcd",
            "qwertyuiop",
            "poiuytrewq",
            "asdfghjkl",
            "abcdefgh",
            "Welcome1",
            "contraseña",
            "Contraseña1",
            "tequiero12",
            "letmein123",
            "changeme",
            "1q2w3e4r",
            " password ",
            "admin1234",
            "        x",
        ] {
            assert_eq!(check(bad, &[]), Err(BadPassword::Common), "{bad}");
        }
    }

    #[test]
    fn white_space_nul_and_the_own_name_are_refused() {
        assert_eq!(check("          ", &[]), Err(BadPassword::Blank));
        assert_eq!(check("\u{3000}\u{2003}       ", &[]), Err(BadPassword::Blank));
        assert_eq!(check("tres\0tristes", &[]), Err(BadPassword::Nul));
        let names = ["Ana.Nunez@Example.org", "ananunez77"];
        for own in ["ana.nunez@example.org", "ANA.NUNEZ", "AnaNunez77"] {
            assert_eq!(check(own, &names), Err(BadPassword::OwnName), "{own}");
        }
        assert_eq!(check("ana.nunez y su perro", &names), Ok(()));
    }
}
