/**
 * Whether a cluster keeps what the seal of a topic rests on, found out on a topic made for it.
 *
 * Y1. Nothing but the canary topic is touched, and it is removed, also when the check fails; one that was left over is replaced.
 * Y2. A request that only asks whether a setting may be changed must change nothing: the limit is read before and after it.
 * Y3. A batch with a wrong checksum must be refused as such, and the log must not grow by it: there are engines that store it, and
 *     then every reader of the partition stands still for ever.
 * Y4. Every leader must refuse a batch above the limit after the limit was lowered, and without storing it.
 * Y5. What may pass (a broker that is away) is thrown as it is; only an answer that says otherwise is MQ_SEAL_UNSAFE.
 */
import { MqError } from '@mq/contract'
import { backoffMs, sleep } from '@mq/contract/timing'
import type { Cluster } from '../net/cluster.ts'
import { protocolError } from '../protocol/kafka-errors.ts'
import { Admin } from './admin.ts'
import { type SealProbe, TopicSeal } from './seal.ts'
import type { NewTopic } from './topics.ts'

const DEADLINE_MS = 10_000
const SEALED_WITHIN_MS = 5_000
const PAUSE = { baseMs: 5, maxMs: 100 }
const MOST_PARTITIONS = 12

/** @throws MqError MQ_SEAL_UNSAFE */
export async function checkSealing(cluster: Cluster, topic: Omit<NewTopic, 'partitions'>): Promise<void> {
  const admin = new Admin(cluster, { deadlineMs: DEADLINE_MS })
  const { brokers } = await admin.describeCluster()
  const partitions = Math.max(1, Math.min(MOST_PARTITIONS, brokers.length))
  await make(admin, { ...topic, partitions })
  try {
    await tryOut(cluster, admin, topic.name, partitions)
  } finally {
    await remove(admin, topic.name)
  }
}

async function make(admin: Admin, topic: NewTopic): Promise<void> {
  try {
    await admin.createTopic(topic)
  } catch (error) {
    if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
    // Left over from a check that was cut off, perhaps sealed.
    await remove(admin, topic.name)
    await admin.createTopic(topic)
  }
}

async function remove(admin: Admin, name: string): Promise<void> {
  await admin.deleteTopic(name).catch((error: unknown) => {
    if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_MISSING') throw error
  })
}

async function tryOut(cluster: Cluster, admin: Admin, name: string, count: number): Promise<void> {
  const seal = new TopicSeal(cluster)
  const all = Array.from({ length: count }, (_, partition) => partition)
  const unsafe = (what: string): MqError =>
    new MqError('MQ_SEAL_UNSAFE', `cluster '${cluster.name}' ${what} (seen on the canary topic ${name})`)
  const stored = async (): Promise<bigint> => {
    const ends = await admin.listOffsets(name, all, 'latest')
    return [...ends.values()].reduce((sum, end) => sum + end, 0n)
  }
  // Y2
  await seal.validate(name)
  // Y3
  const open = await settled(cluster, seal, name, all, ({ verdict }) => verdict === 'open')
  const odd = open.find(({ verdict }) => verdict !== 'open')
  if ((await stored()) > 0n) throw unsafe('stores batches whose checksum is wrong, and no reader gets past one')
  if (odd !== undefined) {
    throwPassing(odd)
    throw unsafe(`answers a batch with a wrong checksum with ${odd.reason}, not CORRUPT_MESSAGE`)
  }
  // Y4
  await seal.request(name)
  const sealed = await settled(cluster, seal, name, all, ({ verdict }) => verdict === 'sealed')
  const taking = sealed.find(({ verdict }) => verdict !== 'sealed')
  if (taking !== undefined) {
    if (taking.verdict === 'unknown') throwPassing(taking)
    throw unsafe(
      `does not refuse a batch above max.message.bytes within ${SEALED_WITHIN_MS} ms: partition ${taking.partition} answers ${taking.reason}`,
    )
  }
  const ends = await seal.ends(name, sealed)
  if (ends.some((end) => end.kind === 'moved')) throw unsafe('does not tell where a sealed partition ends')
  if (ends.some((end) => end.kind === 'end' && end.endOffset > 0n)) throw unsafe('stores batches that it refuses')
}

/** Y5. Does nothing where the answer is an answer. */
function throwPassing({ partition, reason, code }: SealProbe): void {
  const what = `partition ${partition} of the canary topic cannot be probed: ${reason}`
  if (reason.includes('AUTHORIZATION')) throw new MqError('MQ_SEAL_FORBIDDEN', what)
  if (code === undefined || protocolError(code).retriable) throw new MqError('MQ_KAFKA_UNAVAILABLE', what)
}

/** Probes until every leader answers as wanted, or one of them in a way that does not pass, or the time is over. */
async function settled(
  cluster: Cluster,
  seal: TopicSeal,
  name: string,
  partitions: readonly number[],
  isWanted: (probe: SealProbe) => boolean,
): Promise<SealProbe[]> {
  const { deps } = cluster
  const untilMs = deps.clock.monotonicMs() + SEALED_WITHIN_MS
  for (let tries = 1; ; tries++) {
    const probes = await seal.probe(name, partitions)
    const isOdd = probes.some(
      ({ verdict, code }) => verdict === 'unknown' && code !== undefined && !protocolError(code).retriable,
    )
    if (probes.every(isWanted) || isOdd || deps.clock.monotonicMs() >= untilMs) return probes
    await sleep(
      deps,
      backoffMs(tries, () => deps.random(), PAUSE),
    )
  }
}
