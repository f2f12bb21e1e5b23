/**
 * Old decisions proposed again, from the World they were proposed from, by the code of now.
 */
import { type LoopDefinition, readWorld, replay, WORLD_FORMAT } from '@mq/autopilot'
import { type DecisionReplay, MqError } from '@mq/contract'
import { type DecisionWorldReader, KEEP_MS, KEEP_NEWEST, MAX_WORLD_BYTES } from '../store/ports/decision-worlds.ts'
import { readVersion } from '../version.ts'
import type { Decisions } from './decisions.ts'

const NOT_KEPT = `is not kept: it was made before mQ kept them, over ${KEEP_MS / 86_400_000} days or ${KEEP_NEWEST} decisions ago, or is larger than ${MAX_WORLD_BYTES / 1_024} KiB`

export interface ReplayOptions {
  readonly decisions: Decisions
  readonly worlds: DecisionWorldReader
  readonly loops: readonly LoopDefinition[]
}

export class Replays {
  readonly #options: ReplayOptions

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  /** @throws MqError MQ_DECISION_UNKNOWN, MQ_DECISION_NOT_RECORDED */
  async replay(number: number): Promise<DecisionReplay> {
    const { decisions, worlds, loops } = this.#options
    const { mqId, loop, title } = await decisions.find(number)
    const recorded = await worlds.find(number)
    const missing = recorded === undefined ? NOT_KEPT : whyNotReadable(recorded.format)
    if (recorded === undefined || missing !== undefined) {
      throw new MqError('MQ_DECISION_NOT_RECORDED', `the World that decision ${number} was proposed from ${missing}`, {
        details: { number },
      })
    }
    const world = readWorld(recorded.world)
    const { same, reason, differences } = replay(loops, loop, world, recorded.proposal)
    return {
      ...{ number, mqId, loop, title },
      recordedAtMs: recorded.atMs,
      recordedBy: recorded.version,
      replayedBy: readVersion(),
      ...{ same, reason, differences: [...differences] },
      worldBytes: Buffer.byteLength(recorded.world),
      world: JSON.parse(recorded.world) as Record<string, unknown>,
    }
  }
}

function whyNotReadable(format: number): string | undefined {
  return format === WORLD_FORMAT ? undefined : `has the shape ${format}, and this version reads shape ${WORLD_FORMAT}`
}
