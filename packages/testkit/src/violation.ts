/** What the checker says against a history: a broken rule (K1-K8 of checker.ts), with where to look. */

export interface Violation {
  readonly rule:
    | 'lost'
    | 'acked-not-stored'
    | 'ghost'
    | 'duplicated'
    | 'reordered'
    | 'inconsistent-offset'
    | 'seal'
    | 'gate'
    | 'early-commit'
  readonly detail: string
}

export type Report = (rule: Violation['rule'], detail: string) => void
