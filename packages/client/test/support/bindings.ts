import type { Binding } from '@mq/contract'

/** A binding that is valid, with the parts that a test cares about. */
export function bindingOf(parts: Partial<Binding> = {}): Binding {
  return {
    mqId: 'orders.placed',
    incarnation: 1,
    revision: 1,
    deleted: false,
    format: 'json',
    ordering: 'key',
    epochs: [{ epoch: 1, state: 'open', cluster: 'main', topic: 'orders.placed.e1', partitions: 4, endOffsets: null }],
    clusters: [{ name: 'main', bootstrap: ['127.0.0.1:9092'], securityProtocol: 'plaintext' }],
    producer: {
      codec: 'none',
      lingerMs: 1,
      batchBytes: 131_072,
      maxMessageBytes: 1_048_576,
      requestTimeoutMs: 30_000,
    },
    consumer: {
      fetchMinBytes: 1,
      fetchMaxWaitMs: 100,
      readAheadBytes: 16_777_216,
      isolation: 'read_committed',
      sessionTimeoutMs: 10_000,
    },
    ...parts,
  }
}
