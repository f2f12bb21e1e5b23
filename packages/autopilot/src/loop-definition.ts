/**
 * A loop: a pure function from a World to what it proposes, and to what it says where it proposes nothing. The engine and the API know
 * no loop by name: a new one is a file of its own and a line of `loops/list.ts`.
 *
 * L1. `assess` uses the World and nothing else, so that a recorded World gives the same proposals again.
 */
import type { Outlook } from '@mq/contract'
import type { LoopTimes } from './loop-times.ts'
import type { Assessment, Proposal } from './proposal.ts'
import type { World } from './world.ts'

export interface LoopDefinition {
  readonly name: string
  /**
   * How long an mQ ID may wait for the next assessment. All loops assess an mQ ID when one of them wants to: the World is there then.
   * @param last what this loop said of it; undefined where it said nothing
   */
  cadence(times: LoopTimes, last: Outlook['state'] | undefined): number
  /** L1 */
  assess(world: World): Assessment[]
}

/** Every round, until there is nothing to be gained: thousands of settled mQ IDs cost next to nothing. */
export function untilSettled({ lookAgainMs }: LoopTimes, last: Outlook['state'] | undefined): number {
  return last === undefined || last === 'nothing-to-gain' ? lookAgainMs : 0
}

export function proposalsOf({ assess }: Pick<LoopDefinition, 'assess'>, world: World): Proposal[] {
  return assess(world).flatMap(({ proposal }) => proposal ?? [])
}

/** What all loops say of each mQ ID. One whose figures a loop cannot compute with is told so, and holds up no other. */
export function assessWith(loops: readonly LoopDefinition[], world: World): Assessment[] {
  return world.ids.flatMap((one) => loops.flatMap((loop) => assessOne(loop, { ...world, ids: [one] }, one.id)))
}

function assessOne({ name, assess }: LoopDefinition, world: World, mqId: string): Assessment[] {
  try {
    return assess(world)
  } catch (error) {
    const reason = `its figures cannot be computed with: ${error instanceof Error ? error.message : String(error)}`
    return [{ proposal: undefined, outlook: { mqId, loop: name, state: 'no-data', reason } }]
  }
}
