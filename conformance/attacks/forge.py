"""Forged tokens: an attacker's RSA key, JWS by hand, public keys in the forms that were once taken for HMAC secrets. Nothing of it is safe
to use anywhere else."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import math
import secrets

from rig import b64url, unb64url


def _is_prime(n: int) -> bool:
    if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for _ in range(20):
        x = pow(secrets.randbelow(n - 3) + 2, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _prime(bits: int) -> int:
    while True:
        n = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if n % 65537 != 1 and _is_prime(n):
            return n


@functools.cache
def attacker_key() -> tuple[int, int, int]:
    """n, e, d of a 2048-bit key that the issuer has never seen."""
    p, q = _prime(1024), _prime(1024)
    return p * q, 65537, pow(65537, -1, (p - 1) * (q - 1))


def attacker_jwk(**members) -> dict:
    n, e, _ = attacker_key()
    return {"kty": "RSA", "n": b64url(n.to_bytes(256, "big")), "e": "AQAB", "alg": "RS256", "use": "sig", **members}


def part(value) -> str:
    return b64url(value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode())


def imported_key() -> dict:
    """The attacker's key with its private part, as an operator would import it."""
    n, e, d = attacker_key()
    # From a multiple of the group's order a square root of one that is not trivial, and from it a factor.
    k, half = d * e - 1, d * e - 1
    while half % 2 == 0:
        half //= 2
    p = None
    while p is None:
        x = pow(secrets.randbelow(n - 3) + 2, half, n)
        power = half
        while power < k and x not in (1, n - 1):
            y = x * x % n
            if y == 1:
                p = math.gcd(x - 1, n)
                break
            x, power = y, power * 2
    q = n // p
    number = lambda value: b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
    private = {"d": d, "p": p, "q": q, "dp": d % (p - 1), "dq": d % (q - 1), "qi": pow(q, -1, p)}
    return {**attacker_jwk(), **{name: number(value) for name, value in private.items()}}


def rs256(header: dict | bytes, claims: dict | bytes) -> str:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2) under the attacker's key."""
    n, _, d = attacker_key()
    signed = f"{part(header if isinstance(header, bytes) else {'alg': 'RS256', **header})}.{part(claims)}"
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
    block = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
    return f"{signed}.{b64url(pow(int.from_bytes(block, 'big'), d, n).to_bytes(256, 'big'))}"


def hs256(key: bytes, header: dict, claims: dict) -> str:
    signed = f"{part({'alg': 'HS256', **header})}.{part(claims)}"
    return f"{signed}.{b64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def unsigned(alg, header: dict, claims: dict, signature="") -> str:
    head = {**header, "alg": alg} if alg is not None else {k: v for k, v in header.items() if k != "alg"}
    return f"{part(head)}.{part(claims)}.{signature}"


def _der(tag: int, body: bytes) -> bytes:
    length = len(body)
    size = bytes([length]) if length < 128 else (lambda raw: bytes([0x80 | len(raw)]) + raw)(length.to_bytes((length.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + size + body


def _integer(raw: bytes) -> bytes:
    return _der(2, (b"\x00" if raw[0] & 0x80 else b"") + raw)


def _pem(label: str, der: bytes) -> bytes:
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def confusable(jwk: dict) -> list[bytes]:
    """The bytes of a public key that a careless verifier takes for an HMAC secret."""
    forms = [json.dumps(jwk).encode(), json.dumps(jwk, separators=(",", ":")).encode(), b""]
    if jwk["kty"] == "RSA":
        n = unb64url(jwk["n"])
        pkcs1 = _der(0x30, _integer(n) + _integer(unb64url(jwk["e"])))
        spki = _der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + _der(3, b"\x00" + pkcs1))
        forms += [n, jwk["n"].encode(), pkcs1, spki, _pem("RSA PUBLIC KEY", pkcs1)]
    elif jwk["kty"] == "EC":
        point = b"\x04" + unb64url(jwk["x"]) + unb64url(jwk["y"])
        spki = _der(0x30, bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107") + _der(3, b"\x00" + point))
        forms += [point, unb64url(jwk["x"]), spki]
    else:
        spki = _der(0x30, bytes.fromhex("300506032b6570") + _der(3, b"\x00" + unb64url(jwk["x"])))
        forms += [unb64url(jwk["x"]), jwk["x"].encode(), spki]
    pem = _pem("PUBLIC KEY", spki)
    return forms + [pem, pem.rstrip(b"\n")]
