/**
 * Who may talk to the API.
 *
 * Z1. On any address but loopback there is a token of at least MIN_TOKEN_CHARS characters, or no start.
 * Z2. With a token, every route but the health check asks for it, and the comparison takes the same time for any answer.
 * Z4. Tokens may be replaced while it runs: they are asked for with every request, and all that are named count.
 * Z3. Without one, a request must be addressed to this machine by a loopback name and come from no foreign page: a web
 *     page that points its own name at 127.0.0.1 is refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { MqError } from '@mq/contract'

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

export interface Guard {
  /** Throws when the request may not pass (Z2, Z3). */
  check(request: GuardedRequest): void
  /** Whether a request that needs no token would pass with what it shows. */
  knows(request: GuardedRequest): boolean
}

/** A check for every request. With several sources of tokens any of them opens; without any, only this machine may ask. */
export function createGuard(...sources: readonly (Tokens | undefined)[]): Guard {
  const given = sources.filter((source) => source !== undefined)
  const check = (request: GuardedRequest): void => {
    if (given.length === 0) checkLocal(request)
    else checkToken(request, given.flatMap(tokensOf))
  }
  return {
    check,
    knows: (request) => {
      try {
        check(request)
        return true
      } catch {
        return false
      }
    },
  }
}

function checkToken({ authorization }: GuardedRequest, tokens: readonly string[]): void {
  const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
  const shown = digest(given ?? '')
  // All of them are compared, so that the time tells nothing.
  const matches = tokens.filter((token) => timingSafeEqual(shown, digest(token)))
  if (matches.length > 0 && given !== undefined) return
  throw new MqError(
    'MQ_UNAUTHORIZED',
    given === undefined
      ? 'the request carries no bearer token'
      : 'the token of the request is not one of this control plane',
  )
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
