/** Lists in pages: paging/PG1-PG3 of the contract, page/G1. Every list of the route table, on sources that change between the pages. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DEFAULT_HISTORY_PAGE,
  type ListName,
  MAX_PAGE,
  MqError,
  type RouteName,
  type RouteShape,
  routes,
} from '@mq/contract'
import type { z } from 'zod'
import { localIdentity } from '../src/app/caller.ts'
import type { Exchange } from '../src/http/exchange.ts'
import { createHandlers, type HandlerContext } from '../src/http/handlers.ts'
import { MigrationData } from '../src/migration/record.ts'
import { assertProblem, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const shapes = Object.entries(routes) as [RouteName, RouteShape][]
const lists = shapes.filter(([, { list }]) => list !== undefined) as [ListName, RouteShape & { list: string }][]
const HISTORIES: ReadonlySet<string> = new Set(['listJournal', 'listMigrations', 'listDecisions', 'listTwins'])

/** The rows of a list by their places, and what the use cases read them through. */
type Rows = readonly number[]

const nameOf = (place: number): string => `row-${String(place).padStart(5, '0')}`
const idRecord = (place: number, state: string): unknown => ({
  id: nameOf(place),
  state,
  updatedAtMs: place,
  pending: { kind: 'delete', notBeforeMs: 1 },
  spec: { intent: {} },
  epochs: [{ state: 'open', epoch: 1, cluster: 'main', partitions: 1 }],
})

const placeIn = (epoch: number): unknown => ({ cluster: 'main', topic: `orders.e${epoch}`, epoch, partitions: 1 })
const migrationRecord = (number: number): unknown => ({
  ...{ number, mqId: 'orders', state: 'cancelled', actor: 'local', from: placeIn(1), to: placeIn(2), steps: [] },
  data: MigrationData.omit({ spec: true }).parse({
    sizeLimit: '1',
    why: '',
    undo: null,
    proofs: [],
    endOffsets: null,
    groups: [],
    stragglers: [],
  }),
})

/** As the repositories do it. */
const newestFirst =
  <T>(rows: () => Rows, make: (number: number) => T) =>
  async ({ limit, below }: { limit: number; below?: number | undefined }): Promise<T[]> =>
    rows()
      .filter((number) => below === undefined || number < below)
      .toSorted((a, b) => b - a)
      .slice(0, limit)
      .map(make)

function contextOn(rows: () => Rows, deleted: boolean): HandlerContext {
  const named = <T>(make: (place: number) => T): T[] => rows().map(make)
  const groupsOf = ({ id }: { id: string }): unknown[] =>
    // Each mQ ID has a group of mQ and another of the same name: only together with its kind a name is one.
    [false, true].map((foreign) => ({ group: 'billing', foreign, mqId: id }))
  const fake = {
    readiness: async () => ({}),
    store: {
      incarnation: 1,
      read: { journal: { list: newestFirst(rows, (seq) => ({ seq })) } },
    },
    clusters: { views: () => named((place) => ({ name: nameOf(place) })), traits: () => [] },
    registry: {
      all: () => named((place) => idRecord(place, deleted ? 'deleted' : 'active')),
      unsettled: () => undefined,
    },
    traffic: { messagesPerSecond: () => 0, lastMinute: () => null },
    failing: { of: () => ({}) },
    holdings: { warnings: () => [], nowMs: 0 },
    costs: { warnings: async () => [], budgets: async () => named((place) => ({ scope: `team=${nameOf(place)}` })) },
    drift: {
      of: () => [],
      topics: () => named((place) => ({ mqId: 'orders', cluster: 'main', topic: nameOf(place) })),
    },
    lagState: { groups: groupsOf, condition: () => ({}) },
    clients: {
      all: () => named((place) => ({ app: nameOf(place), produces: [], consumes: [] })),
      isAway: () => false,
    },
    sides: { list: () => named((place) => ({ mqId: 'orders', group: nameOf(place) })) },
    trouble: { deadLetters: () => 0 },
    keptLetters: { count: () => undefined },
    migrations: {
      list: newestFirst(rows, migrationRecord),
    },
    deciding: {
      policies: { autopilot: { on: true }, rules: () => named((place) => ({ scope: `team=${nameOf(place)}` })) },
      decisions: { list: newestFirst(rows, (number) => ({ number })), current: () => undefined },
      engine: { outlooks: () => [] },
    },
    twins: { list: newestFirst(rows, (number) => ({ number })) },
    owners: { rules: [] },
  }
  return fake as unknown as HandlerContext
}

interface Answered {
  readonly items: readonly unknown[]
  readonly nextCursor: string | null
}

async function page(name: ListName, context: HandlerContext, query: Record<string, unknown>): Promise<Answered> {
  const shape = routes[name]
  const handler = createHandlers(context)[name] as (input: unknown, exchange: Exchange) => Promise<unknown>
  const parsed = (shape.query as z.ZodType).parse(query)
  const caller = { ...localIdentity, requestId: 'r' }
  const body = (await handler({ query: parsed, caller }, {} as Exchange)) as Record<string, unknown>
  return { items: body[shape.list] as unknown[], nextCursor: body.nextCursor as string | null }
}

/** What tells one item from another. */
function identityOf(item: unknown): string {
  const { number, seq, id, name, scope, app, topic, mqId, group, foreign } = item as Record<string, unknown>
  return [number, seq, id, name, scope, app, topic, mqId, group, foreign].map(String).join('/')
}

describe('lists in pages', () => {
  test('every list takes a limit and a cursor, and says how it goes on', () => {
    assert.deepEqual(
      shapes.filter(([name]) => name.startsWith('list')).map(([name]) => name),
      lists.map(([name]) => name),
    )
    assert.equal(lists.length, 13)
    for (const [name, { query, response, list }] of lists) {
      const defaults = (query as z.ZodType).parse({}) as { limit: number; cursor?: string }
      assert.equal(defaults.limit, HISTORIES.has(name) ? DEFAULT_HISTORY_PAGE : MAX_PAGE, name)
      assert.equal(defaults.cursor, undefined)
      for (const limit of ['0', '-1', '1.5', 'many', '', '1001']) {
        assert.equal((query as z.ZodType).safeParse({ limit }).success, false, `${name}: limit=${limit}`)
      }
      assert.equal((query as z.ZodType).safeParse({ cursor: '' }).success, false, name)
      assert.ok(list in (response as z.ZodObject).shape && 'nextCursor' in (response as z.ZodObject).shape, name)
    }
  })

  for (const [name] of lists) {
    test(`${name}: nothing is lost and nothing comes twice while rows are added and go (PG1)`, async () => {
      // Even places are there all the time; odd ones come between the pages, before and after where the reader stands; some go.
      const lasting = Array.from({ length: 40 }, (_, index) => 2 * index + 100)
      const leaving = [101, 179]
      let rows: number[] = [...lasting, ...leaving]
      const context = contextOn(() => rows, name === 'listDeleted')
      const expected = new Set(
        (
          await page(
            name,
            contextOn(() => lasting, name === 'listDeleted'),
            { limit: 1_000 },
          )
        ).items.map(identityOf),
      )
      assert.ok(expected.size >= 40)
      const seen: string[] = []
      let cursor: string | null | undefined
      let pages = 0
      do {
        const answer: Answered = await page(name, context, { limit: 7, ...(cursor == null ? {} : { cursor }) })
        assert.ok(answer.items.length <= 7)
        assert.ok(answer.items.length > 0 || answer.nextCursor === null)
        seen.push(...answer.items.map(identityOf))
        cursor = answer.nextCursor
        pages++
        rows = rows.filter((place) => place !== leaving[pages - 1])
        // One at either end and one in the middle of everything; never the same place twice.
        rows.push(99 - 2 * pages, 301 + 2 * pages, 121 + 2 * pages)
      } while (cursor !== null && pages < 100)
      assert.ok(pages >= 6 && pages < 100, `${pages} pages`)
      assert.equal(new Set(seen).size, seen.length, 'nothing comes twice')
      for (const one of expected) assert.ok(seen.includes(one), `${one} is lost`)
    })

    test(`${name}: a cursor of another route or a made-up one is refused (PG2)`, async () => {
      const context = contextOn(() => [1, 2, 3], name === 'listDeleted')
      const other: ListName = name === 'listIds' ? 'listGroups' : 'listIds'
      const foreign = (
        await page(
          other,
          contextOn(() => [1, 2, 3], false),
          { limit: 1 },
        )
      ).nextCursor!
      const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const wrongKey = HISTORIES.has(name) ? 'text' : 5
      for (const cursor of [
        foreign,
        'x',
        '7',
        coded([name]),
        coded([name, wrongKey]),
        coded([name, null]),
        coded({}),
      ]) {
        await assert.rejects(page(name, context, { cursor }), (error) => {
          assert.ok(error instanceof MqError && error.code === 'MQ_REQUEST_INVALID', String(error))
          return true
        })
      }
    })
  }
})

test('the journal goes on below a number in the store, with its filter', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  for (let n = 1; n <= 7; n++) {
    await plane.call('PUT', `/v1/budgets/team=t${n % 2}`, { usdPerMonth: n })
  }
  const all = (await plane.call('GET', '/v1/journal')).body.entries.map(({ seq }: { seq: number }) => seq)
  assert.ok(all.length >= 8)
  for (const filter of ['', '&subject=team=t1']) {
    const expected = (await plane.call('GET', `/v1/journal?limit=1000${filter}`)).body.entries
    const seen: unknown[] = []
    let cursor: string | null = null
    do {
      const after = cursor === null ? '' : `&cursor=${cursor}`
      const { body, text } = await plane.call('GET', `/v1/journal?limit=3${filter}${after}`)
      assert.ok(Array.isArray(body.entries), text)
      seen.push(...body.entries)
      cursor = body.nextCursor
      await plane.call('PUT', '/v1/budgets/team=t1', { usdPerMonth: 100 + seen.length })
    } while (cursor !== null)
    assert.deepEqual(seen, expected)
  }
  assertProblem(await plane.call('GET', '/v1/journal?cursor=abc'), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('GET', '/v1/ids?limit=0'), 'MQ_REQUEST_INVALID')
})
