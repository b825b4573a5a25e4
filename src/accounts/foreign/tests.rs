use std::time::Duration;

use serde::Deserialize;

use super::super::password::{Cost, Hasher, Settings};
use super::*;

/// Written by the libraries themselves.
#[derive(Deserialize)]
pub struct Vectors {
    pub vectors: Vec<Vector>,
    also_true: Vec<Claim>,
    must_be_false: Vec<Claim>,
    must_not_import: Vec<Refusal>,
}

#[derive(Deserialize)]
pub struct Vector {
    pub id: String,
    pub password: Option<String>,
    pub encoded: String,
    pub note: Option<String>,
}

#[derive(Deserialize)]
struct Claim {
    id: String,
    password: String,
}

#[derive(Deserialize)]
struct Refusal {
    encoded: String,
    why: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).expect("the vectors are JSON")
}

fn hasher() -> Hasher {
    let cost = Cost { m: 64, t: 1, p: 1 };
    Hasher::new(Settings { cost, threads: 2, queue: 64, idle: Duration::from_secs(5) }).expect("a cost in bounds")
}

/// As an import keeps it.
fn kept(encoded: &str, flask_long: bool) -> Option<String> {
    match judge(encoded).unwrap_or_else(|refused| panic!("{encoded}: {refused}")) {
        Kept::NoPassword => None,
        Kept::Argon2(stored) => Some(stored),
        Kept::Foreign { encoding, .. } if flask_long => Some(flask_bcrypt_long(encoding).text()),
        Kept::Foreign { text, .. } => Some(text),
    }
}

fn kept_of(vector: &Vector) -> Option<String> {
    kept(&vector.encoded, vector.id == "flask-bcrypt-long")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vector_verifies_and_what_must_not_does_not() {
    let (vectors, hasher) = (vectors(), hasher());
    assert_eq!(vectors.vectors.len(), 32);
    for vector in &vectors.vectors {
        let stored = kept_of(vector);
        assert_eq!(stored.is_some(), vector.password.is_some(), "{}", vector.id);
        let Some(password) = &vector.password else { continue };
        let nfd: String = unicode_normalization::UnicodeNormalization::nfd(password.as_str()).collect();
        let password = if vector.note.as_ref().is_some_and(|note| note.contains("NFD")) { &nfd } else { password };
        let checked = hasher.verify(password, stored.as_deref()).await.expect("room");
        assert!(checked.correct && !checked.unusable, "{}", vector.id);
    }
    let of = |id: &str| vectors.vectors.iter().find(|vector| vector.id == id).and_then(kept_of);
    for Claim { id, password } in &vectors.also_true {
        assert!(hasher.verify(password, of(id).as_deref()).await.expect("room").correct, "{id} {password}");
    }
    for Claim { id, password } in &vectors.must_be_false {
        assert!(!hasher.verify(password, of(id).as_deref()).await.expect("room").correct, "{id} {password}");
    }
}

#[test]
fn what_must_not_be_imported_is_refused_before_it_is_computed() {
    for Refusal { encoded, why } in &vectors().must_not_import {
        match judge(encoded) {
            Ok(Kept::NoPassword) => assert!(encoded.is_empty(), "{why}"),
            Ok(other) => panic!("{encoded}: {other:?}; {why}"),
            Err(Refused(reason)) => assert!(!reason.is_empty()),
        }
    }
}

const PASSWORD: &str = "Contraseña-año-2026!";

#[tokio::test]
async fn further_forms_of_the_same_schemes_verify() {
    let hasher = hasher();
    for encoded in [
        // passlib 1.7.4
        "$bcrypt-sha256$2b,6$DfHjG50rc6EKze2lXY3xT.$kU/PH9q4XPz0c/.rJhwKaVoA0tYrNcq",
        "$bcrypt-sha256$v=2,t=2b,r=6$wDdPLBSr83u8FatmbSN5P.$d1NKcelbpJdckuV.Tbap3I7QH6BMcdm",
        "$pbkdf2-sha512$2000$sLbWWss5B2Ds3RsjRKhVyg$F/tQKAeExfRWVKFATjL2jKgrZEjETBHJbJ2311d.tP7TwyEcLzr10r2nOFM9eTLoKlM/OtPX53nL.w3s4UQSzg",
        "$pbkdf2$2000$hhBCKAUghDCGUAohpPReyw$xIpEhXB2RrZ.1RMGx.zuThuw4n0",
        "$scrypt$ln=10,r=8,p=1$QOhdC6E0plRKSUlJifH+Pw$4I5p0IsfUPZuiw816El7qAQ20gUORBn2fXCzRL9VoL8",
        "$6$rounds=20000$On9LH.1BeKKnYoes$hJIZR/pgTDf2wPfBfnyRwzInUhn5msJPO4f6awnFcN4RKc5RWm4NgUWX1Si/kCA.K5exK8YkD1tbggq8tOtzi/",
        "$5$rounds=12345$6yaSKRHwmnBBcT9s$xxUmdgLNYp7vZ5qmCgv/EwDcvOKxVvDFu0wQZS68PI7",
        "{SSHA}7oJBq8M2NVTYeny+hYaD5BPQyT9K6f2f",
        "{PBKDF2-SHA256}2000$eS.l9P7/37t3bg3BeK.1dg$THhs9ymS1PBXDwFc60Yt4LQP7CbAagLkv.PVHMcEIcY",
        "$P$8Ybdkd5ld3hNptJ0VbaKTU4zqBhLyj1",
        "$H$8Ybdkd5ld3hNptJ0VbaKTU4zqBhLyj1",
        "md5$lC3LKxGUddeW$f90fd8477cb34f82b8056c1576242560",
        "sha1$PhaXCrvMMQZZ$82942ce724fe81993ed8c9baf37e460895667cce",
        "$argon2id$v=19$m=1024,t=2,p=2$DcEYw9ib814rJSQkRGgNYQ$Yt5d1iE1CYZI0OaGxX0qj1nJQ3irC5xNARtpoku+abY",
        "$argon2i$v=19$m=1024,t=2,p=2$EELoHUPoPYdQao1xTolRyg$9Mp7NVJK/yuN4zkHWvxmWN3ubyzblm4bFJWV0CL1XRw",
        "$2y$05$xPxFilvkAze8qL1LzWagBukXYOhOyL0Txph9jZUJoZ0sWYokJo9fC",
        "{bcrypt}$2y$05$xPxFilvkAze8qL1LzWagBukXYOhOyL0Txph9jZUJoZ0sWYokJo9fC",
        // Made with Python's hashlib and hmac.
        "sha1$salt1234$628c5a88b6ab67828f42e61aaa3680203d78a887",
        "{SSHA512}1cujcyPrN3rvjGzuDpAame8+rRgZQo0Vx1EItC8hEmTdLmYC8hVMDlbitD5nggQr4OT6Et/IFXvfqHHqyQjEbnNhbHRzYWx0",
        "$pbkdf2-sha512$i=2000,l=64$c2FsdHNhbHRzYWx0c2FsdA$L47jtO4qcj7/4ko6C0+nqnAmeafLXmP9gLCSPSJRcdILVv9oqghUgqKt8XjZrueu0hns9XASitG0gxX5pCB+PQ",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$+HYChX++LbMMiizSseWPRQf/wSkIO4yagWj11JLlXAI",
        // argon2-cffi 25.1: other lengths, many lanes, and the version before strings named one.
        "$argon2id$v=19$m=256,t=1,p=1$Tks+Xacdp93+ZNF7U52H2A$s90SK4PuFxwQuP8znwoE+5LAcvX2ctxTdVEKQ2icW5mDb5VCmPkW0Q",
        "$argon2i$v=19$m=256,t=1,p=1$mhZ49LiYxLe8L4cercJUhA$wrahUGCCzP6ZLVd+VjOM6svLYr1UkN/iF+iuw59GR5L7df27OwA7AMydXPdhQnipOwAr+Z+Vhk0",
        "$argon2id$v=19$m=1024,t=1,p=16$rsup2J9kQr+KreYegdujIe4sgYAqYg1QOpmAJx/pNTE$n77nLS5zD2BuMicvKeJ9kJelqGTIpa+x5qOg+iqAu+ucKnDiBkbV/jMlpn4+oN2Yup2EOQky2P9LfeVJfQT2yQ",
        "$argon2d$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$HL3jUuOhGujIdwvDY3TQZLDDoifevUlJox6qkjARNEI",
        // Werkzeug 3.1 with rarer hash functions.
        "pbkdf2:md5:10$u8VHnp4L6Xk7PSqB$326c023f75ca3bb8ad7824b43d78d210",
        "pbkdf2:sha384:10$aylajEsNjMM1Oubn$47c6845327f62d7a5b4951d895633b84b0ed5799d2a084337258d2e7b597b4c00fb8bafff2edf6384f705c08a567075c",
        // As WordPress 6.8 does it.
        "$wp$2y$05$mt.sZUcAluyuYGFh1YQAz.aoInp84YmYpamC1DQ3XYjnXadX4STI6",
    ] {
        let stored = kept(encoded, false).expect("a password");
        assert!(hasher.verify(PASSWORD, Some(&stored)).await.expect("room").correct, "{encoded}");
        assert!(!hasher.verify("Contraseña-año-2026", Some(&stored)).await.expect("room").correct, "{encoded}");
        assert_eq!(kept(&stored, false), Some(stored), "what is kept is read as the same again");
    }
    // A NUL is a character of the password: bcrypt 5.0 of Python, bcryptjs 3, Werkzeug 3.1.
    for (encoded, password, begun) in [
        ("$2b$04$yYdvQ1JHwxOYAlEqB54GVulGVbLmahPlHzz478WhYPwH7G16AtJGO", "abc\0def", "abc"),
        ("$2b$04$F3avqJO5F0qenfWl0fQaIOt.C9WKHXISGow2vfluDtFN8f.cL41HS", "a\0b", "a"),
        (
            "scrypt:1024:8:1$DJmtMB2ZnJsVyrwm$30d5db6963541d4da3a71abe209a1a149ecdbf68a092d024e6f2ca087ffaeda287fa6cbbd8b2f334e37162317564aef9bb4d9b7ac6c24a405dbc11de1012469a",
            "a\0b",
            "a",
        ),
    ] {
        let stored = kept(encoded, false).expect("a password");
        assert!(hasher.verify(password, Some(&stored)).await.expect("room").correct, "{encoded}");
        assert!(!hasher.verify(begun, Some(&stored)).await.expect("room").correct, "{encoded}");
    }
    let long = "$argon2d$v=19$m=256,t=1,p=1$OS2MBRI/8hlraQaqHs9/lQ$ORU0XqkiLYQMw4HeBaeGcIQx/6iaINAk87jioDP7zfCeeFqfe4VgzYVt64kEo3SrpDYe0EBTSQc3ocX1hEinE0wbx0lzY8T70s9lSfME9z0F32bjqXRTsEEob70hiuhy2pyzaY0PejwaLBkBW02UBSZ5Wart2GFn9D/oWs8BrAs";
    assert_eq!(judge(long).err(), Some(Refused("Argon2 is computed here with a hash of up to 64 bytes")));
    // phpass' own test.
    assert!(Encoding::parse("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0").expect("phpass").verify(b"test12345"));
}

#[test]
fn firebase_scrypt_verifies() {
    // From the documentation of Firebase's scrypt.
    let read = |text| bytes(text, "base64").expect("base64");
    let project = FirebaseProject {
        signer_key: read("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="),
        salt_separator: read("Bw=="),
        rounds: 8,
        mem_cost: 14,
    };
    let hash = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let encoding = project.encoding("42xEC+ixf3L2lw==", hash).expect("whole");
    assert!(encoding.verify(b"user1password"));
    assert!(!encoding.verify(b"user1passwore"));
    assert_eq!(Encoding::parse(&encoding.text()), Ok(encoding));
    assert_eq!(
        project.encoding("42xEC+ixf3L2lw==", &hash[..80]).err(),
        Some(Refused("the hash has not the length of its scheme: it was cut"))
    );
    assert!(project.encoding("", hash).is_err());
}

#[test]
fn a_cut_is_seen_wherever_it_is() {
    let vectors = vectors();
    for vector in vectors.vectors.iter().filter(|vector| vector.password.is_some()) {
        for keep in 1..vector.encoded.len() {
            let cut = &vector.encoded[..keep];
            match judge(cut) {
                Err(_) => {}
                // A hash of Argon2 may have several lengths; base64 of a shorter one is as good as the whole.
                Ok(Kept::Argon2(_)) => assert!(cut.len() < vector.encoded.len(), "{}", vector.id),
                Ok(other) => panic!("{}: {keep} of {} letters are {other:?}", vector.id, vector.encoded.len()),
            }
        }
    }
}

#[test]
fn costs_have_bounds() {
    let bcrypt = |cost: &str| format!("$2b${cost}$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m");
    let (hex, base64) = ("00".repeat(64), "A".repeat(43));
    for (encoded, good) in [
        (bcrypt("04"), true),
        (bcrypt("15"), true),
        (bcrypt("03"), false),
        (bcrypt("16"), false),
        (bcrypt("-1"), false),
        (format!("pbkdf2:sha512:10000000$salt${hex}"), true),
        (format!("pbkdf2:sha512:10000001$salt${hex}"), false),
        (format!("pbkdf2:sha512:99999999999999999999$salt${hex}"), false),
        (format!("pbkdf2:sha512$salt${hex}"), false),
        (format!("pbkdf2:whirlpool:1000$salt${hex}"), false),
        (format!("scrypt:131072:8:10$salt${hex}"), true),
        (format!("scrypt:262144:8:1$salt${hex}"), false),
        (format!("scrypt:32768:9:1$salt${hex}"), false),
        (format!("scrypt:32768:8:11$salt${hex}"), false),
        (format!("scrypt:1:8:1$salt${hex}"), false),
        (format!("scrypt:0:8:1$salt${hex}"), false),
        (format!("scrypt:32768:0:1$salt${hex}"), false),
        (format!("scrypt:32768:8:1$${hex}"), false),
        (format!("$scrypt$ln=18,r=8,p=1$c2FsdHNhbHQ${base64}"), false),
        (format!("$scrypt$ln=300,r=8,p=1$c2FsdHNhbHQ${base64}"), false),
        (format!("$argon2id$v=19$m=1048576,t=10,p=16$c2FsdHNhbHQ${base64}"), true),
        (format!("$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHQ${base64}"), false),
        (format!("$argon2id$v=19$m=64,t=11,p=1$c2FsdHNhbHQ${base64}"), false),
        (format!("$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ${base64}"), false),
        (format!("$5$rounds=5000000$saltsalt${base64}"), true),
        (format!("$5$rounds=5000001$saltsalt${base64}"), false),
        (format!("$5$rounds=999$saltsalt${base64}"), false),
        (format!("$P$I{}", "A".repeat(30)), true),
        (format!("$P$Z{}", "A".repeat(30)), false),
    ] {
        assert_eq!(judge(&encoded).is_ok(), good, "{encoded}");
    }
    // A long password buys no more work than the bound.
    let dear = Encoding::parse(&format!("$5$rounds=5000000$saltsalt${base64}")).expect("in bounds");
    assert!(!dear.verify(&[b'x'; 4096]));
}

#[test]
fn what_is_no_stored_password_is_refused_with_a_reason() {
    for (encoded, reason) in [
        ("plain$salt$secret", "a password in clear is not imported"),
        ("{PLAIN}secret", "a password in clear is not imported"),
        ("secret", "this form of a stored password is not known"),
        ("$1$salt$abcdefghijklmnopqrstuv", "this form of a stored password is not known"),
        ("$2x$12$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m", "this form of bcrypt has a known flaw"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "the hash has no salt"),
        ("md5$$5f4dcc3b5aa765d61d8327deb882cf99", "the hash has no salt"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "the hash has no salt"),
        ("$", "this form of a stored password is not known"),
        ("{", "this form of a stored password is not known"),
        ("ñ$ñ$ñ", "this form of a stored password is not known"),
        ("$2b$12$ñññññññññññññññññññññññññññññññññññññññññññññññññññññ", "the hash has not the length of its scheme: it was cut"),
    ] {
        assert_eq!(judge(encoded).err(), Some(Refused(reason)), "{encoded}");
    }
    for none in ["", "  ", "!", "!HUSyYyDge4BbCP3yjQL4lUclwWYphQfb61F1Z63O"] {
        assert_eq!(judge(none), Ok(Kept::NoPassword));
    }
    // A column of fixed width fills up with spaces.
    assert!(judge("$2b$12$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m      ").is_ok());
}

#[tokio::test]
async fn after_the_upgrade_everything_is_accepted_that_was() {
    let hasher = hasher();
    // bcrypt 4.0.1 of the first 72 bytes of 71 a and ñoño: cut inside a letter.
    let stored = kept("$2b$05$KPaDDXlyAebtqfo9RIMst.58/F3U70CC/5fjoJT4yfiTu3nFPWRc.", false).expect("a password");
    let whole = format!("{}ñoño", "a".repeat(71));
    let other = format!("{}ñandú", "a".repeat(71));
    let checked = hasher.verify(&whole, Some(&stored)).await.expect("room");
    assert!(checked.correct);
    let upgraded = hasher.stronger(&whole, &stored, checked, [7; 16]).await.expect("room");
    assert!(upgraded.starts_with("cut72,nfc:$argon2id$v=19$"), "{upgraded}");
    assert!(!hasher.needs_upgrade(&upgraded));
    for (password, correct) in [(&whole, true), (&other, true), (&"a".repeat(71), false), (&"a".repeat(80), false)] {
        assert_eq!(hasher.verify(password, Some(&upgraded)).await.expect("room").correct, correct, "{password}");
    }
    // 72 letters without accents: cut, and one form.
    let vectors = vectors();
    let over = vectors.vectors.iter().find(|vector| vector.id == "passlib-bcrypt-over72").expect("it is there");
    let stored = kept_of(over).expect("a password");
    let whole = over.password.as_deref().expect("a password");
    let checked = hasher.verify(whole, Some(&stored)).await.expect("room");
    let upgraded = hasher.stronger(whole, &stored, checked, [7; 16]).await.expect("room");
    assert!(upgraded.starts_with("cut72:$argon2id$"), "{upgraded}");
    for password in [whole, &whole[..72], &format!("{}anything else", &whole[..72])] {
        assert!(hasher.verify(password, Some(&upgraded)).await.expect("room").correct, "{password}");
    }
    // A short one is what it is.
    let short = vectors.vectors.iter().find(|vector| vector.id == "passlib-bcrypt-2a").and_then(kept_of).expect("a password");
    let checked = hasher.verify("correct horse battery staple", Some(&short)).await.expect("room");
    let upgraded = hasher.stronger("correct horse battery staple", &short, checked, [7; 16]).await.expect("room");
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
}

#[tokio::test]
async fn either_keyboard_opens_a_composed_password_before_and_after_the_upgrade() {
    let hasher = hasher();
    let nfd: String = unicode_normalization::UnicodeNormalization::nfd(PASSWORD).collect();
    let stored = kept("md5$lC3LKxGUddeW$f90fd8477cb34f82b8056c1576242560", false).expect("a password");
    let checked = hasher.verify(&nfd, Some(&stored)).await.expect("room");
    assert!(checked.correct && checked.composed);
    let upgraded = hasher.stronger(&nfd, &stored, checked, [7; 16]).await.expect("room");
    assert!(upgraded.starts_with("nfc:$argon2id$"), "{upgraded}");
    for password in [&nfd, PASSWORD] {
        assert!(hasher.verify(password, Some(&upgraded)).await.expect("room").correct);
    }
    // What was hashed decomposed stays so: its composed form was never taken.
    let vectors = vectors();
    let stored = vectors.vectors.iter().find(|vector| vector.id == "werkzeug-scrypt-nfd").and_then(kept_of).expect("a password");
    let checked = hasher.verify(&nfd, Some(&stored)).await.expect("room");
    assert!(checked.correct && !checked.composed);
    let upgraded = hasher.stronger(&nfd, &stored, checked, [7; 16]).await.expect("room");
    assert!(hasher.verify(&nfd, Some(&upgraded)).await.expect("room").correct);
    assert!(!hasher.verify(PASSWORD, Some(&upgraded)).await.expect("room").correct);
}

#[tokio::test]
async fn a_failure_waits_for_the_dearest_scheme_that_was_met() {
    let hasher = hasher();
    assert_eq!(hasher.verify("x", None).await.expect("room").shortfall, Duration::ZERO, "all cost the same");
    let (price, blank) = Hasher::price("$2b$08$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m").expect("bcrypt");
    assert_eq!((price.scheme, price.n), ("bcrypt", 256));
    hasher.meet(&blank).await.expect("room");
    let unknown = hasher.verify("x", None).await.expect("room").shortfall;
    assert!(unknown > Duration::from_millis(1), "{unknown:?}");
    for stored in vectors().vectors.iter().filter_map(kept_of) {
        let (price, blank) = Hasher::price(&stored).expect("it can be computed");
        assert_eq!(Hasher::price(&blank).map(|(again, _)| again), Some(price), "{blank}");
    }
}

/// PBKDF2 with an output of several blocks costs what one of them does, and is judged by that.
#[tokio::test]
async fn a_long_pbkdf2_costs_one_block() {
    let stored = kept("$pbkdf2$i=1000,l=40$c2FsdHNhbHRzYWx0c2FsdA$u0bVxxPnOA2o4mMh4Y8ivCPwqgD5KD1SI3Kacet9XPhjO8VHUuZ4GA", false);
    let stored = stored.expect("a password");
    let (price, _) = Hasher::price(&stored).expect("it costs something");
    assert_eq!((price.scheme, price.n, price.r, price.p), ("pbkdf2-sha1", 1000, 1, 1));
    let hasher = hasher();
    assert!(hasher.verify("secreto", Some(&stored)).await.expect("not busy").correct);
    assert!(!hasher.verify("secreta", Some(&stored)).await.expect("not busy").correct);
}
