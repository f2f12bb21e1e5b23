/**
 * The checks of `mq doctor`.
 *
 * G1. A check never throws and never takes longer than a few seconds: what it cannot find out is a warning that says so.
 * G2. `fail` is for what stops mQ from working here or can lose records; what only stops a local Kafka is a warning.
 */
import { statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { ApiClient } from '@mq/api-client'
import {
  type ClusterView,
  catalogue,
  type DriftedTopic,
  MqError,
  type MqErrorCode,
  nodeProblem,
  OLDEST_NODE,
} from '@mq/contract'
import { cacheFolder, findJava, findMaven, isFree, isKafkaInstalled, KAFKA_VERSION } from '@mq/local'
import { contextFileIsExposed, contextFilePath, resolveTarget, type Target, type TargetFlags } from './contexts.ts'
import { commandName, type Io } from './io.ts'
import { formatBytes, formatMs } from './units.ts'
import { VERSION } from './version.ts'

export interface Diagnosis {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do; null when there is nothing to do. */
  readonly action: string | null
}

const LEAST_FREE_BYTES = 2 * 1_024 ** 3
const REACH_MS = 5_000
const CLOCK_TOLERANCE_MS = 2_000
const DEV_PORT = 7_070
const WHERE_APPLICATIONS_RUN = 'It matters where applications run: look from there, too'

export async function diagnose(io: Io, flags: TargetFlags): Promise<Diagnosis[]> {
  const [java, disk, plane] = await Promise.all([checkJava(), checkDisk(io.cwd), checkControlPlane(io, flags)])
  const node = checkNode(process.versions.node)
  return [node, java, checkMaven(), checkKafka(), disk, checkContextFile(io), ...plane]
}

const ok = (name: string, message: string): Diagnosis => ({ name, status: 'ok', message, action: null })
const warn = (name: string, message: string, action: string): Diagnosis => ({ name, status: 'warn', message, action })
const fail = (name: string, message: string, action: string): Diagnosis => ({ name, status: 'fail', message, action })

export function checkNode(version: string): Diagnosis {
  if (nodeProblem(version) === undefined) return ok('Node', `${version}; mQ ${VERSION}`)
  return fail('Node', `${version} is too old`, `Install Node ${OLDEST_NODE.join('.')} or newer`)
}

async function checkJava(): Promise<Diagnosis> {
  try {
    const { version, path } = await findJava()
    return ok('Java', `${version} (${path})`)
  } catch (error) {
    return warn('Java', messageOf(error), `Needed only for a local Kafka. ${actionOf(error)}`)
  }
}

function checkMaven(): Diagnosis {
  if (isKafkaInstalled()) return ok('Maven', 'not needed any more: Kafka is in the cache')
  try {
    return ok('Maven', findMaven())
  } catch (error) {
    return warn('Maven', messageOf(error), `Needed once, for a local Kafka. ${actionOf(error)}`)
  }
}

function checkKafka(): Diagnosis {
  if (isKafkaInstalled()) return ok('Kafka', `${KAFKA_VERSION} in ${cacheFolder()}`)
  return warn(
    'Kafka',
    `${KAFKA_VERSION} is not in ${cacheFolder()}`,
    'Nothing: the first mq dev or mq demo fetches it (about 54 MB)',
  )
}

async function checkDisk(folder: string): Promise<Diagnosis> {
  try {
    const { bavail, bsize } = await statfs(folder)
    const free = bavail * bsize
    if (free >= LEAST_FREE_BYTES) return ok('Disk', `${formatBytes(free)} free`)
    return warn(
      'Disk',
      `${formatBytes(free)} free in ${folder}`,
      `Free some: mq dev wants ${formatBytes(LEAST_FREE_BYTES)}`,
    )
  } catch (error) {
    return warn('Disk', `free space of ${folder} is unknown: ${messageOf(error)}`, 'Check it by hand')
  }
}

function checkContextFile(io: Io): Diagnosis {
  const path = contextFilePath(io.env)
  if (contextFileIsExposed(io.env))
    return fail('Contexts', `${path} can be read by others on this machine`, `chmod 600 ${path}`)
  return ok('Contexts', path)
}

async function checkControlPlane(io: Io, flags: TargetFlags): Promise<Diagnosis[]> {
  let target: Target
  try {
    target = resolveTarget(flags, io.env)
  } catch (error) {
    return [fail('Control plane', messageOf(error), actionOf(error))]
  }
  const api = new ApiClient(target)
  const options = { deadlineMs: REACH_MS, signal: io.interrupt }
  try {
    const askedMs = Date.now()
    const info = await api.exchange('info', {}, options)
    const answeredMs = Date.now()
    const { version, connectedClients } = info.body
    const plane =
      version === VERSION
        ? ok('Control plane', `${target.url} (${target.source}), version ${version}, ${connectedClients} clients`)
        : warn(
            'Control plane',
            `${target.url} has version ${version}, this command ${VERSION}`,
            'Use the same version on both sides',
          )
    const { clusters } = await api.all('listClusters', {}, options)
    return [
      plane,
      checkClock(info.serverDateMs, askedMs, answeredMs),
      ...checkClusters(clusters, commandName(io.env)),
      ...(await checkFromHere(clusters)),
      ...(await checkDrift(api, options, commandName(io.env))),
    ]
  } catch (error) {
    // Nobody has to have started anything: only a control plane that was asked for by name has to be there.
    const unasked = error instanceof MqError && error.code === 'MQ_CONTROL_PLANE_AWAY' && target.source === 'default'
    if (!unasked) return [fail('Control plane', messageOf(error), actionOf(error))]
    const free = await isFree(DEV_PORT)
    return [
      warn('Control plane', messageOf(error), `Start it with ${commandName(io.env)} dev, or name another with --url`),
      free
        ? ok('Port', `${DEV_PORT} is free for mq dev`)
        : warn('Port', `${DEV_PORT} is taken by a program that is not mQ`, 'Stop it, or use mq dev --port'),
    ]
  }
}

/** The Date header has whole seconds, so a difference counts only beyond that and the time of the question. */
export function checkClock(serverDateMs: number | undefined, askedMs: number, answeredMs: number): Diagnosis {
  if (serverDateMs === undefined) return warn('Clock', 'the control plane names no time', 'Compare the clocks by hand')
  const behindMs = askedMs - (serverDateMs + 999)
  const aheadMs = serverDateMs - answeredMs
  const offMs = Math.max(behindMs, aheadMs, 0)
  if (offMs <= CLOCK_TOLERANCE_MS) return ok('Clock', `within ${formatMs(CLOCK_TOLERANCE_MS)} of the control plane`)
  return warn(
    'Clock',
    `${formatMs(offMs)} ${aheadMs > behindMs ? 'behind' : 'ahead of'} the control plane: end-to-end latencies are off by that`,
    'Set the clock by NTP on both machines',
  )
}

function checkClusters(clusters: readonly ClusterView[], mq: string): Diagnosis[] {
  if (clusters.length === 0)
    return [fail('Clusters', 'none is registered', `${mq} cluster add NAME --bootstrap HOST:PORT`)]
  return clusters.map((cluster) => {
    const name = `Cluster ${cluster.name}`
    const where = cluster.bootstrap.join(',')
    if (cluster.status === 'up' && cluster.problem !== null)
      return warn(name, cluster.problem, actionIn(cluster.problem))
    if (cluster.status === 'up') return ok(name, `${where}, ${cluster.brokers ?? '?'} brokers`)
    if (cluster.status === 'unknown') return warn(name, `${where} was not checked yet`, 'Ask again in a moment')
    const problem = cluster.problem ?? 'unreachable'
    return fail(name, `${where}: ${problem}`, actionIn(problem))
  })
}

/** A control plane of an older version does not tell. */
async function checkDrift(
  api: ApiClient,
  options: { readonly deadlineMs: number; readonly signal: AbortSignal },
  mq: string,
): Promise<Diagnosis[]> {
  let topics: readonly DriftedTopic[]
  try {
    topics = (await api.all('listDrift', {}, options)).topics
  } catch (error) {
    return [warn('Topics', `what others changed about them is not known: ${messageOf(error)}`, 'Ask again in a moment')]
  }
  if (topics.length === 0) return [ok('Topics', 'none was seen to differ from what mQ made')]
  return topics.map(({ mqId, differences }) => {
    const what = differences.map((one) => one.what).join('; ')
    const action = `${mq} drift repair ${mqId} puts it back, ${mq} drift accept ${mqId} takes it over; --plan says what that means`
    return differences.some(({ alarm }) => alarm)
      ? fail(`Topic of ${mqId}`, what, action)
      : warn(`Topic of ${mqId}`, what, action)
  })
}

/** What the catalogue says about the code that a problem begins with. */
function actionIn(problem: string): string {
  const code = /^MQ_[A-Z_]+/.exec(problem)?.[0]
  const known = code !== undefined && Object.hasOwn(catalogue, code) ? catalogue[code as MqErrorCode] : undefined
  return known?.action ?? 'Check that it runs and that its addresses are right'
}

/**
 * Whether the brokers can be reached from this machine: the control plane may stand where other names and routes hold. Bootstrap and
 * advertised addresses are told apart, since different people mend them.
 */
async function checkFromHere(clusters: readonly ClusterView[]): Promise<Diagnosis[]> {
  const found = await Promise.all(
    clusters.map(async ({ name, bootstrap, advertised }): Promise<Diagnosis | undefined> => {
      const reached = await problemsAt(bootstrap)
      const where = `Cluster ${name} from here`
      if (reached.length === bootstrap.length) {
        return warn(where, `no bootstrap address can be reached: ${reached.join(', ')}`, WHERE_APPLICATIONS_RUN)
      }
      const problems = await problemsAt(advertised.map(({ address }) => address))
      if (advertised.length === 0 || problems.length === 0) return undefined
      const what = `bootstrap ${bootstrap.join(',')} can be reached, and these addresses that its brokers advertise cannot: ${problems.join(', ')}`
      return warn(where, what, `${catalogue.MQ_KAFKA_ADVERTISED.action}. ${WHERE_APPLICATIONS_RUN}`)
    }),
  )
  return found.filter((one) => one !== undefined)
}

/** Those of the addresses that take no connection, with the reason. */
async function problemsAt(addresses: readonly string[]): Promise<string[]> {
  const tried = await Promise.all(
    addresses.map(async (address) => {
      const problem = await connectProblem(address)
      return problem === undefined ? [] : [`${address} (${problem})`]
    }),
  )
  return tried.flat()
}

async function connectProblem(address: string): Promise<string | undefined> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  const socket = connect({ host, port: Number(address.slice(at + 1)) })
  try {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    socket.once('connect', () => resolve(undefined))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.setTimeout(REACH_MS, () => resolve(`no answer within ${formatMs(REACH_MS)}`))
    return await promise
  } finally {
    socket.destroy()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function actionOf(error: unknown): string {
  return error instanceof MqError ? error.action : 'See the message'
}
