/**
 * What a client makes of a seal that it proves itself: the rule (contract: proven-seal.ts), what the store keeps of it, and when it is
 * asked for (seal-prover.ts).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Binding, type Epoch, provenSeal, successionOf, withProvenSeal } from '@mq/contract'
import type { SealFinding } from '@mq/kafka'
import { BindingStore } from '../src/bindings/store.ts'
import { PATIENCE_MS, SealProver } from '../src/epochs/seal-prover.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime } from './support/time.ts'

const ID_1 = '00000000-0000-0000-0000-00000000000a'
const ID_2 = '00000000-0000-0000-0000-00000000000b'
const OLD: Epoch = { ...bindingOf().epochs[0]!, partitions: 2, topicId: ID_1 }
const NEW: Epoch = {
  ...{ epoch: 2, state: 'preparing', cluster: 'main', topic: 'orders.placed.e2', partitions: 3, endOffsets: null },
  ...{ topicId: ID_2, opensWhenSealed: true },
}
const PREPARED = bindingOf({ revision: 5, epochs: [OLD, NEW] })
const states = ({ epochs }: Binding): string => epochs.map(({ epoch, state }) => `${epoch} ${state}`).join(', ')
const PROOF = provenSeal(PREPARED, successionOf(PREPARED)!, [7n, 9n])
const later = (parts: Partial<Binding>): Binding => ({ ...PREPARED, revision: 6, ...parts })

describe('the rule by which a proven seal opens the next epoch', () => {
  it('reads as what the control plane will publish, with the ends of added partitions apart (V2)', () => {
    const proof = provenSeal(PREPARED, successionOf(PREPARED)!, [7n, 9n, 4n])
    const [old, next] = withProvenSeal(PREPARED, proof).epochs
    assert.equal(old?.state, 'sealed')
    assert.deepEqual(old?.endOffsets, ['7', '9'])
    assert.deepEqual(old?.addedEndOffsets, ['4'])
    assert.equal(next?.state, 'open')
  })

  it('names nothing without the word of the binding, or behind an epoch that is sealed already (V1)', () => {
    const { opensWhenSealed: _, ...unmarked } = NEW
    assert.equal(successionOf(bindingOf({ epochs: [OLD, unmarked] })), undefined)
    assert.equal(successionOf(bindingOf({ epochs: [NEW] })), undefined)
    assert.equal(successionOf(later({ deleted: true })), undefined)
    assert.equal(successionOf(later({ epochs: [{ ...OLD, state: 'sealed', endOffsets: ['1', '1'] }, NEW] })), undefined)
    assert.deepEqual(successionOf(later({ epochs: [{ ...OLD, state: 'sealing' }, NEW] }))?.to, NEW)
  })

  it('holds for later bindings on the same topics, and gives way to one that says more (V3)', () => {
    const stays: Binding[] = [
      later({}),
      later({ epochs: [{ ...OLD, state: 'sealing' }, NEW] }),
      // Another life of the store, by the ids of the topics.
      later({ incarnation: 2, revision: 1 }),
    ]
    for (const binding of stays) assert.equal(states(withProvenSeal(binding, PROOF)), '1 sealed, 2 open')
    const said = later({
      epochs: [
        { ...OLD, state: 'sealed', endOffsets: ['7', '9'] },
        { ...NEW, state: 'open' },
      ],
    })
    const gives: Binding[] = [
      said,
      later({ epochs: [OLD] }),
      later({ epochs: [{ ...OLD, topicId: ID_2 }, NEW] }),
      later({ epochs: [OLD, { ...NEW, topicId: ID_1 }] }),
      later({ epochs: [OLD, { ...NEW, epoch: 3, topic: 'orders.placed.e3' }] }),
      later({ mqId: 'another.one' }),
      // Without ids a name alone says nothing in another life.
      later({ incarnation: 2, epochs: [{ ...OLD, topicId: null }, NEW] }),
    ]
    for (const binding of gives) assert.equal(withProvenSeal(binding, PROOF), binding)
  })
})

describe('BindingStore with a proof (S4)', () => {
  function open() {
    const logger = new RecordingLogger()
    const applied: string[] = []
    const store = new BindingStore(logger, (binding, origin) => applied.push(`${origin}: ${states(binding)}`))
    return { store, applied, logger }
  }

  it('tells listeners once, keeps the proof over later bindings, and takes it only while it says something', () => {
    const { store, applied } = open()
    const heard: string[] = []
    assert.equal(store.prove(PROOF), false, 'nothing is known of the mQ ID yet')
    store.apply(PREPARED, 'push')
    store.listen(PREPARED.mqId, (binding) => heard.push(states(binding)))
    assert.equal(store.prove(PROOF), true)
    assert.equal(store.prove(PROOF), false)
    store.apply(later({ epochs: [{ ...OLD, state: 'sealing' }, NEW] }), 'push')
    store.apply(later({ revision: 7, epochs: [OLD, NEW] }), 'get')
    assert.deepEqual(heard, ['1 sealed, 2 open', '1 sealed, 2 open', '1 sealed, 2 open'])
    assert.equal(applied[1], 'proof: 1 sealed, 2 open')
    // The word of the control plane stands above it.
    store.apply(later({ revision: 8, epochs: [{ ...NEW, state: 'open' }] }), 'push')
    assert.equal(heard.at(-1), '2 open')
  })

  it('finds the proof again in what was kept on disk, so that the next process does not fall back', () => {
    const first = open()
    first.store.apply(PREPARED, 'push')
    first.store.prove(PROOF)
    const kept: unknown = JSON.parse(JSON.stringify(first.store.get(PREPARED.mqId)))
    const second = open()
    second.store.apply(kept, 'cache')
    assert.equal(states(second.store.get(PREPARED.mqId)!), '1 sealed, 2 open')
    second.store.apply(later({ epochs: [{ ...OLD, state: 'sealing' }, NEW] }), 'push')
    assert.equal(states(second.store.get(PREPARED.mqId)!), '1 sealed, 2 open')
    assert.deepEqual(second.store.get(PREPARED.mqId)?.epochs[0]?.endOffsets, ['7', '9'])
  })
})

describe('SealProver', () => {
  function rig(parts: { readonly heard?: boolean } = {}) {
    const time = new FakeTime()
    const logger = new RecordingLogger()
    const asked: string[] = []
    const note = <T>(what: string, answer: T): T => {
      asked.push(what)
      return answer
    }
    const answers: { old: SealFinding; next: SealFinding; mayBeSealed: boolean } = {
      old: { kind: 'sealed', ends: [7n, 9n] },
      next: { kind: 'open' },
      mayBeSealed: true,
    }
    const plane = { isHeard: parts.heard ?? true }
    const store = new BindingStore(logger, (binding) => prover.look(binding))
    const prover = new SealProver({
      store,
      port: {
        prove: async (_, { epoch }) => note(`prove ${epoch}`, answers.old),
        probeOpen: async (_, { epoch }) => note(`probe ${epoch}`, answers.next),
        mayBeSealed: async (_, { epoch }) => note(`limit ${epoch}`, answers.mayBeSealed),
      },
      deps: time.deps,
      logger,
      isHeard: () => plane.isHeard,
    })
    const now = (): string => states(store.get(PREPARED.mqId)!)
    return { time, logger, asked, answers, plane, store, prover, now }
  }

  it('asks nobody while nothing ends and the control plane is heard (P2)', async () => {
    const { time, asked, store, prover, now } = rig()
    store.apply(PREPARED, 'push')
    await time.advance(60_000)
    assert.deepEqual(asked, [])
    assert.equal(now(), '1 open, 2 preparing')
    await prover.close()
    assert.equal(time.timers, 0)
  })

  it('opens after a refusal, not before the control plane had its time, the old topic first (P1, P3)', async () => {
    const { time, asked, store, prover, now, logger } = rig()
    store.apply(PREPARED, 'push')
    await time.advance(10_000)
    prover.refused(PREPARED.mqId, 1)
    await time.advance(PATIENCE_MS - 1_000)
    assert.deepEqual(asked, [])
    await time.advance(3_000)
    assert.deepEqual(asked, ['prove 1', 'probe 2'])
    assert.equal(now(), '1 sealed, 2 open')
    assert.equal(logger.lines.filter(({ message }) => message.includes('without the control plane')).length, 1)
    assert.equal(time.timers, 0, 'there is nothing left to watch')
    await prover.close()
  })

  it('counts a binding that says sealing as a refusal, and lets the control plane be faster', async () => {
    const { time, asked, store, prover, now } = rig()
    store.apply(later({ epochs: [{ ...OLD, state: 'sealing' }, NEW] }), 'push')
    await time.advance(PATIENCE_MS - 1_000)
    const epochs: Epoch[] = [
      { ...OLD, state: 'sealed', endOffsets: ['7', '9'] },
      { ...NEW, state: 'open' },
    ]
    store.apply(later({ revision: 9, epochs }), 'push')
    await time.advance(60_000)
    assert.deepEqual(asked, [])
    assert.equal(now(), '1 sealed, 2 open')
    await prover.close()
  })

  it('finds it out where nothing is refused, once the control plane is silent, without probing an open topic', async () => {
    const { time, asked, answers, plane, store, prover, now } = rig()
    answers.mayBeSealed = false
    store.apply(PREPARED, 'push')
    plane.isHeard = false
    await time.advance(20_000)
    assert.ok(asked.length > 2 && asked.every((one) => one === 'limit 1'), asked.join())
    answers.mayBeSealed = true
    await time.advance(10_000)
    assert.equal(now(), '1 sealed, 2 open')
    await prover.close()
  })

  it('does not open what is not proven, or where the new topic is closed or cannot be asked', async () => {
    const cases: readonly Partial<{ old: SealFinding; next: SealFinding }>[] = [
      { old: { kind: 'open' } },
      { old: { kind: 'unknown', reason: 'partition 1 has no leader' } },
      { next: { kind: 'sealed', ends: [] } },
      { next: { kind: 'unknown', reason: 'no answer' } },
    ]
    for (const answers of cases) {
      const one = rig()
      Object.assign(one.answers, answers)
      one.store.apply(PREPARED, 'push')
      one.prover.refused(PREPARED.mqId, 1)
      await one.time.advance(120_000)
      assert.equal(one.now(), '1 open, 2 preparing')
      const tries = one.asked.filter((what) => what === 'prove 1').length
      assert.ok(tries > 10 && tries < 60, `${tries} tries`)
      Object.assign(one.answers, { old: { kind: 'sealed', ends: [7n, 9n] }, next: { kind: 'open' } })
      await one.time.advance(10_000)
      assert.equal(one.now(), '1 sealed, 2 open')
      await one.prover.close()
    }
  })

  it('watches what comes after a proof, and ends with the process', async () => {
    const { time, asked, answers, store, prover, now } = rig()
    store.apply(PREPARED, 'push')
    prover.refused(PREPARED.mqId, 1)
    await time.advance(10_000)
    assert.equal(now(), '1 sealed, 2 open')
    const third: Epoch = { ...NEW, epoch: 3, topic: 'orders.placed.e3', topicId: ID_1 }
    const sealed: Epoch = { ...OLD, state: 'sealed', endOffsets: ['7', '9'] }
    answers.old = { kind: 'open' }
    store.apply(later({ revision: 10, epochs: [sealed, { ...NEW, state: 'open' }, third] }), 'push')
    await time.advance(10_000)
    asked.length = 0
    prover.refused(PREPARED.mqId, 2)
    await time.advance(10_000)
    assert.ok(asked.includes('prove 2'))
    await prover.close()
    assert.equal(time.timers, 0)
  })
})
