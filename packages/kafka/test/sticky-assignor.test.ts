import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NO_GENERATION } from '../src/group/member-metadata.ts'
import { type AssignMember, assign } from '../src/group/sticky-assignor.ts'
import { nameOf, type TopicPartition } from '../src/group/types.ts'

const part = (topic: string, ...partitions: number[]): TopicPartition[] =>
  partitions.map((partition) => ({ topic, partition }))
const names = (shares: readonly TopicPartition[] | undefined): string[] => (shares ?? []).map(nameOf).toSorted()

/** Small, repeatable chance: a failing seed is named in the assertion. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * below)
  }
}

function ownerOf(target: ReadonlyMap<string, readonly TopicPartition[]>): Map<string, string> {
  const owners = new Map<string, string>()
  for (const [id, share] of target) {
    for (const name of share.map(nameOf)) {
      assert.equal(owners.get(name), undefined, `${name} has two owners`)
      owners.set(name, id)
    }
  }
  return owners
}

describe('the sticky assignor', () => {
  it('shares new partitions evenly', () => {
    const members = ['a', 'b', 'c'].map((id) => ({ id, topics: ['t'], owned: [], generation: NO_GENERATION }))
    const { now } = assign(members, new Map([['t', 7]]))
    assert.deepEqual([...now.values()].map((share) => share.length).toSorted(), [2, 2, 3])
  })

  it('moves no more than balance asks for when a member joins (A3), and gives a moved one to nobody yet (A4)', () => {
    const members = [
      { id: 'a', topics: ['t'], owned: part('t', 0, 1, 2), generation: 4 },
      { id: 'b', topics: ['t'], owned: part('t', 3, 4, 5), generation: 4 },
      { id: 'c', topics: ['t'], owned: [], generation: NO_GENERATION },
    ]
    const { now, target } = assign(members, new Map([['t', 6]]))
    assert.deepEqual(
      [...target.values()].map((share) => share.length),
      [2, 2, 2],
    )
    assert.deepEqual(now.get('c'), [])
    assert.ok(names(now.get('a')).every((name) => names(members[0]?.owned).includes(name)))
    assert.ok(names(now.get('b')).every((name) => names(members[1]?.owned).includes(name)))
  })

  it('of two claims the one of the later generation counts, and of two equal ones none (A5)', () => {
    const claim = (id: string, generation: number) => ({ id, topics: ['t'], owned: part('t', 0), generation })
    const later = assign([claim('a', 3), claim('b', 5)], new Map([['t', 1]]))
    assert.deepEqual([names(later.now.get('a')), names(later.now.get('b'))], [[], ['t:0']])
    const equal = assign([claim('a', 5), claim('b', 5)], new Map([['t', 1]]))
    assert.deepEqual([names(equal.now.get('a')), names(equal.now.get('b'))], [[], []])
  })

  it('gives nobody a topic that is not wanted or not there', () => {
    const members = [{ id: 'a', topics: ['t', 'missing'], owned: part('gone', 1), generation: 1 }]
    const { now } = assign(
      members,
      new Map([
        ['t', 1],
        ['missing', 0],
        ['other', 3],
      ]),
    )
    assert.deepEqual(names(now.get('a')), ['t:0'])
  })

  it('holds its promises over 300 random histories of joins, leaves and growing topics (A1 to A6)', () => {
    for (let seed = 1; seed <= 300; seed += 1) history(seed)
  })
})

/** A group through its life: every rebalance is played until nothing moves any more. */
function history(seed: number): void {
  const draw = chance(seed)
  const isUniform = draw(2) === 0
  const counts = new Map(Array.from({ length: 1 + draw(3) }, (_, at) => [`t${at}`, 1 + draw(9)]))
  let generation = 0
  let next = 0
  let members: AssignMember[] = []
  for (let step = 0; step < 8; step += 1) {
    const at = `seed ${seed}, step ${step}`
    const kind = draw(3)
    if (kind === 2 && members.length > 1) members = members.toSpliced(draw(members.length), 1)
    else if (kind === 1 && step > 0) counts.set('t0', (counts.get('t0') ?? 0) + draw(4))
    else {
      const topics = [...counts.keys()].filter((_, index) => isUniform || index === 0 || draw(2) === 0)
      members = [...members, { id: `m${next++}`, topics, owned: [], generation: NO_GENERATION }]
    }
    let rounds = 0
    for (let isMoving = true; isMoving; rounds += 1) {
      assert.ok(rounds < 4, `${at}: does not settle`)
      generation += 1
      const { now, target } = assign(members, counts)
      const mirrored = assign(members.toReversed(), counts)
      for (const { id } of members) assert.deepEqual(names(mirrored.now.get(id)), names(now.get(id)), at)
      checkTarget(members, counts, target, at)
      const held = new Map(members.flatMap(({ id, owned }) => owned.map((one) => [nameOf(one), id] as const)))
      for (const [id, share] of now) {
        for (const name of share.map(nameOf)) assert.ok((held.get(name) ?? id) === id, `${at}: ${name} is still held`)
      }
      isMoving = members.some(({ id, owned }) => owned.some((one) => !names(now.get(id)).includes(nameOf(one))))
      members = members.map((one) => ({ ...one, owned: now.get(one.id) ?? [], generation }))
    }
    // Nothing changed since: nothing moves.
    const again = assign(members, counts)
    for (const { id, owned } of members) assert.deepEqual(names(again.now.get(id)), names(owned), at)
  }
}

function checkTarget(
  members: readonly AssignMember[],
  counts: ReadonlyMap<string, number>,
  target: ReadonlyMap<string, readonly TopicPartition[]>,
  at: string,
): void {
  const owners = ownerOf(target)
  for (const [topic, count] of counts) {
    const wanting = members.filter(({ topics }) => topics.includes(topic)).map(({ id }) => id)
    for (let partition = 0; partition < count; partition += 1) {
      const owner = owners.get(`${topic}:${partition}`)
      if (wanting.length === 0) assert.equal(owner, undefined, at)
      else assert.ok(owner !== undefined && wanting.includes(owner), `${at}: ${topic}:${partition} has no fit owner`)
    }
  }
  const load = (id: string): number => target.get(id)?.length ?? 0
  for (const from of members) {
    const topics = new Set((target.get(from.id) ?? []).map(({ topic }) => topic))
    for (const to of members) {
      if (!to.topics.some((topic) => topics.has(topic))) continue
      assert.ok(load(from.id) - load(to.id) <= 1, `${at}: ${from.id} has ${load(from.id)}, ${to.id} ${load(to.id)}`)
    }
  }
}
