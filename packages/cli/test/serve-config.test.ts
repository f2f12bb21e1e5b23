/** What `mq serve` makes of flags, environment and file (settings C1-C2, config C3-C5), and what it refuses (run V1). */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import type { FileProblem } from '../src/failures.ts'
import { resolveConfig, strangeVariables } from '../src/serve/config.ts'
import { credentialsOf, openSecrets } from '../src/serve/run.ts'
import { FileWatch, readTokens, warnOfOpenFiles } from '../src/serve/secrets.ts'
import { settings } from '../src/serve/settings.ts'
import { freshFolder, run } from './harness.ts'

const TOKEN = 'canary-0123456789abcdef'

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = freshFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  return folder
}

function refused(work: () => unknown): MqError {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof MqError && error.code === 'MQ_CONFIG_INVALID', String(error))
    return error
  }
  throw new assert.AssertionError({ message: 'it was taken' })
}

test('a flag goes before the environment, that before the file, and that before the default (C1)', () => {
  const cwd = folderWith({
    'mq.yaml': 'listen: 127.0.0.1:1\ndataDir: from-file\nlog: { level: warn }\nstopGrace: 5s\n',
  })
  const env = { MQ_LISTEN: '127.0.0.1:2', MQ_DATA_DIR: 'from-env', MQ_LOG_LEVEL: '' }
  const { config, effective } = resolveConfig('mq.yaml', { listen: '127.0.0.1:3' }, { env, cwd })
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 3 })
  assert.equal(config.dataDir, join(cwd, 'from-env'))
  assert.equal(config.logLevel, 'warn', 'an empty variable is none')
  assert.equal(config.stopGraceMs, 5_000)
  assert.equal(config.newInstallationMode, 'approve')
  const sources = Object.fromEntries(effective.map(({ setting, source }) => [setting, source]))
  assert.equal(sources.listen, 'flag --listen')
  assert.equal(sources.dataDir, 'environment MQ_DATA_DIR')
  assert.equal(sources['log.level'], 'mq.yaml:3')
  assert.equal(sources.stopGrace, 'mq.yaml:4')
  assert.equal(sources.deleteGrace, 'default')
  assert.equal(sources.token, 'not set')
  assert.equal(effective.length, settings.length)
})

test('every setting can be given in the file and in the environment, and both mean the same', () => {
  const written: Readonly<Record<string, [yaml: string, env: string]>> = {
    listen: ['listen: 127.0.0.1:9', '127.0.0.1:9'],
    dataDir: ['dataDir: /d', '/d'],
    token: ['token: env:MQ_TOKEN', 'secret'],
    'tls.cert': ['tls: { cert: /c, key: /k }', '/c'],
    'tls.key': ['tls: { cert: /c, key: /k }', '/k'],
    'monitoring.listen': ['monitoring: { listen: "[::1]:9" }', '[::1]:9'],
    'monitoring.token': ['monitoring: { token: env:MQ_MONITORING_TOKEN }', 'secret'],
    'log.level': ['log: { level: error }', 'error'],
    stopGrace: ['stopGrace: 90s', '90s'],
    newInstallationMode: ['newInstallationMode: observe', 'observe'],
    deleteGrace: ['deleteGrace: 2h', '2h'],
    clusters: [
      'clusters: [{ name: a, bootstrap: ["k:1", "l:2"] }, { name: b, bootstrap: ["m:3"] }]',
      'a=k:1, l:2; b=m:3',
    ],
  }
  assert.deepEqual(
    Object.keys(written),
    settings.map(({ path }) => path),
  )
  for (const { path, env: variable } of settings) {
    const [yaml, text] = written[path]!
    const cwd = folderWith({ 'mq.yaml': yaml })
    const pair = path.startsWith('tls.') ? { MQ_TLS_CERT_FILE: '/c', MQ_TLS_KEY_FILE: '/k' } : {}
    const byFile = resolveConfig('mq.yaml', {}, { env: {}, cwd }).config
    const byEnv = resolveConfig(undefined, {}, { env: { ...pair, [variable]: text }, cwd }).config
    assert.deepEqual(byEnv, byFile, path)
    assert.notDeepEqual(byFile, resolveConfig(undefined, {}, { env: {}, cwd }).config, path)
  }
})

test('what is unknown or wrong in the file is told with its place, all at once, and no line of it is quoted (C3, C4)', () => {
  const cwd = folderWith({
    'mq.yaml': `listen: nowhere\ndataDr: /d\ntoken: ${TOKEN}\nclusters:\n  - name: a\n    bootstrap: [k:1]\n    securityProtocol: sasl-tls\n    pasword: ${TOKEN}\n`,
  })
  const error = refused(() => resolveConfig('mq.yaml', {}, { env: {}, cwd }))
  const told = (error.details.problems as FileProblem[]).map(({ line, message }) => `${line} ${message}`).join('\n')
  assert.match(told, /^1 listen: write host:port/m)
  assert.match(told, /^2 unknown field 'dataDr'; did you mean 'dataDir'\?$/m)
  assert.match(told, /^3 token: a secret is given by reference/m)
  assert.match(told, /^5 .*username: is missing: PLAIN signs in with a user name$/m)
  assert.match(told, /^8 .*unknown field 'pasword'; did you mean 'password'\?$/m)
  assert.doesNotMatch(JSON.stringify(error), /canary/)
  const broken = refused(() =>
    resolveConfig('b.yaml', {}, { env: {}, cwd: folderWith({ 'b.yaml': `a: ${TOKEN}\n  b` }) }),
  )
  assert.doesNotMatch(JSON.stringify(broken), /canary/)
  assert.match(refused(() => resolveConfig('none.yaml', {}, { env: {}, cwd })).message, /none\.yaml cannot be read/)
})

test('a misspelt or invented variable is refused, and what Kubernetes adds is not (C3)', () => {
  const cwd = freshFolder()
  const wrong = (env: Record<string, string>): string =>
    refused(() => resolveConfig(undefined, {}, { env, cwd })).message
  assert.match(wrong({ MQ_LISTN: 'x' }), /MQ_LISTN is not a setting; did you mean 'MQ_LISTEN'/)
  assert.match(wrong({ MQ_PORT: '7070' }), /MQ_PORT is not a setting; it is called MQ_LISTEN/)
  assert.match(wrong({ MQ_STOP_GRACE: 'soon' }), /environment MQ_STOP_GRACE: 'soon' is not a duration/)
  assert.match(wrong({ MQ_TOKEN: 'a', MQ_TOKEN_FILE: 'b' }), /MQ_TOKEN and MQ_TOKEN_FILE are both set/)
  assert.match(wrong({ MQ_TLS_CERT_FILE: '/c' }), /tls\.cert is set .* and tls\.key is not/)
  assert.match(wrong({ MQ_CLUSTERS: 'a=k:1;a=l:1' }), /'a' stands there twice/)
  assert.match(wrong({ MQ_CLUSTERS: 'a' }), /bootstrap/)
  const service = {
    MQ_PORT: 'tcp://10.0.0.1:7070',
    MQ_SERVICE_HOST: '10.0.0.1',
    MQ_SERVICE_PORT: '7070',
    MQ_PORT_7070_TCP: 'tcp://10.0.0.1:7070',
    MQ_PORT_7070_TCP_ADDR: '10.0.0.1',
    MQ_CONTROL_PLANE_SERVICE_HOST: '10.0.0.1',
  }
  resolveConfig(undefined, {}, { env: { ...service, MQ_URL: 'http://x' }, cwd })
  assert.deepEqual(strangeVariables({ ...service, MQ_COLOUR: 'blue' }), ['MQ_COLOUR'])
})

test('paths of a file are meant from where it lies, others from the working directory (C5)', () => {
  const cwd = freshFolder()
  mkdirSync(join(cwd, 'etc'))
  writeFileSync(
    join(cwd, 'etc/mq.yaml'),
    'dataDir: d\ntoken: file:t\nclusters: [{ name: a, bootstrap: [k:1], securityProtocol: sasl-tls, username: u, password: file:p, tls: { ca: ca.pem } }]\n',
  )
  const { config } = resolveConfig('etc/mq.yaml', {}, { env: { MQ_MONITORING_TOKEN_FILE: 'm' }, cwd })
  assert.equal(config.dataDir, join(cwd, 'etc/d'))
  assert.deepEqual(config.token, { kind: 'file', path: join(cwd, 'etc/t') })
  assert.deepEqual(config.clusters[0]?.password, { kind: 'file', path: join(cwd, 'etc/p') })
  assert.equal(config.clusters[0]?.tls?.ca, join(cwd, 'etc/ca.pem'))
  assert.deepEqual(config.monitoringToken, { kind: 'file', path: join(cwd, 'm') })
})

test('--print-config shows every value and where it is from, never a secret, and then what is wrong', async () => {
  const cwd = folderWith({ 'mq.yaml': 'listen: 0.0.0.0:7070\ntoken: file:t\n', t: `${TOKEN}\n` })
  const good = await run(['serve', '--config', 'mq.yaml', '--print-config', '-o', 'json'], { cwd })
  assert.equal(good.code, 0, good.stderr)
  const told = JSON.parse(good.stdout) as { setting: string; value: string; source: string }[]
  assert.deepEqual(told[0], { setting: 'listen', value: '0.0.0.0:7070', source: 'mq.yaml:1' })
  const byVariable = await run(['serve', '--print-config'], { cwd, env: { MQ_TOKEN: TOKEN, MQ_CONFIG: 'mq.yaml' } })
  assert.match(byVariable.stdout, /token +environment MQ_TOKEN +env:MQ_TOKEN/)
  for (const { stdout, stderr } of [good, byVariable]) assert.doesNotMatch(stdout + stderr, /canary/)
  const open = await run(['serve', '--listen', '0.0.0.0:7070', '--print-config'], { cwd })
  assert.equal(open.code, 2)
  assert.match(open.stderr, /MQ_TOKEN_REQUIRED.*0\.0\.0\.0/)
  const monitoring = await run(['serve', '--print-config'], { cwd, env: { MQ_MONITORING_LISTEN: '0.0.0.0:9' } })
  assert.match(monitoring.stderr, /MQ_TOKEN_REQUIRED.*the port of probes and metrics/)
  const short = await run(['serve', '--print-config'], { cwd, env: { MQ_TOKEN: 'short' } })
  assert.match(short.stderr, /MQ_TOKEN_REQUIRED.*5 characters/)
  const missing = await run(['serve', '--print-config'], { cwd, env: { MQ_TOKEN_FILE: 'no-such' } })
  assert.match(missing.stderr, /MQ_CONFIG_INVALID.*no-such cannot be read: there is no such file/)
})

test('a data folder that cannot be used is told as that before anything listens (V1)', async () => {
  const cwd = folderWith({ file: '' })
  for (const [data, problem] of [
    ['file', /MQ_STORE_FAILED.*is not a folder/],
    ['file/below', /MQ_STORE_FAILED.*is not a folder/],
  ] as const) {
    const { code, stderr } = await run(['serve', '--listen', '127.0.0.1:0', '--data', data], { cwd })
    assert.match(stderr, problem)
    assert.equal(code, 4)
  }
})

test('secrets are read anew for every use, without the newline at their end (S1)', async () => {
  const cwd = folderWith({ p: 'one\n', t: `${TOKEN}\n\nanother-token-of-this-plane\r\n` })
  const password = { kind: 'file', path: join(cwd, 'p') } as const
  const cluster = { name: 'a', bootstrap: ['k:1'], securityProtocol: 'sasl-tls', username: 'u', password } as const
  const given = credentialsOf([{ ...cluster, bootstrap: ['k:1'] }], { env: {} }).a?.password
  assert.ok(typeof given === 'function')
  assert.equal(await given(), 'one')
  writeFileSync(password.path, 'two')
  assert.equal(await given(), 'two')
  assert.deepEqual(readTokens({ kind: 'file', path: join(cwd, 't') }, {}), [TOKEN, 'another-token-of-this-plane'])
  const { config } = resolveConfig(undefined, {}, { env: { MQ_TOKEN_FILE: 't' }, cwd })
  const { token } = await openSecrets(config, { env: {} })
  writeFileSync(join(cwd, 't'), 'short')
  assert.throws(() => token?.reload(), /5 characters/)
  assert.deepEqual(token?.now(), [TOKEN, 'another-token-of-this-plane'], 'what was read last stays')
  writeFileSync(join(cwd, 't'), 'a-token-of-after-the-change')
  token?.reload()
  assert.deepEqual(token?.now(), ['a-token-of-after-the-change'])
})

test('a replaced file is taken over once; one that cannot be used is told once and tried again (S2), and open files are told (S3)', () => {
  const cwd = folderWith({ a: '1' })
  const file = join(cwd, 'a')
  const told: string[] = []
  const logger = {
    debug: () => {},
    info: (_facts: unknown, text: string) => void told.push(text),
    warn: (_facts: unknown, text: string) => void told.push(text),
    error: (_facts: unknown, text: string) => void told.push(text),
  }
  let [reloads, isBroken] = [0, false]
  const reload = (): void => {
    reloads++
    if (isBroken) throw new Error('key values mismatch')
  }
  const watch = new FileWatch([{ what: 'the certificate', files: [file], reload }], logger)
  watch.look()
  assert.equal(reloads, 0)
  writeFileSync(file, '22')
  watch.look()
  watch.look()
  assert.equal(reloads, 1)
  isBroken = true
  writeFileSync(file, '333')
  watch.look()
  watch.look()
  assert.equal(reloads, 3)
  isBroken = false
  watch.look()
  watch.look()
  watch.look(true)
  assert.equal(reloads, 5)
  assert.deepEqual(told, [
    'the certificate was read again',
    'the certificate cannot be used; the one before stays in force',
    'the certificate was read again',
    'the certificate was read again',
  ])
  told.length = 0
  chmodSync(file, 0o644)
  warnOfOpenFiles([file, file, join(cwd, 'none')], logger)
  assert.equal(told.length, 1)
  assert.match(told[0]!, /can be read by everybody/)
})
