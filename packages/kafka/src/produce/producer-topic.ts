/**
 * One topic as a producer sees it: its partitions' senders, and where records without a key go.
 *
 * Y1. Records without a key stay on one partition until its open batch is full or leaves, then move to the one
 *     with the least backlog.
 */
import type { Deps } from '@mq/contract/timing'
import { PartitionSender } from './partition-sender.ts'
import type { SenderOwner } from './sender-shared.ts'

export class ProducerTopic {
  readonly name: string
  readonly partitions: number
  readonly senders: readonly PartitionSender[]
  readonly #deps: Deps
  #sticky: PartitionSender | undefined

  constructor(name: string, partitions: number, shared: SenderOwner<PartitionSender>) {
    if (!Number.isSafeInteger(partitions) || partitions < 1) {
      throw new RangeError(`The topic ${name} cannot have ${partitions} partitions`)
    }
    this.name = name
    this.partitions = partitions
    this.#deps = shared.deps
    this.senders = Array.from({ length: partitions }, (_, index) => new PartitionSender(name, index, shared))
  }

  /** Y1 */
  sticky(): PartitionSender {
    const current = this.#sticky
    if (current?.takesMore() === true) return current
    const from = Math.floor(this.#deps.random() * this.partitions)
    let best = this.senders[from]!
    for (let step = 1; step < this.partitions && best.backlog > 0; step++) {
      const other = this.senders[(from + step) % this.partitions]!
      if (other.backlog < best.backlog) best = other
    }
    this.#sticky = best
    return best
  }
}
