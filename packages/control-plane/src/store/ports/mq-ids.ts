/** mQ IDs with their epochs. */
import type { IdRecord } from '../../registry/records.ts'

export interface MqIdReader {
  all(): Promise<IdRecord[]>
  /** Whether there is any. */
  hasAny(): Promise<boolean>
}

export interface MqIdRepository extends MqIdReader {
  /** Writes it with its epochs; others that the store had of it are gone. */
  save(record: IdRecord): Promise<void>
  /** Writes its revision and time alone: everything else is as the store has it. */
  restamp(record: IdRecord): Promise<void>
  remove(id: string): Promise<void>
}
