/**
 * Which errors end what reads or writes for good, and which are waited out. This table is the only place where that is decided.
 *
 * Z1. Final is what neither time nor anybody elsewhere can mend while this process runs: a wrong call, a defect, an end of our own, a
 *     name that Kafka refuses, a place in the group that somebody else has taken on purpose. Everything else is tried again with
 *     pauses that grow, for ever, and is said: rights are granted again, passwords put right, topics made again, brokers upgraded.
 * Z2. An error that Kafka names is judged by its Kafka code first, then by the code it has in mQ's catalogue.
 * Z3. What is tried again is said at once when a person has to act (`person`), and only when it lasts when it mends by itself.
 * Z4. It makes no difference which request met the error: to find the coordinator, join, sync, heartbeat, commit, read positions, list
 *     offsets, fetch or ask for metadata. A producer never ends: what it is refused (a batch, a producer id, a version) fails the sends
 *     that wait for it, when it does not mend itself, and the next send asks again.
 */
import type { MqError, MqErrorCode } from '@mq/contract'
import { KafkaCode, kafkaCodeOf } from './kafka-errors.ts'

export interface Fate {
  /** Ends it; else it is tried again. */
  readonly isFinal: boolean
  /** Who mends it when it is tried again. */
  readonly by: 'time' | 'person'
  readonly reason: string
}

const final = (reason: string): Fate => ({ isFinal: true, by: 'person', reason })
const person = (reason: string): Fate => ({ isFinal: false, by: 'person', reason })
const time = (reason: string): Fate => ({ isFinal: false, by: 'time', reason })

/** By Kafka's code, where it says more than the code of the catalogue. */
export const FATE_BY_KAFKA_CODE: ReadonlyMap<number, Fate> = new Map([
  [KafkaCode.INVALID_GROUP_ID, final('Kafka does not take the name of the group, now or later')],
  [
    KafkaCode.FENCED_INSTANCE_ID,
    final('another process took the same member name; to come back would put it out in turn'),
  ],
  [
    KafkaCode.INCONSISTENT_GROUP_PROTOCOL,
    person('members of the group assign in another way; it passes when they leave'),
  ],
  [KafkaCode.INVALID_SESSION_TIMEOUT, person('the limits of the brokers can be changed while they run')],
  [KafkaCode.GROUP_MAX_SIZE_REACHED, person('it passes when members leave or the limit is raised')],
  [KafkaCode.UNRELEASED_INSTANCE_ID, time('the session of the member before ends by itself')],
  [KafkaCode.GROUP_ID_NOT_FOUND, time('the group comes to be when it is joined again')],
])

/** By the code of the catalogue; a code that is not here is waited for as for a person. */
export const FATE_BY_CODE: ReadonlyMap<MqErrorCode, Fate> = new Map([
  ['MQ_CLOSED', final('it was closed here')],
  ['MQ_OPTION_INVALID', final('the call itself is wrong, and stays so')],
  ['MQ_INTERNAL', final('a defect of mQ: to repeat it would hide it')],
  ['MQ_KAFKA_FORBIDDEN', person('rights are granted while clients run')],
  ['MQ_KAFKA_AUTH_FAILED', person('passwords and tokens are changed on both sides, and not at the same moment')],
  ['MQ_KAFKA_TLS_FAILED', person('certificates are replaced while clients run')],
  ['MQ_KAFKA_VERSION', person('brokers are upgraded, and one of several may be older than the others')],
  ['MQ_KAFKA_REFUSED', person('a policy or setting of the cluster refused it, and can be changed')],
  ['MQ_TOPIC_MISSING', person('the topic can be created again; when its mQ ID is deleted the binding says so')],
  ['MQ_TOPIC_RECREATED', time('positions of the old topic are left behind, and the new one is read')],
  ['MQ_GROUP_FAILED', person('the reason lies in the group or in settings of the brokers')],
  ['MQ_GROUP_FENCED', time('the member joins again')],
  ['MQ_OFFSET_LOST', time('reading goes on at what is left')],
  ['MQ_KAFKA_UNREACHABLE', time('brokers come back')],
  ['MQ_KAFKA_TIMEOUT', time('brokers answer again')],
  ['MQ_KAFKA_UNAVAILABLE', time('leaders are elected, coordinators load')],
  ['MQ_PROTOCOL_VIOLATION', time('whatever answers at the address is put right')],
  ['MQ_PRODUCER_FENCED', time('another producer id is asked for')],
])

const UNKNOWN = person('nothing is known of it that would say that it stays')

export function fateOf(error: MqError): Fate {
  const code = kafkaCodeOf(error)
  return (code === undefined ? undefined : FATE_BY_KAFKA_CODE.get(code)) ?? FATE_BY_CODE.get(error.code) ?? UNKNOWN
}

/** Whether there is no going on after it. */
export const isFinal = (error: MqError): boolean => fateOf(error).isFinal
