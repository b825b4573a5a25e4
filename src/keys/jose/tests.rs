use std::sync::LazyLock;

use serde_json::json;

use super::*;

/// One RSA key for all: making one is slow.
static RSA: LazyLock<PrivateJwk> = LazyLock::new(|| PrivateJwk::generate(SigningAlg::RS256).expect("an RSA key"));

fn private(alg: SigningAlg) -> PrivateJwk {
    match alg {
        SigningAlg::RS256 => PrivateJwk::from_json(RSA.as_json()).expect("it was just written"),
        other => PrivateJwk::generate(other).expect("a key"),
    }
}

fn key(alg: SigningAlg) -> SigningKey {
    SigningKey::new(&private(alg)).expect("a usable key")
}

fn verify(key: &SigningKey, token: &str) -> Result<Verified, NotOurs> {
    key.verify_jwt(Compact::parse(token)?)
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header, really signed by `key`.
fn signed_with_header(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let signature = key.sign(input.as_bytes()).expect("it signs");
    format!("{input}.{}", b64(signature))
}

#[test]
fn what_is_signed_verifies_and_says_its_type() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        for typ in ["at+jwt", "JWT", "logout+jwt"] {
            let token = key.sign_jwt(typ, &json!({"sub": "usr_1"})).expect("it signs");
            let verified = verify(&key, &token).expect("our own token");
            assert_eq!(verified.typ.as_deref(), Some(typ));
            assert_eq!(verified.payload, br#"{"sub":"usr_1"}"#);
            let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64url");
            let header: Value = serde_json::from_slice(&header).expect("JSON");
            assert_eq!(header, json!({"alg": alg.as_str(), "typ": typ, "kid": key.kid}));
        }
    }
}

#[test]
fn rfc_7638_section_3_1_thumbprint() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let Value::Object(map) = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}) else { unreachable!() };
    assert_eq!(thumbprint(&map).as_deref(), Ok("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(modulus_bits(&map), Ok(2048));
}

#[test]
fn rfc_8037_appendix_a_ed25519() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let private = PrivateJwk::import(jwk.as_bytes()).expect("a key");
    assert_eq!(private.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let key = SigningKey::new(&private).expect("a usable key");
    let signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc").expect("it signs");
    assert_eq!(b64(signature), "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

#[test]
fn the_public_key_has_no_private_member() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        let public = serde_json::to_value(key.public()).expect("JSON");
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(public.get(member), None, "{member} of {alg:?}");
        }
        assert_eq!((&public["use"], &public["alg"], &public["kid"]), (&json!("sig"), &json!(alg.as_str()), &json!(key.kid)));
    }
}

#[test]
fn coordinates_keep_their_leading_zeros() {
    // RFC 7518 §6.2.1.2: "The length of this octet string MUST be the full size of a coordinate for the curve." One key in 128 tells.
    for _ in 0..400 {
        let private = PrivateJwk::generate(SigningAlg::ES256).expect("a key");
        let jwk: Map<String, Value> = serde_json::from_slice(private.as_json()).expect("JSON");
        for member in ["x", "y", "d"] {
            let bytes = URL_SAFE_NO_PAD.decode(jwk[member].as_str().expect("a string")).expect("base64url");
            assert_eq!(bytes.len(), 32, "{member}");
        }
    }
}

#[test]
fn a_private_key_is_written_and_read_back_and_never_printed() {
    for alg in SigningAlg::ALL {
        let made = private(alg);
        let read = PrivateJwk::from_json(made.as_json()).expect("our own form");
        assert_eq!((&read.kid, read.alg, read.as_json()), (&made.kid, alg, made.as_json()));
        let jwk: Map<String, Value> = serde_json::from_slice(made.as_json()).expect("JSON");
        assert!(!format!("{made:?}").contains(jwk["d"].as_str().expect("a string")));
    }
    assert!(PrivateJwk::from_json(b"{}").is_err());
    assert!(PrivateJwk::from_json(br#"{"kty":"oct","k":"AAAA"}"#).is_err());
}

#[test]
fn pem_of_every_kind_is_imported() {
    let rsa = RsaKeyPair::generate(2048).expect("a key");
    let ec = EcKeyPair::generate(EcCurve::P256).expect("a key");
    let ed = EdKeyPair::generate(EdCurve::Ed25519).expect("a key");
    let with_parameters =
        [b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", &ec.to_traditional_pem_private_key()[..]]
            .concat();
    let files = [
        (SigningAlg::RS256, rsa.to_pem_private_key()),
        (SigningAlg::RS256, rsa.to_traditional_pem_private_key()),
        (SigningAlg::ES256, ec.to_pem_private_key()),
        (SigningAlg::ES256, with_parameters),
        (SigningAlg::EdDSA, ed.to_pem_private_key()),
    ];
    let mut kids = Vec::new();
    for (alg, pem) in files {
        let imported = PrivateJwk::import(&pem).unwrap_or_else(|error| panic!("{alg:?}: {error}"));
        assert_eq!(imported.alg, alg);
        kids.push(imported.kid);
    }
    assert_eq!((&kids[0], &kids[2]), (&kids[1], &kids[3]), "one key in two forms has one id");
    let jwk = PrivateJwk::import(private(SigningAlg::ES256).as_json()).expect("a JWK");
    assert_eq!(jwk.alg, SigningAlg::ES256);
}

#[test]
fn what_is_no_signing_key_is_not_imported() {
    let small = RsaKeyPair::generate(1024).expect("a key").to_pem_private_key();
    let other_curve = EcKeyPair::generate(EcCurve::P384).expect("a key").to_pem_private_key();
    let public = RsaKeyPair::generate(2048).expect("a key").to_pem_public_key();
    let mut mismatched: Map<String, Value> = serde_json::from_slice(private(SigningAlg::ES256).as_json()).expect("JSON");
    let another: Map<String, Value> = serde_json::from_slice(private(SigningAlg::ES256).as_json()).expect("JSON");
    mismatched.insert("x".into(), another["x"].clone());
    mismatched.insert("y".into(), another["y"].clone());
    let mut for_encryption: Map<String, Value> = serde_json::from_slice(private(SigningAlg::ES256).as_json()).expect("JSON");
    for_encryption.insert("use".into(), "enc".into());
    let mut other_alg: Map<String, Value> = serde_json::from_slice(RSA.as_json()).expect("JSON");
    other_alg.insert("alg".into(), "PS256".into());
    let json = |map: &Map<String, Value>| serde_json::to_vec(map).expect("JSON");
    let refused: [(&str, Vec<u8>); 12] = [
        ("small", small),
        ("P-384", other_curve),
        ("public", public),
        ("mismatched", json(&mismatched)),
        ("enc", json(&for_encryption)),
        ("PS256", json(&other_alg)),
        ("symmetric", br#"{"kty":"oct","k":"AAAA","d":"AAAA"}"#.to_vec()),
        ("public JWK", serde_json::to_vec(key(SigningAlg::RS256).public()).expect("JSON")),
        ("set", br#"{"keys":[]}"#.to_vec()),
        ("encrypted", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----".to_vec()),
        ("cut", b"-----BEGIN PRIVATE KEY-----\nAAAA".to_vec()),
        ("empty", Vec::new()),
    ];
    for (what, bytes) in refused {
        assert!(PrivateJwk::import(&bytes).is_err(), "{what}");
    }
}

#[test]
fn tj_01_the_header_does_not_choose_the_algorithm() {
    let key = key(SigningAlg::RS256);
    let kid = &key.kid;
    for alg in ["none", "None", "nOnE", "", "HS256", "RS512", "ES256"] {
        let token = signed_with_header(&key, &format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#), "{}");
        assert_eq!(verify(&key, &token), Err(NotOurs), "{alg}");
    }
    assert_eq!(verify(&key, &signed_with_header(&key, &format!(r#"{{"kid":"{kid}"}}"#), "{}")), Err(NotOurs), "no alg");
    let unsigned = format!("{}.{}.", b64(format!(r#"{{"alg":"none","kid":"{kid}"}}"#)), b64("{}"));
    assert_eq!(verify(&key, &unsigned), Err(NotOurs));
    // HMAC keyed with the public key, in the form everybody can fetch.
    let input = format!("{}.{}", b64(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#)), b64("{}"));
    let public = serde_json::to_vec(key.public()).expect("JSON");
    let mac = josekit::jws::HS256.signer_from_bytes(public).expect("a signer").sign(input.as_bytes()).expect("a MAC");
    assert_eq!(verify(&key, &format!("{input}.{}", b64(mac))), Err(NotOurs));
}

#[test]
fn tj_02_an_embedded_key_is_not_believed() {
    let (ours, theirs) = (key(SigningAlg::ES256), key(SigningAlg::ES256));
    let jwk = serde_json::to_string(theirs.public()).expect("JSON");
    let header = format!(r#"{{"alg":"ES256","kid":"{}","jwk":{jwk},"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/"}}"#, ours.kid);
    assert_eq!(verify(&ours, &signed_with_header(&theirs, &header, "{}")), Err(NotOurs));
}

#[test]
fn tj_03_structural_noise_is_refused() {
    let key = key(SigningAlg::ES256);
    let token = key.sign_jwt("at+jwt", &json!({"sub": "usr_1"})).expect("it signs");
    let (head, rest) = token.split_once('.').expect("segments");
    let noise = [
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}="),
        format!("{head}=.{rest}"),
        format!("{head}\r\n.{rest}"),
        format!("{token}."),
        format!("{token}.e30"),
        format!(".{token}"),
        token.replace('.', ""),
        head.to_owned(),
        String::new(),
        ".".repeat(1_000_000),
        "A".repeat(MAX_TOKEN + 1),
        format!("{}.{rest}", b64("null")),
        format!("{}.{rest}", b64("[]")),
        format!("{}.{rest}", b64(r#"["ES256","at+jwt",null]"#)),
        format!("{}.{rest}", b64([0xff, 0xfe])),
    ];
    for noise in noise {
        assert_eq!(verify(&key, &noise).map(|_| ()), Err(NotOurs), "{:.80}", noise);
    }
    assert!(verify(&key, &token).is_ok());
}

#[test]
fn tj_04_repeated_members_and_crit_are_refused() {
    let key = key(SigningAlg::ES256);
    for header in [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","typ":"JWT","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","crit":null}"#,
        r#"{"alg":"ES256","kid":7}"#,
        r#"{"alg":"ES256","kid":"another"}"#,
    ] {
        assert_eq!(verify(&key, &signed_with_header(&key, header, "{}")), Err(NotOurs), "{header}");
    }
}

#[test]
fn a_changed_token_does_not_verify() {
    for alg in SigningAlg::ALL {
        let (ours, theirs) = (key(alg), if alg == SigningAlg::RS256 { key(SigningAlg::EdDSA) } else { key(alg) });
        let token = ours.sign_jwt("at+jwt", &json!({"sub": "usr_1"})).expect("it signs");
        assert_eq!(verify(&theirs, &token), Err(NotOurs));
        let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        let signature = std::mem::replace(&mut segments[1], b64(r#"{"sub":"usr_2"}"#));
        assert_eq!(verify(&ours, &segments.join(".")), Err(NotOurs));
        segments[1] = signature;
        let mut bytes = URL_SAFE_NO_PAD.decode(&segments[2]).expect("base64url");
        bytes[10] ^= 1;
        segments[2] = b64(&bytes);
        assert_eq!(verify(&ours, &segments.join(".")), Err(NotOurs));
        segments[2] = b64(&bytes[..bytes.len() - 1]);
        assert_eq!(verify(&ours, &segments.join(".")), Err(NotOurs));
    }
}

#[test]
fn ca_19_signatures_of_zeros_are_refused() {
    let key = key(SigningAlg::ES256);
    let token = key.sign_jwt("JWT", &json!({})).expect("it signs");
    let (input, signature) = token.rsplit_once('.').expect("segments");
    let good = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let zero_r = [&[0; 32], &good[32..]].concat();
    let zero_s = [&good[..32], &[0; 32]].concat();
    for bad in [vec![0; 64], zero_r, zero_s, vec![0xff; 64], Vec::new(), good[..63].to_vec(), [&good[..], &[0]].concat()] {
        assert_eq!(verify(&key, &format!("{input}.{}", b64(bad))), Err(NotOurs));
    }
}

#[test]
fn openidconnect_verifies_what_this_key_signs() {
    use openidconnect::JsonWebKey as _;

    use crate::protocol::id_token::jws_algorithm;

    for alg in SigningAlg::ALL {
        let key = key(alg);
        let signature = key.sign(b"message").expect("it signs");
        let public = key.public();
        assert_eq!(public.key_id().map(|kid| kid.as_str()), Some(key.kid.as_str()));
        public.verify_signature(&jws_algorithm(alg), b"message", &signature).expect("an independent verifier agrees");
        assert!(public.verify_signature(&jws_algorithm(alg), b"massage", &signature).is_err());
        let other = if alg == SigningAlg::RS256 { SigningAlg::ES256 } else { SigningAlg::RS256 };
        assert!(public.verify_signature(&jws_algorithm(other), b"message", &signature).is_err());
    }
}
