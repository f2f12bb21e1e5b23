/**
 * The settings of `mq serve`: the one list that the file, the environment, the flags and the docs are made of.
 *
 * C1. A flag goes before the environment, the environment before the file, the file before the default.
 * C2. A secret is given by reference only: where it is, never what it is.
 */
import { ClusterAddress, DurationMs, PolicyMode, SecurityProtocol } from '@mq/contract'
import { z } from 'zod'

const LISTEN = /^(?<host>\[[0-9a-fA-F:]+\]|[^\s:/]+):(?<port>\d{1,5})$/

/** `host:port`; port 0 takes a free one. */
export const Listen = z
  .string()
  .regex(LISTEN, 'write host:port, such as 127.0.0.1:7070 or 0.0.0.0:7070')
  .transform((text) => {
    const { host = '', port = '' } = LISTEN.exec(text)?.groups ?? {}
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  })
  .refine(({ port }) => port <= 65_535, 'a port is 65535 at most')
export type Listen = z.output<typeof Listen>

/** Where a secret is. */
export type SecretRef =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string }

/** C2. What was written is never quoted: it may be the secret itself. */
export const Secret = z
  .string()
  .regex(/^(?:file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$/s, 'a secret is given by reference: write file:PATH or env:NAME')
  .transform(
    (text): SecretRef =>
      text.startsWith('file:') ? { kind: 'file', path: text.slice(5) } : { kind: 'env', name: text.slice(4) },
  )

/** A file; `file:` before its name is allowed, as with secrets. */
export const Path = z
  .string()
  .min(1)
  .transform((text) => text.replace(/^file:/, ''))

const ClusterTls = z.strictObject({ ca: Path.optional(), cert: Path.optional(), key: Path.optional() })

export const ClusterSetting = z
  .strictObject({
    name: ClusterAddress.shape.name,
    bootstrap: ClusterAddress.shape.bootstrap,
    securityProtocol: SecurityProtocol.default('plaintext'),
    saslMechanism: ClusterAddress.shape.saslMechanism,
    username: z.string().min(1).optional(),
    password: Secret.optional(),
    token: Secret.optional(),
    tls: ClusterTls.optional(),
  })
  .superRefine((cluster, context) => {
    const missing = (field: string, why: string): void => {
      context.addIssue({ code: 'custom', path: [field], message: `is missing: ${why}` })
    }
    if (!cluster.securityProtocol.startsWith('sasl')) return
    const mechanism = cluster.saslMechanism ?? 'PLAIN'
    if (mechanism === 'OAUTHBEARER') {
      if (cluster.token === undefined) missing('token', `${mechanism} signs in with a token`)
      return
    }
    if (cluster.username === undefined) missing('username', `${mechanism} signs in with a user name`)
    if (cluster.password === undefined) missing('password', `${mechanism} signs in with a password`)
  })
export type ClusterSetting = z.output<typeof ClusterSetting>

/** The file, as people write it. Every field may be left out. */
export const ServeFile = z.strictObject({
  listen: Listen.optional(),
  dataDir: Path.optional(),
  token: Secret.optional(),
  tls: z.strictObject({ cert: Path.optional(), key: Path.optional() }).optional(),
  monitoring: z.strictObject({ listen: Listen.optional(), token: Secret.optional() }).optional(),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).optional() }).optional(),
  stopGrace: DurationMs.optional(),
  newInstallationMode: PolicyMode.optional(),
  deleteGrace: DurationMs.optional(),
  clusters: z.array(ClusterSetting).optional(),
})

export interface Setting {
  /** As it stands in the file, with dots between levels. */
  readonly path: string
  readonly schema: z.ZodType
  readonly env: string
  readonly flag?: string
  readonly fallback?: string
  readonly kind: 'value' | 'path' | 'secret' | 'clusters'
  readonly meaning: string
}

export const settings: readonly Setting[] = [
  {
    path: 'listen',
    schema: Listen,
    env: 'MQ_LISTEN',
    flag: 'listen',
    fallback: '127.0.0.1:7070',
    kind: 'value',
    meaning: 'Where the API listens. Beyond this machine it needs `token`',
  },
  {
    path: 'dataDir',
    schema: Path,
    env: 'MQ_DATA_DIR',
    flag: 'data',
    fallback: '/var/lib/mq',
    kind: 'path',
    meaning: 'Folder of the store, the only place that is written to; one process owns it',
  },
  {
    path: 'token',
    schema: Secret,
    env: 'MQ_TOKEN',
    kind: 'secret',
    meaning:
      'What clients and `mq` show. A file may hold several, one a line: all of them count, so that they can be rotated',
  },
  {
    path: 'tls.cert',
    schema: Path,
    env: 'MQ_TLS_CERT_FILE',
    kind: 'path',
    meaning: 'Certificate of the API and those it is signed by, PEM. Without it the API speaks plain HTTP',
  },
  {
    path: 'tls.key',
    schema: Path,
    env: 'MQ_TLS_KEY_FILE',
    kind: 'path',
    meaning: 'Key of that certificate, PEM',
  },
  {
    path: 'monitoring.listen',
    schema: Listen,
    env: 'MQ_MONITORING_LISTEN',
    kind: 'value',
    meaning: 'A port for `/healthz`, `/readyz` and `/metrics` besides the one of the API, without TLS',
  },
  {
    path: 'monitoring.token',
    schema: Secret,
    env: 'MQ_MONITORING_TOKEN',
    kind: 'secret',
    meaning: 'Opens `/metrics` and the reasons of `/readyz`, and nothing else',
  },
  {
    path: 'log.level',
    schema: z.enum(['debug', 'info', 'warn', 'error']),
    env: 'MQ_LOG_LEVEL',
    flag: 'log-level',
    fallback: 'info',
    kind: 'value',
    meaning: 'The least that is logged: `debug`, `info`, `warn` or `error`',
  },
  {
    path: 'stopGrace',
    schema: DurationMs,
    env: 'MQ_STOP_GRACE',
    fallback: '20s',
    kind: 'value',
    meaning: 'How long a stop may take: requests and migrations that producers wait for end within it',
  },
  {
    path: 'newInstallationMode',
    schema: PolicyMode,
    env: 'MQ_NEW_INSTALLATION_MODE',
    fallback: 'approve',
    kind: 'value',
    meaning: 'The global policy that a new store begins with; later `mq policy set` changes it',
  },
  {
    path: 'deleteGrace',
    schema: DurationMs,
    env: 'MQ_DELETE_GRACE',
    fallback: '1d',
    kind: 'value',
    meaning: 'How long the records of a deleted mQ ID are kept for `mq undelete`',
  },
  {
    path: 'clusters',
    schema: z.array(ClusterSetting),
    env: 'MQ_CLUSTERS',
    kind: 'clusters',
    meaning:
      'Kafka clusters that are registered at the start. In the environment only plain ones: `NAME=HOST:PORT,HOST:PORT;NAME=HOST:PORT`',
  },
]

/** Environment variables of the whole `mq` command that are no settings of `mq serve`. */
export const otherVariables: readonly string[] = [
  'MQ_CONFIG',
  'MQ_URL',
  'MQ_APP',
  'MQ_CONTEXT',
  'MQ_COMMAND',
  'MQ_DEBUG',
  'MQ_ZONE',
  'MQ_KAFKA_VERSION',
  'MQ_TEST_FILE_LIMIT_MS',
  'MQ_TEST_WITHOUT_KAFKA',
]

/** The settings as a table of the reference. */
export function settingDocs(): string {
  const rows = settings.map(({ path, env, flag, fallback, kind, meaning }) => {
    const variable = kind === 'secret' ? `\`${env}_FILE\`, or the secret itself in \`${env}\`` : `\`${env}\``
    const flagText = flag === undefined ? '-' : `\`--${flag}\``
    return `| \`${path}\` | ${variable} | ${flagText} | ${fallback === undefined ? '-' : `\`${fallback}\``} | ${meaning} |`
  })
  return [
    '| in the file | environment | flag | default | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
