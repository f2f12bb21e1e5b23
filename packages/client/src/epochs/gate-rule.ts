/**
 * Which partitions of an older epoch can hold the keys of a partition of the next one.
 *
 * G1. A key is in partition `hash mod N`. For every key that is in partition `p` under N' partitions, the result holds its
 *     partition under N. What is not in the result cannot hold any such key, except where N and N' share only some factors:
 *     then everything congruent modulo their greatest common divisor is named, which is exactly what can.
 * G2. Without order there is nothing to wait for.
 */
import type { Ordering } from '@mq/contract'

/** @param from partitions of the older epoch @param to partitions of the newer @param partition of the newer */
export function olderPartitions(ordering: Ordering, from: number, to: number, partition: number): number[] {
  if (ordering !== 'key') return []
  const step = gcd(from, to)
  return Array.from({ length: from / step }, (_, index) => (partition % step) + index * step)
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
