/** Dead letters looked at, handed to their group again, discarded (DB1-DB4, DF1-DF3). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DEAD_LETTER_HEADER,
  type DeadLetterAction,
  factsIn,
  letterOf,
  parseDeadLetterFacts,
  REDRIVEN_HEADER,
} from '@mq/contract'
import type { RecordHeader } from '@mq/kafka'
import { GroupDeadLetters } from '../src/dead-letters/box.ts'
import { headersWith, letterFrom } from '../src/dead-letters/letter.ts'
import type { DeadLetterBox } from '../src/dead-letters/types.ts'
import type { MessageRecord } from '../src/formats/message.ts'
import { FakeTime } from './support/time.ts'

/** Two logs in memory, and a way to die at any write. */
class Logs {
  readonly letters: MessageRecord[] = []
  readonly redriven: MessageRecord[] = []
  readonly notes: DeadLetterAction[] = []
  readonly time = new FakeTime()
  ensured = 0
  /** Writes that still go through. */
  lives = Number.POSITIVE_INFINITY

  add(offset: number, parts: { redrives?: number; error?: Error; atMs?: number; key?: string } = {}): string {
    const { redrives = 0, error = new TypeError('no'), atMs = 1_000, key = `k${offset % 2}` } = parts
    const own = [{ key: 'trace', value: Buffer.from(String(offset)) }]
    const message = record(key, `v${offset}`, own, redrives, offset)
    const letter = letterFrom({
      ...{ id: 'orders.placed', group: 'g', app: 'a', epoch: 1, record: message, error, isUndecodable: false },
      ...{ attempts: 3, firstFailedAtMs: atMs - 10, lastFailedAtMs: atMs },
    })
    this.letters.push(record(key, `v${offset}`, stored(headersWith(letter.headers, DEAD_LETTER_HEADER, letter.facts))))
    return letterOf(letter.facts)
  }

  box(): DeadLetterBox {
    const walk = async function* (list: readonly MessageRecord[]): AsyncGenerator<MessageRecord> {
      yield* list
    }
    return new GroupDeadLetters({
      app: 'test',
      deps: this.time.deps,
      letters: () => walk([...this.letters]),
      redriven: () => walk([...this.redriven]),
      ensureRedrive: async () => void this.ensured++,
      note: async (action) => void this.notes.push(action),
      send: async (to, value, { key, headers }) => {
        if (this.lives-- <= 0) throw new Error('killed')
        const made = record(
          String(key),
          value === null ? null : Buffer.from(value).toString(),
          stored(headers as never),
        )
        this[to === 'redrive' ? 'redriven' : 'letters'].push(made)
      },
    })
  }

  /** Offsets on the way back. */
  back(): string[] {
    return this.redriven.map(({ headers }) => {
      const { facts } = factsIn(headers, REDRIVEN_HEADER, parseDeadLetterFacts)!
      return `${facts.offset}r${facts.redrives}`
    })
  }
}

function record(
  key: string,
  value: string | null,
  headers: readonly RecordHeader[],
  redrives = 0,
  offset = 0,
): MessageRecord {
  return {
    ...{ topic: 't.e1', partition: 0, offset: BigInt(offset), timestampMs: 5, headers, redrives },
    ...{ key: Buffer.from(key), value: value === null ? null : Buffer.from(value) },
    keyString: () => key,
    valueString: () => value,
  }
}

function stored(headers: [string, Uint8Array | string | null][]): RecordHeader[] {
  return headers.map(([key, value]) => ({ key, value: value === null ? null : Buffer.from(value as string) }))
}

const offsets = (facts: readonly { offset: string }[]): string[] => facts.map(({ offset }) => offset)

describe('DeadLetterBox', () => {
  it('counts a letter once however often it was written, and looking changes nothing (DF1, DB1)', async () => {
    const logs = new Logs()
    for (const offset of [3, 4, 3, 5, 4]) logs.add(offset)
    const box = logs.box()
    assert.deepEqual(offsets(await box.list()), ['3', '4', '5'])
    const shown: string[] = []
    for await (const { letter, valueBytes, headers } of box.show({ limit: 2 })) {
      shown.push(`${letter} ${Buffer.from(valueBytes!)} ${headers.map(({ key, value }) => `${key}=${value}`)}`)
    }
    assert.deepEqual(shown, ['1.0.3.0 v3 trace=3', '1.0.4.0 v4 trace=4'])
    assert.deepEqual([logs.letters.length, logs.redriven.length, logs.notes.length, logs.ensured], [5, 0, 0, 0])
  })

  it('hands messages back as they were, with a marker each, and says so in the journal (DB2, DB4)', async () => {
    const logs = new Logs()
    for (let offset = 0; offset < 250; offset++) logs.add(offset)
    const progress: number[] = []
    const acted = await logs.box().redrive({}, { by: 'ann', onProgress: (done) => progress.push(done) })
    assert.deepEqual(acted, { done: 250, tooOften: 0, left: 0 })
    assert.deepEqual(
      [logs.redriven.length, logs.letters.length, logs.ensured, progress],
      [250, 500, 1, [100, 200, 250]],
    )
    const first = logs.redriven[0]!
    assert.deepEqual([first.keyString(), first.valueString(), first.headers.length], ['k0', 'v0', 2])
    assert.deepEqual(
      logs.notes.map(({ state, letters, by, action, filter }) => [state, letters, by, action, filter]),
      [
        ['begun', 250, 'ann', 'redrive', 'all'],
        ['ended', 250, 'ann', 'redrive', 'all'],
      ],
    )
    assert.deepEqual(await logs.box().list(), [])
    assert.deepEqual(await logs.box().redrive(), { done: 0, tooOften: 0, left: 0 })
    assert.equal(logs.notes.length, 2, 'nothing to do is no news')
  })

  it('is resumed after it was killed at any write: nothing is lost, nothing is handed out twice (DB2)', async () => {
    for (let lives = 0; lives <= 14; lives++) {
      const logs = new Logs()
      for (let offset = 0; offset < 7; offset++) logs.add(offset)
      logs.lives = lives
      if (lives < 14) await assert.rejects(logs.box().redrive(), /killed/, String(lives))
      else await logs.box().redrive({})
      if (lives < 14) assert.equal(logs.notes.at(-1)?.state, 'broken-off')
      logs.lives = Number.POSITIVE_INFINITY
      await logs.box().redrive({})
      assert.deepEqual(
        logs.back().toSorted(),
        Array.from({ length: 7 }, (_, offset) => `${offset}r1`),
        `killed at ${lives}`,
      )
      assert.deepEqual(await logs.box().list(), [])
    }
  })

  it('passes over what came back too often, unless it is forced (DB3)', async () => {
    const logs = new Logs()
    logs.add(1, { redrives: 2 })
    logs.add(2, { redrives: 3 })
    assert.deepEqual(await logs.box().redrive(), { done: 1, tooOften: 1, left: 0 })
    assert.deepEqual(logs.back(), ['1r3'])
    assert.deepEqual(await logs.box().redrive({}, { force: true }), { done: 1, tooOften: 0, left: 0 })
    assert.deepEqual(logs.back(), ['1r3', '2r4'])
  })

  it('knows a message that failed again after it came back for another letter (DF1)', async () => {
    const logs = new Logs()
    logs.add(1)
    await logs.box().redrive()
    const again = logs.add(1, { redrives: 1 })
    assert.deepEqual((await logs.box().list()).map(letterOf), [again])
  })

  it('keeps what fails again after its letter was settled, when positions were moved back (DF2, DL5)', async () => {
    for (const settle of ['redrive', 'discard'] as const) {
      const logs = new Logs()
      const box = logs.box()
      logs.add(1, { atMs: 1_000 })
      logs.add(2, { atMs: 1_000 })
      assert.equal((await box[settle]()).done, 2)
      assert.deepEqual(await box.list(), [])
      // The same message, read a second time: its position passes once this letter is stored.
      const again = logs.add(1, { atMs: 2_000 })
      logs.add(1, { atMs: 2_000 })
      assert.deepEqual((await box.list()).map(letterOf), [again], settle)
      assert.deepEqual(await box.redrive(), { done: 1, tooOften: 0, left: 0 })
      assert.equal(logs.back().filter((one) => one === '1r1').length, settle === 'redrive' ? 2 : 1)
      assert.deepEqual(await box.list(), [])
      assert.equal((await box.redrive()).done, 0)
    }
  })

  it('tells and settles the newest of several letters of one message, once', async () => {
    const logs = new Logs()
    logs.add(1, { atMs: 1_000, error: new TypeError('first') })
    logs.add(1, { atMs: 2_000, error: new RangeError('second') })
    const box = logs.box()
    assert.deepEqual(
      (await box.list()).map(({ reason }) => reason.message),
      ['second'],
    )
    for await (const { facts } of box.show()) assert.equal(facts.reason.message, 'second')
    logs.lives = 1
    await assert.rejects(box.redrive(), /killed/, 'between handing out and the marker')
    logs.lives = Number.POSITIVE_INFINITY
    assert.deepEqual([await box.list(), (await box.redrive()).done, logs.back()], [[], 0, ['1r1']])
  })

  it('chooses by key, reason, time, name and number, and discards what is chosen only', async () => {
    const logs = new Logs()
    logs.add(1, { error: new RangeError('too large'), atMs: 100 })
    logs.add(2, { error: Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }), atMs: 200 })
    const third = logs.add(3, { atMs: 300 })
    const box = logs.box()
    const chosen = async (filter: Parameters<DeadLetterBox['list']>[0]): Promise<string[]> =>
      offsets(await box.list(filter))
    assert.deepEqual(await chosen({ key: 'k1' }), ['1', '3'])
    assert.deepEqual(await chosen({ reason: 'rangeerror' }), ['1'])
    assert.deepEqual(await chosen({ reason: 'econnrefused' }), ['2'])
    assert.deepEqual(await chosen({ sinceMs: 200 }), ['2', '3'])
    assert.deepEqual(await chosen({ sinceMs: 200, untilMs: 300 }), ['2'])
    assert.deepEqual(await chosen({ letters: [third] }), ['3'])
    assert.deepEqual(await chosen({ limit: 1 }), ['1'])
    assert.deepEqual(await box.discard({ reason: 'too large' }), { done: 1, tooOften: 0, left: 0 })
    assert.deepEqual(
      [await chosen({}), logs.redriven.length, logs.notes.at(-1)?.filter],
      [['2', '3'], 0, "reason 'too large'"],
    )
  })

  it('keeps to a rate, and leaves the rest when it is stopped', async () => {
    const logs = new Logs()
    for (let offset = 0; offset < 40; offset++) logs.add(offset)
    const stop = new AbortController()
    const acted = logs.box().redrive({}, { ratePerSecond: 10, signal: stop.signal })
    await logs.time.advance(1_900)
    assert.ok(logs.redriven.length >= 15 && logs.redriven.length <= 25, String(logs.redriven.length))
    stop.abort()
    await logs.time.advance(10_000)
    const { done, left } = await acted
    assert.deepEqual([done + left, logs.redriven.length, logs.notes.at(-1)?.state], [40, done, 'broken-off'])
  })
})
