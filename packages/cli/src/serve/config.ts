/**
 * The configuration of `mq serve`, put together from flags, environment, file and defaults.
 *
 * C1. A flag goes before the environment, the environment before the file, the file before the default.
 * C3. Nothing that is unknown or misspelt is passed over: a field of the file is refused with its place, and a variable of
 *     the environment that is nearly a known one is refused with what was meant.
 * C4. All problems are told at once. No message quotes what may be a secret.
 * C5. Paths of a file are meant from where the file lies, all others from the working directory.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describeIssues, didYouMean, MqError, nearest, type PolicyMode, parseStrict } from '@mq/contract'
import type { Node } from 'yaml'
import type { z } from 'zod'
import type { Io } from '../io.ts'
import { problemsError, YamlSource } from '../yaml-source.ts'
import {
  type ClusterSetting,
  type Listen,
  otherVariables,
  type SecretRef,
  ServeFile,
  type Setting,
  settings,
} from './settings.ts'

/** Names that people try, and what they are called. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  MQ_PORT: 'MQ_LISTEN',
  MQ_HOST: 'MQ_LISTEN',
  MQ_DATA: 'MQ_DATA_DIR',
  MQ_BOOTSTRAP: 'MQ_CLUSTERS',
  MQ_TLS_CERT: 'MQ_TLS_CERT_FILE',
  MQ_TLS_KEY: 'MQ_TLS_KEY_FILE',
}
/** What Kubernetes puts into every container for a service whose name begins with `mq`. */
const SERVICE_LINK =
  /^MQ_(?:[A-Z0-9]+_)*?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT(?:_\d+_(?:TCP|UDP)(?:_[A-Z]+)?)?)$/
const SERVICE_ADDRESS = /^(?:tcp|udp):\/\//

export interface ServeConfig {
  readonly listen: Listen
  readonly dataDir: string
  readonly token: SecretRef | undefined
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly monitoring: Listen | undefined
  readonly monitoringToken: SecretRef | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly stopGraceMs: number
  readonly newInstallationMode: PolicyMode
  readonly deleteGraceMs: number
  readonly clusters: readonly ClusterSetting[]
}

/** One setting as it holds, for people. */
export interface Effective {
  readonly setting: string
  readonly value: string | null
  readonly source: string
}

export interface Resolved {
  readonly config: ServeConfig
  readonly effective: readonly Effective[]
}

export type ServeFlags = Readonly<Record<string, string | undefined>>

interface Found {
  readonly value: unknown
  readonly shown: string
  readonly source: string
}

/** @param file as it was given, or undefined for none @throws MqError MQ_CONFIG_INVALID */
export function resolveConfig(file: string | undefined, flags: ServeFlags, io: Pick<Io, 'env' | 'cwd'>): Resolved {
  const problems: string[] = []
  const fromFile = file === undefined ? new Map<string, Found>() : readFile(file, io.cwd)
  checkVariables(io.env, problems)
  const found = new Map<string, Found>()
  for (const setting of settings) {
    const one =
      fromFlag(setting, flags, io.cwd, problems) ??
      fromEnv(setting, io, problems) ??
      fromFile.get(setting.path) ??
      fromDefault(setting)
    if (one !== undefined) found.set(setting.path, one)
  }
  const value = <T>(path: string): T | undefined => found.get(path)?.value as T | undefined
  const cert = value<string>('tls.cert')
  const key = value<string>('tls.key')
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key']
    problems.push(`${there} is set (${found.get(there)?.source}) and ${missing} is not: TLS needs both`)
  }
  const clusters = value<ClusterSetting[]>('clusters') ?? []
  for (const [index, { name }] of clusters.entries()) {
    if (clusters.findIndex((one) => one.name === name) < index) problems.push(`clusters: '${name}' stands there twice`)
  }
  if (problems.length > 0)
    throw new MqError('MQ_CONFIG_INVALID', problems.join('; '), { details: { reasons: problems } })
  return {
    config: {
      listen: value<Listen>('listen')!,
      dataDir: value<string>('dataDir')!,
      token: value('token'),
      tls: cert === undefined || key === undefined ? undefined : { cert, key },
      monitoring: value('monitoring.listen'),
      monitoringToken: value('monitoring.token'),
      logLevel: value<ServeConfig['logLevel']>('log.level')!,
      stopGraceMs: value<number>('stopGrace')!,
      newInstallationMode: value<PolicyMode>('newInstallationMode')!,
      deleteGraceMs: value<number>('deleteGrace')!,
      clusters,
    },
    effective: settings.map(({ path }) => {
      const one = found.get(path)
      return { setting: path, value: one?.shown ?? null, source: one?.source ?? 'not set' }
    }),
  }
}

function fromFlag(setting: Setting, flags: ServeFlags, cwd: string, problems: string[]): Found | undefined {
  const { flag } = setting
  const text = flag === undefined ? undefined : flags[flag]
  return text === undefined ? undefined : parsed(setting, text, `flag --${flag}`, cwd, problems)
}

function fromEnv(setting: Setting, { env, cwd }: Pick<Io, 'env' | 'cwd'>, problems: string[]): Found | undefined {
  const { env: name, kind } = setting
  const text = env[name] || undefined
  if (kind === 'secret') {
    const path = env[`${name}_FILE`] || undefined
    if (text !== undefined && path !== undefined) problems.push(`${name} and ${name}_FILE are both set: give one`)
    if (path !== undefined)
      return parsed(setting, `file:${path.replace(/^file:/, '')}`, `environment ${name}_FILE`, cwd, problems)
    // The variable holds the secret: the reference is the variable itself.
    return text === undefined ? undefined : parsed(setting, `env:${name}`, `environment ${name}`, cwd, problems)
  }
  if (text === undefined) return undefined
  const source = `environment ${name}`
  if (kind !== 'clusters') return parsed(setting, text, source, cwd, problems)
  const clusters = text.split(';').flatMap((part) => {
    const [clusterName = '', addresses] = part.split('=').map((word) => word.trim())
    if (part.trim() === '') return []
    return [{ name: clusterName, bootstrap: (addresses ?? '').split(',').map((one) => one.trim()) }]
  })
  return parsed(setting, clusters, source, cwd, problems)
}

function fromDefault(setting: Setting): Found | undefined {
  return setting.fallback === undefined ? undefined : parsed(setting, setting.fallback, 'default', '/', [])
}

function parsed(
  setting: Setting,
  input: unknown,
  source: string,
  folder: string,
  problems: string[],
): Found | undefined {
  const result = setting.schema.safeParse(input)
  if (result.success)
    return { value: placed(result.data, folder), shown: shownOf(setting, placed(input, folder)), source }
  problems.push(`${source}: ${describeIssues(result.error).join('; ')}`)
  return undefined

  function placed(value: unknown, from: string): unknown {
    if (setting.kind === 'path') return resolve(from, String(value).replace(/^file:/, ''))
    if (setting.kind === 'secret' && typeof value === 'object') return placedSecret(value as SecretRef, from)
    if (setting.kind === 'secret') return shownSecret(placedSecret(refOf(String(value)), from))
    return value
  }
}

function refOf(text: string): SecretRef {
  return text.startsWith('file:') ? { kind: 'file', path: text.slice(5) } : { kind: 'env', name: text.slice(4) }
}

/** C5 */
function placedSecret(ref: SecretRef, folder: string): SecretRef {
  return ref.kind === 'file' ? { kind: 'file', path: resolve(folder, ref.path) } : ref
}

export function shownSecret(ref: SecretRef): string {
  return ref.kind === 'file' ? `file:${ref.path}` : `env:${ref.name}`
}

function shownOf({ kind }: Setting, input: unknown): string {
  return kind === 'clusters'
    ? (input as { name: string; bootstrap: string[] }[]).map(shownCluster).join('; ')
    : String(input)
}

function shownCluster(cluster: { name: string; bootstrap: readonly string[]; securityProtocol?: string }): string {
  const { name, bootstrap, securityProtocol } = cluster
  return `${name}=${bootstrap.join(',')}${securityProtocol === undefined || securityProtocol === 'plaintext' ? '' : ` (${securityProtocol})`}`
}

/** C3 */
function readFile(given: string, cwd: string): Map<string, Found> {
  const path = resolve(cwd, given)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new MqError('MQ_CONFIG_INVALID', `${given} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  const source = new YamlSource({ name: given, text })
  if (!source.check()) {
    throw problemsError(
      'MQ_CONFIG_INVALID',
      [given],
      source.problems.map((problem) => ({ ...problem, source: '' })),
    )
  }
  const root = source.document.contents
  if (root === null) return new Map()
  const input = source.toJs(root as Node)
  const result = parseStrict(ServeFile, input)
  if (!result.success) {
    for (const problem of result.problems) source.flagProblem(problem, root as Node)
    // C4: a line may hold a secret that was written where a reference belongs.
    const found = source.problems.map((problem) => ({ ...problem, source: '' }))
    throw problemsError(
      'MQ_CONFIG_INVALID',
      [given],
      found.sort((a, b) => a.line - b.line || a.column - b.column),
    )
  }
  const folder = dirname(path)
  const found = new Map<string, Found>()
  for (const setting of settings) {
    const steps = setting.path.split('.')
    const written = at(input, steps)
    if (written === undefined || written === null) continue
    const where = `${given}:${source.position(source.locate(root as Node, steps).range?.[0] ?? 0).line}`
    if (setting.kind === 'clusters') {
      const clusters = (result.data.clusters ?? []).map((cluster) => placedCluster(cluster, folder))
      found.set(setting.path, { value: clusters, shown: clusters.map(shownCluster).join('; '), source: where })
    } else found.set(setting.path, parsed(setting, written, where, folder, [])!)
  }
  return found
}

function placedCluster(cluster: ClusterSetting, folder: string): ClusterSetting {
  const { password, token, tls } = cluster
  const files = Object.entries(tls ?? {}).flatMap(([field, path]) =>
    path === undefined ? [] : [[field, resolve(folder, path)]],
  )
  return {
    ...cluster,
    ...(password === undefined ? {} : { password: placedSecret(password, folder) }),
    ...(token === undefined ? {} : { token: placedSecret(token, folder) }),
    ...(tls === undefined ? {} : { tls: Object.fromEntries(files) as z.output<typeof ClusterSetting>['tls'] }),
  }
}

function at(input: unknown, steps: readonly string[]): unknown {
  return steps.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined,
    input,
  )
}

/** C3 */
function checkVariables(env: Io['env'], problems: string[]): void {
  const known = settings.flatMap(({ env: name, kind }) => (kind === 'secret' ? [name, `${name}_FILE`] : [name]))
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('MQ_') || !value || known.includes(name) || otherVariables.includes(name)) continue
    if (
      SERVICE_LINK.test(name) &&
      (SERVICE_ADDRESS.test(value) || /_(?:SERVICE_HOST|SERVICE_PORT.*|PROTO|ADDR|PORT)$/.test(name))
    )
      if (name !== 'MQ_PORT' || SERVICE_ADDRESS.test(value)) continue
    const other = OTHER_NAMES[name]
    if (other !== undefined) problems.push(`environment ${name} is not a setting; it is called ${other}`)
    else if (nearest(name, known) !== undefined)
      problems.push(`environment ${name} is not a setting${didYouMean(name, known)}`)
  }
}

/** Variables that look like settings and are none; they change nothing. */
export function strangeVariables(env: Io['env']): string[] {
  const known = new Set([...settings.flatMap(({ env: name }) => [name, `${name}_FILE`]), ...otherVariables])
  return Object.keys(env).filter((name) => name.startsWith('MQ_') && !known.has(name) && !SERVICE_LINK.test(name))
}
