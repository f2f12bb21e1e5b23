/** What a window of a reader costs (pricing M3). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type PricedTraffic, readingPricerFor, usualFetchesOf } from '@mq/autopilot'
import { anId, main, workload } from './worlds.ts'

describe('what a fetch costs', () => {
  const { configuration } = anId()
  const group = (name: string, fetchRequestsPerSecond: number | null) => ({
    group: name,
    members: 2,
    fetchRequestsPerSecond,
  })
  const profile = (groups: ReturnType<typeof group>[]): PricedTraffic => ({
    recordsPerBatch: 20,
    wireBytesPerRecord: 120,
    producerCpuUsPerRecord: 3,
    groups,
  })
  const load = { ...workload, groups: ['a', 'b'].map((name) => ({ group: name, members: 2 })) }

  test('half the fetches of one reader are half the fetches of all, whatever its group does (M3)', () => {
    const price = readingPricerFor(configuration, main, load, profile([group('a', 900), group('b', 100)]))!
    const usualA = price({ group: 'a', records: 1_000, fetchRequests: 450 })!
    const usualB = price({ group: 'b', records: 1_000, fetchRequests: 50 })!
    assert.ok(Math.abs(usualA - usualB) < 1e-9, 'what is usual costs the same seen from either group')
    const halfA = price({ group: 'a', records: 1_000, fetchRequests: 225 })!
    const halfB = price({ group: 'b', records: 1_000, fetchRequests: 25 })!
    assert.ok(Math.abs(halfA - halfB) < 1e-9)
    // 500 fetches fewer for a thousand records, each of so much CPU of a client.
    const saved = ((500 * main.constants.requestUs) / 1_000 / 3.6e9) * 1e6 * main.book.figures['client-compute']!.usd
    assert.ok(Math.abs((usualA - halfA) / (saved / 2) - 1) < 0.01, `${usualA - halfA} and ${saved / 2}`)
  })

  test('a group that leaves while a trial runs makes no window cheaper (M3)', () => {
    const began = profile([group('a', 900), group('b', 100)])
    const alone = profile([group('a', 900)])
    const less = { ...load, groups: load.groups.slice(0, 1) }
    const window = { group: 'a', records: 1_000, fetchRequests: 450 }
    const before = readingPricerFor(configuration, main, load, began)!(window)!
    const frozen = readingPricerFor(configuration, main, less, alone, usualFetchesOf(began, load))!
    assert.ok(Math.abs(frozen(window)! / before - 1) < 1e-9)
    assert.ok(readingPricerFor(configuration, main, less, alone)!(window)! < before)
    assert.equal(frozen({ ...window, group: 'new' }), null)
  })

  test('a calibrated broker adds what a fetch takes of it (M3)', () => {
    const brokerCpu = {
      kind: 'calibrated',
      usPerProduceRequest: 50,
      usPerFetchRequest: 100,
      usPerByteIn: 0.001,
      usPerByteOut: 0.001,
      usPerDecompressedByte: 0,
    } as const
    const calibrated = { ...main, constants: { ...main.constants, brokerCpu } }
    const groups = [group('a', 900)]
    const change = (cluster: typeof main): number => {
      const price = readingPricerFor(configuration, cluster, load, profile(groups))!
      return (
        price({ group: 'a', records: 1_000, fetchRequests: 400 })! -
        price({ group: 'a', records: 1_000, fetchRequests: 0 })!
      )
    }
    assert.ok(change(calibrated) > change(main) * 1.5)
  })

  test('nothing is priced of a group nobody knows, and nothing at all while nobody tells how often it fetches', () => {
    const price = readingPricerFor(configuration, main, load, profile([group('a', 900)]))!
    assert.equal(price({ group: 'b', records: 100, fetchRequests: 1 }), null)
    assert.equal(price({ group: 'a', records: 0, fetchRequests: 1 }), null)
    assert.equal(readingPricerFor(configuration, main, load, profile([group('a', null)])), undefined)
  })
})
