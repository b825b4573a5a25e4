// What the Node clients share: the order they were given, the walk through the pages, and the counting of cases.
import { spawnSync } from 'node:child_process'
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // Node 18

/** { issuer, clients: { basic, post, public, es256, eddsa, api }, user: { email, username, password }, resource, rig, python } */
export const order = JSON.parse(process.env.PORTERO_ORDER)

function walk(what) {
  const done = spawnSync(order.python, [order.rig], { input: JSON.stringify({ issuer: order.issuer, ...what }), encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`the walk through the pages failed: ${done.stderr}`)
  return JSON.parse(done.stdout)
}

/** Signs the person in and consents; the callback: { url, params, mode } or { error_page }. */
export function authorize(url, jar) {
  return walk({ do: 'authorize', url: String(url), username: order.user.username, password: order.user.password, jar })
}

/** Follows an end-session URL: { status, location, signed_out }. */
export function signOut(url, jar) {
  return walk({ do: 'sign-out', url: String(url), jar })
}

export function assert(holds, what) {
  if (!holds) throw new Error(what)
}

export function equal(got, wanted, what) {
  assert(got === wanted, `${what}: ${JSON.stringify(got)} where ${JSON.stringify(wanted)} is right`)
}

let broken = 0

/** A case: passes when the body ends without an error. Gives back what the body did. */
export async function holds(name, body) {
  try {
    const value = await body()
    console.log(`ok    ${name}`)
    return value
  } catch (error) {
    broken += 1
    console.log(`FAIL  ${name}: ${describe(error)}`)
  }
}

/** A negative control: passes when the body ends with an error whose description matches. */
export async function refuses(name, expected, body) {
  try {
    await body()
  } catch (error) {
    if (expected.test(describe(error))) return console.log(`ok    ${name}`)
    broken += 1
    return console.log(`FAIL  ${name}: failed in another way: ${describe(error)}`)
  }
  broken += 1
  console.log(`FAIL  ${name}: was accepted`)
}

function describe(error) {
  const parts = [error?.name, error?.code, error?.error, error?.status, error?.message, error?.error_description]
  if (error?.cause instanceof Error) parts.push(`(${describe(error.cause)})`)
  return parts.filter(Boolean).join(' ')
}

/** The same JWT with one bit of its signature changed. */
export function tampered(jwt) {
  const [head, body, signature] = jwt.split('.')
  const raw = Buffer.from(signature, 'base64url')
  raw[raw.length >> 1] ^= 1
  return `${head}.${body}.${raw.toString('base64url')}`
}

process.on('exit', () => {
  if (broken) process.exitCode = 1
})
