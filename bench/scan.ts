/**
 * `mq measure scan`: how long it takes to look at a cluster of many topics and price it, on a local broker.
 *
 * Z1. The topics hold records, groups have positions, and the scan tries codecs, as on a real cluster; what is timed is `mq scan`
 *     without its watching.
 * Z2. Filling the cluster is not part of the time.
 */
import { scanCluster } from '@mq/control-plane'
import { Admin, Cluster, MemoryBudget, Producer } from '@mq/kafka'
import { KAFKA_VERSION, startCluster } from '@mq/local'
import { z } from 'zod'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { Machine } from './results.ts'
import { roundedSpread } from './statistics.ts'

const USAGE = `mq measure scan [--json] [--save] [--topics 1000] [--partitions 4] [--groups 200] [--rounds 3] [--date YYYY-MM-DD]`

const ScanResult = z.object({
  measure: z.literal('scan'),
  machine: Machine,
  topics: z.number().int(),
  partitions: z.number().int().describe('Of each topic'),
  groups: z.number().int(),
  seconds: z.object({ median: z.number().positive(), min: z.number().positive(), max: z.number().positive() }),
  pricedTopics: z.number().int(),
  problems: z.number().int(),
})

/** Creations under way at once. */
const WIDTH = 8
const flags = readFlags(USAGE, { topics: 1_000, groups: 200 })

const kafka = await startCluster({
  name: 'scan',
  maxHeapMb: 512,
  configs: { 'offsets.topic.num.partitions': '4', 'log.index.size.max.bytes': '1048576' },
})
try {
  await fill()
  const times: number[] = []
  let last: Awaited<ReturnType<typeof scanCluster>> | undefined
  for (let turn = 0; turn < flags.rounds; turn++) {
    const startMs = performance.now()
    last = await scanCluster({
      address: { name: 'scanned', bootstrap: kafka.bootstrap, securityProtocol: 'plaintext' },
      economics: null,
      watchMs: 1,
    })
    times.push((performance.now() - startMs) / 1_000)
  }
  const result = ScanResult.parse({
    measure: 'scan',
    machine: machineFacts(KAFKA_VERSION, flags.date),
    topics: flags.topics,
    partitions: flags.partitions,
    groups: flags.groups,
    seconds: roundedSpread(times),
    pricedTopics: last!.totals.topics - last!.totals.unpricedTopics,
    problems: last!.problems.length,
  })
  const table = `${result.topics} topics of ${result.partitions} partitions, ${result.groups} groups: looked at in ${result.seconds.median} s (${result.seconds.min} to ${result.seconds.max})`
  publish(result, table, flags)
} finally {
  await kafka.stop()
}

async function fill(): Promise<void> {
  const cluster = new Cluster({ name: 'scan', clientId: 'fill', bootstrap: kafka.bootstrap })
  const admin = new Admin(cluster, { deadlineMs: 120_000 })
  try {
    let next = 0
    const create = async (): Promise<void> => {
      while (next < flags.topics) {
        const name = `topic.${next++}`
        await admin.createTopic({ name, partitions: flags.partitions, replication: 1 })
      }
    }
    await Promise.all(Array.from({ length: WIDTH }, create))
    const producer = new Producer({
      cluster,
      settings: {
        codec: 'none',
        lingerMs: 5,
        batchBytes: 16_384,
        maxMessageBytes: 1_048_576,
        requestTimeoutMs: 30_000,
      },
      budget: new MemoryBudget(256 * 1_048_576),
    })
    for (let at = 0; at < flags.topics; at++) {
      const topic = producer.topic(`topic.${at}`, flags.partitions)
      // Some topics are large, most are small.
      const records = at < 50 ? 5_000 : 200
      for (let record = 0; record < records; record++) {
        const value = JSON.stringify({ record, customer: `customer-${record % 97}`, state: 'placed', topic: at })
        producer.send(topic, `key ${record % 97}`, value).catch(() => {})
      }
      if (at % 20 === 0) await producer.flush()
    }
    await producer.flush()
    await producer.close(10_000)
    for (let group = 0; group < flags.groups; group++) {
      await admin.commitOffsets(`group-${group}`, [
        { topic: `topic.${group % flags.topics}`, partition: 0, offset: 1n },
      ])
    }
  } finally {
    await cluster.close()
  }
}
