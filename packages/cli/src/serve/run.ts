/**
 * One run of `mq serve`: from its configuration to the end of its control plane.
 *
 * V1. Whatever could be seen to be dangerous or useless is refused before anything listens.
 * V2. Secrets and certificates that are replaced are taken over while it runs, at once on SIGHUP; no connection is dropped for it.
 * V3. SIGTERM and Ctrl-C end it in order and with exit code 0; a second one ends it at once (main.ts E1).
 */
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { MqError } from '@mq/contract'
import type { ClusterCredentials, ControlPlane, Logger } from '@mq/control-plane'
import type { Io } from '../io.ts'
import { VERSION } from '../version.ts'
import { type Resolved, type ServeConfig, strangeVariables } from './config.ts'
import { FileWatch, readSecret, readText, readTokens, type Watched, warnOfOpenFiles } from './secrets.ts'
import type { ClusterSetting, SecretRef } from './settings.ts'

const LOOK_EVERY_MS = 2_000

/** Ends when the command is interrupted. @throws MqError when it cannot start */
export async function serve({ config, effective }: Resolved, io: Io): Promise<void> {
  const { createLogger, startControlPlane } = await import('@mq/control-plane')
  const logger = createLogger(config.logLevel, { write: (line) => void io.stderr.write(line) })
  const secrets = await openSecrets(config, io)
  prepareDataDir(config.dataDir)
  warn(config, io, logger)
  logger.info(
    { version: VERSION, settings: Object.fromEntries(effective.map(({ setting, value }) => [setting, value])) },
    'starting',
  )
  const plane = await startControlPlane({
    ...config.listen,
    dataDir: config.dataDir,
    logger,
    deleteGraceMs: config.deleteGraceMs,
    newInstallationMode: config.newInstallationMode,
    clusters: config.clusters.map(({ name, bootstrap, securityProtocol, saslMechanism }) => ({
      ...{ name, bootstrap, securityProtocol },
      ...(saslMechanism === undefined ? {} : { saslMechanism }),
    })),
    credentials: credentialsOf(config.clusters, io),
    ...(secrets.tls === undefined ? {} : { tls: secrets.tls }),
    ...(secrets.token === undefined ? {} : { token: secrets.token.now }),
    ...(secrets.monitoringToken === undefined ? {} : { monitoringToken: secrets.monitoringToken.now }),
    ...(config.monitoring === undefined ? {} : { monitoring: config.monitoring }),
  })
  logger.info(
    {
      url: plane.url,
      ...(plane.monitoringUrl === undefined ? {} : { monitoringUrl: plane.monitoringUrl }),
      pid: process.pid,
    },
    'mQ control plane is up',
  )
  const watch = new FileWatch(watchedOf(config, secrets, plane), logger)
  const timer = setInterval(() => watch.look(), LOOK_EVERY_MS)
  io.onHangUp?.(() => {
    logger.info({}, 'SIGHUP: secrets and certificates are read again')
    watch.look(true)
  })
  try {
    await interrupted(io.interrupt)
    logger.info({ graceMs: config.stopGraceMs, reason: String(io.interrupt.reason) }, 'stopping')
  } finally {
    clearInterval(timer)
    await plane.stop(config.stopGraceMs)
  }
  logger.info({}, 'stopped')
}

async function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Tokens as they count now. */
interface LiveTokens {
  readonly ref: SecretRef
  now: () => readonly string[]
  reload(): void
}

interface OpenSecrets {
  readonly token: LiveTokens | undefined
  readonly monitoringToken: LiveTokens | undefined
  readonly tls: { readonly cert: string; readonly key: string } | undefined
}

/** Reads everything that is referred to once, so that what is missing is told at the start (V1). */
export async function openSecrets(config: ServeConfig, io: Pick<Io, 'env'>): Promise<OpenSecrets> {
  const { checkExposure } = await import('@mq/control-plane')
  const live = (ref: SecretRef | undefined): LiveTokens | undefined => {
    if (ref === undefined) return undefined
    let tokens = readTokens(ref, io.env)
    return {
      ref,
      now: () => tokens,
      reload: () => {
        const next = readTokens(ref, io.env)
        checkExposure('127.0.0.1', () => next)
        tokens = next
      },
    }
  }
  const token = live(config.token)
  const monitoringToken = live(config.monitoringToken)
  checkExposure(config.listen.host, token?.now)
  if (monitoringToken !== undefined) checkExposure('127.0.0.1', monitoringToken.now)
  if (config.monitoring !== undefined) {
    checkExposure(config.monitoring.host, (monitoringToken ?? token)?.now, 'the port of probes and metrics')
  }
  for (const { password, token: ownToken, tls } of config.clusters) {
    for (const ref of [password, ownToken]) if (ref !== undefined) readSecret(ref, io.env)
    for (const file of Object.values(definedOf(tls ?? {}))) readText(file)
  }
  return { token, monitoringToken, tls: config.tls === undefined ? undefined : await readPair(config.tls) }
}

async function readPair(files: {
  readonly cert: string
  readonly key: string
}): Promise<{ cert: string; key: string }> {
  const { createSecureContext } = await import('node:tls')
  const pair = { cert: readText(files.cert), key: readText(files.key) }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new MqError(
      'MQ_CONFIG_INVALID',
      `tls: ${files.cert} and ${files.key} cannot be used: ${(error as Error).message}`,
    )
  }
  return pair
}

function watchedOf(config: ServeConfig, secrets: OpenSecrets, plane: ControlPlane): Watched[] {
  const { tls } = config
  const tokens = [
    ['the token of the API', secrets.token],
    ['the token of monitoring', secrets.monitoringToken],
  ] as const
  return [
    ...tokens.flatMap(([what, live]): Watched[] =>
      live?.ref.kind === 'file' ? [{ what, files: [live.ref.path], reload: () => live.reload() }] : [],
    ),
    ...(tls === undefined
      ? []
      : [
          {
            what: 'the certificate of the API',
            files: [tls.cert, tls.key],
            reload: () => plane.useTls({ cert: readText(tls.cert), key: readText(tls.key) }),
          },
        ]),
  ]
}

/** Passwords, tokens and certificates are read for every connection that begins, so a new one counts at once. */
export function credentialsOf(
  clusters: readonly ClusterSetting[],
  io: Pick<Io, 'env'>,
): Record<string, ClusterCredentials> {
  return Object.fromEntries(
    clusters.map(({ name, username, password, token, tls }) => [
      name,
      {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: () => readSecret(password, io.env) }),
        ...(token === undefined ? {} : { token: () => readSecret(token, io.env) }),
        ...(tls === undefined ? {} : { tlsFiles: definedOf(tls) }),
      },
    ]),
  )
}

function definedOf(files: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** What SQLite would say of a folder it may not write to is hard to understand. */
function prepareDataDir(dataDir: string): void {
  const missing: string[] = []
  let there = dataDir
  for (; !existsSync(there) && dirname(there) !== there; there = dirname(there)) missing.unshift(there)
  const unusable = (what: string, cause?: unknown): MqError =>
    new MqError('MQ_STORE_FAILED', `the data folder ${dataDir} cannot be used: ${what}`, { cause })
  if (!statSync(there).isDirectory()) throw unusable(`${there} is not a folder`)
  const uid = process.getuid?.()
  const who = uid === undefined ? 'this user' : `this user (uid ${uid})`
  try {
    // One level after the other: each refusal is told at once, and Node's recursive way was seen to hang.
    for (const folder of missing) mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    throw unusable(`it does not exist, and ${who} cannot make it in ${there} (${(error as Error).message})`, error)
  }
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable(`${who} may not write to it`, error)
  }
}

function warn(config: ServeConfig, io: Io, logger: Logger): void {
  const { listen, tls, token, monitoringToken, clusters } = config
  const refs = [token, monitoringToken, ...clusters.flatMap((one) => [one.password, one.token])]
  const keys = [tls?.key, ...clusters.map((one) => one.tls?.key)]
  warnOfOpenFiles(
    [...refs.flatMap((ref) => (ref?.kind === 'file' ? [ref.path] : [])), ...keys.flatMap((key) => key ?? [])],
    logger,
  )
  const isLocal = ['localhost', '::1'].includes(listen.host) || listen.host.startsWith('127.')
  if (!isLocal && tls === undefined) {
    logger.warn(
      { host: listen.host },
      'the API is reached from other machines without TLS: the token travels readable, unless something in front of it speaks TLS',
    )
  }
  if (clusters.length === 0) {
    logger.info({}, 'no cluster stands in the configuration; those that were registered before are known')
  }
  const strange = strangeVariables(io.env)
  if (strange.length > 0)
    logger.warn({ variables: strange }, 'variables that begin with MQ_ and are no settings change nothing')
}
