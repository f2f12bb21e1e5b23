/**
 * How many records the brokers hold: what clients report is compared with it.
 */
import type { ActiveId } from '../registry/records.ts'
import type { ChangeContext } from './change-context.ts'

/** Records the brokers hold of the open epoch, over all partitions; null when they cannot be asked now. */
export async function storedRecords({ clusters, logger }: ChangeContext, active: ActiveId): Promise<bigint | null> {
  const open = active.epochs.find(({ state }) => state === 'open')
  if (open === undefined) return null
  try {
    const ends = await clusters.use(open.cluster, `reading the offsets of ${open.topic}`, (admin) =>
      admin.endOffsets(open.topic, open.partitions),
    )
    return ends.reduce((sum, end) => sum + end, 0n)
  } catch (error) {
    logger.debug({ mqId: active.id, error: String(error) }, 'offsets could not be read for a decision')
    return null
  }
}
