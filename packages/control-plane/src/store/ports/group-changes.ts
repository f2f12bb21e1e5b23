/**
 * Changes of positions of consumer groups: what was asked, what is to be set, and what came of it.
 *
 * G1. Numbers rise by one and are never reused.
 */
import type { GroupChangeRow } from '../../groups/change-row.ts'

export interface GroupChangeReader {
  find(number: number): Promise<GroupChangeRow | undefined>
  /** Those that are not over. */
  open(): Promise<GroupChangeRow[]>
}

export interface GroupChangeRepository extends GroupChangeReader {
  /** Gives it a number (G1). */
  add(row: Omit<GroupChangeRow, 'number'>): Promise<GroupChangeRow>
  save(row: GroupChangeRow): Promise<void>
}
