/**
 * Which control plane a command talks to.
 *
 * C1. Flag before environment before file; without any, the control plane of `mq dev` on this machine.
 * C2. A token kept in the file goes only to the URL it was kept with; a URL from a flag or the environment takes its
 *     token from there too.
 * C3. The file is written whole or not at all, mode 0600, in a 0700 folder; a token is never printed.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { describeIssues, MqError, Name } from '@mq/contract'
import { parse, stringify } from 'yaml'
import type { Io } from './io.ts'

export const DEFAULT_URL = 'http://127.0.0.1:7070'

export interface Context {
  readonly url: string
  readonly token?: string | undefined
}

export interface ContextFile {
  readonly current: string | undefined
  readonly contexts: ReadonlyMap<string, Context>
}

export interface TargetFlags {
  readonly url?: string | undefined
  readonly token?: string | undefined
  readonly context?: string | undefined
}

export interface Target extends Context {
  /** Where the URL came from, for `mq doctor` and errors. */
  readonly source: string
}

export function contextFilePath(env: Io['env']): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'mq', 'contexts.yaml')
}

export function readContextFile(env: Io['env']): ContextFile {
  const path = contextFilePath(env)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { current: undefined, contexts: new Map() }
    throw new MqError('MQ_FILE_INVALID', `${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  return parseContextFile(path, text)
}

function parseContextFile(path: string, text: string): ContextFile {
  const damaged = (what: string, cause?: unknown): MqError =>
    new MqError('MQ_FILE_INVALID', `${path} is not a context file: ${what}`, { cause })
  let raw: unknown
  try {
    raw = parse(text)
  } catch (error) {
    throw damaged((error as Error).message.split('\n')[0] ?? 'not YAML', error)
  }
  if (typeof raw !== 'object' || raw === null) throw damaged('it holds no fields')
  const { current, contexts } = raw as { current?: unknown; contexts?: unknown }
  if (typeof contexts !== 'object' || contexts === null) throw damaged("the field 'contexts' is missing")
  const known = new Map<string, Context>()
  for (const [name, value] of Object.entries(contexts)) {
    const { url, token } = (value ?? {}) as { url?: unknown; token?: unknown }
    if (typeof url !== 'string') throw damaged(`context '${name}' has no url`)
    known.set(name, { url: checkUrl(url), token: typeof token === 'string' ? token : undefined })
  }
  return { current: typeof current === 'string' ? current : undefined, contexts: known }
}

/** C3. */
export function writeContextFile(env: Io['env'], file: ContextFile): void {
  const path = contextFilePath(env)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomBytes(6).toString('hex')}`
  const contexts = Object.fromEntries(
    [...file.contexts].map(([name, { url, token }]) => [name, token === undefined ? { url } : { url, token }]),
  )
  try {
    writeFileSync(beside, stringify({ current: file.current ?? null, contexts }), { mode: 0o600, flag: 'wx' })
    chmodSync(beside, 0o600)
    renameSync(beside, path)
  } catch (error) {
    rmSync(beside, { force: true })
    throw new MqError('MQ_STORE_FAILED', `${path} cannot be written: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether others on this machine could read the tokens in the file. */
export function contextFileIsExposed(env: Io['env']): boolean {
  try {
    return (statSync(contextFilePath(env)).mode & 0o077) !== 0
  } catch {
    return false
  }
}

export function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new MqError('MQ_OPTION_INVALID', `'${text}' is not an http or https URL, such as ${DEFAULT_URL}`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new MqError('MQ_OPTION_INVALID', 'The URL holds a user or password; use a token instead')
  }
  return text.replace(/\/+$/, '')
}

export function checkName(kind: string, text: string): string {
  const parsed = Name.safeParse(text)
  if (parsed.success) return text
  throw new MqError('MQ_NAME_INVALID', `'${text}' is not a ${kind} name: ${describeIssues(parsed.error).join('; ')}`)
}

/** C1, C2. */
export function resolveTarget(flags: TargetFlags, env: Io['env']): Target {
  if (flags.url !== undefined) {
    return { url: checkUrl(flags.url), token: flags.token ?? env.MQ_TOKEN ?? undefined, source: '--url' }
  }
  if (flags.context !== undefined) return withToken(named(flags.context, env, '--context'), flags.token)
  if (env.MQ_URL) {
    return { url: checkUrl(env.MQ_URL), token: flags.token ?? env.MQ_TOKEN ?? undefined, source: 'MQ_URL' }
  }
  if (env.MQ_CONTEXT) return withToken(named(env.MQ_CONTEXT, env, 'MQ_CONTEXT'), flags.token ?? env.MQ_TOKEN)
  const file = readContextFile(env)
  const token = flags.token ?? env.MQ_TOKEN
  if (file.current !== undefined) return withToken(named(file.current, env, 'current context'), token)
  return { url: DEFAULT_URL, token, source: 'default' }
}

function named(name: string, env: Io['env'], source: string): Target {
  const { contexts } = readContextFile(env)
  const context = contexts.get(name)
  if (context === undefined) {
    const known = [...contexts.keys()]
    throw new MqError(
      'MQ_CONTEXT_UNKNOWN',
      `No context '${name}' (from ${source}) in ${contextFilePath(env)}; ${known.length === 0 ? 'it holds none' : `it holds ${known.join(', ')}`}`,
    )
  }
  return { ...context, source: `${source} '${name}'` }
}

function withToken(target: Target, token: string | undefined): Target {
  return token === undefined ? target : { ...target, token }
}
