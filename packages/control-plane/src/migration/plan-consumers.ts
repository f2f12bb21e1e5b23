/**
 * Who reads the topic that is to be moved, and for whom the migration will wait.
 *
 * A1. Every group with a position on the topic or a member that reads it is named, of mQ or not.
 * A2. A group that cannot go on by itself is a warning with what to do: one without members that has not read all, and one that is
 *     not of mQ, because nothing of the new place reaches it.
 */
import { groupOfId, type MigrationPlace, MqError } from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import { clientsText } from './consumers.ts'

const MOST_NAMED = 20

export async function findConsumers(
  clusters: Clusters,
  mqId: string,
  { cluster, topic, partitions }: MigrationPlace,
): Promise<{ found: string; warnings: string[] }> {
  try {
    const { own, others, starts, ends } = await clusters.use(cluster, `looking who reads ${topic}`, async (admin) => ({
      own: await admin.groupsOf(mqId, topic),
      others: await admin.otherConsumers(mqId, topic),
      starts: await admin.startOffsets(topic, partitions),
      ends: await admin.endOffsets(topic, partitions),
    }))
    const toGo = (committed: ReadonlyMap<number, bigint>): bigint =>
      ends.reduce((sum, end, partition) => {
        const start = starts[partition] ?? 0n
        const position = committed.get(partition) ?? 0n
        const at = position > start ? position : start
        return end > at ? sum + end - at : sum
      }, 0n)
    const told: string[] = []
    const warnings: string[] = []
    for (const { groupId, members, committed } of own) {
      const name = groupOfId(groupId, mqId) ?? groupId
      const left = toGo(committed)
      told.push(`${name} (${clientsText({ members, clients: [] })}, ${left} to read)`)
      if (members > 0 || left === 0n) continue
      warnings.push(
        `group '${name}' has no member and ${left} records to read: the migration ends when it has read them or they expire; if nobody uses it any more: mq group drop ${mqId} ${name}`,
      )
    }
    for (const { groupId, members, clients, committed } of others.groups) {
      const left = toGo(committed)
      const who = clientsText({ members, clients })
      told.push(`${groupId} (not of mQ, ${who}, ${left} to read)`)
      warnings.push(
        `group '${groupId}' (${who}, ${left} records to read) is not a client of mQ: it reads ${topic} to its end and gets nothing of the new place. The migration ends when it has read all and has no member, or with: mq group drop ${mqId} ${groupId}`,
      )
    }
    const unseen =
      others.unseen.length === 0
        ? ''
        : `; not looked into: ${others.unseen.slice(0, MOST_NAMED).join(', ')}${others.unseen.length > MOST_NAMED ? ', ...' : ''}`
    const more = told.length > MOST_NAMED ? `, and ${told.length - MOST_NAMED} more` : ''
    const named = told.length === 0 ? 'none reads it' : told.slice(0, MOST_NAMED).join(', ')
    return { found: `${named}${more}${unseen}`, warnings }
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    return { found: `not known: ${error.message}`, warnings: [`who reads ${topic} is not known: ${error.message}`] }
  }
}
