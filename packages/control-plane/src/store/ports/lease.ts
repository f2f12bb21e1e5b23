/**
 * Who leads: the one process that may write.
 *
 * T1. A term rises with every leader, and none comes twice.
 * T2. A write confirms its term in its own transaction, before it writes anything. Where another term stands, it fails as a whole.
 */
export interface LeaseRepository {
  /** Makes the holder the leader, whoever led before. @returns its term (T1) */
  acquire(holder: string, atMs: number): Promise<number>
  /** @returns the position of this commit in the change feed; undefined where another term stands (T2) */
  confirm(term: number): Promise<number | undefined>
}
