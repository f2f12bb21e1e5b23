/**
 * One partition as the fetcher follows it, from `add` to `remove`.
 *
 * S1. `add` makes a new one; a removed one never comes back, so a late response that holds it is recognised by identity.
 * S2. Two positions: `fetchOffset`, where the next request starts, and `deliveredOffset`, what was handed out. What lies between
 *     is in `sections`, in order.
 * S3. Every change of phase makes a new phase object. A response counts only while the partition is in the very phase in which it was
 *     asked for, so an answer to an older question is always dropped.
 */

import type { TimerHandle } from '@mq/contract/timing'
import type { BatchDecoder } from '../records/batch-decoder.ts'

export type FetchPhase =
  /** Its leader is to be found out. */
  | { readonly kind: 'locating' }
  /** May take part in the next request to its leader. */
  | { readonly kind: 'ready'; readonly nodeId: number; readonly leaderEpoch: number }
  /** Takes part in the request that is under way. */
  | { readonly kind: 'fetching'; readonly nodeId: number; readonly leaderEpoch: number }
  /** Pauses after a failure, then is located again. */
  | { readonly kind: 'waiting'; readonly timer: TimerHandle }
  /** Its offset was out of range, and the broker is asked how far the log reaches. */
  | { readonly kind: 'ranging' }
  /** An error was reported; only `remove` or a new `add` goes on. */
  | { readonly kind: 'halted' }
  | { readonly kind: 'removed' }

/** What one response brought, not decoded yet. */
export interface Section {
  readonly decoder: BatchDecoder
  readonly highWatermark: number
  /** Bytes still counted as read ahead. */
  bytes: number
}

export class FetchPartition {
  readonly topic: string
  readonly partition: number
  phase: FetchPhase = { kind: 'locating' }
  paused = false
  /** Which topic the offsets belong to, given or pinned when first seen: another id means another topic of the same name. */
  topicId: string | undefined
  fetchOffset: number
  deliveredOffset: number
  highWatermark: number | undefined
  sections: Section[] = []
  /** Fetched and not decoded, as bytes on the wire. */
  pendingBytes = 0
  /** Handed out and not released, as bytes in memory. */
  deliveredBytes = 0
  /** What a batch takes that did not fit into the last response. */
  wantedBytes = 0
  /** The last response had records. */
  flowing = false
  /** In a row. */
  failures = 0
  /** When it was last said that a person has to act, on the monotonic clock. */
  saidMs = Number.NEGATIVE_INFINITY
  /** In a row, at the same position. */
  corruptions = 0
  /** Since when the topic is not found, on the monotonic clock. */
  missingSinceMs: number | undefined

  constructor(topic: string, partition: number, offset: number, topicId?: string) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.fetchOffset = offset
    this.deliveredOffset = offset
  }

  get heldBytes(): number {
    return this.pendingBytes + this.deliveredBytes
  }

  get isOver(): boolean {
    return this.phase.kind === 'removed' || this.phase.kind === 'halted'
  }

  /** Throws away what was read ahead; the next request starts where delivery stopped. The caller changes the phase as well. */
  rewind(): void {
    this.sections = []
    this.pendingBytes = 0
    this.fetchOffset = this.deliveredOffset
  }
}
