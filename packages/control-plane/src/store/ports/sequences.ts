/**
 * Numbers that rise by one: of journal entries, decisions, migrations and whatever else people name by a number.
 *
 * N1. A number is drawn in the transaction of the row that carries it: a transaction that fails leaves no gap, and none is given out twice.
 */
export type SequenceName = 'journal' | 'decisions' | 'migrations' | 'twins' | 'group_changes'

export interface Sequences {
  next(name: SequenceName): Promise<number>
  /** Gives out no number up to this one any more: a row came from elsewhere that carries it. */
  skipTo(name: SequenceName, number: number): Promise<void>
}
