/**
 * Who may talk to the API.
 *
 * Z1. On any address but loopback there is a token of at least MIN_TOKEN_CHARS characters, or no start.
 * Z2. With a token, every route but the health check asks for it, and the comparison takes the same time for any answer.
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

/** Refuses a configuration that would be open to the network (Z1). */
export function checkExposure(host: string, token: string | undefined): void {
  if (token !== undefined && token.length < MIN_TOKEN_CHARS) {
    throw new MqError(
      'MQ_TOKEN_REQUIRED',
      `the token has ${token.length} characters, at least ${MIN_TOKEN_CHARS} are needed`,
    )
  }
  if (token === undefined && !isLoopback(host)) {
    throw new MqError(
      'MQ_TOKEN_REQUIRED',
      `the API was asked to listen on ${host}, beyond this machine, without a token`,
    )
  }
}

export interface GuardedRequest {
  readonly authorization: string | undefined
  readonly host: string | undefined
  readonly origin: string | undefined
}

/** A check for every request: throws when it may not pass (Z2, Z3). */
export function createGuard(token: string | undefined): (request: GuardedRequest) => void {
  if (token === undefined) return checkLocal
  const expected = digest(token)
  return ({ authorization }) => {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
    if (timingSafeEqual(digest(given ?? ''), expected) && given !== undefined) return
    throw new MqError(
      'MQ_UNAUTHORIZED',
      given === undefined
        ? 'the request carries no bearer token'
        : 'the token of the request is not the one of this control plane',
    )
  }
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
