/**
 * When positions of groups were last seen to move: Kafka keeps the time of a commit, and tells it to nobody.
 *
 * C1. A time is that of the look that found a position changed, so it is late by at most the time between two looks.
 * C2. Nothing is known of the time before the first look.
 */
interface Seen {
  /** Of all positions together: a commit changes it. */
  readonly sum: number
  readonly movedAtMs: number | null
}

export class CommitTimes {
  readonly #ids = new Map<string, Map<string, Seen>>()

  /** @param positions of the group by group id */
  saw(mqId: string, positions: ReadonlyMap<string, readonly number[]>, atMs: number): void {
    const before = this.#ids.get(mqId)
    const after = new Map<string, Seen>()
    for (const [groupId, offsets] of positions) {
      const sum = offsets.reduce((total, offset) => total + offset, 0)
      const known = before?.get(groupId)
      const hasMoved = before !== undefined && known?.sum !== sum
      after.set(groupId, { sum, movedAtMs: hasMoved ? atMs : (known?.movedAtMs ?? null) })
    }
    this.#ids.set(mqId, after)
  }

  lastCommitAtMs(mqId: string, groupId: string): number | null {
    return this.#ids.get(mqId)?.get(groupId)?.movedAtMs ?? null
  }

  forget(isActive: (mqId: string) => boolean): void {
    for (const mqId of this.#ids.keys()) if (!isActive(mqId)) this.#ids.delete(mqId)
  }
}
