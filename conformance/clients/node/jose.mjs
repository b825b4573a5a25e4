// npm jose: tokens of the code flow, verified through the published key set, by each algorithm.
import { createHash, randomBytes } from 'node:crypto'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { assert, authorize, equal, holds, order, refuses, tampered } from './walk.mjs'

const { issuer, clients } = order
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

async function tokensOf(registered) {
  const verifier = randomBytes(32).toString('base64url')
  const redirect_uri = registered.redirect_uris[0]
  const { client_id, client_secret } = registered
  const code_challenge = createHash('sha256').update(verifier).digest('base64url')
  const query = { response_type: 'code', client_id, redirect_uri, scope: 'openid', state: 's', nonce: 'n', code_challenge, code_challenge_method: 'S256' }
  const callback = authorize(`${metadata.authorization_endpoint}?${new URLSearchParams(query)}`)
  assert(callback.params?.code, `no code: ${JSON.stringify(callback)}`)
  const form = { grant_type: 'authorization_code', code: callback.params.code, redirect_uri, code_verifier: verifier }
  const headers = client_secret ? { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` } : {}
  const answer = await fetch(metadata.token_endpoint, { method: 'POST', headers, body: new URLSearchParams(client_secret ? form : { ...form, client_id }) })
  assert(answer.ok, `${answer.status} ${await answer.clone().text()}`)
  return answer.json()
}

for (const [kind, alg] of [['public', 'RS256'], ['es256', 'ES256'], ['eddsa', 'EdDSA']]) {
  const tokens = await holds(`${alg}: code flow`, () => tokensOf(clients[kind]))
  if (!tokens) continue
  const audience = clients[kind].client_id
  await holds(`${alg}: ID token`, async () => {
    const { payload, protectedHeader } = await jwtVerify(tokens.id_token, keys, { issuer, audience, algorithms: [alg] })
    equal(payload.nonce, 'n', 'nonce')
    assert(protectedHeader.kid, 'no kid')
    const digest = createHash(alg === 'EdDSA' ? 'sha512' : 'sha256').update(tokens.access_token).digest()
    equal(payload.at_hash, digest.subarray(0, digest.length / 2).toString('base64url'), 'at_hash')
  })
  await holds(`${alg}: access token`, async () => {
    const { payload } = await jwtVerify(tokens.access_token, keys, { issuer, audience: issuer, typ: 'at+jwt', algorithms: [alg] })
    equal(payload.client_id, audience, 'client_id')
  })
  await refuses(`${alg}: signature changed`, /ERR_JWS_SIGNATURE_VERIFICATION_FAILED/, () => jwtVerify(tampered(tokens.id_token), keys, { issuer, audience }))
  await refuses(`${alg}: another issuer`, /ERR_JWT_CLAIM_VALIDATION_FAILED.*iss/, () => jwtVerify(tokens.id_token, keys, { issuer: 'https://other.example', audience }))
  await refuses(`${alg}: another audience`, /ERR_JWT_CLAIM_VALIDATION_FAILED.*aud/, () => jwtVerify(tokens.id_token, keys, { issuer, audience: 'other' }))
  await refuses(`${alg}: an ID token as access token`, /ERR_JWT_CLAIM_VALIDATION_FAILED.*typ/, () => jwtVerify(tokens.id_token, keys, { issuer, audience, typ: 'at+jwt' }))
  await refuses(`${alg}: an algorithm that is not allowed`, /ERR_JOSE_ALG_NOT_ALLOWED/, () => jwtVerify(tokens.id_token, keys, { issuer, audience, algorithms: ['PS512'] }))
}

await holds('the key set holds public keys alone, each with kid, alg and use', async () => {
  const { keys: published } = await (await fetch(metadata.jwks_uri)).json()
  assert(published.length > 0, 'no key')
  for (const key of published) {
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) assert(!(member in key), `private member ${member}`)
    for (const member of ['kid', 'alg', 'use', 'kty']) assert(key[member], `no ${member}`)
  }
})

await refuses('a token under a key that is not published', /ERR_JWKS_NO_MATCHING_KEY|ERR_JWS_SIGNATURE_VERIFICATION_FAILED/, async () => {
  const { SignJWT, generateKeyPair } = await import('jose')
  const { privateKey } = await generateKeyPair('RS256')
  const { id_token } = await tokensOf(clients.public)
  const { kid } = decodeProtectedHeader(id_token)
  const forged = await new SignJWT({ sub: 'mallory' }).setProtectedHeader({ alg: 'RS256', kid }).setIssuer(issuer).setAudience(clients.public.client_id).setExpirationTime('5m').sign(privateKey)
  await jwtVerify(forged, keys, { issuer, audience: clients.public.client_id })
})
