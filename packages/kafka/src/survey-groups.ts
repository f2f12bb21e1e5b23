/**
 * All consumer groups at once: who is in them and how far they got.
 *
 * G1. Coordinators are found in one go and asked for many groups in one request (V3).
 */
import type { AdminCalls } from './admin-calls.ts'
import { type GroupListing, listGroups } from './admin-groups.ts'
import { KafkaCode } from './kafka-errors.ts'
import * as requests from './requests.ts'
import { answerInPart, partsOf, SurveyAnswers, type Surveyed } from './survey-answers.ts'

export interface SurveyedGroup extends GroupListing {
  /** Null where it may not be looked into. */
  readonly members: number | null
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
      answers.found.set(group.groupId, {
        ...group,
        members: members.get(group.groupId)?.count ?? null,
        assignor: members.get(group.groupId)?.assignor ?? null,
        committed,
      })
    }
  } catch (error) {
    answers.fail(
      groups.map(({ groupId }) => groupId),
      error,
      calls.context(what),
    )
  }
}

interface Membership {
  readonly count: number
  readonly assignor: string | null
}

interface DescribedGroup {
  readonly groupId: string
  readonly errorCode: number
  readonly members: readonly unknown[]
  /** Of classic groups. */
  readonly protocolData?: string
}

/** How many members each group has; none for a group that may not be described. */
async function membersOf(
  calls: AdminCalls,
  nodeId: number,
  groups: readonly GroupListing[],
): Promise<Map<string, Membership>> {
  const counts = new Map<string, Membership>()
  for (const { groupId, state } of groups) if (state === 'Empty') counts.set(groupId, { count: 0, assignor: null })
  const open = groups.filter(({ groupId }) => !counts.has(groupId))
  const take = (answered: readonly DescribedGroup[]): void => {
    for (const { groupId, errorCode, members, protocolData } of answered) {
      if (errorCode === 0) counts.set(groupId, { count: members.length, assignor: protocolData || null })
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
      ({ groups: answered }) => take(answered),
      () => {},
    )
  }
  if (classic.length > 0) {
    await answerInPart(
      calls.askBroker(nodeId, what, (connection) => requests.describeGroups.send(connection, classic, false)),
    ).then(
      ({ groups: answered }) => take(answered),
      () => {},
    )
  }
  return counts
}
