/**
 * The fetch path alone: request, decode and walk over the records, without group, bindings and handlers. For profiling:
 * `node --cpu-prof --conditions=mq-source bench/fetch-path.ts --codec zstd`.
 *
 * Java's ProducerPerformance fills a topic; every round reads all of it from the start.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { Fetcher } from '@mq/kafka'
import { installKafka, startCluster } from '@mq/local'
import { plainCluster } from '../packages/kafka/test/plain-cluster.ts'
import { machineFacts } from './machine.ts'
import { makePayloads, writePayloads } from './payloads.ts'

const USAGE = `node --conditions=mq-source bench/fetch-path.ts [options]
  --count N          records in the topic (2000000)
  --size N           bytes of a value (200)
  --partitions N     (4)
  --codec NAME       none, gzip, snappy, lz4 or zstd (none)
  --touch NAME       what is done with a record: offset, value or text (value)
  --read-ahead-mib N (16)
  --rounds N         (3)
  --json             one JSON object on the last line`

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '2000000' },
    size: { type: 'string', default: '200' },
    partitions: { type: 'string', default: '4' },
    codec: { type: 'string', default: 'none' },
    touch: { type: 'string', default: 'value' },
    'read-ahead-mib': { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(USAGE)
  process.exit(0)
}
const count = Number(flags.count)
const partitions = Number(flags.partitions)
const run = promisify(execFile)

interface Round {
  readonly recordsPerSecond: number
  readonly cpuUsPerRecord: number
  readonly rssMb: number
}

async function readAll(bootstrap: string, topic: string): Promise<Round> {
  const cluster = plainCluster(bootstrap)
  const done = Promise.withResolvers<void>()
  let seen = 0
  let bytes = 0
  let batches = 0
  let rss = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  const fetcher = new Fetcher({
    cluster,
    settings: {
      fetchMinBytes: 1,
      fetchMaxWaitMs: 500,
      readAheadBytes: Number(flags['read-ahead-mib']) << 20,
      isolation: 'read_committed',
      sessionTimeoutMs: 45_000,
    },
    onError: (_topic, _partition, error) => done.reject(error),
    onBatch: (batch) => {
      for (const record of batch) {
        if (flags.touch === 'value') bytes += record.value?.length ?? 0
        else if (flags.touch === 'text') bytes += record.valueString()?.length ?? 0
        else bytes += record.offsetNumber
      }
      seen += batch.count
      batches += 1
      batch.release()
      if (batches % 100 === 0) rss = Math.max(rss, process.memoryUsage.rss())
      if (seen >= count) done.resolve()
    },
  })
  for (let partition = 0; partition < partitions; partition += 1) fetcher.add(topic, partition, 0n)
  await done.promise
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await fetcher.close()
  await cluster.close()
  if (seen !== count || bytes === 0) throw new Error(`read ${seen} records instead of ${count}`)
  return {
    recordsPerSecond: Math.round(seen / seconds),
    cpuUsPerRecord: Number(((user + system) / seen).toFixed(3)),
    rssMb: Math.round(rss / 2 ** 20),
  }
}

const folder = mkdtempSync(join(tmpdir(), 'mq-fetch-path-'))
const kafka = await startCluster({ name: 'fetch-path', maxHeapMb: 768 })
try {
  const { classPath, java, version } = await installKafka()
  const bootstrap = kafka.bootstrap[0] ?? ''
  const payloads = join(folder, 'payloads')
  writePayloads(payloads, makePayloads({ count: 10_000, bytes: Number(flags.size), seed: 1 }))
  const tool = (name: string, args: readonly string[]) =>
    run(java.path, [
      '-Xmx256m',
      '-cp',
      classPath,
      `org.apache.kafka.tools.${name}`,
      '--bootstrap-server',
      bootstrap,
      ...args,
    ])
  await tool('TopicCommand', ['--create', '--topic', 'path', '--partitions', String(partitions)])
  await tool('ProducerPerformance', [
    ...['--topic', 'path', '--num-records', String(count), '--throughput', '-1', '--payload-file', payloads],
    ...['--command-property', `compression.type=${flags.codec}`],
    ...['--command-property', 'linger.ms=5', '--command-property', 'batch.size=131072'],
  ])
  const rounds: Round[] = []
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    const result = await readAll(bootstrap, 'path')
    rounds.push(result)
    console.log(
      `${flags.codec} ${flags.touch}: ${result.recordsPerSecond.toLocaleString('en')} records/s, ${result.cpuUsPerRecord} µs CPU a record, ${result.rssMb} MB`,
    )
  }
  const machine = machineFacts(version, new Date().toISOString().slice(0, 10))
  if (flags.json) console.log(JSON.stringify({ flags, rounds, machine }))
} finally {
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
}
