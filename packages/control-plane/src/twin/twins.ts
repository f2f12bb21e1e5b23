/**
 * Workload twins of this control plane: asked for by people, or begun by themselves when a workload drifted.
 *
 * S1. One at a time: a twin shares machine and cluster with real work.
 * S2. By itself a twin is begun only where policy lets mQ act and the switch is on, for a workload that became another one, at most
 *     one every `restMs` for an mQ ID, and only where its cost is worth the trouble.
 * S3. What a twin leaves behind on a cluster is removed at its end, and at the start of the next process (`sweep`).
 * S4. A twin that fails says why and changes nothing.
 */
import { type ClusterAddress, MqError, type Twin, type TwinRequest } from '@mq/contract'
import { type ClusterModel, type Configuration, candidateOf, optimise, type Workload } from '@mq/economics'
import { Admin, type Cluster, type Deps, sleep } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { ActiveId } from '../registry/records.ts'
import { every, measured, type OnRound } from '../rounds.ts'
import type { Entry } from '../store/ports/journal.ts'
import { requestIdOf } from '../store/request-scope.ts'
import type { TrafficProfile } from '../telemetry/profile.ts'
import { type CalibrationRun, calibrate } from './calibrate.ts'
import { type Calibrations, disagreement, MOST_APART } from './calibrations.ts'
import { driftOf, markOf, type WorkloadMark } from './drift.ts'
import { rank } from './ranking.ts'
import { runTwin, sweepTwins, TWIN_LIMITS, TWIN_TOPIC_PREFIX, type TwinCandidate, type TwinRound } from './run-twin.ts'
import { payloadOf } from './traffic.ts'
import { isTwinOver, type TwinRecord } from './twin-record.ts'
import type { TwinWriter } from './twin-writer.ts'

export interface TwinTimes {
  /** Between two looks for drift. */
  readonly lookMs: number
  /** Between two twins of one mQ ID that begin by themselves. */
  readonly restMs: number
  /** Below this a twin by itself is not worth the trouble. */
  readonly leastUsdPerMonth: number
}

export const usualTwinTimes: TwinTimes = { lookMs: 60_000, restMs: 6 * 3_600_000, leastUsdPerMonth: 20 }

export interface TwinsOptions {
  readonly writer: TwinWriter
  readonly calibrations: Calibrations
  readonly deps: Deps
  readonly logger: Logger
  readonly times: TwinTimes
  readonly onLoop?: OnRound
  readonly active: (mqId: string) => ActiveId | undefined
  readonly ids: () => readonly string[]
  readonly profile: (mqId: string) => TrafficProfile | null
  readonly workload: (profile: TrafficProfile, active: ActiveId) => Workload
  readonly configuration: (active: ActiveId) => Configuration
  readonly clusterModel: (name: string) => ClusterModel | undefined
  readonly addresses: () => readonly ClusterAddress[]
  readonly openCluster: (address: ClusterAddress) => Cluster
  /** Whether mQ may begin something for the mQ ID without being asked (S2). */
  readonly mayBegin: (mqId: string) => boolean
}

/** Everything a twin of an mQ ID is made from. */
interface Subject {
  readonly active: ActiveId
  readonly profile: TrafficProfile
  readonly configuration: Configuration
  readonly cluster: ClusterModel
  readonly address: ClusterAddress
  readonly workload: Workload
}

interface UnderWay {
  readonly number: number
  record: TwinRecord
  readonly stop: AbortController
  readonly ended: Promise<void>
  /** Whoever asked first for it to end. */
  cancelledBy?: Pick<Entry, 'actor' | 'requestId'>
}

const LEAST_RECORDS = 100
/** mQ IDs that are held against what they were in one look; the others have their turn in the next. */
const LOOKED_AT_ONCE = 500
const WARM_MS = 1_000
/** Between two attempts to find the payload: the process has other things to do. */
const PAUSE_MS = 1

export class Twins {
  readonly #options: TwinsOptions
  #underWay: UnderWay | undefined
  /** What each mQ ID was like when it was last tried, or first seen. */
  readonly #marks = new Map<string, { readonly mark: WorkloadMark; readonly atMs: number | null }>()
  readonly #swept = new Set<string>()
  #next = -1
  #sweeping: Promise<void> = Promise.resolve()
  #stopLooking: (() => Promise<void>) | undefined
  #closed = false

  constructor(options: TwinsOptions) {
    this.#options = options
  }

  /** Sweeps what an earlier process left, and begins to look for drift. */
  start(): void {
    const { deps, logger, times } = this.#options
    this.#sweeping = this.sweep()
    this.#stopLooking = every(
      deps,
      () => times.lookMs,
      measured(deps, 'twins', this.#options.onLoop, async () => {
        await this.sweep()
        await this.look()
      }),
      (error) => logger.warn(errorFacts(error), 'looking for drifted workloads failed'),
    )
  }

  /** @throws MqError MQ_ID_UNKNOWN, MQ_TWIN_UNDER_WAY, MQ_TRAFFIC_UNKNOWN */
  async begin(mqId: string, request: TwinRequest, actor: string, why: string): Promise<Twin> {
    const { writer, deps } = this.#options
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
    // What is wrong with the question is said first: waiting for another one would not mend it.
    const subject = this.#subject(mqId)
    const busy = this.#underWay
    if (busy !== undefined) {
      throw new MqError(
        'MQ_TWIN_UNDER_WAY',
        `workload twin ${busy.number} of '${busy.record.twin.mqId}' is running; one runs at a time`,
        { details: { number: busy.number } },
      )
    }
    const record = await writer.add({
      mqId,
      cluster: subject.configuration.cluster,
      state: 'preparing',
      why,
      actor,
      request,
      done: 0,
      of: 0,
      ranking: [],
      assumptions: [],
      calibrated: false,
      problem: null,
      startedAtMs: deps.clock.nowMs(),
      endedAtMs: null,
    })
    const stop = new AbortController()
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const underWay: UnderWay = { number: record.twin.number, record, stop, ended }
    this.#underWay = underWay
    void this.#run(underWay, subject).finally(() => {
      this.#underWay = undefined
      resolve()
    })
    return record.twin
  }

  async get(number: number): Promise<Twin> {
    if (this.#underWay?.number === number) return this.#underWay.record.twin
    return (await this.#options.writer.find(number)).twin
  }

  async list(filter: {
    readonly mqId?: string | undefined
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<Twin[]> {
    return (await this.#options.writer.list(filter)).map(({ twin }) =>
      this.#underWay?.number === twin.number ? this.#underWay.record.twin : twin,
    )
  }

  /** Ends it; of one that is over nothing changes. */
  async cancel(number: number, actor: string): Promise<Twin> {
    const underWay = this.#underWay
    if (underWay?.number === number) {
      underWay.cancelledBy ??= { actor, requestId: requestIdOf(actor) }
      underWay.stop.abort(new MqError('MQ_CLOSED', 'it was cancelled'))
      await underWay.ended
    }
    return await this.get(number)
  }

  /** Begins a twin where a workload drifted (S2). */
  async look(): Promise<void> {
    const { deps, ids, times, mayBegin, logger } = this.#options
    const all = ids()
    const turn = Math.min(all.length, LOOKED_AT_ONCE)
    for (let n = 0; n < turn; n++) {
      if (this.#closed || this.#underWay !== undefined) return
      this.#next = (this.#next + 1) % all.length
      const mqId = all[this.#next]!
      const known = await this.#known(mqId)
      if (known === undefined || !mayBegin(mqId)) continue
      const { mark, workload, usdPerMonth, atMs } = known
      if (usdPerMonth < times.leastUsdPerMonth) continue
      if (atMs !== null && deps.clock.nowMs() - atMs < times.restMs) continue
      const why = driftOf(mark, workload)
      if (why === null) continue
      logger.info({ mqId, why }, 'the workload drifted')
      await this.begin(mqId, { top: 5, seconds: 5, rounds: 2 }, 'mq', why)
    }
  }

  /** Removes shadow topics of this store's twins that no twin is using, on every cluster that was not swept yet (S3). */
  async sweep(): Promise<void> {
    const { addresses, openCluster, logger, writer } = this.#options
    for (const address of addresses()) {
      if (this.#closed || this.#swept.has(address.name)) continue
      const cluster = openCluster(address)
      try {
        const running =
          this.#underWay === undefined ? undefined : `${TWIN_TOPIC_PREFIX}${this.#name(this.#underWay.number)}.`
        const left = await sweepTwins(cluster, new Admin(cluster), `${TWIN_TOPIC_PREFIX}${writer.tag}.`, running)
        this.#swept.add(address.name)
        if (left.length > 0) logger.info({ cluster: address.name, topics: left.length }, 'swept shadow topics')
      } catch (error) {
        logger.debug({ cluster: address.name, ...errorFacts(error) }, 'shadow topics were not swept yet')
      } finally {
        await cluster.close()
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#stopLooking?.(), this.#sweeping])
    const underWay = this.#underWay
    if (underWay === undefined) return
    underWay.stop.abort(new MqError('MQ_CLOSED', 'the control plane is closing'))
    await underWay.ended
  }

  #name(number: number): string {
    return `${this.#options.writer.tag}.${number}`
  }

  #subject(mqId: string): Subject {
    const { active: activeOf, profile: profileOf, configuration, clusterModel, workload, addresses } = this.#options
    const active = activeOf(mqId)
    if (active === undefined) throw new MqError('MQ_ID_UNKNOWN', `there is no mQ ID '${mqId}'`)
    const profile = profileOf(mqId)
    if (profile === null || profile.records < LEAST_RECORDS) {
      throw new MqError(
        'MQ_TRAFFIC_UNKNOWN',
        `'${mqId}' sent ${profile?.records ?? 0} records that were reported; a twin needs ${LEAST_RECORDS} to resemble them`,
        { details: { mqId, records: profile?.records ?? 0 } },
      )
    }
    const now = configuration(active)
    const cluster = clusterModel(now.cluster)
    const address = addresses().find(({ name }) => name === now.cluster)
    if (cluster === undefined || address === undefined) {
      throw new MqError('MQ_CLUSTER_UNKNOWN', `'${mqId}' is on cluster '${now.cluster}', which is not registered`)
    }
    return { active, profile, configuration: now, cluster, address, workload: workload(profile, active) }
  }

  async #run(underWay: UnderWay, subject: Subject): Promise<void> {
    const { writer, calibrations, deps, logger } = this.#options
    const { signal } = underWay.stop
    const { active, profile, cluster, workload, address, configuration: current } = subject
    const change = (parts: Partial<Twin>): void => {
      underWay.record = { ...underWay.record, twin: { ...underWay.record.twin, ...parts } }
    }
    const mark = markOf(workload)
    underWay.record = { ...underWay.record, mark }
    this.#marks.set(active.id, { mark, atMs: deps.clock.nowMs() })
    const { request } = underWay.record.twin
    let open: Cluster | undefined
    try {
      const optimum = optimise({
        workload,
        intent: active.spec.intent,
        current,
        clusters: [cluster],
        // Whoever asks for a twin need not wait until there is enough to change something.
        evidence: { minMs: 1, minRecords: LEAST_RECORDS },
      })
      const tried = distinct([
        current,
        ...[optimum.best, ...optimum.runnersUp].map((one) => one.configuration).slice(0, request.top),
      ])
      const { messages, error } = await payloadOf(profile, Math.floor(deps.random() * 2 ** 31), async () => {
        await sleep(deps, PAUSE_MS, signal)
      })
      open = this.#options.openCluster(address)
      const candidates = [...tried, promptOf(current)].map((configuration) => triedWith(configuration, active))
      change({ state: 'running', of: candidates.length * request.rounds })
      await writer.save(underWay.record)
      const outcome = await runTwin({
        cluster: open,
        admin: new Admin(open),
        name: this.#name(underWay.number),
        messages,
        recordsPerSecond: workload.recordsPerSecond / workload.producers,
        partitions: current.partitions,
        replication: current.replication,
        candidates,
        rounds: request.rounds,
        warmMs: WARM_MS,
        windowMs: request.seconds * 1_000,
        limits: TWIN_LIMITS,
        seed: Math.floor(deps.random() * 2 ** 31),
        deps,
        signal,
        onProgress: (done, of) => change({ done, of }),
      })
      const seen = outcome.results.filter(({ sent, heard }) => sent.records > 0 && heard.samples > 0)
      const measured = seen.map(({ candidate, sent, heard }) => ({
        configuration: candidate.configuration,
        sent,
        heard,
      }))
      // The last one is there to measure the way to the broker and back.
      const ranked = measured.filter(({ configuration }) => tried.includes(configuration))
      const ranking = rank({ workload, intent: active.spec.intent, cluster, current, measured: ranked })
      const runOf = (configuration: Configuration, { sent, heard }: TwinRound): CalibrationRun => ({
        configuration,
        framedBytes: workload.framedBytes,
        curve: null,
        sent,
        heard,
        senderCpuUs: null,
        readerCpuUs: null,
        brokerCpuUs: null,
      })
      const calibration = calibrate(seen.map((one) => runOf(one.candidate.configuration, one)))
      const apart = disagreement(
        Array.from({ length: request.rounds }, (_, round) =>
          calibrate(
            seen.flatMap(({ candidate, rounds }) => {
              const one = rounds[round]
              return one === undefined || one.sent.records === 0 || one.heard.samples === 0
                ? []
                : [runOf(candidate.configuration, one)]
            }),
          ),
        ),
      )
      const isKept = apart === null && Object.keys(calibration).length > 0
      if (isKept) await calibrations.add(cluster.name, calibration)
      change({
        state: 'done',
        ranking,
        calibrated: isKept,
        assumptions: [
          ...assumptionsOf(error, workload),
          ...outcome.cut,
          ...(apart === null
            ? []
            : [`the cluster was not calibrated: ${apart}, more than ${MOST_APART} times as long`]),
          ...cluster.assumptions,
        ],
      })
      logger.info({ twin: underWay.number, mqId: active.id, best: ranking[0]?.settings }, 'workload twin done')
    } catch (error) {
      const isStopped = signal.aborted
      change({
        state: isStopped ? 'cancelled' : 'failed',
        problem: error instanceof MqError ? `${error.code}: ${error.message}` : String(error),
      })
      if (!isStopped) logger.warn({ twin: underWay.number, ...errorFacts(error) }, 'workload twin failed')
    } finally {
      await open?.close()
      const endedAtMs = deps.clock.nowMs()
      change({ endedAtMs })
      const { record, cancelledBy } = underWay
      const isCancelled = record.twin.state === 'cancelled' && cancelledBy !== undefined
      await (isCancelled ? writer.saveCancelled(record, cancelledBy, endedAtMs) : writer.save(record)).catch(
        (error: unknown) => logger.error(errorFacts(error), 'the outcome of a twin was lost'),
      )
    }
  }

  /** What drift is held against: the last twin, else what was first seen. */
  async #known(mqId: string) {
    const { active: activeOf, profile: profileOf, workload, configuration, clusterModel, writer } = this.#options
    const active = activeOf(mqId)
    const profile = profileOf(mqId)
    if (active === undefined || profile === null) return undefined
    const cluster = clusterModel(configuration(active).cluster)
    if (cluster === undefined) return undefined
    const now = workload(profile, active)
    let known = this.#marks.get(mqId)
    if (known === undefined) {
      const [last] = await writer.list({ mqId, limit: 1 })
      known =
        last?.mark != null && isTwinOver(last.twin.state)
          ? { mark: last.mark, atMs: last.twin.startedAtMs }
          : { mark: markOf(now), atMs: null }
      this.#marks.set(mqId, known)
    }
    const { cost } = candidateOf(now, configuration(active), cluster)
    return { ...known, workload: now, usdPerMonth: cost.usdPerMonth }
  }
}

interface ConfiguredCandidate extends TwinCandidate {
  readonly configuration: Configuration
}

function triedWith(configuration: Configuration, active: ActiveId): ConfiguredCandidate {
  const { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs } = configuration
  const { codecLevel: _level, ...producer } = active.spec.producer
  return {
    configuration,
    producer: { ...producer, codec, ...(codecLevel === null ? {} : { codecLevel }), lingerMs, batchBytes },
    consumer: { ...active.spec.consumer, fetchMinBytes, fetchMaxWaitMs },
  }
}

/** Sends at once and is answered at once: measures the way, not the batching. */
function promptOf(current: Configuration): Configuration {
  return { ...current, lingerMs: 0, batchBytes: 16_384, fetchMinBytes: 1, fetchMaxWaitMs: 500 }
}

function distinct(configurations: readonly Configuration[]): Configuration[] {
  const keys = new Set<string>()
  return configurations.filter((one) => {
    const key = JSON.stringify([
      one.codec,
      one.codecLevel,
      one.lingerMs,
      one.batchBytes,
      one.fetchMinBytes,
      one.fetchMaxWaitMs,
    ])
    if (keys.has(key)) return false
    keys.add(key)
    return true
  })
}

function assumptionsOf(payloadError: number | null, workload: Workload): string[] {
  const assumptions = [
    payloadError === null
      ? 'no client measured codecs yet: the records are made like JSON events of the same size'
      : `made-up records compress within ${Math.round(payloadError * 100)} % of the real ones on average`,
  ]
  if (workload.producers > 1) assumptions.push(`one of ${workload.producers} producers is simulated`)
  if (workload.groups.length !== 1) assumptions.push(`one reader stands for ${workload.groups.length} groups`)
  return assumptions
}
