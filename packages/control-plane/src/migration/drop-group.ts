/**
 * A person says that nothing waits for a group any more.
 *
 * G1. Positions are taken away only from a group without members, only on topics of the mQ ID, and the group goes as a whole only
 *     when it has none elsewhere.
 * G2. One with members is refused by name, unless the person insists: then its positions stay, and migrations go on without it.
 * G3. The word is written down with every migration that is not over, and in the journal, with what the group had not read.
 */
import { groupIdOf, groupOfId, MqError } from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { clientsText } from './consumers.ts'
import { isEnd } from './machine.ts'
import type { MigrationWriter } from './migration-writer.ts'
import type { Migrations } from './migrations.ts'

export interface DropParts {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly migrations: Migrations
  readonly writer: MigrationWriter
  readonly store: Store
}

export interface Dropped {
  readonly group: string
  readonly kind: 'mq' | 'other'
  readonly positions: number
  readonly remaining: string
  readonly migrations: number[]
}

interface Place {
  readonly cluster: string
  readonly topic: string
}

interface Found {
  readonly groupId: string
  readonly members: number
  readonly clients: readonly string[]
  /** Places where it has positions or members. */
  readonly places: Place[]
}

/** @param name of a group in mQ, or the Kafka group id of another */
export async function dropGroup(
  parts: DropParts,
  mqId: string,
  name: string,
  force: boolean,
  actor: string,
): Promise<Dropped> {
  const { migrations, writer, store, clusters } = parts
  const open = migrations.active().filter((row) => row.mqId === mqId)
  const found = await find(parts, mqId, name)
  const known = open.filter(({ data }) => data.groups.some(({ group }) => group === name))
  if (found === undefined && known.length === 0) {
    throw new MqError('MQ_GROUP_UNKNOWN', `no group '${name}' has a position or a member on '${mqId}'`)
  }
  if (found !== undefined && found.members > 0 && !force) {
    throw new MqError(
      'MQ_GROUP_IN_USE',
      `group '${name}' has ${clientsText({ members: found.members, clients: [...found.clients] })}: stop them first, or use --force to let migrations go on without it`,
      { details: { group: name, members: found.members } },
    )
  }
  let positions = 0
  if (found?.members === 0) {
    for (const [cluster, places] of Map.groupBy(found.places, (place) => place.cluster)) {
      positions += await clusters.use(cluster, `dropping group ${found.groupId}`, (admin) =>
        admin.dropPositions(
          found.groupId,
          places.map(({ topic }) => topic),
        ),
      )
    }
  }
  const waiting = open.filter(({ state }) => !isEnd(state) || state === 'retired')
  let remaining = 0n
  for (const { number, data } of waiting) {
    const left = data.groups.find(({ group }) => group === name)?.remaining ?? '0'
    remaining += BigInt(left)
    const word = { actor, atMs: writer.nowMs, remaining: left }
    await writer.update(number, (row) => ({
      ...row,
      data: {
        ...row.data,
        dropped: { ...row.data.dropped, [name]: word },
        groups: row.data.groups.map((one) =>
          one.group === name ? { ...one, dropped: word, drainedAtMs: null, goneAtMs: null } : one,
        ),
      },
    }))
  }
  const numbers = waiting.map(({ number }) => number)
  const after = { group: name, force, positions, remaining: String(remaining), migrations: numbers }
  const why = `group '${name}' was dropped with ${remaining} records of old epochs to read`
  await store.write(`journalling that group ${name} was dropped`, (tx) =>
    tx.journal.append(
      { kind: 'drop-group', subject: mqId, actor, why, before: null, after },
      writer.nowMs,
      store.revision,
    ),
  )
  const isOwn = found === undefined ? !known.some(isOther(name)) : groupOfId(found.groupId, mqId) !== undefined
  return { group: name, kind: isOwn ? 'mq' : 'other', positions, remaining: String(remaining), migrations: numbers }
}

const isOther =
  (name: string) =>
  ({ data }: { readonly data: { readonly groups: readonly { group: string; kind: string }[] } }): boolean =>
    data.groups.some(({ group, kind }) => group === name && kind === 'other')

/** A group of mQ of that name before another of that id. */
async function find(
  { registry, clusters, migrations }: DropParts,
  mqId: string,
  name: string,
): Promise<Found | undefined> {
  const record = registry.get(mqId)
  const places = new Map<string, Place>()
  const add = ({ cluster, topic }: Place): void => void places.set(`${cluster} ${topic}`, { cluster, topic })
  if (record?.state === 'active') record.epochs.forEach(add)
  for (const { mqId: id, from } of migrations.active()) if (id === mqId) add(from)
  const own = groupIdOf(mqId, name)
  let mq: Found | undefined
  let other: Found | undefined
  for (const place of places.values()) {
    const seen = await clusters.use(place.cluster, `looking for group ${name}`, async (admin) => ({
      own: await admin.groupOn(own, place.topic),
      others: (await admin.otherConsumers(mqId, place.topic)).groups,
    }))
    const clean = name.replace(/ \(not of mQ\)$/, '')
    const another = seen.others.find(({ groupId }) => groupId === clean)
    if (seen.own.members > 0 || seen.own.committed.size > 0) {
      mq = merged(mq, { groupId: own, members: seen.own.members, clients: [], places: [place] })
    }
    if (another !== undefined) other = merged(other, { ...another, places: [place] })
  }
  return mq ?? other
}

function merged(before: Found | undefined, now: Found): Found {
  if (before === undefined) return now
  return {
    ...now,
    members: Math.max(before.members, now.members),
    clients: [...new Set([...before.clients, ...now.clients])],
    places: [...before.places, ...now.places],
  }
}
