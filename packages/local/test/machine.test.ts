/** Java and Maven on this machine (java.ts J1, J2), the folder lock (folder-lock.ts K1, K2), broker settings (S1 to S4), versions (N1, N2). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverProperties } from '../src/broker-config.ts'
import { tryLockFolder } from '../src/folder-lock.ts'
import { cacheFolder } from '../src/jar-install.ts'
import { findJava, findMaven } from '../src/java.ts'
import { compareKafkaVersions, isKafkaAtLeast, KAFKA_VERSION, parseKafkaChoice } from '../src/kafka-version.ts'

const scratch = mkdtempSync(join(tmpdir(), 'mq-machine-test-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function fakeProgram(folder: string, name: string, script: string): string {
  const bin = join(scratch, folder, 'bin')
  mkdirSync(bin, { recursive: true })
  const path = join(bin, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return bin
}

test('no java anywhere is MQ_JAVA_MISSING, with what is needed', async () => {
  await assert.rejects(findJava({ PATH: scratch }), { code: 'MQ_JAVA_MISSING', message: /Java 17/ })
})

test('an old java is refused with its version and path', async () => {
  const bin = fakeProgram('java-11', 'java', `echo 'openjdk version "11.0.2" 2019-01-15' >&2`)
  await assert.rejects(findJava({ PATH: bin }), { code: 'MQ_JAVA_MISSING', message: /java-11.*11\.0\.2/ })
})

test('Java 8 names itself 1.8 and is refused as well', async () => {
  const bin = fakeProgram('java-8', 'java', `echo 'java version "1.8.0_392"' >&2`)
  await assert.rejects(findJava({ PATH: bin }), { code: 'MQ_JAVA_MISSING' })
})

test('the release file of a runtime spares asking it', async () => {
  const bin = fakeProgram('java-21', 'java', 'exit 3')
  writeFileSync(join(scratch, 'java-21', 'release'), 'IMPLEMENTOR="x"\nJAVA_VERSION="21.0.5"\n')
  assert.equal((await findJava({ PATH: bin })).version, '21.0.5')
})

test('a JAVA_HOME that does not work is an error even with a good java on the PATH', async () => {
  const bin = fakeProgram('java-good', 'java', `echo 'openjdk version "21.0.1"' >&2`)
  assert.equal((await findJava({ PATH: bin })).version, '21.0.1')
  await assert.rejects(findJava({ PATH: bin, JAVA_HOME: join(scratch, 'nowhere') }), { code: 'MQ_JAVA_MISSING' })
})

test('no mvn is MQ_MAVEN_MISSING', () => {
  assert.throws(() => findMaven({ PATH: scratch }), { code: 'MQ_MAVEN_MISSING' })
})

test('MQ_CACHE, then XDG_CACHE_HOME, name the cache', () => {
  assert.equal(cacheFolder({ MQ_CACHE: '/a', XDG_CACHE_HOME: '/b' }), '/a')
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/b' }), join('/b', 'mq'))
})

test('a folder is locked once inside one process, and free again after release', () => {
  const folder = join(scratch, 'lock-here')
  const first = tryLockFolder(folder)
  assert.ok(first)
  assert.equal(tryLockFolder(folder), undefined)
  first.release()
  const second = tryLockFolder(folder)
  assert.ok(second)
  second.release()
})

test('a lock held by another process ends when that is killed', { timeout: 300_000 }, async () => {
  const folder = join(scratch, 'lock-there')
  const program = `
    import { tryLockFolder } from ${JSON.stringify(new URL('../src/folder-lock.ts', import.meta.url).href)}
    globalThis.lock = tryLockFolder(${JSON.stringify(folder)})
    console.log(lock === undefined ? 'refused' : 'held')
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))))
  assert.equal(said.trim(), 'held')
  assert.equal(tryLockFolder(folder), undefined)
  child.kill('SIGKILL')
  for (let waited = 0; waited < 200; waited++) {
    const lock = tryLockFolder(folder)
    if (lock !== undefined) return lock.release()
    await sleep(20)
  }
  assert.fail('the lock outlived its holder')
})

function properties(
  brokers: number,
  overrides: Record<string, string> = {},
  version: string = KAFKA_VERSION,
): Map<string, string> {
  const { mode } = parseKafkaChoice(version)
  const text = serverProperties({
    nodeId: 1,
    ports: { client: 11, internal: 12, controller: 13 },
    advertisedPort: 99,
    version: version.replace('-zk', ''),
    metadata:
      mode === 'zookeeper'
        ? { mode, port: 13 }
        : {
            mode,
            voters: Array.from({ length: brokers }, (_, index) => ({ nodeId: index + 1, controllerPort: 13 + index })),
          },
    brokers,
    authorizer: false,
    logFolder: '/somewhere',
    overrides,
  })
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

test('three brokers mean three replicas with two in sync, for internal topics too', () => {
  const three = properties(3)
  for (const name of ['default', 'offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic']) {
    assert.equal(three.get(`${name}.replication.factor`), '3', name)
  }
  assert.equal(three.get('min.insync.replicas'), '2')
  assert.equal(three.get('transaction.state.log.min.isr'), '2')
  assert.equal(properties(1).get('min.insync.replicas'), '1')
})

test('clients are told the proxy, brokers reach each other directly', () => {
  assert.equal(properties(1).get('advertised.listeners'), 'CLIENT://127.0.0.1:99,INTERNAL://127.0.0.1:12')
})

test('a setting of the caller wins, and its value survives the file format', () => {
  const value = 'a\\b\nc'
  const set = properties(1, { 'auto.create.topics.enable': 'true', odd: value })
  assert.equal(set.get('auto.create.topics.enable'), 'true')
  assert.equal(set.get('odd'), 'a\\\\b\\nc')
  assert.equal(properties(1).get('auto.create.topics.enable'), 'false')
})

test('versions are compared by their numbers', () => {
  assert.ok(compareKafkaVersions('3.9.2', '3.10.0') < 0)
  assert.ok(isKafkaAtLeast('4.0.0', '4.0.0'))
  assert.ok(!isKafkaAtLeast('2.8.2', '3.0.0'))
})

test('a version without a suffix runs KRaft from 3.3 on, ZooKeeper before', () => {
  assert.deepEqual(parseKafkaChoice('3.3.2'), { version: '3.3.2', mode: 'kraft' })
  assert.deepEqual(parseKafkaChoice('3.1.2'), { version: '3.1.2', mode: 'zookeeper' })
  assert.deepEqual(parseKafkaChoice('3.9.2-zk'), { version: '3.9.2', mode: 'zookeeper' })
  assert.deepEqual(parseKafkaChoice('4.0.2-kroxylicious'), { version: '4.0.2', mode: 'kraft', front: 'kroxylicious' })
  assert.deepEqual(parseKafkaChoice(undefined), { version: KAFKA_VERSION, mode: 'kraft' })
})

test('what is no version, is too old, or lacks the mode is refused with its reason', () => {
  for (const [text, why] of [
    ['four', /no version/],
    ['4.4', /no version/],
    ['2.7.2', /older than 2\.8\.0/],
    ['4.0.2-zk', /no longer runs with ZooKeeper/],
    ['3.9.2-kraft', /only '-zk'/],
  ] as const) {
    assert.throws(() => parseKafkaChoice(text), { code: 'MQ_OPTION_INVALID', message: why }, text)
  }
})

test('a version is given only the settings it knows', () => {
  const old = properties(1, { 'group.consumer.session.timeout.ms': '6000' }, '2.8.2-zk')
  assert.equal(old.get('zookeeper.connect'), '127.0.0.1:13')
  for (const name of old.keys())
    assert.doesNotMatch(name, /^(?:process|node|controller|share|telemetry|group\.consumer)\./)
  assert.equal(old.get('listeners'), 'CLIENT://127.0.0.1:11,INTERNAL://127.0.0.1:12')
  assert.ok(!properties(1, {}, '3.9.2').has('share.coordinator.state.topic.min.isr'))
  assert.equal(properties(3, {}, '3.9.2-zk').get('min.insync.replicas'), '2')
})
