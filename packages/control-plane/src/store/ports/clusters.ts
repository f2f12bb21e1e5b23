/** Clusters that were registered. */
import type { ClusterRecord } from '../../registry/records.ts'

export interface ClusterReader {
  all(): Promise<ClusterRecord[]>
}

export interface ClusterRepository extends ClusterReader {
  save(record: ClusterRecord): Promise<void>
  remove(name: string): Promise<void>
}
