/**
 * The Worlds that decisions were proposed from, so that an old decision can be explained and replayed.
 *
 * W1. Bounded: one that is larger than MAX_WORLD_BYTES as it is kept is left out, and those that are older than KEEP_MS or not among the
 *     newest KEEP_NEWEST are removed when the next one is written.
 */

export const MAX_WORLD_BYTES = 65_536
export const KEEP_MS = 90 * 86_400_000
export const KEEP_NEWEST = 2_000

export interface RecordedWorld {
  readonly number: number
  readonly atMs: number
  /** Version of mQ. */
  readonly version: string
  /** Of the World's shape. */
  readonly format: number
  /** Canonical texts. */
  readonly world: string
  readonly proposal: string
}

export interface DecisionWorldReader {
  find(number: number): Promise<RecordedWorld | undefined>
}

export interface DecisionWorldRepository extends DecisionWorldReader {
  /** W1. @returns whether it is kept */
  add(recorded: RecordedWorld): Promise<boolean>
}
