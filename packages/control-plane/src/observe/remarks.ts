/**
 * What a scan only reports: copies that guard against loss, topics and groups that may be nobody's, single copies.
 *
 * K1. A remark proposes nothing, and says what would have to be known before anybody acts on it.
 */
import type { ClusterModel } from '@mq/economics'
import type { ClusterObservation } from './observation.ts'
import { mayBeIdle } from './savings.ts'
import { costOfState, type TopicBill } from './topic-bill.ts'

/** K1. V3 and V4 of savings.ts say why. */
export function remarksOf(all: readonly TopicBill[], observation: ClusterObservation, cluster: ClusterModel): string[] {
  const remarks: string[] = []
  const bills = all.filter(({ unpriced }) => unpriced === null)
  const unused = all
    .filter(({ topic }) => !topic.internal && topic.endOffset === 0 && (topic.watched?.offsets ?? 0) === 0)
    .map(({ topic }) => topic.name)
  if (unused.length > 0) {
    remarks.push(
      `${unused.length} topic${unused.length === 1 ? '' : 's'} never held a record: ${someOf(unused, 20)}. Kafka does not tell how old they are; ask before you delete them`,
    )
  }
  const still = all.filter((bill) => mayBeIdle(bill, observation.startedAtMs)).map(({ topic }) => topic.name)
  if (still.length > 0) {
    remarks.push(
      `${still.length} topic${still.length === 1 ? '' : 's'} may be idle: ${someOf(still, 20)}. Nothing came in ${Math.round(observation.watchedMs / 1_000)} s of watching, nobody reads, and the newest records carry times of more than a week ago, which producers write as they like; watch for longer (--watch 3600) before you believe it`,
    )
  }
  const third = bills
    .filter(({ state, topic }) => state.shape.replication === 3 && !topic.internal)
    .reduce((sum, { state, cost }) => {
      const two = costOfState({ ...state, shape: { ...state.shape, replication: 2 } }, cluster)
      return sum + cost.usdPerMonth - two.usdPerMonth
    }, 0)
  if (third > 0.01) {
    remarks.push(
      `the third copy of its topics costs $${third.toFixed(2)}/month; without it one lost broker leaves a single copy, so it is not proposed`,
    )
  }
  const single = bills.filter(({ state, topic }) => state.shape.replication === 1 && !topic.internal).length
  if (single > 0 && observation.brokers.length > 1) {
    remarks.push(`${single} topic${single === 1 ? ' has' : 's have'} one copy only: a lost broker loses records`)
  }
  const idle = observation.groups.filter(
    ({ members, topics }) => members === 0 && topics.length > 0 && topics.every(({ moving }) => !moving),
  )
  if (idle.length > 0) {
    const names = idle.map(({ group }) => group)
    remarks.push(
      `${idle.length} group${idle.length === 1 ? ' has' : 's have'} positions and no members (${someOf(names, 3)}): they cost nothing by themselves, but nobody may be reading what is kept for them`,
    )
  }
  const quiet = bills.reduce((sum, { topic }) => sum + (topic.internal ? 0 : (topic.quietPartitions ?? 0)), 0)
  if (quiet > 0 && !cluster.book.tariff.perPartition) {
    remarks.push(
      `${quiet} partition${quiet === 1 ? '' : 's'} got no record in a day: room on brokers, but on no bill of its own here`,
    )
  }
  return remarks
}

function someOf(names: readonly string[], most: number): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
