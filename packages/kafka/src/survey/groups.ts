/**
 * All consumer groups at once: who is in them and how far they got.
 *
 * G1. Coordinators are found in one go and asked for many groups in one request (V3).
 */
import { MqError } from '@mq/contract'
import type { AdminCalls } from '../admin/calls.ts'
import { type GroupListing, listGroups } from '../admin/groups.ts'
import { parseAssignment } from '../group/classic-assignment.ts'
import { decodeSubscription } from '../group/member-metadata.ts'
import { KafkaCode } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import { answerInPart, partsOf, SurveyAnswers, type Surveyed } from './answers.ts'

export interface SurveyedGroup extends GroupListing {
  /** Null where it may not be looked into. */
  readonly members: number | null
  /** Topics its members subscribe to or hold partitions of; null where it may not be looked into. */
  readonly reads: ReadonlySet<string> | null
  /** `client id@host` of each member. */
  readonly clients: readonly string[]
  /** How a classic group shares partitions out, as its clients name it; null where there is none or it is not known. */
  readonly assignor: string | null
  /** Next offset by topic and partition. */
  readonly committed: ReadonlyMap<string, ReadonlyMap<number, number>>
}

const GROUP_KEY = 0
const NO_GENERATION = -1
const GROUPS_A_REQUEST = 50
const KEYS_A_REQUEST = 200

/** Groups of consumers, by id; those of other kinds (share groups, streams) are left out. */
export async function surveyGroups(calls: AdminCalls): Promise<Surveyed<SurveyedGroup>> {
  const answers = new SurveyAnswers<SurveyedGroup>()
  const listed = (await listGroups(calls)).filter(
    ({ type }) => type === undefined || type === 'classic' || type === 'consumer',
  )
  const coordinators = await coordinatorsOf(calls, listed, answers)
  await Promise.all(
    [...coordinators].map(async ([nodeId, groups]) => {
      for (const part of partsOf(groups, GROUPS_A_REQUEST)) await askCoordinator(calls, nodeId, part, answers)
    }),
  )
  return answers
}

async function coordinatorsOf(
  calls: AdminCalls,
  groups: readonly GroupListing[],
  answers: SurveyAnswers<SurveyedGroup>,
): Promise<Map<number, GroupListing[]>> {
  const what = 'find the coordinators of groups'
  const byId = new Map(groups.map((group) => [group.groupId, group]))
  const found = new Map<number, GroupListing[]>()
  for (const part of partsOf([...byId.keys()], KEYS_A_REQUEST)) {
    try {
      const answer = await calls.retrying(
        what,
        () =>
          answerInPart(calls.askAny(what, (connection) => requests.findCoordinator.send(connection, GROUP_KEY, part))),
        { attempts: 3 },
      )
      for (const { key, nodeId, errorCode } of answer.coordinators) {
        const group = byId.get(key)
        if (group === undefined) continue
        if (errorCode !== 0) answers.fail([key], errorCode, calls.context(`find the coordinator of group ${key}`))
        else found.set(nodeId, [...(found.get(nodeId) ?? []), group])
      }
    } catch (error) {
      answers.fail(part, error, calls.context(what))
    }
  }
  return found
}

async function askCoordinator(
  calls: AdminCalls,
  nodeId: number,
  groups: readonly GroupListing[],
  answers: SurveyAnswers<SurveyedGroup>,
): Promise<void> {
  const members = await membersOf(calls, nodeId, groups)
  const what = 'read offsets of groups'
  const asked = groups.map(({ groupId }) => ({ groupId, memberEpoch: NO_GENERATION, topics: null }))
  try {
    const answer = await calls.retrying(
      what,
      () =>
        answerInPart(
          calls.askBroker(nodeId, what, (connection) => requests.offsetFetch.send(connection, asked, false)),
        ),
      { attempts: 3 },
    )
    for (const group of groups) {
      const own = answer.groups.find(({ groupId }) => groupId === group.groupId)
      const code = own?.errorCode ?? KafkaCode.COORDINATOR_NOT_AVAILABLE
      if (code !== 0 && code !== KafkaCode.GROUP_ID_NOT_FOUND) {
        answers.fail([group.groupId], code, calls.context(`read offsets of group ${group.groupId}`))
      }
      const committed = new Map(
        (own?.topics ?? []).map(({ name, partitions }) => [
          name,
          new Map(
            partitions.flatMap(({ partitionIndex, committedOffset, errorCode }) =>
              errorCode === 0 && committedOffset >= 0n ? [[partitionIndex, Number(committedOffset)] as const] : [],
            ),
          ),
        ]),
      )
      answers.found.set(group.groupId, { ...group, ...(members.get(group.groupId) ?? UNKNOWN), committed })
    }
  } catch (error) {
    answers.fail(
      groups.map(({ groupId }) => groupId),
      error,
      calls.context(what),
    )
  }
}

type Members = Pick<SurveyedGroup, 'members' | 'reads' | 'clients' | 'assignor'>
const UNKNOWN: Members = { members: null, reads: null, clients: [], assignor: null }
const NOBODY: Members = { members: 0, reads: new Set(), clients: [], assignor: null }

interface Described<T> {
  readonly groupId: string
  readonly errorCode: number
  readonly members: readonly T[]
  /** Of classic groups. */
  readonly protocolData?: string
}

/** Who is in each group; nothing for a group that may not be described. */
async function membersOf(
  calls: AdminCalls,
  nodeId: number,
  groups: readonly GroupListing[],
): Promise<Map<string, Members>> {
  const counts = new Map<string, Members>()
  for (const { groupId, state } of groups) if (state === 'Empty') counts.set(groupId, NOBODY)
  const open = groups.filter(({ groupId }) => !counts.has(groupId))
  const take = <T extends { readonly clientId: string; readonly clientHost: string }>(
    answered: readonly Described<T>[],
    readBy: (member: T, group: Described<T>) => readonly string[],
  ): void => {
    for (const group of answered) {
      const { groupId, errorCode, members, protocolData } = group
      if (errorCode !== 0) continue
      counts.set(groupId, {
        members: members.length,
        reads: new Set(members.flatMap((member) => readBy(member, group))),
        clients: members.map(({ clientId, clientHost }) => `${clientId}@${clientHost}`),
        assignor: protocolData || null,
      })
    }
  }
  const what = 'describe groups'
  const ofType = (wanted: 'consumer' | 'classic'): string[] =>
    open.flatMap(({ groupId, type }) => ((type ?? 'classic') === wanted ? [groupId] : []))
  const [consumer, classic] = [ofType('consumer'), ofType('classic')]
  // What cannot be counted stays unknown: the offsets say more, and they are asked for by themselves.
  if (consumer.length > 0) {
    await answerInPart(
      calls.askBroker(nodeId, what, (connection) => requests.consumerGroupDescribe.send(connection, consumer, false)),
    ).then(
      ({ groups: answered }) =>
        take(answered, ({ subscribedTopicNames, assignment }) => [
          ...subscribedTopicNames,
          ...assignment.topicPartitions.map(({ topicName }) => topicName),
        ]),
      () => {},
    )
  }
  if (classic.length > 0) {
    await answerInPart(
      calls.askBroker(nodeId, what, (connection) => requests.describeGroups.send(connection, classic, false)),
    ).then(
      ({ groups: answered }) =>
        take(answered, (member) => classicTopics(member.memberMetadata, member.memberAssignment)),
      () => {},
    )
  }
  return counts
}

/** Members of other protocols, Kafka Connect for one, put other things there: those read nothing that is known. */
function classicTopics(metadata: Buffer, assignment: Buffer): string[] {
  const topics: string[] = []
  try {
    if (metadata.length > 0) topics.push(...decodeSubscription(metadata).topics)
    topics.push(...parseAssignment(assignment).map(({ topic }) => topic))
  } catch (error) {
    if (!(error instanceof MqError)) throw error
  }
  return topics
}
