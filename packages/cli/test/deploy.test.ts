/** What lies in deploy/ fits what it runs: names of settings, files that are copied, users, ports and grace times. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseDurationMs } from '@mq/contract'
import { parse } from 'yaml'
import { resolveConfig } from '../src/serve/config.ts'
import { settings } from '../src/serve/settings.ts'
import { freshFolder } from './harness.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (file: string): string => readFileSync(`${root}/${file}`, 'utf8')
const variables = new Set([
  'MQ_CONFIG',
  ...settings.flatMap(({ env, kind }) => (kind === 'secret' ? [env, `${env}_FILE`] : [env])),
])
const stopGraceMs = parseDurationMs(settings.find(({ path }) => path === 'stopGrace')?.fallback ?? '')!

function hasVariables(names: readonly string[], where: string): void {
  assert.ok(names.length > 0, where)
  for (const name of names) assert.ok(variables.has(name), `${where} names ${name}`)
}

test('the Containerfile copies what is there, pins its base and runs as nobody in particular', () => {
  const lines = read('deploy/Containerfile').split('\n')
  const copied = lines.flatMap((line) => {
    const [, sources] = /^COPY (?!--from)(.+) \S+$/.exec(line) ?? []
    return sources?.split(' ') ?? []
  })
  assert.ok(copied.length >= 4)
  for (const source of copied) assert.ok(existsSync(`${root}/${source}`), source)
  const bases = lines.filter((line) => line.startsWith('FROM '))
  assert.equal(bases.length, 2)
  for (const base of bases) assert.match(base, /node:\d+\.\d+-[a-z]+-slim/)
  // npm wants the package.json of every workspace.
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] }
  for (const file of globSync(
    workspaces.map((pattern) => `${pattern}/package.json`),
    { cwd: root },
  )) {
    assert.ok(
      copied.some((source) => file === source || file.startsWith(`${source}/`)),
      `${file} is not copied`,
    )
  }
  assert.match(lines.findLast((line) => line.startsWith('USER ')) ?? '', /^USER [1-9]\d+:[1-9]\d+$/)
  const command = JSON.parse((lines.find((line) => line.startsWith('CMD ')) ?? '').slice(4)) as string[]
  assert.deepEqual(command.slice(0, 2), ['serve', '--listen'])
  assert.ok(lines.includes(`VOLUME ${command[4]}`), 'what is written to is the volume')
})

test('the compose file starts the control plane with settings that exist, read-only and with time to stop', () => {
  interface Service {
    readonly environment: Readonly<Record<string, string>>
    readonly read_only?: boolean
    readonly stop_grace_period?: string
    readonly secrets?: readonly string[]
    readonly build?: { readonly dockerfile: string }
  }
  const { services, secrets } = parse(read('deploy/compose.yaml')) as {
    services: Readonly<Record<string, Service>>
    secrets: Readonly<Record<string, unknown>>
  }
  const { environment, ...mq } = services.mq!
  hasVariables(Object.keys(environment), 'compose')
  const { config } = resolveConfig(undefined, { listen: '0.0.0.0:7070' }, { env: environment, cwd: '/' })
  assert.deepEqual(config.token, { kind: 'file', path: '/run/secrets/token' })
  assert.deepEqual(Object.keys(secrets), mq.secrets)
  assert.equal(config.clusters.length, 1)
  assert.equal(mq.read_only, true)
  assert.ok(parseDurationMs(mq.stop_grace_period ?? '')! > stopGraceMs)
  assert.ok(existsSync(`${root}/${mq.build?.dockerfile}`))
  const advertised = services.kafka?.environment.KAFKA_ADVERTISED_LISTENERS ?? ''
  assert.ok(advertised.endsWith(config.clusters[0]!.bootstrap[0]!), 'Kafka is found where it advertises to be')
})

test('the unit names settings that exist, hands the token over as a credential, and gives more time than a stop takes', () => {
  const unit = read('deploy/mq.service')
  const values = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value!)
  const environment = values('Environment').map((line) => line.split('=') as [string, string])
  hasVariables(
    environment.map(([name]) => name),
    'the unit',
  )
  assert.deepEqual(values('LoadCredential'), ['token:/etc/mq/token'])
  assert.ok(environment.some(([name, value]) => name === 'MQ_TOKEN_FILE' && value === '%d/token'))
  assert.equal(values('DynamicUser')[0], 'yes')
  assert.equal(values('ProtectSystem')[0], 'strict')
  assert.equal(environment.find(([name]) => name === 'MQ_DATA_DIR')?.[1], `/var/lib/${values('StateDirectory')[0]}`)
  assert.ok(parseDurationMs(values('TimeoutStopSec')[0] ?? '')! > stopGraceMs)
})

test('the guide shows a file that is taken as it stands', () => {
  const guide = read('docs/guides/operate.md')
  const [, yaml] = /```yaml\n(listen:[\s\S]*?)```/.exec(guide) ?? []
  const [, scrape] = /```yaml\n(scrape_configs:[\s\S]*?)```/.exec(guide) ?? []
  assert.ok(yaml !== undefined && scrape !== undefined)
  assert.doesNotThrow(() => parse(scrape))
  const folder = freshFolder()
  writeFileSync(join(folder, 'mq.yaml'), yaml)
  const { config } = resolveConfig('mq.yaml', {}, { env: {}, cwd: folder })
  rmSync(folder, { recursive: true })
  assert.equal(config.clusters[0]?.saslMechanism, 'SCRAM-SHA-512')
  assert.equal(config.monitoring?.port, 7_071)
})
