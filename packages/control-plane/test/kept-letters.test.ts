/** How many dead letters are kept: counted as they are written, in the API and in /metrics (KL1-KL4, DF4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DEAD_LETTER_HEADER,
  type DeadLetterFacts,
  type HeaderLike,
  letterOf,
  REDRIVEN_HEADER,
  SETTLED_HEADER,
  sideIdOf,
} from '@mq/contract'
import type { LettersToRead, RecordHeaders } from '../src/dead-letters/kept-letters.ts'
import type { ClusterPositions, LogRange } from '../src/lag/positions.ts'
import { type Harness, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const LETTERS = `${sideIdOf({ mqId: ID, group: 'billing', role: 'dead-letters' })}.e1`
const BACK = `${sideIdOf({ mqId: ID, group: 'billing', role: 'redrive' })}.e1`

const facts = (offset: number, lastFailedAtMs = 1_000 + offset, redrives = 0): DeadLetterFacts => ({
  ...{ v: 1, id: ID, group: 'billing', epoch: 1, topic: `${ID}.e1`, partition: 0, offset: String(offset) },
  ...{ timestampMs: 5, attempts: 3, firstFailedAtMs: 7, lastFailedAtMs, redrives, app: 'billing' },
  reason: { kind: 'handler', name: 'TypeError', message: 'no' },
})
const header = (key: string, value: unknown): HeaderLike[] => [{ key, value: Buffer.from(JSON.stringify(value)) }]
const letter = (...args: Parameters<typeof facts>): HeaderLike[] => header(DEAD_LETTER_HEADER, facts(...args))
const settled = (one: DeadLetterFacts): HeaderLike[] =>
  header(SETTLED_HEADER, { v: 1, letter: letterOf(one), as: 'discarded', atMs: 1, lastFailedAtMs: one.lastFailedAtMs })

/** Topics of one partition, which keep their newest records. */
class Logs {
  readonly topics = new Map<string, { start: number; records: HeaderLike[][] }>()
  readonly reads: string[] = []
  failAfter = Number.POSITIVE_INFINITY

  write(topic: string, ...records: HeaderLike[][]): void {
    const log = this.topics.get(topic) ?? { start: 0, records: [] }
    log.records.push(...records)
    this.topics.set(topic, log)
  }

  positions = async (): Promise<ClusterPositions> => ({
    groups: new Map(),
    problems: new Map(),
    logs: new Map(
      [...this.topics].map(([topic, { start, records }]) => {
        const range: LogRange = { start, end: records.length }
        return [topic, new Map([[0, range]])]
      }),
    ),
  })

  read = async ({ topic, first, end }: LettersToRead, onRecord: (record: RecordHeaders) => void): Promise<void> => {
    if (first < end) this.reads.push(`${topic}@${first}-${end}`)
    for (let offset = first; offset < end; offset++) {
      if (this.failAfter-- <= 0) throw new Error('the broker is gone')
      onRecord({ offset, headers: this.topics.get(topic)!.records[Number(offset)]! })
    }
  }
}

async function stage(
  t: Parameters<typeof startHarness>[0],
): Promise<{ plane: Harness; logs: Logs; look(): Promise<unknown> }> {
  const logs = new Logs()
  const plane = await startHarness(t, { readPositions: logs.positions, readLetters: logs.read })
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  for (const role of ['dead-letters', 'redrive']) {
    const made = await plane.call('POST', `/v1/ids/${ID}/groups/billing/dead-letters`, { role })
    assert.equal(made.status, 200, made.text)
  }
  logs.write(LETTERS)
  logs.write(BACK)
  const look = async (): Promise<unknown> => {
    await plane.lagWatch.look()
    await plane.keptLetters.look()
    const [queue] = (await plane.call('GET', '/v1/dead-letters')).body.queues
    const { deadLetters } = (await plane.call('GET', `/v1/ids/${ID}`)).body
    assert.deepEqual([deadLetters[0].kept, deadLetters[0].oldestAtMs], [queue.kept, queue.oldestAtMs])
    const { text } = await plane.call('GET', '/metrics')
    const gauge = /^mq_group_kept_dead_letters\{mq_id="orders.placed",group="billing"\} (\d+)$/m.exec(text)
    assert.equal(gauge === null ? null : Number(gauge[1]), queue.kept, 'the gauge says the same')
    return [queue.kept, queue.oldestAtMs]
  }
  return { plane, logs, look }
}

test(
  'letters are counted as they are written, handed out again and discarded; each record is read once (KL1)',
  TIMEOUT,
  async (t) => {
    const { logs, look } = await stage(t)
    assert.deepEqual(await look(), [0, null])
    logs.write(LETTERS, letter(1), letter(2), letter(2), letter(3), [])
    assert.deepEqual(await look(), [3, 1_001])
    logs.write(LETTERS, settled(facts(1)))
    assert.deepEqual(await look(), [2, 1_002])
    // Written to the way back, and killed before the marker.
    logs.write(BACK, header(REDRIVEN_HEADER, facts(2, 1_002, 1)))
    assert.deepEqual(await look(), [1, 1_003])
    // It failed again after it came back, and one failed anew after positions were moved back.
    logs.write(LETTERS, letter(2, 9_000, 1), letter(1, 9_500))
    assert.deepEqual(await look(), [3, 1_003])
    assert.deepEqual(
      logs.reads.filter((read) => read.startsWith(LETTERS)).map((read) => read.slice(LETTERS.length)),
      ['@0-5', '@5-6', '@6-8'],
    )
  },
)

test('what retention removed is not counted any more (DF4)', TIMEOUT, async (t) => {
  const { logs, look } = await stage(t)
  logs.write(LETTERS, letter(1), letter(2), letter(3))
  assert.deepEqual(await look(), [3, 1_001])
  logs.topics.get(LETTERS)!.start = 2
  assert.deepEqual(await look(), [1, 1_003])
})

test(
  'a count that is not known is null, and what was read before a failure is not read twice (KL2, KL4)',
  TIMEOUT,
  async (t) => {
    const { plane, logs, look } = await stage(t)
    assert.equal(plane.keptLetters.count(ID, 'billing'), null)
    logs.write(LETTERS, letter(1), letter(2), letter(3))
    logs.failAfter = 2
    assert.deepEqual(await look(), [null, null])
    logs.failAfter = Number.POSITIVE_INFINITY
    assert.deepEqual(await look(), [3, 1_001])
    assert.deepEqual(logs.reads, [`${LETTERS}@0-3`, `${LETTERS}@2-3`])
    // The topic was made again: counted anew, and unknown until then.
    logs.topics.get(LETTERS)!.records.length = 1
    assert.deepEqual(await look(), [null, null])
    assert.deepEqual(await look(), [1, 1_001])
  },
)
