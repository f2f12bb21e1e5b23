/**
 * A new loop with a new kind of change: this file and a line of each list are all it takes. It goes through the policy, the rollout, the
 * check after it, the API and `mq decision show`, and back by `mq undo`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeWatch, type LoopDefinition, loops } from '@mq/autopilot'
import { z } from 'zod'
import type { ChangeKind } from '../src/autopilot/change-kind.ts'
import { changeKinds } from '../src/autopilot/changes/list.ts'
import { mq } from './command.ts'
import { Fleet, ID } from './fleet.ts'

const DAY_MS = 86_400_000
const nothing = {
  usdPerMonth: 0,
  usdPerMillionRecords: null,
  sendP99Ms: null,
  endToEndP99Ms: null,
  wireBytesPerRecord: null,
  recordsPerBatch: null,
}

/** Closes segments of short logs later: fewer files for a broker to hold open. */
const segmentLoop: LoopDefinition = {
  name: 'segments',
  cadence: ({ lookAgainMs }) => lookAgainMs,
  assess: ({ ids }) =>
    ids.flatMap(({ id, intent, decisions, epoch }) => {
      if (intent.retention.policy !== 'time' || decisions.some(({ kind }) => kind === 'segments')) return []
      const [before, after] = [intent.retention.durationMs / 4, intent.retention.durationMs / 2]
      return {
        proposal: {
          mqId: id,
          loop: 'segments',
          title: `segments closed after ${after / 3_600_000} h`,
          why: 'half as many files',
          change: { kind: 'segments', before: { segmentMs: before }, after: { segmentMs: after } },
          choices: [],
          knobs: ['segments'],
          triedOn: null,
          evidence: [],
          alternatives: [],
          before: nothing,
          predicted: nothing,
          savingUsdPerMonth: 0,
          costOfChangeUsd: 0,
          assumptions: [],
          repair: null,
          epoch,
        },
        outlook: { mqId: id, loop: 'segments', state: 'proposed', reason: 'half as many files' },
      }
    }),
}

const segmentChange: ChangeKind = {
  name: 'segments',
  isCurrent: ({ spec }, { change }, which) => spec.topicConfigs['segment.ms'] === String(change[which].segmentMs),
  rolloutStrategy: () => ({ kind: 'for-all', why: 'a segment belongs to the topic' }),
  apply: async ({ provisioner }, { number, change }, { id }) => {
    const configs = { 'segment.ms': String(z.number().parse(change.after.segmentMs)) }
    await provisioner.reconfigure(id, 'mq', `decision ${number}`, ({ spec }) => ({
      alter: configs,
      spec: { ...spec, topicConfigs: { ...spec.topicConfigs, ...configs } },
    }))
    return { kind: 'done' }
  },
  verify: (facts) => judgeWatch({ ...facts, isStructural: true }),
  revert: async ({ provisioner }, { change }, active, why) => {
    if (active === undefined) return { kind: 'done' }
    const configs = { 'segment.ms': String(z.number().parse(change.before.segmentMs)) }
    await provisioner.reconfigure(active.id, 'mq', why, ({ spec }) => ({
      alter: configs,
      spec: { ...spec, topicConfigs: { ...spec.topicConfigs, ...configs } },
    }))
    return { kind: 'done' }
  },
}

test('one file and a line in each list: proposed, approved, rolled out, kept, shown and undone', {
  timeout: 300_000,
}, async (t) => {
  const fleet = new Fleet({ instances: 3 })
  await fleet.start(t, {
    autopilot: { loops: [...loops, segmentLoop], changeKinds: [...changeKinds, segmentChange] },
  })
  await fleet.declareBadly({ retention: '1d' }, {})
  const newest = async () => (await fleet.decisions()).find(({ kind }) => kind === 'segments')
  const topic = fleet.binding.epochs[0]!.topic
  const segmentMs = () => fleet.kafka.topics.get(topic)?.configs['segment.ms']
  assert.equal(segmentMs(), String(DAY_MS / 4))

  await fleet.run(60, async () => (await newest()) !== undefined)
  const proposed = await newest()
  assert.equal(proposed?.state, 'waiting', 'a knob that no policy names waits for a person')
  const { number } = proposed
  assert.equal((await fleet.plane.call('POST', `/v1/decisions/${number}/approve`)).status, 200)
  await fleet.run(120, async () => (await newest())?.state === 'kept')
  const kept = await fleet.decision(number)
  assert.equal(kept.state, 'kept', kept.status)
  assert.deepEqual(
    kept.steps.map(({ event }) => event),
    ['proposed', 'ask', 'accept', 'apply-began', 'applied', 'verified'],
  )
  assert.equal(segmentMs(), String(DAY_MS / 2))

  const shown = await mq(t, fleet.plane, ['decision', 'show', String(number)])
  assert.match(shown, /by the segments loop/)
  assert.match(shown, /segments closed after 12 h/)
  assert.match(await mq(t, fleet.plane, ['decisions', ID]), /kept .*segments closed after 12 h/)

  await mq(t, fleet.plane, ['undo', String(number)])
  await fleet.run(30, async () => (await newest())?.state === 'undone')
  assert.equal((await fleet.decision(number)).state, 'undone')
  assert.equal(segmentMs(), String(DAY_MS / 4))
})

test('a decision of a kind that this version does not know stays as it is, and the others go on', {
  timeout: 300_000,
}, async (t) => {
  const fleet = new Fleet({ instances: 3 })
  await fleet.start(t, { autopilot: { loops: [...loops, segmentLoop] } })
  await fleet.declareBadly({ retention: '1d', latencyP99Ms: '500ms' })
  await fleet.run(200, async () => (await fleet.decisions()).some(({ state }) => state === 'kept'))
  const all = await fleet.decisions()
  const unknown = all.find(({ kind }) => kind === 'segments')
  assert.equal(unknown?.state, 'waiting')
  assert.match(unknown.status, /'segments' is not known to this version/)
  assert.ok(
    all.some(({ kind, state }) => kind === 'producer-settings' && state === 'kept'),
    JSON.stringify(all.map(({ kind, status }) => [kind, status])),
  )
})
