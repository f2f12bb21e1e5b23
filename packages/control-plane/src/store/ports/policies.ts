/** Rules of how far mQ goes by itself, by scope. */
import type { PolicyRule } from '@mq/contract'

export interface PolicyReader {
  all(): Promise<ReadonlyMap<string, PolicyRule>>
}

export interface PolicyRepository extends PolicyReader {
  save(scope: string, rule: PolicyRule, atMs: number): Promise<void>
  remove(scope: string): Promise<void>
}
