/** How the measurement of migrations takes times from histories, on histories made by hand. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type HistoryEvent, PackedWriter } from '@mq/testkit'
import { Silences, SlowestSends, type Window } from '../migration/gaps.ts'
import { judge } from '../migration/judge.ts'

const ms = (value: number): number => value * 1_000
const windows: readonly Window[] = [
  { fromUs: ms(100), toUs: ms(200) },
  { fromUs: ms(300), toUs: ms(400) },
]

test('a silence belongs with its whole length to every migration whose window it touches, and to no other (S1)', () => {
  const silences = new Silences(windows)
  for (const at of [0, 50, 90, 150, 160, 210, 250, 260, 310, 315, 420, 900]) silences.add(ms(at))
  // From 90 to 150 and from 160 to 210; from 260 to 310 and from 315 to 420. That from 420 to 900 is between migrations.
  assert.deepEqual(silences.longestMs(), [60, 105])
  const long = new Silences(windows)
  for (const at of [10, 20, 390, 500]) long.add(ms(at))
  assert.deepEqual(long.longestMs(), [370, 370])
})

test('the usual gap is the median, and what came with one answer is one event (S2)', () => {
  const silences = new Silences(windows)
  for (let at = 0; at < 100; at++) for (let burst = 0; burst < 50; burst++) silences.add(ms(at * 5) + burst)
  assert.ok(Math.abs(silences.usualMs - 4.951) < 0.001, String(silences.usualMs))
})

test('the slowest send of a migration is the longest that was under way in its window', () => {
  const sends = new SlowestSends(windows)
  for (const [n, [sent, acked]] of [
    [50, 90],
    [90, 130],
    [150, 155],
    [195, 350],
    [420, 800],
  ].entries()) {
    sends.sent(n, ms(sent!))
    sends.acked(n, ms(acked!))
  }
  assert.deepEqual(sends.longestMs(), [155, 155])
})

test('the verdict and the times of a run come from what its processes wrote down', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-migration-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const run = (damage: 'none' | 'lost' | 'twice' | 'failed') => {
    // A message each 10 ms; none is acknowledged or handled from 100 to 160 ms.
    const isHeld = (at: number): boolean => at > 100 && at < 160
    const events = Array.from({ length: 50 }, (_, n): HistoryEvent[] => {
      const name = { producer: 'p', n }
      const at = n * 10
      const settledUs = ms(isHeld(at) ? 160 : at + 2) + n
      const place = { epoch: 1, partition: 0, offset: n }
      const handle = {
        type: 'handle',
        tUs: settledUs + ms(3),
        group: 'live',
        member: 'm',
        ...name,
        key: 'k',
        ...place,
      } as const
      const copies = n !== 20 ? 1 : damage === 'lost' ? 0 : damage === 'twice' ? 2 : 1
      return [
        { type: 'send', tUs: ms(at), ...name, key: 'k' },
        damage === 'failed' && n === 30
          ? { type: 'nack', tUs: settledUs, ...name, code: 'MQ_X', ambiguous: true }
          : { type: 'ack', tUs: settledUs, ...name },
        ...new Array<HistoryEvent>(copies).fill(handle),
      ]
    })
    const paths = ['producer', 'consumer'].map((name) => join(folder, `${damage}-${name}`))
    const writers = paths.map((path) => new PackedWriter(path))
    for (const event of events.flat().toSorted((a, b) => a.tUs - b.tUs))
      writers[event.type === 'handle' ? 1 : 0]!.add(event)
    for (const writer of writers) writer.close()
    return judge({ paths, groups: ['live'], members: ['m'], windows, seals: [] })
  }
  const sound = run('none')
  assert.deepEqual(sound.verdict.violations, [])
  assert.equal(sound.verdict.acked, 50)
  const [pause, calm] = sound.writePausesMs
  assert.ok(pause! > 45 && pause! < 60, String(pause))
  assert.ok(calm! < 5, String(calm))
  assert.equal(Math.round(sound.slowestSendsMs[0]!), 50)
  assert.equal(Math.round(sound.consumerGapsMs[0]!), 58)
  assert.equal(Math.round(sound.messagesPerSecond), 100)
  assert.equal(run('lost').verdict.counts.lost, 1)
  assert.equal(run('twice').verdict.counts.duplicated, 1)
  assert.equal(run('failed').verdict.failedSends, 1)
})
