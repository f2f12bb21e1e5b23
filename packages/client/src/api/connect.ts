/**
 * The way in: checks the options, finds the control plane or a cache, and puts the parts together.
 *
 * N1. With the control plane away, `connect` succeeds when anything is cached for this (URL, application); with nothing cached it
 *     rejects with MQ_CONTROL_PLANE_AWAY within 5 seconds.
 * N2. A wrong token or a server that is not mQ is said at once, whatever is cached.
 * N3. No broker is needed to connect: sends wait for it, bounded by their deadline and the buffer.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { MqError, Name } from '@mq/contract'
import { backoffMs, CodecProbeThread, MemoryBudget, pause, systemDeps } from '@mq/kafka'
import type { ClusterCredentials, Deps } from '@mq/kafka/types'
import { type FieldsFirstLogger, type Logger, loggerOf } from '../base/logger.ts'
import { checkOptions, type OptionNames } from '../base/options.ts'
import { BindingCache, defaultCacheDir } from '../bindings/cache.ts'
import { ControlPlaneClient, type Fetch } from '../bindings/control-plane-client.ts'
import { BindingSource } from '../bindings/source.ts'
import { BindingStore } from '../bindings/store.ts'
import { ClusterPool } from '../epochs/cluster-pool.ts'
import { kafkaSealPort, SealProver } from '../epochs/seal-prover.ts'
import { Shadow } from '../telemetry/shadow.ts'
import { Telemetry } from '../telemetry/telemetry.ts'
import { chosenOpenTelemetry } from '../tracing/open-telemetry.ts'
import { TracedMq } from '../tracing/traced-mq.ts'
import { VERSION } from '../version.ts'
import { MqClient } from './mq.ts'
import type { MqConnection } from './types.ts'

const CONNECT_MS = 5_000
const CONNECT_WITH_CACHE_MS = 2_000
const RETRY = { baseMs: 100, maxMs: 1_000 }

export interface ConnectOptions {
  /** The control plane, such as `http://127.0.0.1:7070`; `MQ_URL` when left out. */
  readonly url?: string
  /** The name of this application; `MQ_APP` when left out. */
  readonly app?: string
  /** The control plane's token, when it asks for one; `MQ_TOKEN` when left out. */
  readonly token?: string
  /** How long to wait for a control plane that comes later, when nothing is cached (5 seconds). */
  readonly waitMs?: number
  /** Where bindings are kept for a start without the control plane; `null` keeps none. `~/.cache/mq` when left out. */
  readonly cacheDir?: string | null
  /** Memory for records not yet acknowledged, over all mQ IDs (64 MiB). */
  readonly maxBufferBytes?: number
  /** Until when a send must be acknowledged (2 minutes). */
  readonly sendDeadlineMs?: number
  /** How to authenticate to Kafka clusters, by their names. */
  readonly credentials?: Readonly<Record<string, ClusterCredentials>>
  /** The availability zone this process runs in, by its id; `MQ_ZONE` when left out. */
  readonly zone?: string
  /**
   * Whether to measure now and then, on another thread and with at most 1 % of one core, what other codecs would make of what is
   * sent (true). Records never leave the process.
   */
  readonly measureCodecs?: boolean
  /**
   * Whether sends and handlers are spans and metrics of OpenTelemetry. When left out: when `@opentelemetry/api` is installed and an SDK is
   * registered before `connect`. `true` wants the API to be there; `false` turns it off.
   */
  readonly openTelemetry?: boolean
  /** Gives up connecting when it fires. */
  readonly signal?: AbortSignal
  /** The console's order of arguments, or pino's. */
  readonly logger?: Logger | FieldsFirstLogger
  readonly deps?: Deps
  readonly fetch?: Fetch
}

const CONNECT_OPTIONS: OptionNames<ConnectOptions> = {
  url: true,
  app: true,
  token: true,
  waitMs: true,
  cacheDir: true,
  maxBufferBytes: true,
  sendDeadlineMs: true,
  credentials: true,
  zone: true,
  measureCodecs: true,
  openTelemetry: true,
  signal: true,
  logger: true,
  deps: true,
  fetch: true,
}

const HOW = "connect({ url: 'http://127.0.0.1:7070', app: 'checkout' })"

/** Options that are left out are taken from `MQ_URL`, `MQ_APP`, `MQ_TOKEN` and `MQ_ZONE`. */
export async function connect(options: ConnectOptions = {}): Promise<MqConnection> {
  checkOptions('connect', options, CONNECT_OPTIONS)
  const { env } = process
  const [givenUrl, app] = [options.url ?? env.MQ_URL, options.app ?? env.MQ_APP]
  if (givenUrl === undefined || givenUrl === '') {
    throw new MqError('MQ_OPTION_INVALID', `url is missing, the control plane, and MQ_URL is not set: ${HOW}`)
  }
  const url = checkedUrl(givenUrl)
  if (app === undefined || app === '') {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `app is missing, the name of this application, and MQ_APP is not set: ${HOW}`,
    )
  }
  if (!Name.safeParse(app).success) {
    throw new MqError('MQ_NAME_INVALID', `'${String(app).slice(0, 200)}' is not a name for an application`)
  }
  const maxBufferBytes = checkedNumber('maxBufferBytes', options.maxBufferBytes ?? 64 * 1_048_576, 65_536, 2 ** 40)
  const sendDeadlineMs = checkedNumber('sendDeadlineMs', options.sendDeadlineMs ?? 120_000, 1, 24 * 3_600_000)
  const zone = checkedZone(options.zone ?? env.MQ_ZONE)
  const waitMs = checkedNumber('waitMs', options.waitMs ?? CONNECT_MS, 0, 24 * 3_600_000)
  const { deps = systemDeps, signal } = options
  const openTelemetry = await chosenOpenTelemetry(options.openTelemetry)
  const logger = loggerOf(options.logger)
  const instance = randomUUID()
  const cache =
    options.cacheDir === null
      ? undefined
      : new BindingCache({ dir: options.cacheDir ?? defaultCacheDir(), url, app, logger })
  const clusters = new ClusterPool({ clientId: app, credentials: options.credentials ?? {}, deps, logger })
  const store = new BindingStore(logger, (binding, origin) => {
    clusters.follow(binding)
    prover.look(binding)
    if (origin !== 'cache') void cache?.save(binding)
  })
  const client = new ControlPlaneClient({
    url,
    app,
    instance,
    token: options.token ?? (env.MQ_TOKEN === '' ? undefined : env.MQ_TOKEN),
    deps,
    onTime: (theirMs, askedMs, answeredMs) =>
      clusters.clocks.reference.told(theirMs, askedMs, answeredMs, deps.clock.nowMs()),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  })
  const source = new BindingSource({ client, store, cache, deps, logger })
  const isHeard = (mqId: string): boolean => source.isHeard(mqId)
  const prover = new SealProver({ store, port: kafkaSealPort(clusters), deps, logger, isHeard })
  const telemetryMs = await reach(client, cache, deps, logger, waitMs, signal)
  const mq = new MqClient({
    app,
    instance,
    shadow: options.measureCodecs === false ? undefined : new Shadow({ deps, openProbe: () => new CodecProbeThread() }),
    store,
    cache,
    deps,
    logger,
    sendDeadlineMs,
    source,
    prover,
    controlPlane: client,
    clusters,
    budget: new MemoryBudget(maxBufferBytes),
    telemetry: new Telemetry({
      app,
      instance,
      version: VERSION,
      zone,
      host: hostOf(),
      ...(telemetryMs === undefined ? {} : { intervalMs: telemetryMs }),
      store,
      deps,
      send: (report, limitMs) => client.report(report, limitMs),
    }),
  })
  if (openTelemetry === undefined) return mq
  return new TracedMq(mq, openTelemetry, app, () => deps.clock.monotonicMs())
}

/** Makes sure that bindings can be had from somewhere (N1, N2). @returns how often telemetry is wanted, if that was said */
async function reach(
  client: ControlPlaneClient,
  cache: BindingCache | undefined,
  deps: Deps,
  logger: Logger,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const cached = (await cache?.hasAny()) === true
  const limitMs = cached ? CONNECT_WITH_CACHE_MS : waitMs
  const endMs = deps.clock.monotonicMs() + limitMs
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted()
    try {
      return (await client.info(Math.max(1, endMs - deps.clock.monotonicMs()), signal)).telemetryMs
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof MqError) || !error.retryable) throw error
      if (cached) {
        logger.warn(`Starting from cached bindings: ${error.message}`, { code: error.code })
        return undefined
      }
      const pauseMs = backoffMs(failures, deps.random, RETRY, 'full')
      if (deps.clock.monotonicMs() + pauseMs >= endMs) {
        throw new MqError('MQ_CONTROL_PLANE_AWAY', `${error.message}; nothing is cached for this application`, {
          cause: error,
        })
      }
      await pause(deps, pauseMs, signal)
    }
  }
}

function checkedUrl(url: unknown): string {
  let parsed: URL | undefined
  try {
    parsed = new URL(String(url))
  } catch {
    // Said below, with the wrong schemes.
  }
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `url is '${String(url).slice(0, 200)}', not an address such as http://127.0.0.1:7070`,
    )
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new MqError('MQ_OPTION_INVALID', 'url holds a user or password: pass the token option instead')
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, '')
}

/** As far as the system tells. */
function hostOf(): string | undefined {
  const name = hostname()
  return name.length > 0 && name.length <= 255 ? name : undefined
}

function checkedZone(zone: unknown): string | undefined {
  if (zone === undefined || zone === '') return undefined
  if (typeof zone === 'string' && zone.length <= 100) return zone
  throw new MqError(
    'MQ_OPTION_INVALID',
    `zone is ${typeof zone === 'string' ? `${zone.length} characters long` : `of type ${typeof zone}`}, not a name of at most 100 characters`,
  )
}

function checkedNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return Math.floor(value)
  throw new MqError('MQ_OPTION_INVALID', `${name} is ${String(value)}, not a number from ${min} to ${max}`)
}
