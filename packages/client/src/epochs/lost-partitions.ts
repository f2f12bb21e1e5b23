/**
 * What this process finished of partitions that were taken away before it could say so, such as when all brokers were gone for longer
 * than the group waits. It is committed as soon as the broker takes it, and not handed out here a second time.
 *
 * LP1. It counts for the same topic only, and only while the group stands where it stood then, or beyond: whoever sets a group back
 *     wants its messages again.
 * LP2. A handler that ends after its partition was lost counts, too. One that still runs when the partition comes back does not: its
 *     message is handed out again.
 * LP3. It holds ranges of offsets, no records. Whether the log still holds those records is for the reader to find out.
 * LP4. A partition is remembered until it comes back, once.
 */
import type { CommitOffset } from '@mq/kafka'
import type { PartitionWork, ToCommit } from './delivery.ts'
import type { FinishedBeyond } from './offset-tracker.ts'

interface Lost {
  readonly topicId: string | undefined
  /** What the group had on record; undefined while it had nothing. */
  readonly committed: bigint | undefined
  unsaid: ToCommit | undefined
  finished: FinishedBeyond
}

export class LostPartitions {
  readonly #topic: string
  readonly #lost = new Map<number, Lost>()

  constructor(topic: string) {
    this.#topic = topic
  }

  /** After the partition was dropped; one of which all is on record needs no memory. */
  remember(work: PartitionWork): void {
    const { partition, topicId, committed, tracker } = work
    const unsaid = work.unsaid()
    if (unsaid === undefined && work.running === 0) return
    const lost: Lost = { topicId, committed, unsaid, finished: tracker.finishedFromStart() }
    this.#lost.set(partition, lost)
    if (work.running === 0) return
    // LP2
    work.onEnded = () => {
      lost.unsaid = work.unsaid()
      lost.finished = tracker.finishedFromStart()
      if (work.running === 0) work.onEnded = undefined
    }
  }

  /** What a broker that still knows this member may put on record. */
  toCommit(): CommitOffset[] {
    return [...this.#lost].flatMap(([partition, { topicId, unsaid }]) => {
      if (unsaid === undefined) return []
      const { ranges: finished, failing = [], leaderEpoch } = unsaid.beyond
      return [{ topic: this.#topic, partition, offset: unsaid.offset, topicId, finished, failing, leaderEpoch }]
    })
  }

  /**
   * What is finished of a partition that comes back, and forgets it (LP4).
   * @param committed where the group stands now; undefined where it has no position
   */
  recall(partition: number, topicId: string | undefined, committed: bigint | undefined): FinishedBeyond | undefined {
    const lost = this.#lost.get(partition)
    this.#lost.delete(partition)
    if (lost === undefined || lost.topicId !== topicId) return undefined
    if (lost.committed !== undefined && (committed === undefined || committed < lost.committed)) return undefined
    return lost.finished
  }
}
