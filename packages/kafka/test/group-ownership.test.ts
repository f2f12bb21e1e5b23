import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Ownership } from '../src/group/ownership.ts'
import { nameOf, type Share, type TopicPartition } from '../src/group/types.ts'

const shares = (...partitions: number[]): Share[] =>
  partitions.map((partition) => ({ topicId: 'id', topic: 't', partition }))
const text = (some: readonly TopicPartition[]): string => some.map(nameOf).toSorted().join()

interface Gate {
  readonly what: string
  open(error?: Error): void
}

/** An ownership whose callbacks end when the test says so. */
function gated() {
  const gates: Gate[] = []
  const log: string[] = []
  const wait = (what: string): Promise<void> => {
    log.push(what)
    return new Promise((resolve, reject) => {
      gates.push({ what, open: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  }
  const ownership = new Ownership({
    onAssigned: (added) => wait(`+${text(added)}`),
    onRevoked: (removed) => wait(`-${text(removed)}`),
    onLost: (lost) => log.push(`lost ${text(lost)}`),
    onRevokeFailed: () => log.push('revoke failed'),
  })
  const open = async (what: string, error?: Error): Promise<void> => {
    const gate = gates.shift()
    assert.equal(gate?.what, what)
    gate?.open(error)
    await turn()
  }
  return { ownership, log, open }
}

describe('what a member holds', () => {
  it('is ours only after onAssigned, and held until onRevoked ended (W2, W3)', async () => {
    const { ownership, open } = gated()
    const moved = ownership.moveTo(shares(0, 1))
    await turn()
    assert.deepEqual([text(ownership.owned()), text(ownership.held())], ['', 't:0,t:1'])
    assert.equal(ownership.owns('t', 0), false)
    await open('+t:0,t:1')
    assert.equal(await moved, false)
    assert.ok(ownership.owns('t', 0))
    let isGivenUp = false
    const again = ownership.moveTo(shares(1, 2), () => {
      isGivenUp = true
    })
    await turn()
    assert.deepEqual([text(ownership.owned()), text(ownership.held()), isGivenUp], ['t:0,t:1', 't:0,t:1', false])
    assert.ok(ownership.owns('t', 0), 'what is being given up can still be committed')
    await open('-t:0')
    assert.deepEqual([text(ownership.owned()), text(ownership.held()), isGivenUp], ['t:1', 't:1,t:2', true])
    await open('+t:2')
    assert.equal(await again, true)
    assert.ok(ownership.isAt(shares(2, 1)))
  })

  it('changes by one callback at a time: a partition that comes back waits until it was given up (W1)', async () => {
    const { ownership, log, open } = gated()
    const moves = [ownership.moveTo(shares(0)), ownership.moveTo([]), ownership.moveTo(shares(0))]
    await turn()
    assert.deepEqual(log, ['+t:0'])
    await open('+t:0')
    assert.deepEqual(log, ['+t:0', '-t:0'])
    await open('-t:0')
    await open('+t:0')
    assert.deepEqual(await Promise.all(moves), [false, true, false])
  })

  it('is lost at once, also in the middle of onAssigned, and that is said again after it (W4)', async () => {
    const { ownership, log, open } = gated()
    const moved = ownership.moveTo(shares(0))
    await turn()
    ownership.loseAll()
    assert.deepEqual(log, ['+t:0', 'lost t:0'])
    assert.deepEqual(ownership.held(), [])
    await open('+t:0')
    await moved
    assert.deepEqual(log, ['+t:0', 'lost t:0', 'lost t:0'])
    assert.deepEqual(ownership.owned(), [])
  })

  it('is not handed out any more for a target from before a loss (W6)', async () => {
    const { ownership, log, open } = gated()
    const first = ownership.moveTo(shares(0))
    await turn()
    await open('+t:0')
    await first
    let isGivenUp = false
    const stale = ownership.moveTo(shares(1), () => {
      isGivenUp = true
    })
    const queued = ownership.moveTo(shares(2))
    await turn()
    ownership.loseAll()
    const fresh = ownership.moveTo(shares(3))
    await turn()
    await open('-t:0')
    await open('+t:3')
    await Promise.all([stale, queued, fresh])
    assert.equal(isGivenUp, false)
    assert.deepEqual(log, ['+t:0', '-t:0', 'lost t:0', '+t:3'])
    assert.equal(text(ownership.owned()), 't:3')
  })

  it('is given up also when onRevoked fails, and a failed onAssigned is passed on (W5)', async () => {
    const { ownership, log, open } = gated()
    const first = ownership.moveTo(shares(0))
    await turn()
    await open('+t:0')
    await first
    const second = ownership.moveTo(shares(1))
    await turn()
    await open('-t:0', new Error('cannot'))
    const rejected = assert.rejects(second, /no room/)
    await open('+t:1', new Error('no room'))
    await rejected
    assert.deepEqual(log, ['+t:0', '-t:0', 'revoke failed', '+t:1'])
    assert.deepEqual(ownership.owned(), [])
  })

  it('is a topic made anew under its old name: the old one goes before the new one comes', async () => {
    const { ownership, log, open } = gated()
    const first = ownership.moveTo(shares(0))
    await turn()
    await open('+t:0')
    await first
    const second = ownership.moveTo([{ topicId: 'other', topic: 't', partition: 0 }])
    await turn()
    await open('-t:0')
    await open('+t:0')
    assert.equal(await second, true)
    assert.deepEqual(log, ['+t:0', '-t:0', '+t:0'])
  })

  it('once sealed is given up and never grows again', async () => {
    const { ownership, open } = gated()
    const first = ownership.moveTo(shares(0))
    await turn()
    await open('+t:0')
    await first
    const sealed = ownership.seal()
    await turn()
    await open('-t:0')
    await sealed
    assert.equal(await ownership.moveTo(shares(0, 1)), false)
    assert.deepEqual(ownership.held(), [])
  })
})
