/**
 * Worlds that are kept with the decision they led to, and proposed from again. Pure.
 *
 * R1. The same value always gives the same text: keys in order, nothing but JSON, and numbers exactly as they are.
 * R2. What is read back is what was written: a loop that assesses it proposes the same, byte for byte, as long as its code is the same.
 * R3. Only the mQ ID of the decision is kept; of the rest of the World what every mQ ID sees.
 */
import { z } from 'zod'
import { assessWith, type LoopDefinition } from './loop-definition.ts'
import type { Proposal } from './proposal.ts'
import type { World } from './world.ts'

/** A World of another shape cannot be replayed. */
export const WORLD_FORMAT = 1

/** Numbers that JSON does not know (R1). */
const UNWRITTEN = new Map<string, number>([
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['NaN', Number.NaN],
  ['-0', -0],
])
const NUMBER = '$number'

/** R1 */
export function serialise(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'number') {
      if (Object.is(part, -0)) return { [NUMBER]: '-0' }
      return Number.isFinite(part) ? part : { [NUMBER]: String(part) }
    }
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

export function deserialise(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => {
    const written = typeof part === 'object' && part !== null ? (part as Record<string, unknown>)[NUMBER] : undefined
    return typeof written === 'string' && UNWRITTEN.has(written) ? UNWRITTEN.get(written) : part
  })
}

/** R3 */
export function worldAbout(world: World, mqId: string): World {
  return { ...world, ids: world.ids.filter(({ id }) => id === mqId) }
}

/** As much of the shape as tells a World from something else: a loop that meets a part that is missing says so. */
const Shape = z.looseObject({
  nowMs: z.number(),
  times: z.looseObject({}),
  ids: z.array(z.looseObject({ id: z.string() })).length(1),
  clusters: z.array(z.looseObject({ name: z.string() })),
})

/** @throws when the text is no World of one mQ ID */
export function readWorld(text: string): World {
  const value = deserialise(text)
  Shape.parse(value)
  return value as World
}

export interface Replay {
  /** Whether the loop of now proposes what was proposed then, byte for byte. */
  readonly same: boolean
  /** Canonical text of what it proposes now; null where it proposes nothing. */
  readonly proposal: string | null
  /** What the loop says now where it proposes nothing. */
  readonly reason: string | null
  readonly differences: readonly Difference[]
}

export interface Difference {
  /** Where in the proposal, such as `predicted.usdPerMonth`. */
  readonly path: string
  /** Canonical texts; null where there is nothing. */
  readonly recorded: string | null
  readonly now: string | null
}

/** R2. @param recorded canonical text of the proposal of then */
export function replay(loops: readonly LoopDefinition[], loop: string, world: World, recorded: string): Replay {
  const found = loops.find(({ name }) => name === loop)
  if (found === undefined) return ended(recorded, null, `this version has no loop '${loop}'`)
  const said = assessWith([found], world)
  const { kind } = z.object({ change: z.object({ kind: z.string() }) }).parse(deserialise(recorded)).change
  const proposals = said.flatMap(({ proposal }): Proposal[] => (proposal === undefined ? [] : [proposal]))
  const proposal = proposals.find(({ change }) => change.kind === kind) ?? proposals[0]
  const reason = said.map(({ outlook }) => outlook.reason).join('; ')
  return ended(recorded, proposal === undefined ? null : serialise(proposal), reason === '' ? 'nothing' : reason)
}

function ended(recorded: string, proposal: string | null, reason: string): Replay {
  const same = proposal === recorded
  const differences = same ? [] : differencesOf(deserialise(recorded), proposal === null ? null : deserialise(proposal))
  return { same, proposal, reason: proposal === null ? reason : null, differences }
}

/** The leaves in which two values differ. */
function differencesOf(recorded: unknown, now: unknown, path = ''): Difference[] {
  if (Object.is(recorded, now)) return []
  if (isBranch(recorded) && isBranch(now)) {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(now)])]
    return keys.flatMap((key) => differencesOf(recorded[key], now[key], path === '' ? key : `${path}.${key}`))
  }
  const textOf = (value: unknown): string | null => (value === undefined || value === null ? null : serialise(value))
  const difference = { path, recorded: textOf(recorded), now: textOf(now) }
  return difference.recorded === difference.now ? [] : [difference]
}

const isBranch = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
