/** What is known of the clocks of brokers (broker-clock K1-K3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerClock } from '../src/net/broker-clock.ts'

const HOUR_MS = 3_600_000
const WALL_MS = 1_800_000_000_000

test('an answer tells how far this clock is ahead, by at most half the way there and back (K1)', () => {
  const clock = new BrokerClock()
  assert.equal(clock.ahead(WALL_MS, 0), undefined)
  // Asked at 1,000 and answered at 1,100, when this clock showed WALL_MS: in the middle it was 50 ms less.
  clock.told(WALL_MS - HOUR_MS - 50, 1_000, 1_100, WALL_MS)
  const ahead = clock.ahead(WALL_MS, 1_100)!
  assert.ok(Math.abs(ahead.ms - HOUR_MS) < 1, String(ahead.ms))
  assert.ok(ahead.boundMs >= 50 && ahead.boundMs < 60, String(ahead.boundMs))
})

test('a clock that is set back, or mended, is noticed at once, with nothing asked again (K2)', () => {
  const clock = new BrokerClock()
  clock.told(WALL_MS, 0, 0, WALL_MS + HOUR_MS)
  assert.ok(Math.abs(clock.ahead(WALL_MS + HOUR_MS + 60_000, 60_000)!.ms - HOUR_MS) < 1)
  assert.ok(Math.abs(clock.ahead(WALL_MS + 61_000, 61_000)!.ms) < 1, 'set right')
  assert.ok(Math.abs(clock.ahead(WALL_MS + 62_000 - HOUR_MS, 62_000)!.ms + HOUR_MS) < 1, 'set back too far')
})

test('a clock that jumped ahead may be right now: what was known is forgotten (K3)', () => {
  const clock = new BrokerClock()
  clock.told(WALL_MS, 0, 0, WALL_MS)
  assert.ok(clock.ahead(WALL_MS + 24 * HOUR_MS + 4_000, 24 * HOUR_MS) !== undefined, 'clocks drift')
  assert.equal(clock.ahead(WALL_MS + 2 * HOUR_MS, HOUR_MS), undefined)
  assert.equal(clock.ahead(WALL_MS + HOUR_MS, HOUR_MS), undefined, 'and stays so')
  clock.told(WALL_MS, 0, 0, WALL_MS)
  assert.equal(clock.ahead(WALL_MS, 0)?.ms, 0)
})
