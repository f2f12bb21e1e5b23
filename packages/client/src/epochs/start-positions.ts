/**
 * Where a group begins that has no position yet, when `consume` was asked to begin at the end or at a time.
 *
 * SP1. The end is the one of the moment at which `consume` was called: it is asked for once, before the group is joined, and kept.
 *     Partitions may arrive much later, and what was sent until then belongs to the group.
 * SP2. The offsets are committed before the group is joined, so that every member finds them. Kafka refuses that for a group that
 *     has members: then the kept offsets count for each partition that arrives without a committed one.
 * SP3. What did not exist at that moment, an epoch or a partition, is read from its first record.
 * SP4. A group that has a position anywhere begins nowhere else: the kept offsets are dropped.
 */
import type { Binding, Epoch } from '@mq/contract'
import type { PositionPort, StartPoint } from './reader-ports.ts'

export interface StartPositionsOptions {
  readonly groupId: string
  readonly point: StartPoint
  positionsOf(epoch: Epoch): PositionPort
}

type Offsets = ReadonlyMap<number, bigint>

const NONE: Offsets = new Map()

export class StartPositions {
  readonly #options: StartPositionsOptions
  #known: Map<number, Offsets> | undefined
  #isNewGroup = true

  constructor(options: StartPositionsOptions) {
    this.#options = options
  }

  /** SP1 */
  async find({ epochs }: Binding): Promise<void> {
    if (this.#known !== undefined) return
    const found = await Promise.all(
      epochs
        .filter(({ state }) => state !== 'lost')
        .map(async (epoch) => {
          const offsets = await this.#options
            .positionsOf(epoch)
            .offsetsAt(epoch.topic, epoch.partitions, this.#options.point)
          return [epoch.epoch, offsets] as const
        }),
    )
    this.#known ??= new Map(found)
  }

  /** SP2; after `find`. */
  async commit({ epochs }: Binding): Promise<void> {
    // Oldest first: whoever stops in between has a position in the oldest, and reads on from there.
    for (const epoch of epochs) {
      const offsets = this.#known?.get(epoch.epoch)
      if (offsets === undefined || epoch.state === 'lost') continue
      await this.#options.positionsOf(epoch).commitFirst(this.#options.groupId, epoch.topic, offsets)
    }
  }

  /** SP4 */
  groupHasPositions(): void {
    this.#isNewGroup = false
  }

  /** What a reader of the epoch begins with where nothing is committed. */
  of(epoch: number): Offsets {
    return (this.#isNewGroup && this.#known?.get(epoch)) || NONE
  }
}
