// npm oauth4webapi: every message by hand, each answer judged by the library.
import * as oauth from 'oauth4webapi'
import { assert, authorize, equal, holds, order, refuses, tampered } from './walk.mjs'

const { clients, user, resource } = order
const issuer = new URL(order.issuer)
const insecure = { [oauth.allowInsecureRequests]: true }

const METHODS = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost, none: oauth.None }
const authentication = (registered) => METHODS[registered.token_endpoint_auth_method](registered.client_secret)

const as = await holds('OpenID discovery', async () => {
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecure })
  return oauth.processDiscoveryResponse(issuer, answer)
})

await holds('RFC 8414 metadata says the same', async () => {
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  equal(JSON.stringify(await oauth.processDiscoveryResponse(issuer, answer)), JSON.stringify(as), 'metadata')
})

async function ask(registered, more = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: registered.client_id,
    redirect_uri: registered.redirect_uris[0],
    response_type: 'code',
    scope: 'openid email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  })
  const callback = authorize(url)
  assert(!callback.error_page, `an error page: ${callback.error_page}`)
  return { verifier, state, nonce, params: new URLSearchParams(callback.params) }
}

async function exchange(registered, asked, { as: server = as, state = asked.state, nonce = asked.nonce, verifier = asked.verifier, spoil } = {}) {
  const client = { client_id: registered.client_id, id_token_signed_response_alg: registered.id_token_signed_response_alg }
  const params = oauth.validateAuthResponse(server, client, asked.params, state)
  let answer = await oauth.authorizationCodeGrantRequest(server, client, authentication(registered), params, registered.redirect_uris[0], verifier, insecure)
  equal(answer.headers.get('cache-control'), 'no-store', 'Cache-Control of the token answer')
  if (spoil) answer = Response.json(spoil(await answer.json()), { status: answer.status })
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(server, answer, insecure)
  return { client, tokens }
}

const flow = async (registered, more) => exchange(registered, await ask(registered, more))

/** What a resource server does with a request that carries the token. */
function arrives(access_token, audience) {
  const request = new Request(resource, { headers: { authorization: `Bearer ${access_token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, insecure)
}

for (const kind of ['public', 'basic', 'post', 'es256', 'eddsa']) {
  await holds(`code flow with PKCE, signature, userinfo, RFC 9068 access token: ${kind}`, async () => {
    const { client, tokens } = await flow(clients[kind])
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    equal(claims.email, user.email, 'email')
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, insecure)
    const person = await oauth.processUserInfoResponse(as, client, claims.sub, info)
    equal(person.email, user.email, 'email at userinfo')
    const access = await arrives(tokens.access_token, order.issuer)
    equal(access.sub, claims.sub, 'sub of the access token')
    equal(access.client_id, client.client_id, 'client_id of the access token')
  })
}

await holds('a token for a resource (RFC 8707), kept by refresh', async () => {
  const registered = clients.basic
  const { client, tokens } = await flow(registered, { resource, scope: 'openid offline_access', prompt: 'consent' })
  equal((await arrives(tokens.access_token, resource)).aud, resource, 'aud')
  const answer = await oauth.refreshTokenGrantRequest(as, client, authentication(registered), tokens.refresh_token, insecure)
  const next = await oauth.processRefreshTokenResponse(as, client, answer)
  equal((await arrives(next.access_token, resource)).aud, resource, 'aud after refresh')
})

await holds('introspection and revocation', async () => {
  const registered = clients.basic
  const { client, tokens } = await flow(registered)
  const look = async () => {
    const answer = await oauth.introspectionRequest(as, client, authentication(registered), tokens.access_token, insecure)
    return oauth.processIntrospectionResponse(as, client, answer)
  }
  equal((await look()).active, true, 'active')
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication(registered), tokens.access_token, insecure))
  equal((await look()).active, false, 'active after revocation')
})

await holds('client credentials', async () => {
  const registered = clients.post
  const client = { client_id: registered.client_id }
  const answer = await oauth.clientCredentialsGrantRequest(as, client, authentication(registered), new URLSearchParams(), insecure)
  const tokens = await oauth.processClientCredentialsResponse(as, client, answer)
  equal((await arrives(tokens.access_token, order.issuer)).client_id, client.client_id, 'client_id')
})

// --- negative controls

await refuses('another iss in the answer', /OAUTH_INVALID_RESPONSE.*iss/, async () => {
  const asked = await ask(clients.public)
  asked.params.set('iss', 'https://mallory.example')
  await exchange(clients.public, asked)
})

await refuses('another state', /OAUTH_INVALID_RESPONSE.*state/, async () => {
  await exchange(clients.public, await ask(clients.public), { state: oauth.generateRandomState() })
})

await refuses('another nonce', /OAUTH_JWT_CLAIM_COMPARISON_FAILED.*nonce/, async () => {
  await exchange(clients.public, await ask(clients.public), { nonce: oauth.generateRandomNonce() })
})

await refuses('another code verifier', /invalid_grant/, async () => {
  await exchange(clients.public, await ask(clients.public), { verifier: oauth.generateRandomCodeVerifier() })
})

await refuses('an ID token whose signature was changed', /OAUTH_INVALID_RESPONSE.*signature/, async () => {
  const spoil = (body) => ({ ...body, id_token: tampered(body.id_token) })
  await exchange(clients.public, await ask(clients.public), { spoil })
})

await refuses('an ID token of another issuer', /OAUTH_JWT_CLAIM_COMPARISON_FAILED.*iss/, async () => {
  const asked = await ask(clients.public)
  asked.params.set('iss', 'https://other.example')
  await exchange(clients.public, asked, { as: { ...as, issuer: 'https://other.example' } })
})

await refuses('an access token for another audience', /OAUTH_JWT_CLAIM_COMPARISON_FAILED.*aud/, async () => {
  const { tokens } = await flow(clients.public)
  await arrives(tokens.access_token, 'https://other.example')
})

await refuses('an access token whose signature was changed', /OAUTH_INVALID_RESPONSE.*signature/, async () => {
  const { tokens } = await flow(clients.public)
  await arrives(tampered(tokens.access_token), order.issuer)
})

await refuses('an ID token in place of an access token', /OAUTH_/, async () => {
  const { tokens } = await flow(clients.public)
  await arrives(tokens.id_token, clients.public.client_id)
})
