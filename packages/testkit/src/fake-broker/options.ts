/** What a fake cluster is made from, and what a test may do to the batches that are sent to it. */
import type { Deps } from '@mq/kafka'
import type { ReferenceBatch } from '../reference-batch.ts'

export type ProduceFault =
  /** Answers with the code; appended before or not. */
  | {
      readonly kind: 'answer'
      readonly code: number
      readonly append?: boolean
      readonly message?: string
      readonly recordErrors?: readonly { readonly index: number; readonly message: string | null }[]
    }
  /** Cuts the connection instead of answering. */
  | { readonly kind: 'cut'; readonly append?: boolean }
  /** Never answers; the connection stays. */
  | { readonly kind: 'silence'; readonly append?: boolean }
  /** Does what is right, late. */
  | { readonly kind: 'delay'; readonly delayMs: number }

export interface ProduceAttempt extends ReferenceBatch {
  readonly topic: string
  readonly partition: number
  /** Batches that came for this partition before, of any fate. */
  readonly index: number
}

export type OnProduce = (attempt: ProduceAttempt) => ProduceFault | undefined

export interface GroupTimes {
  /** How long a classic group that was empty waits for more members. */
  readonly initialDelayMs: number
  /** Of members of the consumer protocol; those of the classic one say their own. */
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
}

export interface FakeApi {
  readonly key: number
  readonly min: number
  readonly max: number
}

/** What a broker answers to ApiVersions. */
export interface FakeSpeech {
  readonly apis: readonly FakeApi[]
  /** Finalised level by name of the feature. */
  readonly features?: Readonly<Record<string, number>>
  /** Answers UNSUPPORTED_VERSION to newer ApiVersions. Default 3. */
  readonly newestApiVersions?: number
  /** Answers ApiVersions with this error, as a proxy does that reaches no broker. */
  readonly apiVersionsError?: number
  /** From version 5 of ApiVersions on, whoever looks for somebody else is told so. */
  readonly identity?: { readonly clusterId: string; readonly nodeId: number }
}

export interface FakeClusterOptions {
  /** Partitions per topic. */
  readonly topics: Readonly<Record<string, number>>
  /** How many brokers it has, 1 when left out. Their ids begin at 1. */
  readonly brokers?: number
  readonly speech?: FakeSpeech
  readonly onProduce?: OnProduce
  readonly ignoresCrc?: boolean
  readonly ignoresValidateOnly?: boolean
  /** Takes batches as other clients write them; else what mQ would not write ends the connection. */
  readonly takesAnyClient?: boolean
  /** Where it says that clients find its first broker; where it is when left out. */
  readonly advertised?: { readonly host: string; readonly port: number }
  /** Kafka's own id of its cluster, `fake` when left out. */
  readonly clusterId?: string
  /** Throttle time of the n-th produce answer, counted from 0. */
  readonly onThrottle?: (index: number) => number
  readonly groupTimes?: Partial<GroupTimes>
  /** The system's when left out. */
  readonly deps?: Pick<Deps, 'clock' | 'timers'>
}
