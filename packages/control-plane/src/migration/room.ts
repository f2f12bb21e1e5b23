/**
 * Whether the target has room for an mQ ID, on its disks and in its quotas.
 *
 * R1. A migration copies nothing: what the new topic will hold is estimated by what the old one holds now, for as many copies.
 * R2. Copies lie on different brokers: `replication` of them need room each. Brokers that do not tell their free bytes (before
 *     Kafka 3.3) are taken to have it, and that is said.
 * R3. A quota slows producers down and loses nothing, and whom it will hit is not known before clients connect: it is said, not
 *     refused.
 */
import { type MigrationPlace, MqError } from '@mq/contract'
import type { BrokerRoom } from '@mq/kafka'
import type { Clusters } from '../provision/clusters.ts'

/** Free bytes that stay free. */
const SPARE_BYTES = 64n * 1_048_576n
const MOST_QUOTAS = 5

/** @returns what was found, in words @throws MqError MQ_MIGRATION_NO_ROOM, or MQ_PLACEMENT_WAITS while brokers are missing */
export async function checkRoom(clusters: Clusters, from: MigrationPlace, to: MigrationPlace): Promise<string> {
  let held: bigint
  let target: BrokerRoom[]
  try {
    target = await clusters.use(to.cluster, 'looking for room', (admin) => admin.disks())
    const source = await clusters.use(from.cluster, `measuring topic ${from.topic}`, (admin) =>
      admin.disks({ name: from.topic, partitions: from.partitions }),
    )
    held = source.reduce((sum, { topicBytes }) => sum + topicBytes, 0n)
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    return `not known: ${error.message}`
  }
  if (target.length < to.replication) {
    throw new MqError(
      'MQ_PLACEMENT_WAITS',
      `${target.length} broker${target.length === 1 ? '' : 's'} of cluster '${to.cluster}' answer${target.length === 1 ? 's' : ''} now, and ${to.replication} copies of each record are to be there`,
    )
  }
  const copy = held / BigInt(from.replication)
  const needed = copy * BigInt(to.replication)
  const free = target.map(({ usableBytes }) => usableBytes)
  if (free.every((bytes) => bytes === undefined)) return `not known: no broker of '${to.cluster}' tells its free bytes`
  // Copies are spread: at best evenly over all brokers, and no broker holds two copies of one partition.
  const perBroker = (needed + BigInt(target.length) - 1n) / BigInt(target.length)
  const total = free.reduce<bigint>((sum, bytes) => sum + (bytes ?? perBroker + SPARE_BYTES), 0n)
  const roomy = free.filter((bytes) => bytes === undefined || bytes >= perBroker + SPARE_BYTES).length
  if (total < needed + SPARE_BYTES || roomy < to.replication) {
    throw new MqError(
      'MQ_MIGRATION_NO_ROOM',
      `cluster '${to.cluster}' has ${total} bytes free on ${target.length} broker${target.length === 1 ? '' : 's'}, and ${to.topic} may come to ${needed} bytes in ${to.replication} cop${to.replication === 1 ? 'y' : 'ies'}, as ${from.topic} has`,
      { details: { neededBytes: String(needed), freeBytes: String(total), brokers: target.length } },
    )
  }
  return `${sizeText(needed)} at most as far as is known, ${sizeText(total)} free on ${target.length} broker${target.length === 1 ? '' : 's'}`
}

function sizeText(bytes: bigint): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
  let [size, unit] = [Number(bytes), 0]
  for (; size >= 1_024 && unit < units.length - 1; unit++) size /= 1_024
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

/** @returns what was found, in words, and what a person should know before moving (R3) */
export async function checkQuotas(clusters: Clusters, to: string): Promise<{ found: string; warnings: string[] }> {
  try {
    const quotas = await clusters.use(to, 'looking for quotas', (admin) => admin.writeQuotas())
    if (quotas.length === 0) return { found: 'none slows producers down', warnings: [] }
    const told = quotas
      .slice(0, MOST_QUOTAS)
      .map(({ entity, bytesPerSecond }) => `${entity} ${Math.round(bytesPerSecond)} bytes/s`)
    const more = quotas.length > told.length ? ` and ${quotas.length - told.length} more` : ''
    const found = `${told.join('; ')}${more}, at each broker`
    return { found, warnings: [`quotas of cluster '${to}' may slow producers down: ${found}`] }
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    return { found: `not known: ${error.message}`, warnings: [] }
  }
}
