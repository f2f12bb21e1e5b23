/**
 * The times that records of one topic carry: that of the application, or that of this moment when it gave none.
 *
 * I1. The clock of the brokers counts. What they think of a clock is known from what they refuse: a refusal names the times they take.
 * I2. A record without a time of its own is never refused for its time. While this clock is so wrong that brokers refuse it, such records
 *     carry the time of the brokers; that is said when it begins.
 * I3. A time that the application gave is never changed. One that the brokers are sure to refuse is refused at the call; whether
 *     it is sure is up to two clocks: that of the brokers, or, while that is not known, this one and that of the control plane.
 * I4. Brokers differ by a bit: what is near a limit is left to them, and is far enough from it when it is chosen here.
 */
import { formatDurationMs, MqError, type TimestampLimits } from '@mq/contract'
import type { Deps } from '@mq/contract/timing'
import { type Ahead, BrokerClock } from '../net/broker-clock.ts'

const MARGIN = { share: 1 / 4, mostMs: 60_000 }
/** What Kafka takes ahead of its own clock unless somebody says otherwise. */
const USUAL_AFTER_MS = 3_600_000
/** Times are told by Kafka as `within [from, to]`. */
const RANGE = /\[\s*(-?\d+)\s*,\s*(-?\d+)\s*\]/
const YEAR_2000_MS = 946_684_800_000

/** The times that brokers took at one moment. */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

export interface RecordTimeOptions {
  readonly deps: Deps
  /** What applications call the topic. */
  readonly label: string
  /** Undefined where nobody knows them. */
  readonly limits: TimestampLimits | undefined
  /** That of the brokers of the cluster, for all who send there. */
  readonly brokers?: BrokerClock | undefined
  /** That of the control plane. */
  readonly reference?: BrokerClock | undefined
  /** Times of this clock are corrected from now on. */
  readonly onWrong?: ((ahead: Ahead) => void) | undefined
}

export class RecordTime {
  readonly #deps: Deps
  readonly #label: string
  readonly #brokers: BrokerClock
  readonly #reference: BrokerClock | undefined
  readonly #onWrong: ((ahead: Ahead) => void) | undefined
  #given: TimestampLimits | undefined
  #beforeMs = Number.POSITIVE_INFINITY
  #afterMs = Number.POSITIVE_INFINITY
  /** What the times of this clock are corrected by. */
  #wrong: Ahead | undefined

  constructor(options: RecordTimeOptions) {
    this.#deps = options.deps
    this.#label = options.label
    this.#brokers = options.brokers ?? new BrokerClock()
    this.#reference = options.reference
    this.#onWrong = options.onWrong
    this.limit(options.limits)
  }

  /** How far this clock is ahead of the brokers', while that is too far for them. */
  get wrong(): Ahead | undefined {
    return this.#wrong
  }

  /** The limits of the topic from now on; what refusals taught counts until then. */
  limit(limits: TimestampLimits | undefined): void {
    const given = this.#given
    if (limits === undefined) return
    if (given?.beforeMaxMs === limits.beforeMaxMs && given.afterMaxMs === limits.afterMaxMs) return
    this.#given = limits
    this.#beforeMs = limits.beforeMaxMs ?? Number.POSITIVE_INFINITY
    this.#afterMs = limits.afterMaxMs ?? Number.POSITIVE_INFINITY
  }

  /** The time of a record that has none (I2). Once for many records. */
  now(wallMs: number, monotonicMs: number): number {
    const ahead = this.#brokers.ahead(wallMs, monotonicMs)
    const isWrong = ahead !== undefined && this.#isTooFar(ahead)
    if (isWrong && this.#wrong === undefined) this.#onWrong?.(ahead)
    this.#wrong = isWrong ? ahead : undefined
    return isWrong ? Math.round(wallMs - ahead.ms) : wallMs
  }

  /** Why a time that the application gave is refused at the call, if it is (I3). */
  problemOf(timestampMs: number): MqError | undefined {
    const { clock } = this.#deps
    const wallMs = clock.nowMs()
    const monotonicMs = clock.monotonicMs()
    const ahead = this.#brokers.ahead(wallMs, monotonicMs)
    if (ahead !== undefined) return this.#problemAt(timestampMs, wallMs - ahead.ms, ahead)
    const other = this.#reference?.ahead(wallMs, monotonicMs)
    if (other === undefined || this.#problemAt(timestampMs, wallMs, undefined) === undefined) return undefined
    return this.#problemAt(timestampMs, wallMs - other.ms, undefined)
  }

  /**
   * Brokers refused a time, and said which ones they take (I1).
   * @param text as they put it
   * @param askedMs and answeredMs on the monotonic clock
   * @returns what they take; undefined where they did not say
   */
  refused(text: string | null, askedMs: number, answeredMs: number): TimeRange | undefined {
    const [, from, to] = RANGE.exec(text ?? '') ?? []
    if (from === undefined || to === undefined) return this.#guess(askedMs, answeredMs)
    const fromMs = Number(from)
    // What is without a limit runs over.
    const toMs = Number(to) < fromMs ? Number.POSITIVE_INFINITY : Number(to)
    const range = { fromMs, toMs }
    const theirMs = this.#theirTime(range)
    this.#beforeMs = fromMs < 0 ? Number.POSITIVE_INFINITY : theirMs - fromMs
    this.#afterMs = toMs - theirMs
    this.#brokers.told(theirMs, askedMs, answeredMs, this.#deps.clock.nowMs())
    return range
  }

  /** The nearest to a time of this clock, taken before now, that the brokers take. */
  fit(timestampMs: number, { fromMs, toMs }: TimeRange): number {
    const { clock } = this.#deps
    const wallMs = clock.nowMs()
    const ahead = this.#brokers.ahead(wallMs, clock.monotonicMs())
    const theirMs = wallMs - (ahead?.ms ?? 0)
    const corrected = timestampMs - (ahead !== undefined && this.#isTooFar(ahead) ? ahead.ms : 0)
    const isTaken = corrected >= fromMs + marginOf(this.#beforeMs) && corrected <= toMs - marginOf(this.#afterMs)
    return Math.round(isTaken ? corrected : theirMs)
  }

  /** What is told of a time that the brokers refused. */
  refusal(timestampMs: number): MqError {
    const { clock } = this.#deps
    const wallMs = clock.nowMs()
    const ahead = this.#brokers.ahead(wallMs, clock.monotonicMs())
    return this.#error(timestampMs, wallMs - (ahead?.ms ?? 0), ahead)
  }

  /** Whether brokers refuse, or nearly, what is of this moment by this clock. */
  #isTooFar({ ms, boundMs }: Ahead): boolean {
    return (
      ms + boundMs > this.#afterMs - marginOf(this.#afterMs) || boundMs - ms > this.#beforeMs - marginOf(this.#beforeMs)
    )
  }

  /** Brokers that do not say what they take: the control plane may know that this clock is wrong. */
  #guess(askedMs: number, answeredMs: number): TimeRange | undefined {
    const wallMs = this.#deps.clock.nowMs()
    const ahead = this.#reference?.ahead(wallMs, answeredMs)
    if (ahead === undefined || Math.abs(ahead.ms) <= MARGIN.mostMs) return undefined
    const theirMs = wallMs - ahead.ms
    if (ahead.ms > 0) this.#afterMs = Math.min(this.#afterMs, ahead.ms)
    else this.#beforeMs = Math.min(this.#beforeMs, -ahead.ms)
    this.#brokers.told(theirMs, askedMs, answeredMs, wallMs)
    return { fromMs: theirMs - this.#beforeMs, toMs: theirMs + this.#afterMs }
  }

  #theirTime({ fromMs, toMs }: TimeRange): number {
    const before = this.#given?.beforeMaxMs ?? null
    const after = this.#given?.afterMaxMs ?? null
    if (before !== null && fromMs >= 0 && (after === null || toMs - fromMs === before + after)) return fromMs + before
    if (after !== null && (fromMs < 0 || before === null)) return toMs - after
    if (fromMs < 0) return toMs === Number.POSITIVE_INFINITY ? this.#deps.clock.nowMs() : toMs - USUAL_AFTER_MS
    if (toMs === Number.POSITIVE_INFINITY) return Math.max(fromMs, this.#deps.clock.nowMs())
    return toMs - Math.min(USUAL_AFTER_MS, (toMs - fromMs) / 2)
  }

  #problemAt(timestampMs: number, nowMs: number, ahead: Ahead | undefined): MqError | undefined {
    const boundMs = ahead?.boundMs ?? 0
    const isTooOld = timestampMs < nowMs - this.#beforeMs - marginOf(this.#beforeMs) - boundMs
    const isTooNew = timestampMs > nowMs + this.#afterMs + marginOf(this.#afterMs) + boundMs
    return isTooOld || isTooNew ? this.#error(timestampMs, nowMs, ahead) : undefined
  }

  #error(timestampMs: number, nowMs: number, ahead: Ahead | undefined): MqError {
    const isOld = timestampMs < nowMs
    const limitMs = isOld ? this.#beforeMs : this.#afterMs
    const far = roughly(Math.abs(timestampMs - nowMs))
    const most = Number.isFinite(limitMs) ? `, and at most ${roughly(limitMs)} is taken` : ''
    const hint = timestampMs < YEAR_2000_MS && timestampMs * 1_000 > YEAR_2000_MS ? '; it looks like seconds' : ''
    const isWrong = ahead !== undefined && Math.abs(ahead.ms) > MARGIN.mostMs
    const clocks = isWrong ? `; the clock of this host is ${aheadOf(ahead.ms)} that of the brokers` : ''
    const when = Math.abs(timestampMs) <= 8.64e15 ? ` (${new Date(timestampMs).toISOString()})` : ''
    return new MqError(
      'MQ_TIMESTAMP_REFUSED',
      `1 message for ${this.#label} not stored: timestampMs ${timestampMs}${when} is ${far} ${isOld ? 'before' : 'ahead of'} now${most}${hint}${clocks}`,
      {
        details: {
          records: 1,
          timestampMs,
          brokersNowMs: Math.round(nowMs),
          ...(Number.isFinite(limitMs) ? { limitMs: Math.round(limitMs) } : {}),
          ...(ahead === undefined ? {} : { clockAheadMs: Math.round(ahead.ms) }),
          maybeStored: false,
        },
      },
    )
  }
}

/** `61 min ahead of`, `20 min behind`. */
export function aheadOf(ms: number): string {
  return `${roughly(Math.abs(ms))} ${ms < 0 ? 'behind' : 'ahead of'}`
}

function marginOf(limitMs: number): number {
  return Number.isFinite(limitMs) ? Math.min(MARGIN.mostMs, limitMs * MARGIN.share) : 0
}

/** To two digits or so. */
function roughly(ms: number): string {
  for (const [unit, sizeMs] of UNITS) if (ms >= 1.95 * sizeMs) return `${Math.round(ms / sizeMs)} ${unit}`
  return formatDurationMs(Math.round(ms))
}

const UNITS = [
  ['days', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const
