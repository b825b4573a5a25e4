// npm openid-client: a confidential and a public client through the whole code flow.
import * as client from 'openid-client'
import { tmpdir } from 'node:os'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { assert, authorize, equal, holds, order, refuses, signOut, tampered } from './walk.mjs'

const { issuer, clients, user } = order
const folder = mkdtempSync(join(tmpdir(), 'portero-openid-client-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const METHODS = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost, none: client.None }

function configure(registered, secret = registered.client_secret) {
  const method = METHODS[registered.token_endpoint_auth_method](secret)
  const metadata = { id_token_signed_response_alg: registered.id_token_signed_response_alg }
  // Signatures of ID tokens are verified through the key set, although they come straight from the token endpoint.
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks]
  return client.discovery(new URL(issuer), registered.client_id, metadata, method, { execute })
}

/** From the authorization request to the callback, with everything that has to be checked afterwards. */
async function ask(config, registered, { jar, ...more } = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  }
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: registered.redirect_uris[0],
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  })
  const callback = authorize(url, jar)
  assert(!callback.error_page, `an error page: ${callback.error_page}`)
  const params = new URLSearchParams(callback.params)
  const at = new URL(registered.redirect_uris[0])
  if (callback.mode === 'form_post') {
    return { checks, current: new Request(at, { method: 'POST', body: params }) }
  }
  at.search = params
  return { checks, current: at }
}

async function flow(registered, more) {
  const config = await configure(registered)
  const { checks, current } = await ask(config, registered, more)
  return { config, tokens: await client.authorizationCodeGrant(config, current, checks) }
}

for (const kind of ['basic', 'post', 'public', 'es256', 'eddsa']) {
  await holds(`code flow with PKCE, userinfo: ${kind}`, async () => {
    const { config, tokens } = await flow(clients[kind])
    const claims = tokens.claims()
    equal(claims.iss, issuer, 'iss')
    equal(claims.email, user.email, 'email in the ID token')
    equal(claims.email_verified, true, 'email_verified')
    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    equal(info.email, user.email, 'email at userinfo')
    equal(info.preferred_username, user.username, 'preferred_username at userinfo')
  })
}

await holds('response_mode=form_post', async () => {
  const { tokens } = await flow(clients.basic, { response_mode: 'form_post' })
  assert(tokens.claims().sub, 'no sub')
})

await holds('refresh keeps the subject, and rotates', async () => {
  const { config, tokens } = await flow(clients.basic, { scope: 'openid offline_access', prompt: 'consent' })
  const next = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert(next.refresh_token && next.refresh_token !== tokens.refresh_token, 'no new refresh token')
  equal(next.claims().sub, tokens.claims().sub, 'sub')
  equal(next.claims().auth_time, tokens.claims().auth_time, 'auth_time')
})

await holds('introspection and revocation', async () => {
  const { config, tokens } = await flow(clients.basic)
  const before = await client.tokenIntrospection(config, tokens.access_token)
  equal(before.active, true, 'active')
  equal(before.client_id, clients.basic.client_id, 'client_id')
  assert(before.username, 'no username')
  await client.tokenRevocation(config, tokens.access_token)
  equal(JSON.stringify(await client.tokenIntrospection(config, tokens.access_token)), '{"active":false}', 'after revocation')
})

await holds('client credentials', async () => {
  const config = await configure(clients.basic)
  const tokens = await client.clientCredentialsGrant(config)
  equal(tokens.token_type, 'bearer', 'token_type')
  assert(!tokens.id_token && !tokens.refresh_token, 'an ID token or a refresh token without a person')
})

await holds('sign-out by end_session_endpoint, back to the client with state', async () => {
  const jar = join(folder, 'jar')
  const { config, tokens } = await flow(clients.basic, { jar })
  const state = client.randomState()
  const [post_logout_redirect_uri] = clients.basic.post_logout_redirect_uris
  const done = signOut(client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri, state }), jar)
  equal(done.location, `${post_logout_redirect_uri}?state=${state}`, 'where it leads')
  const silent = await ask(config, clients.basic, { jar, prompt: 'none' })
  equal(silent.current.searchParams.get('error'), 'login_required', 'prompt=none after sign-out')
})

// --- negative controls

await refuses('another nonce', /OAUTH_JWT_CLAIM_COMPARISON_FAILED.*nonce/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  await client.authorizationCodeGrant(config, current, { ...checks, expectedNonce: client.randomNonce() })
})

await refuses('another state', /OAUTH_INVALID_RESPONSE.*state/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  await client.authorizationCodeGrant(config, current, { ...checks, expectedState: client.randomState() })
})

await refuses('another iss in the answer', /OAUTH_INVALID_RESPONSE.*iss/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  current.searchParams.set('iss', 'https://mallory.example')
  await client.authorizationCodeGrant(config, current, checks)
})

await refuses('no iss in the answer, which the metadata promises', /OAUTH_INVALID_RESPONSE.*iss/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  current.searchParams.delete('iss')
  await client.authorizationCodeGrant(config, current, checks)
})

await refuses('another code verifier', /invalid_grant/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  await client.authorizationCodeGrant(config, current, { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() })
})

await refuses('a code used twice', /invalid_grant/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  await client.authorizationCodeGrant(config, current, checks)
  await client.authorizationCodeGrant(config, current, checks)
})

await refuses('another client secret', /OAUTH_WWW_AUTHENTICATE_CHALLENGE 401/, async () => {
  const config = await configure(clients.basic, 'not-the-secret')
  const { checks, current } = await ask(config, clients.basic)
  await client.authorizationCodeGrant(config, current, checks)
})

await refuses('an ID token whose signature was changed', /OAUTH_INVALID_RESPONSE.*signature/, async () => {
  const config = await configure(clients.basic)
  const { checks, current } = await ask(config, clients.basic)
  config[client.customFetch] = async (url, options) => {
    const answer = await fetch(url, options)
    if (String(url) !== config.serverMetadata().token_endpoint) return answer
    const body = await answer.json()
    return Response.json({ ...body, id_token: tampered(body.id_token) }, { status: answer.status })
  }
  await client.authorizationCodeGrant(config, current, checks)
})

await refuses('discovery under another issuer', /OAUTH_|issuer|404|unexpected/i, async () => {
  const other = issuer.replace('127.0.0.1', 'localhost')
  await client.discovery(new URL(other), clients.basic.client_id, {}, client.None(), { execute: [client.allowInsecureRequests] })
})
