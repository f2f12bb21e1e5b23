/**
 * Who gets which partitions, worked out by the leader of a classic group (cooperative-sticky).
 *
 * A1. Every partition of a topic that somebody wants has exactly one future owner, and that one wants the topic.
 * A2. Balanced: no single partition could move to a member with two or more fewer. Equal subscriptions differ by one at most.
 * A3. Sticky: a partition stays where it is unless balance asks for its move.
 * A4. Cooperative: one that somebody else still claims is given to nobody this time; its owner hears that it is gone, gives it up
 *     and joins again, and only then it reaches the next one.
 * A5. Of two claims the one of the later generation counts; both keep others out (A4).
 * A6. The outcome depends on the input alone, not on its order.
 */
import { nameOf, type TopicPartition } from './types.ts'

export interface AssignMember {
  readonly id: string
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  readonly generation: number
}

export interface Plan {
  /** What members get now. */
  readonly now: ReadonlyMap<string, readonly TopicPartition[]>
  /** What they will have once everything moved. */
  readonly target: ReadonlyMap<string, readonly TopicPartition[]>
}

interface Candidate {
  readonly id: string
  readonly topics: ReadonlySet<string>
  /** Partitions by name, in the order taken. */
  readonly share: Map<string, TopicPartition>
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0

export function assign(members: readonly AssignMember[], partitionCounts: ReadonlyMap<string, number>): Plan {
  const sorted = members.toSorted(byId)
  const candidates = sorted.map(({ id, topics }): Candidate => ({ id, topics: new Set(topics), share: new Map() }))
  const candidateById = new Map(candidates.map((one) => [one.id, one]))
  const claims = claimsOf(sorted)
  const all = partitionsOf(partitionCounts)
  const free = all.filter((one) => {
    const owner = candidateById.get(claims.get(nameOf(one))?.owner ?? '')
    if (owner === undefined || !owner.topics.has(one.topic)) return true
    owner.share.set(nameOf(one), one)
    return false
  })
  for (const one of free)
    lightest(candidates.filter(({ topics }) => topics.has(one.topic)))?.share.set(nameOf(one), one)
  balance(candidates)
  const target = new Map(candidates.map(({ id, share }) => [id, [...share.values()]]))
  const now = new Map(
    [...target].map(([id, share]) => [
      id,
      share.filter((one) => {
        const claim = claims.get(nameOf(one))
        return claim === undefined || claim.owner === id
      }),
    ]),
  )
  return { now, target }
}

interface Claim {
  owner: string | undefined
  generation: number
}

function claimsOf(members: readonly AssignMember[]): Map<string, Claim> {
  const claims = new Map<string, Claim>()
  for (const { id, owned, generation } of members) {
    for (const name of owned.map(nameOf)) {
      const claim = claims.get(name)
      if (claim === undefined) {
        claims.set(name, { owner: id, generation })
        continue
      }
      // Two of the same generation cannot both be right: neither keeps it.
      if (generation === claim.generation) claim.owner = undefined
      if (generation > claim.generation) {
        claim.owner = id
        claim.generation = generation
      }
    }
  }
  return claims
}

function partitionsOf(counts: ReadonlyMap<string, number>): TopicPartition[] {
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => ({ topic, partition })))
}

function lightest(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined
  for (const one of candidates) if (best === undefined || one.share.size < best.share.size) best = one
  return best
}

/** Every move lessens the sum of the squares of the loads, so there is an end to it. */
function balance(candidates: readonly Candidate[]): void {
  for (let isMoved = true; isMoved; ) {
    isMoved = false
    const heavyFirst = candidates.toSorted((a, b) => b.share.size - a.share.size)
    for (const from of heavyFirst) {
      const lightFirst = candidates.toSorted((a, b) => a.share.size - b.share.size)
      const to = lightFirst.find((one) => one.share.size + 1 < from.share.size && movable(from, one) !== undefined)
      const moved = to === undefined ? undefined : movable(from, to)
      if (to === undefined || moved === undefined) continue
      from.share.delete(nameOf(moved))
      to.share.set(nameOf(moved), moved)
      isMoved = true
      break
    }
  }
}

/** The one taken last: what is claimed came first and so stays longest (A3). */
function movable(from: Candidate, to: Candidate): TopicPartition | undefined {
  return [...from.share.values()].findLast(({ topic }) => to.topics.has(topic))
}
