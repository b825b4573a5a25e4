//! Where a record keeps its stored password: a member with the text, Keycloak's credentials, Auth0's description, Firebase's pair.

use serde_json::{Map, Value};

use super::super::foreign::{self, Described, Digest, Encoding, FirebaseProject, Kept, Refused, Salted};
use super::super::password::Hasher;
use super::row::there;

/// What the operator knows of a file that it does not say itself.
#[derive(Clone, Default)]
pub struct Hints {
    /// Its bcrypt is Flask-Bcrypt's with `BCRYPT_HANDLE_LONG_PASSWORDS`.
    pub flask_bcrypt_long: bool,
    pub firebase: Option<FirebaseProject>,
}

const MEMBERS: [&str; 4] = ["password_hash", "passwordHash", "hashed_password", "password"];

/// The stored password of a record.
///
/// # Errors
/// [`Refused`].
pub fn read(members: &Map<String, Value>, hints: &Hints) -> Result<Kept, Refused> {
    if let Some(described) = there(members, "custom_password_hash") {
        return auth0(described);
    }
    if let Some(credentials) = members.get("credentials").and_then(Value::as_array) {
        let password = |one: &&Value| one.get("type").and_then(Value::as_str) == Some("password");
        return credentials.iter().find(password).map_or(Ok(Kept::NoPassword), keycloak);
    }
    let Some(text) = MEMBERS.iter().find_map(|name| there(members, name)) else { return Ok(Kept::NoPassword) };
    let text = text.as_str().ok_or(Refused("a stored password is text"))?;
    if members.contains_key("localId") {
        let project =
            hints.firebase.as_ref().ok_or(Refused("Firebase's passwords need the parameters of the project: --firebase-parameters"))?;
        let salt = there(members, "salt").and_then(Value::as_str).unwrap_or_default();
        return project.encoding(salt, text).map(kept);
    }
    match foreign::judge(text)? {
        Kept::Foreign { encoding, .. } if hints.flask_bcrypt_long => Ok(kept(foreign::flask_bcrypt_long(encoding))),
        other => Ok(other),
    }
}

fn kept(encoding: Encoding) -> Kept {
    Kept::Foreign { text: encoding.text(), encoding }
}

const DAMAGED: Refused = Refused("the description of the password is incomplete");
const UNKNOWN: Refused = Refused("this way of storing passwords is not known");

/// `secretData` and `credentialData` are JSON as text; before Keycloak 8 the members stood beside the type.
fn keycloak(credential: &Value) -> Result<Kept, Refused> {
    let inner = |name: &str| match credential.get(name) {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => other.clone(),
        None => Value::Null,
    };
    let (secret, data) = (inner("secretData"), inner("credentialData"));
    let old = |name: &str| credential.get(name).and_then(Value::as_str);
    let value = secret.get("value").and_then(Value::as_str).or_else(|| old("hashedSaltedValue")).ok_or(DAMAGED)?;
    let salt = secret.get("salt").and_then(Value::as_str).or_else(|| old("salt")).ok_or(DAMAGED)?;
    let algorithm = data.get("algorithm").and_then(Value::as_str).or_else(|| old("algorithm")).ok_or(DAMAGED)?;
    let rounds = data.get("hashIterations").or_else(|| credential.get("hashIterations")).and_then(number).ok_or(DAMAGED)?;
    let (hash, salt) = (foreign::bytes(value, "base64")?, foreign::bytes(salt, "base64")?);
    let digest = match algorithm {
        "pbkdf2" => Digest::Sha1,
        "pbkdf2-sha256" => Digest::Sha256,
        "pbkdf2-sha512" => Digest::Sha512,
        "argon2" => {
            // Each of them is a list of one.
            let more = |name: &str| {
                let value = data.get("additionalParameters")?.get(name)?;
                value.get(0).or(Some(value))
            };
            let of = |name: &str| more(name).and_then(number).ok_or(DAMAGED);
            let kind = more("type").and_then(Value::as_str).unwrap_or("id");
            let version = match more("version").and_then(Value::as_str) {
                None | Some("1.3") => 19,
                Some("1.0") => 16,
                Some(_) => return Err(UNKNOWN),
            };
            return foreign::described_argon2(kind, version, [of("memory")?, rounds, of("parallelism")?], &salt, &hash)
                .map(|phc| Kept::Argon2(Hasher::imported("", &phc)));
        }
        _ => return Err(UNKNOWN),
    };
    Described { digest, salt: &salt, hash: &hash }.pbkdf2(rounds).map(kept)
}

/// Auth0's schema of bulk imports, `custom_password_hash`.
fn auth0(described: &Value) -> Result<Kept, Refused> {
    let of = |object: &str, member: &str| described.get(object).and_then(|object| object.get(member)).and_then(Value::as_str);
    if of("password", "encoding").is_some_and(|encoding| !matches!(encoding, "utf8" | "ascii")) {
        return Err(Refused("passwords were hashed in another encoding than UTF-8"));
    }
    let algorithm = described.get("algorithm").and_then(Value::as_str).ok_or(DAMAGED)?;
    let value = of("hash", "value").ok_or(DAMAGED)?;
    let hash = || foreign::bytes(value, of("hash", "encoding").unwrap_or("hex"));
    let salt = || foreign::bytes(of("salt", "value").unwrap_or_default(), of("salt", "encoding").unwrap_or("utf8"));
    let cost = |member: &str| described.get(member).and_then(number);
    match algorithm {
        // They are whole texts.
        "argon2" | "bcrypt" | "ldap" | "pbkdf2" => foreign::judge(value),
        "scrypt" => {
            let n = cost("cost").unwrap_or(16_384);
            let small = |member: &str, default: u32| cost(member).map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX));
            foreign::described_scrypt(n, small("blockSize", 8), small("parallelization", 1), &salt()?, &hash()?).map(kept)
        }
        "hmac" => {
            let digest = of("hash", "digest").and_then(Digest::named).ok_or(UNKNOWN)?;
            let key = foreign::bytes(of("hash", "key").or_else(|| key_value(described)).ok_or(DAMAGED)?, key_encoding(described))?;
            Described { digest, salt: &key, hash: &hash()? }.salted(Salted::Key).map(kept)
        }
        other => {
            let digest = Digest::named(other).ok_or(UNKNOWN)?;
            let salted = match of("salt", "position") {
                Some("suffix") => Salted::Last,
                _ => Salted::First,
            };
            Described { digest, salt: &salt()?, hash: &hash()? }.salted(salted).map(kept)
        }
    }
}

fn key_value(described: &Value) -> Option<&str> {
    described.get("hash")?.get("key")?.get("value")?.as_str()
}

fn key_encoding(described: &Value) -> &str {
    let encoding = || described.get("hash")?.get("key")?.get("encoding")?.as_str();
    encoding().unwrap_or("utf8")
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The block `hash_config { … }` as Firebase's console shows it, or an object with its members.
///
/// # Errors
/// What is missing or wrong.
pub fn firebase_parameters(text: &str) -> Result<FirebaseProject, String> {
    let json: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let of = |name: &str| -> Result<String, String> {
        let in_block = || {
            let line = text.lines().find(|line| line.trim_start().starts_with(name))?;
            let value = line.split_once(':').or_else(|| line.split_once('='))?.1;
            Some(value.trim().trim_matches(['"', ',', ';', '<', '>', ' ']).to_owned())
        };
        let value = json.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).or_else(in_block);
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{name} is missing"))
    };
    let bytes = |name: &str| foreign::bytes(&of(name)?, "base64").map_err(|refused| format!("{name}: {refused}"));
    let small = |name: &str| of(name)?.parse::<u8>().map_err(|_| format!("{name} must be a small number"));
    Ok(FirebaseProject {
        signer_key: bytes("base64_signer_key")?,
        salt_separator: bytes("base64_salt_separator")?,
        rounds: u32::from(small("rounds")?),
        mem_cost: small("mem_cost")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PASSWORD: &[u8] = "Contraseña-año-2026!".as_bytes();

    fn of(record: Value) -> Result<Kept, Refused> {
        let Value::Object(members) = record else { panic!("an object") };
        read(&members, &Hints::default())
    }

    fn verifies(record: Value) -> bool {
        match of(record.clone()).unwrap_or_else(|refused| panic!("{record}: {refused}")) {
            Kept::Foreign { encoding, text } => {
                assert_eq!(Encoding::parse(&text).as_ref(), Ok(&encoding));
                encoding.verify(PASSWORD) && !encoding.verify(b"another")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keycloaks_credentials_are_read() {
        // PBKDF2 of Python's hashlib under the salt `saltsaltsaltsalt`.
        let hash = "L47jtO4qcj7/4ko6C0+nqnAmeafLXmP9gLCSPSJRcdILVv9oqghUgqKt8XjZrueu0hns9XASitG0gxX5pCB+PQ==";
        let secret = json!({"value": hash, "salt": "c2FsdHNhbHRzYWx0c2FsdA==", "additionalParameters": {}}).to_string();
        let data = json!({"hashIterations": 2000, "algorithm": "pbkdf2-sha512", "additionalParameters": {}}).to_string();
        let otp = json!({"type": "otp", "secretData": "{}"});
        assert!(verifies(json!({"credentials": [otp, {"type": "password", "secretData": secret, "credentialData": data}]})));
        let old = json!({"type": "password", "hashedSaltedValue": hash, "salt": "c2FsdHNhbHRzYWx0c2FsdA==", "hashIterations": 2000, "algorithm": "pbkdf2-sha512"});
        assert!(verifies(json!({"credentials": [old]})));
        assert_eq!(of(json!({"credentials": [otp]})), Ok(Kept::NoPassword));
        assert_eq!(of(json!({"credentials": [{"type": "password"}]})), Err(DAMAGED));
        let dear = json!({"hashIterations": 20_000_000, "algorithm": "pbkdf2-sha512"}).to_string();
        assert!(of(json!({"credentials": [{"type": "password", "secretData": secret, "credentialData": dear}]})).is_err());
        // passlib's Argon2, as Keycloak 25 writes it.
        let secret = json!({"value": "Yt5d1iE1CYZI0OaGxX0qj1nJQ3irC5xNARtpoku+abY=", "salt": "DcEYw9ib814rJSQkRGgNYQ=="}).to_string();
        let data = json!({"hashIterations": 2, "algorithm": "argon2", "additionalParameters":
            {"hashLength": ["32"], "memory": ["1024"], "type": ["id"], "version": ["1.3"], "parallelism": ["2"]}})
        .to_string();
        let expected = "nfc:$argon2id$v=19$m=1024,t=2,p=2$DcEYw9ib814rJSQkRGgNYQ$Yt5d1iE1CYZI0OaGxX0qj1nJQ3irC5xNARtpoku+abY";
        let read = of(json!({"credentials": [{"type": "password", "secretData": secret, "credentialData": data}]}));
        assert_eq!(read, Ok(Kept::Argon2(expected.to_owned())));
        let older = of(json!({"credentials": [{"type": "password", "secretData": secret, "credentialData": data.replace("1.3", "1.0")}]}));
        assert_eq!(older, Ok(Kept::Argon2(expected.replace("v=19", "v=16"))));
        let newer = of(json!({"credentials": [{"type": "password", "secretData": secret, "credentialData": data.replace("1.3", "1.4")}]}));
        assert_eq!(newer, Err(UNKNOWN));
    }

    #[test]
    fn auth0s_descriptions_are_read() {
        let described = |value: Value| json!({"custom_password_hash": value});
        for value in [
            json!({"algorithm": "ldap", "hash": {"value": "{SSHA}7oJBq8M2NVTYeny+hYaD5BPQyT9K6f2f"}}),
            json!({"algorithm": "bcrypt", "hash": {"value": "$2y$05$xPxFilvkAze8qL1LzWagBukXYOhOyL0Txph9jZUJoZ0sWYokJo9fC"}}),
            json!({"algorithm": "pbkdf2", "hash": {"encoding": "utf8", "value":
                "$pbkdf2-sha512$i=2000,l=64$c2FsdHNhbHRzYWx0c2FsdA$L47jtO4qcj7/4ko6C0+nqnAmeafLXmP9gLCSPSJRcdILVv9oqghUgqKt8XjZrueu0hns9XASitG0gxX5pCB+PQ"}}),
            json!({"algorithm": "md5", "hash": {"value": "f90fd8477cb34f82b8056c1576242560", "encoding": "hex"}, "salt": {"value": "lC3LKxGUddeW", "position": "prefix"}}),
            json!({"algorithm": "sha1", "hash": {"value": "gpQs5yT+gZk+2Mm6835GCJVmfM4=", "encoding": "base64"}, "salt": {"value": "UGhhWENydk1NUVpa", "encoding": "base64"}}),
            json!({"algorithm": "hmac", "hash": {"value": "628c5a88b6ab67828f42e61aaa3680203d78a887", "encoding": "hex", "digest": "sha1", "key": {"value": "salt1234"}}}),
            json!({"algorithm": "scrypt", "cost": 1024, "blockSize": 8, "parallelization": 1, "keylen": 32, "salt": {"value": "saltsaltsaltsalt"},
                "hash": {"value": "+HYChX++LbMMiizSseWPRQf/wSkIO4yagWj11JLlXAI=", "encoding": "base64"}}),
        ] {
            assert!(verifies(described(value.clone())), "{value}");
        }
        assert!(matches!(
            of(
                json!({"password_hash": "$argon2id$v=19$m=1024,t=2,p=2$DcEYw9ib814rJSQkRGgNYQ$Yt5d1iE1CYZI0OaGxX0qj1nJQ3irC5xNARtpoku+abY"})
            ),
            Ok(Kept::Argon2(_))
        ));
        for value in [
            json!({"algorithm": "md5", "hash": {"value": "f90fd8477cb34f82b8056c1576242560", "encoding": "hex"}}),
            json!({"algorithm": "md4", "hash": {"value": "f90fd8477cb34f82b8056c1576242560", "encoding": "hex"}}),
            json!({"algorithm": "md5", "password": {"encoding": "utf16le"}, "hash": {"value": "f90f"}}),
            json!({"algorithm": "scrypt", "cost": 1 << 30, "salt": {"value": "s"}, "hash": {"value": "00".repeat(64)}}),
            json!("md5"),
        ] {
            assert!(of(described(value.clone())).is_err(), "{value}");
        }
    }

    #[test]
    fn firebases_accounts_need_their_project() {
        let account = json!({"localId": "1", "salt": "42xEC+ixf3L2lw==",
            "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="});
        assert!(of(account.clone()).is_err());
        let block = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}";
        let json = json!({"base64_signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
            "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14})
        .to_string();
        for text in [block, &json] {
            let hints = Hints { firebase: Some(firebase_parameters(text).expect("whole")), ..Hints::default() };
            let Ok(Kept::Foreign { encoding, .. }) = read(account.as_object().expect("an object"), &hints) else { panic!("it is read") };
            assert!(encoding.verify(b"user1password"));
        }
        assert_eq!(firebase_parameters("rounds: 8").err().as_deref(), Some("base64_signer_key is missing"));
    }

    #[test]
    fn flask_bcrypt_for_long_passwords_is_a_switch() {
        let record = json!({"password": "$2b$12$LgfrkqEEbP8YC9EkB4Tm5OXnHcT2EkrxdVy1052ahXD6EyboRj7ui"});
        let hints = Hints { flask_bcrypt_long: true, firebase: None };
        let Ok(Kept::Foreign { encoding, text }) = read(record.as_object().expect("an object"), &hints) else { panic!("it is read") };
        assert!(text.starts_with("bcrypt_sha256$$2b$12$") && encoding.verify(PASSWORD));
        assert_eq!(of(json!({"email": "a"})), Ok(Kept::NoPassword));
        assert!(of(json!({"password": 7})).is_err());
        assert!(of(json!({"password": "secret"})).is_err(), "a password in clear");
    }
}
