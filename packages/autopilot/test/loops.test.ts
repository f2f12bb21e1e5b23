/**
 * The loops on worlds made by hand: what they propose, and what they say where they propose nothing (T1-T4, T6, E1-E3, N1, C1-C3).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DecisionRecord, IdWorld } from '@mq/autopilot'
import {
  feedbackOf,
  LATENCY_MARGIN,
  placement as placementLoop,
  retention as retentionLoop,
  sendLimitMs,
  tuning as tuningLoop,
  usualTimes,
} from '@mq/autopilot'
import { Intent, ProducerSettings } from '@mq/contract'
import { clusterModel, priceBook } from '@mq/economics'
import fc from 'fast-check'
import { anId, aWorld, DAY_MS, main, NOW, partitioning, placement, retention, tuning, workload } from './worlds.ts'

const outlookOf = (one: IdWorld): string => tuningLoop.assess(aWorld([one]))[0]!.outlook.state

/** A decision that ended, as far as the loops look at one. */
function past(change: Partial<Omit<DecisionRecord, 'work'>>, epoch = 1): DecisionRecord {
  const [proposal] = tuning(aWorld([anId()]))
  return {
    number: 1,
    mqId: 'orders.placed',
    kind: 'producer-settings',
    state: 'undone',
    change: proposal!.change,
    before: proposal!.before,
    predicted: proposal!.predicted,
    measured: null,
    measuredBefore: null,
    steps: [],
    createdAtMs: NOW - DAY_MS,
    updatedAtMs: NOW - DAY_MS,
    endedAtMs: NOW - DAY_MS,
    status: '',
    ...change,
    work: { epoch },
  } as unknown as DecisionRecord
}

describe('tuning', () => {
  test('a workload that starts badly configured gets a cheaper proposal within its intent (T1, T2)', () => {
    const [proposal] = tuning(aWorld([anId()]))
    assert.ok(proposal !== undefined && proposal.change.kind === 'producer-settings')
    const { before, after } = proposal.change
    assert.notEqual(after.codec, 'none')
    assert.equal(after.maxMessageBytes, before.maxMessageBytes)
    assert.equal(after.requestTimeoutMs, before.requestTimeoutMs)
    assert.ok(proposal.savingUsdPerMonth > 0.5 * proposal.before.usdPerMonth!, `${proposal.savingUsdPerMonth}`)
    assert.ok(proposal.predicted.endToEndP99Ms! <= 500 * LATENCY_MARGIN)
    assert.ok(proposal.alternatives.length > 0)
    assert.ok(proposal.knobs.includes('codec'))
  })

  test('the same world gives the same proposals, and nothing in it is touched (T1)', () => {
    const world = Object.freeze(aWorld([Object.freeze(anId())]))
    const text = JSON.stringify(world)
    assert.deepEqual(tuning(world), tuning(world))
    assert.equal(JSON.stringify(world), text)
  })

  test('whatever the intent and however slow its readers, no proposal leaves it, nor breaks the guardrail that will watch it (T2)', () => {
    let proposals = 0
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 5_000 }),
        fc.integer({ min: 1, max: 50_000 }),
        fc.integer({ min: 20, max: 20_000 }),
        fc.integer({ min: 1, max: 32 }),
        fc.integer({ min: 20_000, max: 1_048_576 }),
        fc.integer({ min: 0, max: 3_000 }),
        (latencyP99Ms, recordsPerSecond, framedBytes, producers, largestBatchBytes, readingP99Ms) => {
          const intent = Intent.parse({ latencyP99Ms, retention: '1d' })
          const one = anId({
            intent,
            largestBatchBytes,
            readingP99Ms,
            workload: { ...workload, recordsPerSecond, framedBytes, recordBytes: framedBytes, producers },
          })
          for (const { change, predicted } of tuning(aWorld([one]))) {
            proposals++
            assert.ok(
              predicted.endToEndP99Ms! <= latencyP99Ms * LATENCY_MARGIN + 1,
              `${predicted.endToEndP99Ms} of ${latencyP99Ms}`,
            )
            if (change.kind !== 'producer-settings') continue
            assert.ok(ProducerSettings.parse(change.after).batchBytes <= largestBatchBytes)
            assert.ok(
              predicted.sendP99Ms! <= sendLimitMs(one),
              `a send of ${predicted.sendP99Ms} would be stopped at ${sendLimitMs(one)}`,
            )
          }
        },
      ),
      { numRuns: 60 },
    )
    assert.ok(proposals > 5, `${proposals}`)
  })

  test('what is idle, too short, too small, shifting or busy is left alone, with the reason (E1-E3)', () => {
    assert.equal(outlookOf(anId({ workload: null })), 'idle')
    assert.equal(outlookOf(anId({ records: 0, observedMs: 5 })), 'idle')
    assert.equal(outlookOf(anId({ observedMs: 60_000 })), 'too-short')
    assert.equal(outlookOf(anId({ records: 500 })), 'too-small')
    assert.equal(outlookOf(anId({ isBusy: true })), 'busy')
    const rising = [1_000, 1_500, 2_500, 4_000].map((recordsPerSecond) => ({ recordsPerSecond, recordBytes: 400 }))
    assert.equal(outlookOf(anId({ stretches: rising })), 'shifting')
    const growing = [100, 200, 400, 800].map((recordBytes) => ({ recordsPerSecond: 2_000, recordBytes }))
    assert.equal(outlookOf(anId({ stretches: growing })), 'shifting')
    assert.equal(outlookOf(anId({ decisions: [past({ state: 'trial' })] })), 'busy')
    const [short] = tuningLoop.assess(aWorld([anId({ observedMs: 60_000 })]))
    assert.match(short!.outlook.reason, /60 s .* 10 min are needed/)
    assert.equal(short!.proposal, undefined)
  })

  test('a first decision waits for the codecs to be measured, and not for ever (T6)', () => {
    const seen = { ...workload, observedMs: usualTimes.observeMs }
    const [waits] = tuningLoop.assess(aWorld([anId({ workload: seen })]))
    assert.equal(waits!.proposal, undefined)
    assert.match(waits!.outlook.reason, /looks best by usual ratios; clients have 20m/)
    const point = { depth: 64, uncompressedBytes: 26_240, compressedBytes: 5_000, compressUs: 90, decompressUs: 30 }
    const curve = { codec: 'zstd', codecLevel: 1, source: 'measured', points: [point] } as const
    assert.equal(outlookOf(anId({ workload: { ...seen, curves: [curve] } })), 'proposed')
    const none = { ...curve, codec: 'none', codecLevel: null } as const
    assert.equal(outlookOf(anId({ workload: { ...seen, curves: [none] } })), 'too-short', 'no codec among them')
    const longer = { ...workload, observedMs: 2 * usualTimes.observeMs }
    assert.equal(outlookOf(anId({ workload: longer })), 'proposed', 'clients that measure nothing')
  })

  test('after a decision an mQ ID rests (E2)', () => {
    const kept = past({ state: 'kept', endedAtMs: NOW - 60_000 })
    assert.equal(outlookOf(anId({ decisions: [kept] })), 'resting')
    assert.notEqual(outlookOf(anId({ decisions: [{ ...kept, endedAtMs: NOW - usualTimes.restMs }] })), 'resting')
  })

  test('what was tried and undone is not proposed again soon; the next best is (T4)', () => {
    const [first] = tuning(aWorld([anId()]))
    const undone = past({ change: first!.change })
    const [second] = tuning(aWorld([anId({ decisions: [undone] })]))
    assert.ok(second !== undefined)
    assert.notDeepEqual(second.change.after, first!.change.after)
    const [later] = tuning(aWorld([anId({ decisions: [{ ...undone, updatedAtMs: NOW - usualTimes.retryMs - 1 }] })]))
    assert.deepEqual(later?.change.after, first!.change.after)
    const [elsewhere] = tuning(aWorld([anId({ decisions: [past({ change: first!.change }, 7)] })]))
    assert.deepEqual(elsewhere?.change.after, first!.change.after)
  })

  test('what is already best gets no proposal, and what saves next to nothing neither', () => {
    const [proposal] = tuning(aWorld([anId()]))
    assert.ok(proposal?.change.kind === 'producer-settings')
    const after = ProducerSettings.parse(proposal.change.after)
    const { codec, codecLevel = null, lingerMs, batchBytes } = after
    const tuned = anId()
    const best = {
      ...tuned,
      producer: after,
      configuration: { ...tuned.configuration, codec, codecLevel, lingerMs, batchBytes },
    }
    const [said] = tuningLoop.assess(aWorld([best]))
    assert.notEqual(said!.proposal?.change.kind, 'producer-settings', said!.outlook.reason)
    const tiny = anId({ workload: { ...workload, recordsPerSecond: 0.05 } })
    assert.equal(outlookOf(tiny), 'nothing-to-gain')
  })

  test('a model that was wrong on this workload is believed less (F1, F2)', () => {
    const wrong = past({ state: 'kept' })
    const slow = {
      ...wrong,
      measured: { ...wrong.predicted, sendP99Ms: wrong.predicted.sendP99Ms! * 3 },
      measuredBefore: wrong.before,
    }
    assert.equal(feedbackOf([]).latencyFactor, 1)
    assert.equal(feedbackOf([slow]).latencyFactor, 2)
    assert.equal(feedbackOf([slow]).trust, 1)
    const [careful] = tuning(aWorld([anId({ decisions: [{ ...slow, endedAtMs: NOW - DAY_MS }] })]))
    assert.ok(careful === undefined || careful.predicted.endToEndP99Ms! <= 200)
    const half = { ...wrong, measuredBefore: wrong.before, measured: wrong.before }
    assert.ok(feedbackOf([half]).trust < 0.7)
  })
})

describe('retention', () => {
  const keeps = (seenRetentionMs: number | null, change: Partial<IdWorld> = {}): IdWorld =>
    anId({ seenRetentionMs, ...change })

  test('a topic that keeps more than was asked for is brought down to it, never below (N1)', () => {
    const [proposal] = retention(aWorld([keeps(30 * DAY_MS)]))
    assert.deepEqual(proposal?.change, {
      kind: 'retention',
      before: { retentionMs: 30 * DAY_MS },
      after: { retentionMs: DAY_MS },
    })
    assert.ok(proposal.savingUsdPerMonth > 0)
    fc.assert(
      fc.property(fc.integer({ min: 3_600_000, max: 100 * DAY_MS }), (seen) => {
        for (const { change } of retention(aWorld([keeps(seen)]))) {
          assert.ok(change.kind === 'retention' && change.after.retentionMs === DAY_MS && seen > DAY_MS)
        }
      }),
    )
  })

  test('what keeps less, for ever, by key, or was not seen has no proposal (N2)', () => {
    for (const one of [
      keeps(DAY_MS),
      keeps(3_600_000),
      keeps(null),
      keeps(30 * DAY_MS, { intent: Intent.parse({ retention: 'forever' }) }),
      keeps(30 * DAY_MS, { intent: Intent.parse({ retention: 'latest-per-key' }) }),
      keeps(30 * DAY_MS, { isBusy: true }),
    ]) {
      assert.deepEqual(retentionLoop.assess(aWorld([one])), [])
    }
  })
})

describe('placement', () => {
  const cheap = clusterModel({ name: 'cheap', book: priceBook('aws-us-east-1'), zones: 3, followerFetch: true })
  const dear = { ...main }
  const zoned = clusterModel({ name: 'one-zone', book: priceBook('aws-us-east-1'), zones: 1 })

  test('with one cluster there is nothing to say', () => {
    assert.deepEqual(placementLoop.assess(aWorld([anId()])), [])
  })

  test('a cluster of the same price is no reason to move, and the move is paid for (C1)', () => {
    const world = aWorld([anId()], { clusters: [dear, { ...main, name: 'twin' }] })
    const [said] = placementLoop.assess(world)
    assert.equal(said!.proposal, undefined)
    assert.match(said!.outlook.reason, /worth it from/)
  })

  test('fewer zones or too few brokers are never cheaper enough (C2)', () => {
    const clusters = [dear, zoned, { ...cheap, name: 'small', brokers: 2 }]
    assert.deepEqual(placement(aWorld([anId()], { clusters })), [])
  })

  test('what is really cheaper is proposed, net of the move, unless it may not move (C1, C3)', () => {
    const own = clusterModel({ name: 'cheaper', book: cheaperBook() })
    const clusters = [dear, own]
    const [proposal] = placement(aWorld([anId()], { clusters }))
    assert.deepEqual(proposal?.change, {
      kind: 'cluster',
      before: { cluster: 'main', partitions: 4 },
      after: { cluster: 'cheaper', partitions: 4 },
    })
    assert.ok(proposal.costOfChangeUsd > 0)
    const gross = proposal.before.usdPerMonth! - proposal.predicted.usdPerMonth!
    assert.ok(Math.abs(gross - proposal.savingUsdPerMonth - proposal.costOfChangeUsd) < 1e-9)
    assert.deepEqual(
      placement(aWorld([anId({ eligibleClusters: ['main'] })], { clusters })),
      [],
      'what does not meet the intent',
    )
    const fixed = anId({ intent: Intent.parse({ latencyP99Ms: '500ms', retention: '1d', movable: false }) })
    assert.deepEqual(placement(aWorld([fixed], { clusters })), [])
    const full = { ...own, room: { inBytesPerSecond: null, outBytesPerSecond: null, diskBytes: 1, replicas: null } }
    assert.deepEqual(placement(aWorld([anId()], { clusters: [dear, full] })), [])
  })

  function cheaperBook() {
    const book = priceBook('aws-us-east-1')
    const figures = Object.fromEntries(
      Object.entries(book.figures).map(([meter, figure]) => [meter, { ...figure, usd: figure.usd / 3 }]),
    )
    return { ...book, figures } as typeof book
  }
})

describe('partitions', () => {
  const thin = (change: Partial<IdWorld> = {}): IdWorld => {
    const one = anId({ workload: { ...workload, recordsPerSecond: 8_000, busiestPartitionShare: 1 / 32 } })
    const configuration = { ...one.configuration, partitions: 32, codec: 'zstd' as const, codecLevel: 1, lingerMs: 20 }
    return { ...one, configuration, ...change }
  }
  const often = { ...usualTimes, leastSavingUsdPerMonth: 0, leastSavingShare: 0.01 }

  test('records spread thin are brought together, by half, within the intent (S2)', () => {
    const [proposal] = partitioning(aWorld([thin()], { times: often }))
    assert.deepEqual(proposal?.change, { kind: 'partitions', before: { partitions: 32 }, after: { partitions: 16 } })
    assert.ok(proposal.predicted.recordsPerBatch! > proposal.before.recordsPerBatch!)
    assert.deepEqual(proposal.knobs, ['partitions'])
  })

  test('never under what load, brokers and readers ask for, nor where it may not move (S1)', () => {
    for (const one of [
      thin({ wantedPartitions: 32 }),
      thin({ workload: { ...workload, recordsPerSecond: 8_000, groups: [{ group: 'wide', members: 20 }] } }),
      thin({ intent: Intent.parse({ latencyP99Ms: '500ms', movable: false }) }),
      thin({ intent: Intent.parse({ retention: 'latest-per-key' }) }),
      thin({ workload: { ...workload, keyed: false } }),
      thin({ configuration: { ...thin().configuration, partitions: 4 } }),
      thin({ configuration: { ...thin().configuration, partitions: 7 } }),
      thin({ observedMs: 1_000 }),
    ]) {
      assert.deepEqual(partitioning(aWorld([one], { times: often })), [])
    }
  })
})
