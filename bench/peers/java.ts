/**
 * Apache Kafka's own Java clients, through the tools that ship with Kafka.
 *
 * V1. The rate is the tool's own: without its warm-up for the producer, without joining the group for the consumer.
 * V2. CPU and memory are of the whole JVM, start and warm-up included: the tool has no meter of its own.
 */
import type { KafkaInstall } from '@mq/local'
import type { Percentiles, Run } from '../results.ts'
import type { Consume, Latency, Produce } from './job.ts'
import { runProcess } from './process.ts'

const HEAP = ['-Xms512m', '-Xmx512m']

function producerProperties(job: Produce | Latency, lingerMs: number): string[] {
  return [
    `bootstrap.servers=${job.bootstrap.join(',')}`,
    'acks=all',
    'enable.idempotence=true',
    `linger.ms=${lingerMs}`,
    'batch.size=131072',
    'compression.type=none',
  ]
}

export async function javaProduce(install: KafkaInstall, job: Produce): Promise<Run> {
  const records = job.messages + job.warmupMessages
  const { stdout, cpuUs, rssMb } = await runProcess(install.java.path, [
    ...HEAP,
    ...['-cp', install.classPath, 'org.apache.kafka.tools.ProducerPerformance'],
    ...['--topic', job.topic, '--num-records', String(records), '--throughput', '-1'],
    ...['--warmup-records', String(job.warmupMessages), '--payload-file', job.payloadFile],
    ...['--command-property', ...producerProperties(job, 5)],
  ])
  const rate = steadyState(stdout).messagesPerSecond
  return {
    messages: job.messages,
    seconds: job.messages / rate,
    cpuUs: cpuUs === null ? null : (cpuUs * job.messages) / records,
    rssMb,
  }
}

export async function javaLatency(install: KafkaInstall, job: Latency): Promise<Percentiles> {
  const warmup = job.messagesPerSecond * job.warmupSeconds
  const { stdout } = await runProcess(install.java.path, [
    ...HEAP,
    ...['-cp', install.classPath, 'org.apache.kafka.tools.ProducerPerformance'],
    ...['--topic', job.topic, '--num-records', String(warmup + job.messagesPerSecond * job.seconds)],
    ...['--throughput', String(job.messagesPerSecond), '--warmup-records', String(warmup)],
    ...['--payload-file', job.payloadFile, '--command-property', ...producerProperties(job, 0)],
  ])
  return steadyState(stdout).percentiles
}

export async function javaConsume(install: KafkaInstall, job: Consume): Promise<Run> {
  const { stdout, cpuUs, rssMb } = await runProcess(install.java.path, [
    ...HEAP,
    ...['-cp', install.classPath, 'org.apache.kafka.tools.ConsumerPerformance'],
    ...['--bootstrap-server', job.bootstrap.join(','), '--topic', job.topic, '--group', job.group],
    ...['--num-records', String(job.messages), '--timeout', '60000', '--hide-header'],
  ])
  return { ...consumed(stdout), cpuUs, rssMb }
}

/** The last summary line of ProducerPerformance: with a warm-up it is the one without it (V1). */
export function steadyState(stdout: string): { messagesPerSecond: number; percentiles: Percentiles } {
  const summary = stdout
    .split('\n')
    .filter((line) => line.includes('99.9th'))
    .at(-1)
  const rate = /([\d.]+) records\/sec/.exec(summary ?? '')?.[1]
  const at = (percent: string): number => Number(new RegExp(`([\\d.]+) ms ${percent}th`).exec(summary ?? '')?.[1])
  const percentiles = { p50: at('50'), p99: at('99'), p999: at('99\\.9') }
  if (rate === undefined || Object.values(percentiles).some(Number.isNaN)) {
    throw new Error(`ProducerPerformance printed no summary: ${stdout.slice(-500)}`)
  }
  return { messagesPerSecond: Number(rate), percentiles }
}

/** The line of ConsumerPerformance: start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, MB/s, messages/s. */
export function consumed(stdout: string): { messages: number; seconds: number } {
  const fields = stdout.trim().split('\n').at(-1)?.split(',') ?? []
  const messages = Number(fields[4])
  const fetchMs = Number(fields[7])
  if (fields.length !== 10 || !(messages > 0) || !(fetchMs > 0)) {
    throw new Error(`ConsumerPerformance printed no figures: ${stdout.slice(-500)}`)
  }
  return { messages, seconds: fetchMs / 1_000 }
}
