/** One scan of the generator's cluster, on a broker of its own. */
import { scanCluster } from '@mq/control-plane'
import { Cluster } from '@mq/kafka'
import { startCluster } from '@mq/local'
import { judge, type Verdict } from './judge.ts'
import { truthTopics } from './topics.ts'
import { makeTopics, readAlong, readWithKafkajs, writeNow, writePast } from './writer.ts'

export interface RunOptions {
  readonly topics: number
  readonly watchMs: number
  readonly say: (text: string) => void
}

export async function run({ topics: count, watchMs, say }: RunOptions): Promise<Verdict> {
  const topics = truthTopics(count)
  const kafka = await startCluster({
    name: 'scan-truth',
    configs: { 'offsets.topic.num.partitions': '2', 'transaction.state.log.num.partitions': '2' },
  })
  const cluster = new Cluster({ name: 'scan-truth', clientId: 'scan-truth', bootstrap: kafka.bootstrap })
  const reading = new AbortController()
  try {
    say(`making ${topics.length} topics`)
    await makeTopics(cluster, topics)
    say('writing their past')
    await writePast(kafka.bootstrap, topics)
    const writer = writeNow(kafka.bootstrap, topics)
    const readers = await readAlong(cluster, topics, reading.signal)
    const stopKafkajs = await readWithKafkajs(kafka.bootstrap, topics)
    try {
      say('scanning')
      const before = new Map(writer.written)
      const startMs = performance.now()
      const report = await scanCluster({
        address: { name: 'scanned', bootstrap: kafka.bootstrap, securityProtocol: 'plaintext' },
        economics: null,
        watchMs,
        topics: topics.map(({ name }) => name),
      })
      // H1: on a busy machine the writer is slower than it was told to be, and what it did is the truth.
      const seconds = (performance.now() - startMs) / 1_000
      const done = topics.map((topic) => {
        const records = (writer.written.get(topic.name) ?? 0) - (before.get(topic.name) ?? 0)
        const isOnlyLive = topic.pastHours === 0 && topic.recordsPerSecond > 0
        return isOnlyLive ? { ...topic, recordsPerSecond: records / seconds } : topic
      })
      return judge(report, done)
    } finally {
      await stopKafkajs()
      reading.abort()
      await readers.done
      await writer.stop()
    }
  } finally {
    await cluster.close()
    await kafka.stop()
  }
}
