/**
 * What a person reads when something around a command is wrong: it names what is wrong, and not what is next to it.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nodeProblem } from '@mq/contract'
import type { LocalCluster } from '@mq/local'
import { DevStack } from '../src/dev/stack.ts'
import { exitCodes } from '../src/exit-codes.ts'
import { freshFolder, run } from './harness.ts'

test('dev says that Kafka does not answer instead of being up', { timeout: 300_000 }, async () => {
  const interrupting = new AbortController()
  const cwd = freshFolder()
  const started = run(['dev', '--bootstrap', '127.0.0.1:1', '--port', '0', '--data', 'd'], {
    cwd,
    interrupt: interrupting.signal,
    onOutput: (text) => {
      if (text.includes('Ctrl-C stops everything')) interrupting.abort('ctrl-c')
    },
  })
  const { code, stdout } = await started
  assert.equal(code, 0)
  assert.match(stdout, /^The control plane is up, after .*, but Kafka is not: MQ_KAFKA_UNREACHABLE: /)
  assert.doesNotMatch(stdout, /mQ is up/)
})

test('a local broker that ends while dev runs is told as that', async () => {
  const dead = { nodeId: 2, pid: undefined, logFile: '/logs/broker.log' }
  const cluster = { brokers: [{ nodeId: 1, pid: 7, logFile: '' }, dead] } as unknown as LocalCluster
  const stack = new DevStack('http://127.0.0.1:1', [], '4', cluster, [])
  const error = await stack.ended(new AbortController().signal)
  assert.equal(error?.code, 'MQ_KAFKA_ENDED')
  assert.match(error!.message, /Broker 2 ended by itself; its log is \/logs\/broker\.log/)
})

test('an unknown command is told with where to look, and only with a command that is near', async () => {
  for (const [argv, text] of [
    [['reset'], /^MQ_COMMAND_UNKNOWN: There is no command 'reset'\nWhat to do: See `mq --help`/],
    [['descrbe', 'a.b'], /^MQ_COMMAND_UNKNOWN: There is no command 'descrbe'; did you mean 'describe'\?/],
    [['cluster', 'lst'], /^MQ_COMMAND_UNKNOWN: There is no command 'lst' of mq cluster; did you mean '(list|ls)'\?/],
  ] as const) {
    const { code, stderr } = await run(argv)
    assert.equal(code, exitCodes.badInput)
    assert.match(stderr, text)
  }
})

test('a Node that is too old is told as that', () => {
  assert.equal(nodeProblem('20.20.2'), 'Node 24.11 or newer is needed; this is Node 20.20.2')
  assert.equal(nodeProblem('24.10.9'), 'Node 24.11 or newer is needed; this is Node 24.10.9')
  for (const version of ['24.11.0', '26.0.0']) assert.equal(nodeProblem(version), undefined)
})

test('run takes a file from anywhere, and finds the packages of mQ for it (R1)', { timeout: 300_000 }, async () => {
  const cwd = freshFolder()
  writeFileSync(
    join(cwd, 'outside.ts'),
    "import { MqError } from '@mq/client'\nimport { z } from 'zod'\nconst text: string = typeof MqError + typeof z.object\nif (text !== 'functionfunction') process.exit(3)\n",
  )
  assert.equal((await run(['run', 'outside.ts'], { cwd })).code, 0)
  writeFileSync(join(cwd, 'missing.ts'), "import 'a-package-that-nobody-made'\n")
  assert.equal((await run(['run', 'missing.ts'], { cwd })).code, 1)
})

test('the warning of node:sqlite is kept from people, and no other (N2)', { timeout: 300_000 }, async () => {
  const guard = fileURLToPath(new URL('../src/check-node.ts', import.meta.url))
  const warn =
    "for (const text of ['SQLite is an experimental feature and might change', 'another one']) process.emitWarning(text)"
  const flags = ['--conditions=mq-source', '--import', guard, '--input-type=module', '--eval', warn]
  const { stderr } = await promisify(execFile)(process.execPath, flags)
  assert.match(stderr, /another one/)
  assert.doesNotMatch(stderr, /SQLite/)
})
