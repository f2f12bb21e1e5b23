/**
 * One fault, as it happens to a running application.
 *
 * The numbers are those under which results name them (docs: bench/README.md), and stay as they are.
 */
import type { LocalBroker, LocalCluster } from '@mq/local'
import type { ElectionWatch } from './election.ts'

/** What a fault can do while applications send and read. */
export interface Play {
  readonly kafka: LocalCluster
  readonly topic: string
  /** The broker that leads the first partition, and one that does not. */
  leader(): Promise<LocalBroker>
  observer(target: LocalBroker): Promise<ElectionWatch>
  /** Resolves when all that was sent until this call, and something that was sent later, is settled. */
  flowing(): Promise<void>
  /** Every partition has all its replicas in sync. */
  inSync(): Promise<void>
  pause(ms: number): Promise<void>
  /** The control plane ends at once, and comes back at its address. */
  killPlane(): void
  startPlane(): Promise<void>
}

export interface Scenario {
  readonly number: number
  readonly name: string
  /** What sends may take beyond what the cluster itself needed, in ms; more is `slow`. */
  readonly marginMs: number
  /**
   * Lets the fault happen and end.
   * @returns how long the cluster itself could take no records, in ms: until the election of other leaders, or until the fault ended
   */
  act(play: Play): Promise<number>
}
