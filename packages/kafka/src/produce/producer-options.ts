/**
 * What a producer is made from: the cluster as it needs it, settings, memory, and what it tells.
 */
import type { ProducerSettings, TimestampLimits } from '@mq/contract'
import type { Deps } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import type { BrokerClock } from '../net/broker-clock.ts'
import type { AmbiguousBatch, Resolution } from './ambiguous-batch.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { ProducerObserver } from './producer-observer.ts'

/** What a producer needs of a cluster; `Cluster` has it. */
export interface ProduceCluster {
  connection(nodeId: number, purpose: 'produce'): Promise<Connection>
  anyConnection(purpose: 'produce'): Promise<Connection>
  metadata(topics: readonly string[], options?: { readonly refresh?: boolean }): Promise<unknown>
  leader(topic: string, partition: number): { readonly nodeId: number } | undefined
  markStale(topic: string): void
  /** Whether a broker answers at all, asked on a connection of its own. Never rejects. */
  isAlive?(nodeId: number): Promise<boolean>
  /** The leader as last heard, with fresh facts. Never rejects: undefined where nobody knows. */
  freshLeaders?(topics: readonly string[]): Promise<(topic: string, partition: number) => number | undefined>
}

export interface ProducerOptions {
  readonly cluster: ProduceCluster
  readonly settings: ProducerSettings
  readonly budget: MemoryBudget
  readonly deps?: Deps
  readonly sendDeadlineMs?: number
  /** What applications call it that is sent to, for messages; the topic when left out. */
  readonly label?: string
  readonly observer?: ProducerObserver
  /** Which times of records the topic takes, where that is known. */
  readonly timestamps?: TimestampLimits | undefined
  /** The clock of the brokers, shared by all producers of the cluster, and that of the control plane. */
  readonly clocks?: { readonly brokers: BrokerClock; readonly reference: BrokerClock }
  /** A partition refuses batches within our own limit: it is sealed and keeps what it holds (see `ProducerTopic.senders`). */
  readonly onSealed?: (topic: string, partition: number) => void
  /** Finds out in the log whether a batch is stored whose answer never came. */
  readonly resolveAmbiguous?: (batch: AmbiguousBatch) => Promise<Resolution>
}
