/**
 * Cursors of lists (PG2 of the contract): the route and the key that its next page goes on after, as a text without meaning to others.
 */
import { type ListName, MqError } from '@mq/contract'
import { z } from 'zod'
import type { Page, PageInput } from '../app/page.ts'

interface PageQuery {
  readonly limit: number
  readonly cursor?: string | undefined
}

const NumberKey = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const NameKey = z.string().max(1_500)

/** The page that a request asks for, of a list by names. */
export function namePage(route: ListName, query: PageQuery): PageInput<string> {
  return { limit: query.limit, after: keyIn(route, query.cursor, NameKey) }
}

/** The page that a request asks for, of a history by numbers. */
export function numberPage(route: ListName, query: PageQuery): PageInput<number> {
  return { limit: query.limit, after: keyIn(route, query.cursor, NumberKey) }
}

export function nextCursorOf(route: ListName, { next }: Page<unknown, string | number>): string | null {
  return next === undefined ? null : Buffer.from(JSON.stringify([route, next])).toString('base64url')
}

function keyIn<K>(route: ListName, cursor: string | undefined, schema: z.ZodType<K>): K | undefined {
  if (cursor === undefined) return undefined
  const parsed = z.tuple([z.literal(route), schema]).safeParse(decoded(cursor))
  if (parsed.success) return parsed.data[1]
  throw new MqError('MQ_REQUEST_INVALID', `query: cursor: it is not one that ${route} answered with`)
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
