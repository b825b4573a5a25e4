//! The texts of foreign hashes: which scheme one is of, its bounds, and whether it is whole.
//!
//! A stored hash is input: what would take a day or a terabyte to compute is refused before it is kept. Lengths are exact wherever a
//! scheme fixes them, because a column that was too narrow cuts silently.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::password::Hasher;
use super::compute::CRYPT64;
use super::{Before, Digest, Encoding, FirebaseProject, Refused, Salted};

const MAX_TEXT: usize = 2048;
const MAX_BCRYPT: u32 = 15;
const MAX_PBKDF2: u32 = 10_000_000;
const MAX_LOG_N: u8 = 17;
const MAX_R: u32 = 8;
const MAX_P: u32 = 10;
const MAX_SHA_CRYPT: u32 = 5_000_000;
const MAX_PHPASS: u32 = 22;
/// Bytes of a hash.
const MAX_ARGON2: usize = 64;

/// Lengths of hashes, in bytes, where a scheme leaves them open: anything else was cut.
pub(super) const LENGTHS: [usize; 11] = [16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128];

pub(super) const UNKNOWN: Refused = Refused("this form of a stored password is not known");
pub(super) const CUT: Refused = Refused("the hash has not the length of its scheme: it was cut");
pub(super) const DAMAGED: Refused = Refused("the hash is damaged");
const NO_SALT: Refused = Refused("the hash has no salt");
const PLAIN: Refused = Refused("a password in clear is not imported");

/// With padding or without, and whatever bits are left over: encoders differ.
const fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}
pub(super) const BASE64: GeneralPurpose = lenient(&alphabet::STANDARD);
const BASE64_BCRYPT: GeneralPurpose = lenient(&alphabet::BCRYPT);

/// Argon2 as a PHC string, out of whatever it is wrapped in; none where the text is something else.
pub fn argon2(text: &str) -> Result<Option<String>, Refused> {
    let text = match braced(text) {
        Some((scheme, rest)) if scheme.starts_with("ARGON2") => rest,
        _ => text,
    };
    // Django writes its own word before it.
    let phc = text
        .strip_prefix("argon2")
        .filter(|rest| rest.starts_with('$'))
        .map_or(text, |rest| if rest.starts_with("$argon2") { rest } else { text });
    if !phc.starts_with("$argon2") {
        return Ok(None);
    }
    let parameters = phc.split('$').find(|part| part.contains("m=")).ok_or(DAMAGED)?;
    let number = |name: &str| parameter(parameters, name)?.parse::<u64>().ok();
    let (Some(m), Some(t), Some(p)) = (number("m"), number("t"), number("p")) else { return Err(DAMAGED) };
    if m > 1024 * 1024 || t > 10 || p > 16 {
        return Err(Refused("Argon2 costs more than is computed here: at most m=1048576, t=10, p=16"));
    }
    let hash = phc.split('$').next_back().ok_or(DAMAGED)?;
    match BASE64.decode(hash).map_err(|_| CUT)?.len() {
        length if length > MAX_ARGON2 => return Err(Refused("Argon2 is computed here with a hash of up to 64 bytes")),
        length if !LENGTHS.contains(&length) => return Err(CUT),
        _ => {}
    }
    if Hasher::is_usable(phc) { Ok(Some(phc.to_owned())) } else { Err(DAMAGED) }
}

pub fn encoding(text: &str) -> Result<Encoding, Refused> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return Err(UNKNOWN);
    }
    if let Some((scheme, rest)) = braced(text) {
        return in_braces(&scheme, rest);
    }
    if text.starts_with('$') { modular(text) } else { worded(text) }
}

/// `{SCHEME}rest`, as LDAP (RFC 2307 §5.3), Dovecot and Spring write it.
fn braced(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.strip_prefix('{')?.split_once('}')?;
    Some((scheme.to_ascii_uppercase(), rest))
}

fn in_braces(scheme: &str, rest: &str) -> Result<Encoding, Refused> {
    match scheme {
        "CRYPT" | "BLF-CRYPT" | "BCRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" if rest.starts_with('$') => modular(rest),
        "PBKDF2" | "PBKDF2-SHA1" => modular(&format!("$pbkdf2${rest}")),
        "PBKDF2-SHA256" => modular(&format!("$pbkdf2-sha256${rest}")),
        "PBKDF2-SHA512" => modular(&format!("$pbkdf2-sha512${rest}")),
        "SMD5" => ldap(Digest::Md5, rest),
        "SSHA" => ldap(Digest::Sha1, rest),
        "SSHA256" => ldap(Digest::Sha256, rest),
        "SSHA384" => ldap(Digest::Sha384, rest),
        "SSHA512" => ldap(Digest::Sha512, rest),
        "MD5" | "SHA" | "SHA256" | "SHA512" => Err(NO_SALT),
        "PLAIN" | "CLEARTEXT" | "NOOP" => Err(PLAIN),
        _ => Err(UNKNOWN),
    }
}

/// The hash, and behind it the salt.
fn ldap(digest: Digest, rest: &str) -> Result<Encoding, Refused> {
    let bytes = BASE64.decode(rest).map_err(|_| DAMAGED)?;
    let (hash, salt) = bytes.split_at_checked(digest.length()).ok_or(CUT)?;
    // Four bytes are the least that any directory server writes; fewer are what is left of more.
    if salt.len() < 4 {
        return Err(if salt.is_empty() { NO_SALT } else { CUT });
    }
    Ok(Encoding::Salted { digest, salted: Salted::Last, salt: salt.to_vec(), hash: hash.to_vec() })
}

/// `$scheme$…`: the modular crypt format and PHC strings.
fn modular(text: &str) -> Result<Encoding, Refused> {
    let scheme = text[1..].split('$').next().unwrap_or_default();
    let rest = text[1..].get(scheme.len() + 1..).unwrap_or_default();
    match scheme {
        "2a" | "2b" | "2y" => bcrypt(Before::Nothing, text),
        "2" | "2x" => Err(Refused("this form of bcrypt has a known flaw")),
        "wp" => bcrypt(Before::WordPress, text.strip_prefix("$wp").unwrap_or_default()),
        "bcrypt-sha256" => passlib_bcrypt(rest),
        "pbkdf2" | "pbkdf2-sha1" => pbkdf2(Digest::Sha1, rest),
        "pbkdf2-md5" => pbkdf2(Digest::Md5, rest),
        "pbkdf2-sha224" => pbkdf2(Digest::Sha224, rest),
        "pbkdf2-sha256" => pbkdf2(Digest::Sha256, rest),
        "pbkdf2-sha384" => pbkdf2(Digest::Sha384, rest),
        "pbkdf2-sha512" => pbkdf2(Digest::Sha512, rest),
        "scrypt" => scrypt_phc(rest),
        "firescrypt" => firescrypt(rest),
        "5" => sha_crypt(Digest::Sha256, 43, rest),
        "6" => sha_crypt(Digest::Sha512, 86, rest),
        "P" | "H" => phpass(rest),
        "salted" => own_salted(rest),
        _ => Err(UNKNOWN),
    }
}

/// `$2b$12$` and 53 characters.
fn bcrypt(before: Before, text: &str) -> Result<Encoding, Refused> {
    let mut parts = text.split('$').skip(1);
    let (Some("2a" | "2b" | "2y"), Some(cost), Some(rest), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(DAMAGED);
    };
    bcrypt_of(before, cost, rest)
}

fn bcrypt_of(before: Before, cost: &str, rest: &str) -> Result<Encoding, Refused> {
    let cost: u32 = number(cost)?;
    if !(4..=MAX_BCRYPT).contains(&cost) {
        return Err(Refused("bcrypt is computed here at a cost from 4 to 15"));
    }
    let (salt, hash) = rest.split_at_checked(22).filter(|(_, hash)| hash.len() == 31).ok_or(CUT)?;
    let salt = BASE64_BCRYPT.decode(salt).map_err(|_| DAMAGED)?.try_into().map_err(|_| DAMAGED)?;
    let hash = BASE64_BCRYPT.decode(hash).map_err(|_| DAMAGED)?.try_into().map_err(|_| DAMAGED)?;
    Ok(Encoding::Bcrypt { before, cost, salt, hash })
}

/// passlib: `v=2,t=2b,r=12$salt$hash`, and before it `2b,12$salt$hash`.
fn passlib_bcrypt(rest: &str) -> Result<Encoding, Refused> {
    let [parameters, salt, hash] = parts(rest)?;
    if salt.len() != 22 || hash.len() != 31 {
        return Err(CUT);
    }
    let joined = format!("{salt}{hash}");
    if let Some(version) = parameter(parameters, "v") {
        if version != "2" {
            return Err(UNKNOWN);
        }
        let cost = parameter(parameters, "r").ok_or(DAMAGED)?;
        return bcrypt_of(Before::Base64Hmac { key: salt.to_owned() }, cost, &joined);
    }
    let (kind, cost) = parameters.split_once(',').ok_or(DAMAGED)?;
    if !matches!(kind, "2a" | "2b" | "2y") {
        return Err(UNKNOWN);
    }
    bcrypt_of(Before::Base64Sha256, cost, &joined)
}

/// passlib: `29000$salt$hash`; PHC: `i=29000,l=32$salt$hash`.
fn pbkdf2(digest: Digest, rest: &str) -> Result<Encoding, Refused> {
    let [parameters, salt, hash] = parts(rest)?;
    let (salt, hash) = (adapted(salt)?, adapted(hash)?);
    let (rounds, length) = if parameters.bytes().all(|byte| byte.is_ascii_digit()) {
        (number(parameters)?, Some(digest.length()))
    } else {
        let length = parameter(parameters, "l").map(number).transpose()?;
        (number(parameter(parameters, "i").ok_or(DAMAGED)?)?, length.map(|length| length as usize))
    };
    if length.map_or_else(|| !LENGTHS.contains(&hash.len()), |length| length != hash.len() || !(16..=128).contains(&length)) {
        return Err(CUT);
    }
    pbkdf2_of(digest, rounds, salt, hash)
}

pub(super) fn pbkdf2_of(digest: Digest, rounds: u32, salt: Vec<u8>, hash: Vec<u8>) -> Result<Encoding, Refused> {
    if rounds == 0 || rounds > MAX_PBKDF2 {
        return Err(Refused("PBKDF2 is computed here with 1 to 10000000 rounds"));
    }
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    Ok(Encoding::Pbkdf2 { digest, rounds, salt, hash })
}

fn scrypt_phc(rest: &str) -> Result<Encoding, Refused> {
    let [parameters, salt, hash] = parts(rest)?;
    let named = |name: &str| number(parameter(parameters, name).ok_or(DAMAGED)?);
    let (log_n, r, p) = (named("ln")?, named("r")?, named("p")?);
    let (salt, hash) = (adapted(salt)?, adapted(hash)?);
    if !LENGTHS.contains(&hash.len()) {
        return Err(CUT);
    }
    scrypt_of(u64::from(log_n), r, p, salt, hash)
}

pub(super) fn scrypt_of(log_n: u64, r: u32, p: u32, salt: Vec<u8>, hash: Vec<u8>) -> Result<Encoding, Refused> {
    let log_n = bounded(log_n, r, p)?;
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    Ok(Encoding::Scrypt { log_n, r, p, salt, hash })
}

fn bounded(log_n: u64, r: u32, p: u32) -> Result<u8, Refused> {
    match u8::try_from(log_n) {
        Ok(log_n @ 1..=MAX_LOG_N) if (1..=MAX_R).contains(&r) && (1..=MAX_P).contains(&p) => Ok(log_n),
        _ => Err(Refused("scrypt is computed here with N up to 131072, r up to 8, p up to 10")),
    }
}

/// N itself, where a scheme writes it so.
pub(super) fn log_of(n: &str) -> Result<u64, Refused> {
    let n: u64 = n.parse().map_err(|_| DAMAGED)?;
    if !n.is_power_of_two() {
        return Err(Refused("scrypt's N must be a power of two"));
    }
    Ok(u64::from(n.ilog2()))
}

/// `ln=14,r=8,p=1$salt$hash$separator$signer key`: Firebase's accounts, each with the parameters of its project.
fn firescrypt(rest: &str) -> Result<Encoding, Refused> {
    let [parameters, salt, hash, separator, signer_key] = parts(rest)?;
    let named = |name: &str| number(parameter(parameters, name).ok_or(DAMAGED)?);
    let (log_n, r, p) = (named("ln")?, named("r")?, named("p")?);
    let mut salt = adapted(salt)?;
    salt.extend(adapted(separator)?);
    firebase_of(u64::from(log_n), r, p, salt, adapted(signer_key)?, adapted(hash)?)
}

pub fn firebase(project: &FirebaseProject, salt: &str, hash: &str) -> Result<Encoding, Refused> {
    // Firebase writes the alphabet that is safe in URLs.
    let plain = |text: &str| adapted(&text.replace('-', "+").replace('_', "/"));
    let mut salt = plain(salt)?;
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    salt.extend(&project.salt_separator);
    firebase_of(u64::from(project.mem_cost), project.rounds, 1, salt, project.signer_key.clone(), plain(hash)?)
}

fn firebase_of(log_n: u64, r: u32, p: u32, salt: Vec<u8>, signer_key: Vec<u8>, hash: Vec<u8>) -> Result<Encoding, Refused> {
    let log_n = bounded(log_n, r, p)?;
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    // The key itself, encrypted: as long as it is.
    if signer_key.len() < 16 || hash.len() != signer_key.len() {
        return Err(CUT);
    }
    Ok(Encoding::Firebase { log_n, r, p, salt, signer_key, hash })
}

/// `[rounds=N$]salt$hash`. Without rounds there are 5000.
fn sha_crypt(digest: Digest, length: usize, rest: &str) -> Result<Encoding, Refused> {
    let (rounds, rest) = match rest.strip_prefix("rounds=").and_then(|rest| rest.split_once('$')) {
        Some((rounds, rest)) => (number(rounds)?, rest),
        None => (5000, rest),
    };
    if !(1000..=MAX_SHA_CRYPT).contains(&rounds) {
        return Err(Refused("sha-crypt is computed here with 1000 to 5000000 rounds"));
    }
    let [salt, hash] = parts(rest)?;
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    if hash.len() != length {
        return Err(CUT);
    }
    let plain = |text: &str| text.bytes().all(|byte| CRYPT64.contains(&byte));
    if salt.len() > 16 || !plain(hash) || !salt.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Err(DAMAGED);
    }
    Ok(Encoding::ShaCrypt { digest, rounds, text: sha_crypt_text(digest, rounds, salt, hash) })
}

fn sha_crypt_text(digest: Digest, rounds: u32, salt: &str, hash: &str) -> String {
    let number = if digest == Digest::Sha256 { 5 } else { 6 };
    format!("${number}$rounds={rounds}${salt}${hash}")
}

pub fn blank_sha_crypt(digest: Digest, rounds: u32) -> String {
    let length = if digest == Digest::Sha256 { 43 } else { 86 };
    sha_crypt_text(digest, rounds, &".".repeat(16), &".".repeat(length))
}

/// A letter for the rounds, eight of salt, 22 of hash.
fn phpass(rest: &str) -> Result<Encoding, Refused> {
    if !rest.bytes().all(|byte| CRYPT64.contains(&byte)) {
        return Err(DAMAGED);
    }
    if rest.len() != 31 {
        return Err(CUT);
    }
    let log_rounds = CRYPT64.iter().position(|letter| rest.starts_with(char::from(*letter))).ok_or(DAMAGED)?;
    let log_rounds = u32::try_from(log_rounds).map_err(|_| DAMAGED)?;
    if !(7..=MAX_PHPASS).contains(&log_rounds) {
        return Err(Refused("phpass is computed here with 2^7 to 2^22 rounds"));
    }
    Ok(Encoding::Phpass { log_rounds, salt: rest[1..9].to_owned(), hash: rest[9..].to_owned() })
}

/// `d=sha256,o=key$salt$hash` in base64: the one form for what Auth0 and others describe in members.
fn own_salted(rest: &str) -> Result<Encoding, Refused> {
    let [parameters, salt, hash] = parts(rest)?;
    let digest = parameter(parameters, "d").and_then(Digest::named).ok_or(DAMAGED)?;
    let salted = match parameter(parameters, "o") {
        Some("key") => Salted::Key,
        Some("first") => Salted::First,
        Some("last") => Salted::Last,
        Some("either") => Salted::KeyOrFirst,
        _ => return Err(DAMAGED),
    };
    salted_of(digest, salted, adapted(salt)?, adapted(hash)?)
}

pub(super) fn salted_of(digest: Digest, salted: Salted, salt: Vec<u8>, hash: Vec<u8>) -> Result<Encoding, Refused> {
    if salt.is_empty() {
        return Err(NO_SALT);
    }
    if hash.len() != digest.length() {
        return Err(CUT);
    }
    Ok(Encoding::Salted { digest, salted, salt, hash })
}

/// `scheme$…` and `scheme:parameters$…`: Werkzeug and Django.
fn worded(text: &str) -> Result<Encoding, Refused> {
    let (method, rest) = text.split_once('$').ok_or_else(|| bare(text))?;
    if let Some((scheme, parameters)) = method.split_once(':') {
        return werkzeug(scheme, parameters, rest);
    }
    match method {
        "pbkdf2_sha256" => django_pbkdf2(Digest::Sha256, rest),
        "pbkdf2_sha1" => django_pbkdf2(Digest::Sha1, rest),
        "scrypt" => {
            // N stands before the salt, r and p behind it.
            let [n, salt, r, p, hash] = parts(rest)?;
            let hash = padded(hash, 64)?;
            scrypt_of(log_of(n)?, number(r)?, number(p)?, salt.as_bytes().to_vec(), hash)
        }
        "bcrypt" => bcrypt(Before::Nothing, rest),
        "bcrypt_sha256" => bcrypt(Before::HexSha256, rest),
        "plain" => Err(PLAIN),
        "unsalted_md5" | "unsalted_sha1" => Err(NO_SALT),
        other => {
            let digest = Digest::named(other).filter(|digest| digest.name() == other).ok_or(UNKNOWN)?;
            let [salt, hash] = parts(rest)?;
            salted_of(digest, Salted::KeyOrFirst, salt.as_bytes().to_vec(), unhex(hash)?)
        }
    }
}

/// No `$` at all: what it may be is said, if it can be told.
fn bare(text: &str) -> Refused {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128) { NO_SALT } else { UNKNOWN }
}

/// The salt is text; the hash is hex, and as long as the hash function makes it.
fn werkzeug(scheme: &str, parameters: &str, rest: &str) -> Result<Encoding, Refused> {
    let [salt, hash] = parts(rest)?;
    let salt = salt.as_bytes().to_vec();
    let hash = unhex(hash)?;
    match scheme {
        "scrypt" => {
            let mut numbers = parameters.split(':');
            let (Some(n), Some(r), Some(p), None) = (numbers.next(), numbers.next(), numbers.next(), numbers.next()) else {
                return Err(DAMAGED);
            };
            let encoding = scrypt_of(log_of(n)?, number(r)?, number(p)?, salt, hash)?;
            if matches!(&encoding, Encoding::Scrypt { hash, .. } if hash.len() == 64) { Ok(encoding) } else { Err(CUT) }
        }
        "pbkdf2" => {
            let (digest, rounds) = parameters.split_once(':').ok_or(Refused("PBKDF2 without its number of rounds"))?;
            let digest = Digest::named(digest).ok_or(UNKNOWN)?;
            if hash.len() != digest.length() {
                return Err(CUT);
            }
            pbkdf2_of(digest, number(rounds)?, salt, hash)
        }
        _ => Err(UNKNOWN),
    }
}

/// The salt is text; the hash is base64 with its padding, so that a cut shows.
fn django_pbkdf2(digest: Digest, rest: &str) -> Result<Encoding, Refused> {
    let [rounds, salt, hash] = parts(rest)?;
    let hash = padded(hash, digest.length())?;
    pbkdf2_of(digest, number(rounds)?, salt.as_bytes().to_vec(), hash)
}

fn padded(text: &str, length: usize) -> Result<Vec<u8>, Refused> {
    if text.len() != length.div_ceil(3) * 4 {
        return Err(CUT);
    }
    let bytes = BASE64.decode(text).map_err(|_| DAMAGED)?;
    if bytes.len() == length { Ok(bytes) } else { Err(CUT) }
}

/// Exactly so many parts between `$`.
fn parts<const N: usize>(text: &str) -> Result<[&str; N], Refused> {
    let parts: Vec<&str> = text.split('$').collect();
    if parts.len() < N { Err(CUT) } else { parts.try_into().map_err(|_| DAMAGED) }
}

/// `name=value` in a list with commas.
fn parameter<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn number(text: &str) -> Result<u32, Refused> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DAMAGED);
    }
    text.parse().map_err(|_| Refused("a cost is beyond every bound"))
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>, Refused> {
    if !text.len().is_multiple_of(2) {
        return Err(CUT);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect::<Option<_>>().ok_or(DAMAGED)
}

/// Base64, also as passlib adapts it: `.` for `+`.
fn adapted(text: &str) -> Result<Vec<u8>, Refused> {
    BASE64.decode(text.replace('.', "+")).map_err(|_| DAMAGED)
}

/// What [`encoding`] reads as the same again.
pub fn text(encoding: &Encoding) -> String {
    let base64 = |bytes: &[u8]| BASE64.encode(bytes);
    match encoding {
        Encoding::Bcrypt { before, cost, salt, hash } => {
            let (salt, hash) = (BASE64_BCRYPT.encode(salt), BASE64_BCRYPT.encode(hash));
            match before {
                Before::Nothing => format!("$2b${cost:02}${salt}{hash}"),
                Before::HexSha256 => format!("bcrypt_sha256$$2b${cost:02}${salt}{hash}"),
                Before::Base64Sha256 => format!("$bcrypt-sha256$2b,{cost}${salt}${hash}"),
                // The key is the text of the salt, letter by letter.
                Before::Base64Hmac { key } => format!("$bcrypt-sha256$v=2,t=2b,r={cost}${key}${hash}"),
                Before::WordPress => format!("$wp$2y${cost:02}${salt}{hash}"),
            }
        }
        Encoding::Pbkdf2 { digest, rounds, salt, hash } => {
            format!("${}$i={rounds},l={}${}${}", digest.pbkdf2(), hash.len(), base64(salt), base64(hash))
        }
        Encoding::Scrypt { log_n, r, p, salt, hash } => format!("$scrypt$ln={log_n},r={r},p={p}${}${}", base64(salt), base64(hash)),
        Encoding::Firebase { log_n, r, p, salt, signer_key, hash } => {
            format!("$firescrypt$ln={log_n},r={r},p={p}${}${}$${}", base64(salt), base64(hash), base64(signer_key))
        }
        Encoding::Salted { digest, salted, salt, hash } => {
            let order = match salted {
                Salted::Key => "key",
                Salted::First => "first",
                Salted::Last => "last",
                Salted::KeyOrFirst => "either",
            };
            format!("$salted$d={},o={order}${}${}", digest.name(), base64(salt), base64(hash))
        }
        Encoding::ShaCrypt { text, .. } => text.clone(),
        Encoding::Phpass { log_rounds, salt, hash } => format!("$P${}{salt}{hash}", char::from(CRYPT64[*log_rounds as usize])),
    }
}
