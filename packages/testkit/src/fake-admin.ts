/**
 * Topics and their settings, as the fake broker answers requests about them.
 *
 * A1. It speaks ListOffsets v7, CreateTopics v7, DeleteTopics v6, OffsetForLeaderEpoch v4, DescribeConfigs v4,
 *     IncrementalAlterConfigs v1 and DescribeCluster v0; of settings it knows `max.message.bytes` alone.
 * A2. `ignoresValidateOnly` makes a change of settings that was only to be checked: there are engines that do.
 */
import type { FakeLog } from './fake-log.ts'
import { type WireReader, WireWriter } from './wire.ts'

export const ADMIN_APIS = [
  { key: 2, min: 7, max: 7 },
  { key: 19, min: 7, max: 7 },
  { key: 20, min: 6, max: 6 },
  { key: 23, min: 4, max: 4 },
  { key: 32, min: 4, max: 4 },
  { key: 44, min: 1, max: 1 },
  { key: 60, min: 0, max: 0 },
]

const UNKNOWN_TOPIC = 3
const TOPIC_EXISTS = 36
const SIZE_LIMIT = 'max.message.bytes'
const DEFAULT_LIMIT = 1_048_588
const OWN_TO_TOPIC = 1

export interface FakeTopics {
  readonly nodeId: number
  port(): number
  /** Partitions by topic. */
  readonly topics: Map<string, number>
  readonly limits: Map<string, number>
  log(topic: string, partition: number): FakeLog
  forget(topic: string): void
  ignoresValidateOnly: boolean
}

/** The body of the answer; undefined for a request of another kind. */
export function answerAdmin(key: number, reader: WireReader, broker: FakeTopics): Buffer | undefined {
  switch (key) {
    case 2:
      return listOffsets(reader, broker)
    case 19:
      return createTopics(reader, broker)
    case 20:
      return deleteTopics(reader, broker)
    case 23:
      return offsetForLeaderEpoch(reader, broker)
    case 32:
      return describeConfigs(reader, broker)
    case 44:
      return alterConfigs(reader, broker)
    case 60:
      return describeCluster(broker)
    default:
      return undefined
  }
}

const NO_ID = Buffer.alloc(16)

function listOffsets(reader: WireReader, broker: FakeTopics): Buffer {
  reader.int32()
  reader.int8()
  const asked =
    reader.compactArray(() => {
      const name = reader.compactString() ?? ''
      const partitions =
        reader.compactArray(() => {
          const partition = reader.int32()
          reader.int32()
          const timestamp = reader.int64()
          reader.tags()
          return { partition, timestamp }
        }) ?? []
      reader.tags()
      return { name, partitions }
    }) ?? []
  const writer = new WireWriter().int32(0)
  writer.compactArray(asked, ({ name, partitions }) => {
    writer.compactString(name)
    writer.compactArray(partitions, ({ partition, timestamp }) => {
      const isKnown = partition < (broker.topics.get(name) ?? 0)
      const offset = timestamp === -2n ? 0n : isKnown ? broker.log(name, partition).nextOffset : 0n
      writer
        .int32(partition)
        .int16(isKnown ? 0 : UNKNOWN_TOPIC)
        .int64(-1n)
        .int64(isKnown ? offset : -1n)
        .int32(0)
        .tags()
    })
    writer.tags()
  })
  return writer.tags().done()
}

function createTopics(reader: WireReader, broker: FakeTopics): Buffer {
  const asked =
    reader.compactArray(() => {
      const name = reader.compactString() ?? ''
      const partitions = reader.int32()
      reader.int16()
      reader.compactArray(() => {
        reader.int32()
        reader.compactArray(() => reader.int32())
        reader.tags()
      })
      const configs =
        reader.compactArray(() => {
          const entry = [reader.compactString() ?? '', reader.compactString()] as const
          reader.tags()
          return entry
        }) ?? []
      reader.tags()
      return { name, partitions, configs }
    }) ?? []
  reader.int32()
  const isCheck = reader.int8() === 1
  const writer = new WireWriter().int32(0)
  writer.compactArray(asked, ({ name, partitions, configs }) => {
    const code = broker.topics.has(name) ? TOPIC_EXISTS : 0
    if (code === 0 && !isCheck) {
      broker.topics.set(name, partitions)
      const limit = configs.find(([key]) => key === SIZE_LIMIT)?.[1]
      if (limit !== undefined) broker.limits.set(name, Number(limit))
    }
    writer.compactString(name).raw(NO_ID).int16(code).compactString(null).int32(partitions).int16(1)
    writer.compactArray([], () => {}).tags()
  })
  return writer.tags().done()
}

function deleteTopics(reader: WireReader, broker: FakeTopics): Buffer {
  const names =
    reader.compactArray(() => {
      const name = reader.compactString() ?? ''
      reader.take(16)
      reader.tags()
      return name
    }) ?? []
  const writer = new WireWriter().int32(0)
  writer.compactArray(names, (name) => {
    const code = broker.topics.has(name) ? 0 : UNKNOWN_TOPIC
    broker.forget(name)
    writer.compactString(name).raw(NO_ID).int16(code).compactString(null).tags()
  })
  return writer.tags().done()
}

function offsetForLeaderEpoch(reader: WireReader, broker: FakeTopics): Buffer {
  reader.int32()
  const asked =
    reader.compactArray(() => {
      const name = reader.compactString() ?? ''
      const partitions =
        reader.compactArray(() => {
          const partition = reader.int32()
          reader.int32()
          reader.int32()
          reader.tags()
          return partition
        }) ?? []
      reader.tags()
      return { name, partitions }
    }) ?? []
  const writer = new WireWriter().int32(0)
  writer.compactArray(asked, ({ name, partitions }) => {
    writer.compactString(name)
    writer.compactArray(partitions, (partition) => {
      const isKnown = partition < (broker.topics.get(name) ?? 0)
      writer
        .int16(isKnown ? 0 : UNKNOWN_TOPIC)
        .int32(partition)
        .int32(0)
        .int64(isKnown ? broker.log(name, partition).nextOffset : -1n)
        .tags()
    })
    writer.tags()
  })
  return writer.tags().done()
}

function describeConfigs(reader: WireReader, broker: FakeTopics): Buffer {
  const names =
    reader.compactArray(() => {
      reader.int8()
      const name = reader.compactString() ?? ''
      reader.compactArray(() => reader.compactString())
      reader.tags()
      return name
    }) ?? []
  const writer = new WireWriter().int32(0)
  writer.compactArray(names, (name) => {
    const isKnown = broker.topics.has(name)
    writer
      .int16(isKnown ? 0 : UNKNOWN_TOPIC)
      .compactString(null)
      .int8(2)
      .compactString(name)
    writer.compactArray(isKnown ? [String(broker.limits.get(name) ?? DEFAULT_LIMIT)] : [], (value) => {
      writer.compactString(SIZE_LIMIT).compactString(value).int8(0).int8(OWN_TO_TOPIC).int8(0)
      writer.compactArray([], () => {}).int8(0)
      writer.compactString(null).tags()
    })
    writer.tags()
  })
  return writer.tags().done()
}

/** A2 */
function alterConfigs(reader: WireReader, broker: FakeTopics): Buffer {
  const asked =
    reader.compactArray(() => {
      reader.int8()
      const name = reader.compactString() ?? ''
      const changes =
        reader.compactArray(() => {
          const setting = reader.compactString()
          reader.int8()
          const value = reader.compactString()
          reader.tags()
          return { setting, value }
        }) ?? []
      reader.tags()
      return { name, changes }
    }) ?? []
  const isCheck = reader.int8() === 1 && !broker.ignoresValidateOnly
  const writer = new WireWriter().int32(0)
  writer.compactArray(asked, ({ name, changes }) => {
    const isKnown = broker.topics.has(name)
    if (isKnown && !isCheck) {
      for (const { setting, value } of changes) if (setting === SIZE_LIMIT) broker.limits.set(name, Number(value))
    }
    writer
      .int16(isKnown ? 0 : UNKNOWN_TOPIC)
      .compactString(null)
      .int8(2)
      .compactString(name)
      .tags()
  })
  return writer.tags().done()
}

function describeCluster({ nodeId, port }: FakeTopics): Buffer {
  const writer = new WireWriter().int32(0).int16(0).compactString(null).compactString('fake').int32(nodeId)
  writer.compactArray([nodeId], (id) => {
    writer.int32(id).compactString('127.0.0.1').int32(port()).compactString(null).tags()
  })
  return writer.int32(-2147483648).tags().done()
}
