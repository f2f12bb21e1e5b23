/**
 * The folder of a cluster on disk: `cluster.json`, and per broker its configuration, data and logs.
 *
 * F1. `cluster.json` is written atomically and last, so a folder that has one is complete.
 * F2. A cluster that comes back keeps its identity, and its ports as long as they are free: addresses noted elsewhere stay right.
 * F3. A folder made with another number of brokers, or another metadata mode, is refused, never converted.
 * F4. A folder that a newer version of Kafka ran on is refused: brokers cannot go back over a change of format.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MqError } from '@mq/contract'
import { newUuid } from './bootstrap-template.ts'
import { type BrokerPorts, metaProperties } from './broker-config.ts'
import { compareKafkaVersions, type KafkaChoice, type MetadataMode } from './kafka-version.ts'
import { freePorts, isFree } from './ports.ts'

export interface BrokerSeat {
  readonly nodeId: number
  readonly ports: BrokerPorts
  /** What clients connect to when a proxy stands before the broker. */
  readonly proxyPort: number
  readonly folder: string
}

interface ClusterFile {
  readonly version: 1
  readonly clusterId: string
  readonly brokers: readonly { nodeId: number; ports: BrokerPorts; proxyPort: number }[]
  /** Missing in folders of before this was written: KRaft. */
  readonly mode?: MetadataMode
  /** The newest version that ran on it; missing as above. */
  readonly kafka?: string
}

export interface FolderWish {
  readonly brokers: number
  readonly kafka: KafkaChoice
  /** The folder with the bootstrap metadata of a new KRaft cluster; undefined with ZooKeeper. */
  readonly template: string | undefined
  /** Choose other ports even where the old ones look free. */
  readonly freshPorts: boolean
}

const FILE = 'cluster.json'
const PORTS_PER_BROKER = 4

export async function openClusterFolder(
  folder: string,
  { brokers, kafka, template, freshPorts }: FolderWish,
): Promise<{ clusterId: string; seats: BrokerSeat[] }> {
  const file = join(folder, FILE)
  const known = readClusterFile(file)
  if (known !== undefined && known.brokers.length !== brokers) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `${folder} holds a cluster of ${known.brokers.length} broker(s), and ${brokers} were asked for`,
    )
  }
  if (known !== undefined && (known.mode ?? 'kraft') !== kafka.mode) {
    throw new MqError('MQ_OPTION_INVALID', `${folder} holds a cluster with ${known.mode ?? 'kraft'}, not ${kafka.mode}`)
  }
  if (known?.kafka !== undefined && compareKafkaVersions(known.kafka, kafka.version) > 0) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `${folder} was run by Kafka ${known.kafka}; the older ${kafka.version} may not be able to read it`,
    )
  }
  const clusterId = known?.clusterId ?? newUuid()
  const seats = known !== undefined && !freshPorts && (await allFree(known)) ? known.brokers : await choose(brokers)
  const placed = seats.map((seat) => ({ ...seat, folder: join(folder, `broker-${seat.nodeId}`) }))
  for (const seat of placed) formatIfNew(seat, clusterId, kafka.version, template)
  write(file, { version: 1, clusterId, brokers: seats, mode: kafka.mode, kafka: kafka.version })
  return { clusterId, seats: placed }
}

/** What the folder says of itself follows what was learned later: the id that ZooKeeper gave it, a newer version on it. */
export function noteInClusterFolder(folder: string, facts: { clusterId?: string; kafka?: string }): void {
  const file = join(folder, FILE)
  const known = readClusterFile(file)
  if (known === undefined) return
  const newer = facts.kafka !== undefined && compareKafkaVersions(facts.kafka, known.kafka ?? facts.kafka) >= 0
  write(file, {
    ...known,
    ...(facts.clusterId !== undefined && { clusterId: facts.clusterId }),
    ...(newer && { kafka: facts.kafka }),
  })
}

/** The id that a broker found in ZooKeeper and wrote down; undefined before its first start. */
export function clusterIdOnDisk(seat: BrokerSeat): string | undefined {
  const meta = join(dataFolder(seat), 'meta.properties')
  return existsSync(meta) ? /^cluster\.id=(.+)$/m.exec(readFileSync(meta, 'utf8'))?.[1] : undefined
}

function write(file: string, content: ClusterFile): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

export function dataFolder(seat: BrokerSeat): string {
  return join(seat.folder, 'data')
}

function readClusterFile(file: string): ClusterFile | undefined {
  if (!existsSync(file)) return undefined
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as ClusterFile
    if (content.version === 1 && Array.isArray(content.brokers) && content.brokers.length > 0) return content
  } catch {
    // Told below.
  }
  throw new MqError('MQ_KAFKA_START_FAILED', `${file} is damaged; move the folder away to begin with an empty cluster`)
}

async function allFree(known: ClusterFile): Promise<boolean> {
  for (const { ports, proxyPort } of known.brokers) {
    for (const port of [ports.client, ports.internal, ports.controller, proxyPort]) {
      if (!(await isFree(port))) return false
    }
  }
  return true
}

async function choose(brokers: number): Promise<ClusterFile['brokers']> {
  const ports = await freePorts(brokers * PORTS_PER_BROKER)
  return Array.from({ length: brokers }, (_, index) => {
    const [client, internal, controller, proxyPort] = ports.slice(index * PORTS_PER_BROKER) as [
      number,
      number,
      number,
      number,
    ]
    return { nodeId: index + 1, ports: { client, internal, controller }, proxyPort }
  })
}

function formatIfNew(seat: BrokerSeat, clusterId: string, version: string, template: string | undefined): void {
  const data = dataFolder(seat)
  const meta = join(data, 'meta.properties')
  if (existsSync(meta)) return
  mkdirSync(data, { recursive: true })
  // With ZooKeeper a broker formats its folder itself.
  if (template === undefined) return
  cpSync(template, data, { recursive: true })
  writeFileSync(`${meta}.new`, metaProperties(version, clusterId, seat.nodeId, newUuid()))
  renameSync(`${meta}.new`, meta)
}
