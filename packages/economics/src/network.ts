/**
 * F3: how many bytes cross a border between zones for every byte on the wire.
 *
 * F3a. With A zones evenly used, a client is in another zone than the leader with probability (A - 1) / A.
 * F3b. Copies lie in as many zones as there are; one of them is in the leader's zone.
 * F3c. A consumer that reads from a follower crosses no border when every zone holds a copy.
 */

export interface CrossZone {
  readonly produce: number
  readonly replicate: number
  /** Of all groups together. */
  readonly consume: number
}

export interface ZoneShape {
  readonly zones: number
  readonly replication: number
  readonly groups: number
  readonly followerFetch: boolean
  readonly rackLocalProducing: boolean
  /** Whether copies between brokers are billed. */
  readonly replicationBilled: boolean
}

/** Bytes that cross for one byte on the wire. */
export function crossZone(shape: ZoneShape): CrossZone {
  const { zones, replication, groups } = shape
  const elsewhere = (zones - 1) / zones
  const inLeaderZone = Math.max(1, replication / zones)
  const nearCopy = Math.min(1, replication / zones)
  return {
    produce: shape.rackLocalProducing ? 0 : elsewhere,
    replicate: shape.replicationBilled ? replication - inLeaderZone : 0,
    consume: groups * (shape.followerFetch ? Math.min(elsewhere, 1 - nearCopy) : elsewhere),
  }
}
