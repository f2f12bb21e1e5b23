/**
 * The folder of a cluster on disk: `cluster.json`, and per broker its configuration, data and logs.
 *
 * F1. `cluster.json` is written atomically and last, so a folder that has one is complete.
 * F2. A cluster that comes back keeps its identity, and its ports as long as they are free: addresses noted elsewhere stay right.
 * F3. A folder made with another number of brokers is refused, never converted.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MqError } from '@mq/contract'
import { BOOTSTRAP_FILE, newUuid } from './bootstrap-template.ts'
import { type BrokerPorts, metaProperties } from './broker-config.ts'
import type { KafkaInstall } from './kafka-install.ts'
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
}

const FILE = 'cluster.json'
const PORTS_PER_BROKER = 4

/** @param freshPorts choose other ports even where the old ones look free */
export async function openClusterFolder(
  folder: string,
  brokers: number,
  install: KafkaInstall,
  freshPorts: boolean,
): Promise<{ clusterId: string; seats: BrokerSeat[] }> {
  const file = join(folder, FILE)
  const known = readClusterFile(file)
  if (known !== undefined && known.brokers.length !== brokers) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `${folder} holds a cluster of ${known.brokers.length} broker(s), and ${brokers} were asked for`,
    )
  }
  const clusterId = known?.clusterId ?? newUuid()
  const seats = known !== undefined && !freshPorts && (await allFree(known)) ? known.brokers : await choose(brokers)
  const placed = seats.map((seat) => ({ ...seat, folder: join(folder, `broker-${seat.nodeId}`) }))
  for (const seat of placed) formatIfNew(seat, clusterId, install)
  const content: ClusterFile = { version: 1, clusterId, brokers: seats }
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`)
  renameSync(`${file}.new`, file)
  return { clusterId, seats: placed }
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

function formatIfNew(seat: BrokerSeat, clusterId: string, install: KafkaInstall): void {
  const data = dataFolder(seat)
  const meta = join(data, 'meta.properties')
  if (existsSync(meta)) return
  mkdirSync(data, { recursive: true })
  copyFileSync(join(install.folder, BOOTSTRAP_FILE), join(data, BOOTSTRAP_FILE))
  writeFileSync(`${meta}.new`, metaProperties(clusterId, seat.nodeId, newUuid()))
  renameSync(`${meta}.new`, meta)
}
