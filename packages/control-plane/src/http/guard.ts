/**
 * Who may talk to the API.
 *
 * Z1. On any address but loopback there is a token of at least MIN_TOKEN_CHARS characters, or no start.
 * Z2. With a token, every route but the health check asks for it, and the comparison takes the same time for any answer.
 * Z4. Tokens may be replaced while it runs: they are asked for with every request, and all that are named count.
 * Z5. A token says whose request it is, also where no token is asked for: with one of few permissions nobody can do more.
 * Z3. Without one, a request must be addressed to this machine by a loopback name and come from no foreign page: a web
 *     page that points its own name at 127.0.0.1 is refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { MqError, type Permission } from '@mq/contract'
import { type Identity, isAllowed, localIdentity } from '../app/caller.ts'

export const MIN_TOKEN_CHARS = 16

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}

/** One token, or those that count now: while they are rotated, the old one and the new one (Z4). */
export type Tokens = string | (() => readonly string[])

/** Refuses a configuration that would be open to the network (Z1). @param what would listen there */
export function checkExposure(host: string, tokens: Tokens | undefined, what = 'the API'): void {
  const known = tokensOf(tokens)
  const short = known.find((token) => token.length < MIN_TOKEN_CHARS)
  if (short !== undefined) {
    throw new MqError(
      'MQ_TOKEN_REQUIRED',
      `the token has ${short.length} characters, at least ${MIN_TOKEN_CHARS} are needed`,
    )
  }
  if (known.length === 0 && !isLoopback(host)) {
    throw new MqError(
      'MQ_TOKEN_REQUIRED',
      `${what} was asked to listen on ${host}, beyond this machine, without a token`,
    )
  }
}

function tokensOf(tokens: Tokens | undefined): readonly string[] {
  return tokens === undefined ? [] : typeof tokens === 'string' ? [tokens] : tokens()
}

export interface GuardedRequest {
  readonly authorization: string | undefined
  readonly host: string | undefined
  readonly origin: string | undefined
}

/** Tokens and who holds them. */
export interface TokenSource {
  readonly tokens: Tokens
  readonly identity: Identity
}

export interface GuardOptions {
  readonly sources: readonly TokenSource[]
  /** Whether a request from this machine passes without a token (Z3). */
  readonly isOpenHere: boolean
}

export interface Guard {
  /** Whose request it is. @throws MqError when it may not pass (Z2, Z3) */
  identify(request: GuardedRequest): Identity
  /** Whether whoever asks for what needs no token may see more. */
  allows(request: GuardedRequest, permission: Permission): boolean
}

/** A check for every request (Z2, Z3, Z5). */
export function createGuard({ sources, isOpenHere }: GuardOptions): Guard {
  const identify = (request: GuardedRequest): Identity => {
    const known = identityOf(request, sources)
    if (known !== undefined) return known
    if (!isOpenHere) throw unauthorized(request)
    checkLocal(request)
    return localIdentity
  }
  return {
    identify,
    allows: (request, permission) => {
      try {
        return isAllowed(identify(request), permission)
      } catch {
        return false
      }
    },
  }
}

function identityOf({ authorization }: GuardedRequest, sources: readonly TokenSource[]): Identity | undefined {
  const given = tokenIn(authorization)
  const shown = digest(given ?? '')
  let found: Identity | undefined
  // All of them are compared, so that the time tells nothing.
  for (const { tokens, identity } of sources) {
    for (const token of tokensOf(tokens)) if (timingSafeEqual(shown, digest(token))) found ??= identity
  }
  return given === undefined ? undefined : found
}

function unauthorized({ authorization }: GuardedRequest): MqError {
  return new MqError(
    'MQ_UNAUTHORIZED',
    tokenIn(authorization) === undefined
      ? 'the request carries no bearer token'
      : 'the token of the request is not one of this control plane',
  )
}

function tokenIn(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
}

function checkLocal({ host, origin }: GuardedRequest): void {
  if (host !== undefined && !isLoopback(hostName(host))) {
    throw new MqError('MQ_ORIGIN_REFUSED', 'the request is addressed to a name that is not this machine')
  }
  if (origin !== undefined && !isLoopback(originName(origin))) {
    throw new MqError('MQ_ORIGIN_REFUSED', 'the request comes from a web page of another site')
  }
}

function hostName(host: string): string {
  return host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : (host.split(':')[0] ?? '')
}

function originName(origin: string): string {
  try {
    return new URL(origin).hostname
  } catch {
    return ''
  }
}

/** Digests are of one length, so the comparison cannot tell how long the token is. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
