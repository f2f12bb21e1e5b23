/**
 * The partitions of a member as the classic group protocol carries them between clients.
 *
 * P1. The bytes come from another client: counts and lengths that the bytes do not hold are refused, never believed.
 */
import { MqError } from '@mq/contract'

export interface AssignedPartition {
  readonly topic: string
  readonly partition: number
}

/** Empty bytes, as of a member that waits for its part, are no partitions. */
export function parseAssignment(bytes: Buffer): AssignedPartition[] {
  if (bytes.length === 0) return []
  let at = 0
  const take = (length: number): number => {
    if (length < 0 || at + length > bytes.length) {
      throw new MqError('MQ_PROTOCOL_VIOLATION', `a group assignment of ${bytes.length} bytes ends too early`)
    }
    const start = at
    at += length
    return start
  }
  const int16 = (): number => bytes.readInt16BE(take(2))
  const int32 = (): number => bytes.readInt32BE(take(4))
  const assigned: AssignedPartition[] = []
  int16()
  const topics = int32()
  for (let count = 0; count < topics; count += 1) {
    const length = int16()
    const start = take(length)
    const topic = bytes.toString('utf8', start, start + length)
    const partitions = int32()
    for (let index = 0; index < partitions; index += 1) assigned.push({ topic, partition: int32() })
  }
  return assigned
}
