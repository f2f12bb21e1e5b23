/** What a team, an mQ ID or everything may cost in a calendar month. */
export interface BudgetRecord {
  readonly scope: string
  readonly usdPerMonth: number
  readonly setBy: string
  readonly setAtMs: number
}

export interface BudgetReader {
  all(): Promise<BudgetRecord[]>
}

export interface BudgetRepository extends BudgetReader {
  save(record: BudgetRecord): Promise<void>
  remove(scope: string): Promise<void>
}
