import assert from 'node:assert/strict'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { catalogue, type MqErrorCode, Problem } from '@mq/contract'
import { parse } from 'yaml'
import { checkClock, checkNode } from '../src/diagnosis.ts'
import { exitCodeFor, exitCodeMeanings, exitCodes } from '../src/exit-codes.ts'
import { buildProgram } from '../src/program.ts'
import { fakeControlPlane, freshFolder, run, type Seen, withPlane } from './harness.ts'

const summary = {
  id: 'orders.placed',
  incarnation: 1,
  revision: 7,
  format: 'json',
  ordering: 'key',
  durability: 'standard',
  cluster: 'dev',
  epoch: 1,
  partitions: 4,
  team: 'checkout',
  createdBy: 'apply',
  messagesPerSecond: 12.5,
  unsettled: null,
  createdAtMs: 1,
  updatedAtMs: 2,
}
const empty = { body: { ids: [] } }

test('X1: every catalogue code has an exit code that the help explains, and only success has 0', () => {
  const explained = new Set(exitCodeMeanings.map(({ code }) => code))
  for (const code of Object.keys(catalogue) as MqErrorCode[]) {
    const exit = exitCodeFor(code)
    assert.notEqual(exit, exitCodes.ok)
    assert.ok(explained.has(exit), code)
  }
  assert.equal(exitCodeFor('MQ_ID_INVALID'), exitCodes.badInput)
  assert.equal(exitCodeFor('MQ_ID_UNKNOWN'), exitCodes.notFound)
  assert.equal(exitCodeFor('MQ_CONTROL_PLANE_AWAY'), exitCodes.retryLater)
  assert.equal(exitCodeFor('MQ_PORT_IN_USE'), exitCodes.refused)
  assert.equal(exitCodeFor('MQ_UNAUTHORIZED'), exitCodes.notAllowed)
  assert.equal(exitCodeFor('MQ_INTERNAL'), exitCodes.failure)
})

test('every command has a help with an example, and the help of all names every exit code', async () => {
  const { stdout, code } = await run([])
  assert.equal(code, 0)
  for (const { code: exit, meaning } of exitCodeMeanings) assert.ok(stdout.includes(`${exit}  ${meaning}`))
  const names = [...stdout.matchAll(/^ {2}([a-z]+)(?:\|[a-z]+)?(?: \[| <| {2,}\S)/gm)].map((match) => match[1]!)
  for (const name of [
    'demo',
    'dev',
    'apply',
    'list',
    'describe',
    'delete',
    'send',
    'tail',
    'cluster',
    'context',
    'doctor',
    'completion',
    'test',
    'measure',
    'docs',
    'pack',
  ]) {
    assert.ok(names.includes(name), name)
    const subcommands =
      name === 'cluster' ? ['list', 'add', 'set', 'remove'] : name === 'context' ? ['list', 'use', 'set', 'remove'] : []
    for (const words of subcommands.length === 0 ? [[name]] : subcommands.map((sub) => [name, sub])) {
      const help = await run([...words, '--help'])
      assert.equal(help.code, 0, words.join(' '))
      assert.match(help.stdout, /Examples:\n {2}\S/, words.join(' '))
    }
  }
})

test('P2: wrong usage is a failure with code, what happened and what to do, on stderr, exit code 2', async () => {
  for (const argv of [
    ['lst'],
    ['list', '--nope'],
    ['describe'],
    ['apply'],
    ['list', '-o', 'xml'],
    ['send', 'Bad.ID'],
    ['cluster'],
    ['tail', 'a.b', '--limit', '0'],
    ['dev', '--port', '70000'],
  ]) {
    const { code, stdout, stderr } = await run(argv)
    assert.equal(code, 2, argv.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, /^MQ_[A-Z_]+: .+\nWhat to do: .+\.\n$/, argv.join(' '))
  }
  assert.match((await run(['lst'])).stderr, /did you mean/)
})

test('F1: with -o json a failure is one Problem on stderr; with -o yaml the same', async () => {
  const json = await run(['describe', 'Nope', '-o', 'json'])
  assert.equal(Problem.parse(JSON.parse(json.stderr)).code, 'MQ_ID_INVALID')
  const yaml = await run(['list', '--nope', '--output=yaml'])
  assert.equal(Problem.parse(parse(yaml.stderr)).code, 'MQ_OPTION_INVALID')
})

test('a control plane that is away gives exit code 4 and names the URL and where it came from', async () => {
  const gone = await fakeControlPlane(() => empty)
  await gone.close()
  const { code, stderr } = await run(['list'], { env: { MQ_URL: gone.url } })
  assert.equal(code, 4)
  assert.ok(
    stderr.startsWith(`MQ_CONTROL_PLANE_AWAY: No control plane at ${gone.url} (MQ_URL): nothing listens there\n`),
  )
})

test('something that is not mQ is told as such', async () => {
  for (const reply of [{ body: null, raw: '<html>' }, { body: { ids: 5 } }, { status: 404, body: null, raw: 'oops' }]) {
    const { code, stderr } = await withPlane(
      () => reply,
      (url) => run(['list', '--url', url]),
    )
    assert.equal(code, 1)
    assert.match(stderr, /^MQ_RESPONSE_INVALID: /)
  }
})

test('a gateway in front of a control plane that is away says so, not that something else answered', async () => {
  const { code, stderr } = await withPlane(
    () => ({ status: 502, body: null, raw: '<html>' }),
    (url) => run(['list', '--url', url]),
  )
  assert.equal(code, 4)
  assert.match(stderr, /^MQ_CONTROL_PLANE_AWAY: .* answered with status 502\n/)
})

test('A1: a control plane that never answers is given up at the deadline of the caller', async () => {
  const stop = new AbortController()
  const { code } = await withPlane(
    () => undefined,
    (url) => {
      setTimeout(() => stop.abort('ctrl-c'), 50)
      return run(['list', '--url', url], { interrupt: stop.signal })
    },
  )
  assert.equal(code, 130)
})

test('A2: a Problem keeps its code, message and exit code', async () => {
  const problem = { code: 'MQ_ID_UNKNOWN', message: "No mQ ID 'a.b'", action: 'x', retryable: false }
  const { code, stderr } = await withPlane(
    () => ({ status: 404, body: problem }),
    (url) => run(['describe', 'a.b', '--url', url]),
  )
  assert.equal(code, 3)
  assert.match(stderr, /^MQ_ID_UNKNOWN: No mQ ID 'a\.b'\n/)
})

test('U1: list prints the object of the API as json and yaml, and a plain table to a pipe', async () => {
  await withPlane(
    () => ({ body: { ids: [summary], warnings: [] } }),
    async (url) => {
      const answer = { ids: [summary], warnings: [] }
      assert.deepEqual(JSON.parse((await run(['list', '--url', url, '-o', 'json'])).stdout), answer)
      assert.deepEqual(parse((await run(['list', '--url', url, '-o', 'yaml'])).stdout), answer)
      const { stdout } = await run(['list', '--url', url])
      assert.match(
        stdout,
        /^ID +FORMAT +ORDERING .*\norders\.placed +json +key +standard +12\.5 +dev +checkout +apply /,
      )
      assert.ok(!stdout.includes('\u001b'))
    },
  )
})

test('O3: colour on a terminal only, and not with NO_COLOR', async () => {
  await withPlane(
    () => ({ body: { ids: [summary] } }),
    async (url) => {
      assert.ok((await run(['list', '--url', url], { tty: true })).stdout.includes('\u001b['))
      assert.ok(!(await run(['list', '--url', url], { tty: true, env: { NO_COLOR: '1' } })).stdout.includes('\u001b['))
    },
  )
})

test('apply sends what was written and shows the difference; a refusal gives exit code 5', async () => {
  const cwd = freshFolder()
  writeFileSync(join(cwd, 'mq.yaml'), 'ids:\n  a.new: { retention: 2d }\n  a.old:\n  a.same:\n')
  const plan = {
    applied: false,
    executed: false,
    entries: [
      {
        id: 'a.new',
        action: 'create',
        changes: [
          { path: 'retention.policy', before: null, after: 'time' },
          { path: 'retention.durationMs', before: null, after: '172800000' },
        ],
        refusal: null,
      },
      {
        id: 'a.old',
        action: 'update',
        changes: [
          { path: 'latencyP99Ms', before: '250', after: '50' },
          { path: 'retention.policy', before: 'time', after: 'forever' },
          { path: 'retention.durationMs', before: '604800000', after: null },
        ],
        refusal: null,
      },
      { id: 'a.same', action: 'unchanged', changes: [], refusal: null },
    ],
  }
  const plane = await fakeControlPlane(() => ({ body: plan }))
  const refusing = await fakeControlPlane(() => ({
    body: {
      applied: true,
      entries: [{ id: 'a.no', action: 'refuse', changes: [], refusal: { code: 'MQ_INTENT_UNMET', message: 'no' } }],
    },
  }))
  try {
    const shown = await run(['apply', '-f', 'mq.yaml', '--plan', '--url', plane.url], { cwd })
    assert.equal(shown.code, 0)
    assert.equal(
      shown.stdout,
      '+ a.new\n    + retention: 2d\n~ a.old\n    ~ latencyP99Ms: 250ms -> 50ms (left out of the file: back to the default)\n    ~ retention: 7d -> forever (left out of the file: back to the default)\n= a.same\n\n1 to create, 1 to change, 1 unchanged. Nothing was changed.\n',
    )
    assert.deepEqual(plane.seen[0]?.body, {
      declarations: [
        { id: 'a.new', intent: { retention: '2d' } },
        { id: 'a.old', intent: {} },
        { id: 'a.same', intent: {} },
      ],
      plan: true,
    })
    const detailed = await run(
      ['apply', '-f', 'mq.yaml', '--plan', '--detailed-exit-code', '-o', 'json', '--url', plane.url],
      { cwd },
    )
    assert.equal(detailed.code, exitCodes.changesPending)
    assert.deepEqual(JSON.parse(detailed.stdout), plan)
    const piped = await run(['apply', '-f', '-', '--url', refusing.url], { stdin: 'ids: { a.no: }' })
    assert.equal(piped.code, exitCodes.refused)
    assert.match(piped.stdout, /! a\.no\n {4}MQ_INTENT_UNMET: no\n/)
  } finally {
    await plane.close()
    await refusing.close()
  }
})

test('apply asks before it deletes records or sets back what a file leaves out', async () => {
  const changes = [
    { path: 'retention.durationMs', before: '604800000', after: '3600000' },
    { path: 'latencyP99Ms', before: '20', after: '250' },
  ]
  const update = { id: 'a.b', action: 'update', changes, deletes: ['every record older than 1h'], refusal: null }
  const calls = (seen: readonly Seen[]): unknown[] => seen.map(({ body }) => (body as { plan: boolean }).plan)
  await withPlane(
    ({ body }) => ({ body: { applied: !(body as { plan: boolean }).plan, entries: [update] } }),
    async (url, seen) => {
      const stdin = 'ids: { a.b: { retention: 1h } }'
      const { code, stdout, stderr } = await run(['apply', '-f', '-', '--url', url], { stdin })
      assert.deepEqual([code, stdout], [exitCodes.refused, ''])
      assert.match(
        stderr,
        /^MQ_CONFIRMATION_NEEDED: .*nothing was changed\. a\.b: it deletes every record older than 1h; a\.b: 'latencyP99Ms' is left out/,
      )
      assert.deepEqual(calls(seen), [true])
      const forced = await run(['apply', '-f', '-', '--yes', '--url', url], { stdin })
      assert.equal(forced.code, 0)
      assert.match(
        forced.stdout,
        /retention: 7d -> 1h\n[\s\S]*250ms \(left out of the file[\s\S]*deletes every record older than 1h/,
      )
      assert.deepEqual(calls(seen), [true, false])
    },
  )
  const harmless = { ...update, changes: [changes[0]], deletes: undefined }
  await withPlane(
    ({ body }) => ({ body: { applied: !(body as { plan: boolean }).plan, entries: [harmless] } }),
    async (url, seen) => {
      assert.equal(
        (await run(['apply', '-f', '-', '--url', url], { stdin: 'ids: { a.b: { retention: 9d } }' })).code,
        0,
      )
      assert.deepEqual(calls(seen), [true, false])
    },
  )
})

test('a field of an mq.yaml that mQ chooses, or a size that cannot be, is told with what to do', async () => {
  const { code, stderr } = await run(['apply', '-f', '-', '--url', 'http://127.0.0.1:9'], {
    stdin: 'ids:\n  a.b: { partitions: 3, maxMessageBytes: 20MB, expectedMessageBytes: 2KiB, owner: { tem: x } }\n',
  })
  assert.equal(code, 2)
  assert.match(stderr, /2:10 {2}unknown field 'partitions': mQ chooses partitions; `mq migrate ID --partitions N`/)
  assert.match(stderr, /maxMessageBytes: 20MB is outside of what can be: from 1KiB to 8MiB/)
  assert.match(stderr, /owner: unknown field 'tem'; did you mean 'team'\?/)
  assert.doesNotMatch(stderr, /expectedMessageBytes: [^2]/)
})

test('apply of a broken file shows place, line and caret, and asks nobody', async () => {
  const { code, stderr } = await run(['apply', '-f', '-', '--url', 'http://127.0.0.1:9'], {
    stdin: 'ids:\n  a.b: { foo: 1 }\n',
  })
  assert.equal(code, 2)
  assert.match(
    stderr,
    /^MQ_FILE_INVALID: 1 problem in <stdin>\n {2}<stdin>:2:10 {2}unknown field 'foo'\n {6}a\.b: \{ foo: 1 \}\n {13}\^\n/,
  )
})

test('a file that cannot be read is told by its name', async () => {
  for (const argv of [
    ['apply', '-f', 'none.yaml'],
    ['apply', '-f', '.'],
  ]) {
    const { code, stderr } = await run(argv)
    assert.equal(code, 2)
    assert.match(stderr, /MQ_OPTION_INVALID: \S+ cannot be read: /)
  }
})

test('Q1: delete without a terminal needs --yes; with it, it deletes without asking', async () => {
  const plane = await fakeControlPlane((request) =>
    request.method === 'DELETE'
      ? { body: { deleted: true, topics: ['a.b.e1'] } }
      : { status: 404, body: { code: 'MQ_ID_UNKNOWN', message: 'no', action: '', retryable: false } },
  )
  try {
    assert.equal((await run(['delete', 'a.b', '--url', plane.url])).code, 3)
    const done = await run(['delete', 'a.b', '--yes', '-o', 'json', '--url', plane.url])
    assert.deepEqual(JSON.parse(done.stdout), { id: 'a.b', deleted: true, topics: ['a.b.e1'], keptUntilMs: null })
    assert.deepEqual(
      plane.seen.map((each) => each.method),
      ['GET', 'DELETE'],
    )
  } finally {
    await plane.close()
  }
})

test('C1, C2: flag before environment before file; a kept token goes only to its own URL', async () => {
  const plane = await fakeControlPlane(() => empty)
  const other = await fakeControlPlane(() => empty)
  const cwd = freshFolder()
  try {
    await run(['context', 'set', 'kept', '--url', plane.url, '--token-stdin'], { cwd, stdin: 'kept-token\n' })
    await run(['list'], { cwd })
    await run(['list', '--url', other.url], { cwd })
    await run(['list'], { cwd, env: { MQ_URL: other.url, MQ_TOKEN: 'from-env' } })
    await run(['list', '--context', 'kept'], { cwd, env: { MQ_URL: other.url } })
    await run(['list', '--url', other.url, '--token', 'from-flag'], { cwd, env: { MQ_TOKEN: 'from-env' } })
    assert.deepEqual(
      plane.seen.map((each) => each.authorization),
      ['Bearer kept-token', 'Bearer kept-token'],
    )
    assert.deepEqual(
      other.seen.map((each) => each.authorization),
      [undefined, 'Bearer from-env', 'Bearer from-flag'],
    )
  } finally {
    await plane.close()
    await other.close()
  }
})

test('C3: the context file is private, and no token is ever printed', async () => {
  const cwd = freshFolder()
  const set = await run(['context', 'set', 'one', '--url', 'https://mq.example.com/', '--token', 'very-secret-token'], {
    cwd,
  })
  await run(['context', 'set', 'two', '--url', 'http://127.0.0.1:1'], { cwd })
  const path = join(cwd, 'config', 'mq', 'contexts.yaml')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const list = await run(['context', 'list', '-o', 'json'], { cwd })
  assert.deepEqual(JSON.parse(list.stdout), {
    contexts: [
      { name: 'one', url: 'https://mq.example.com', hasToken: true, current: true },
      { name: 'two', url: 'http://127.0.0.1:1', hasToken: false, current: false },
    ],
  })
  assert.equal((await run(['context', 'use', 'two'], { cwd })).code, 0)
  assert.equal((await run(['context', 'remove', 'two'], { cwd })).code, 0)
  assert.equal((await run(['context', 'use', 'two'], { cwd })).code, 3)
  for (const text of [set.stdout, set.stderr, list.stdout]) assert.ok(!text.includes('very-secret'))
  assert.ok(readFileSync(path, 'utf8').includes('very-secret-token'))
  chmodSync(path, 0o644)
  assert.match((await run(['doctor'], { cwd })).stdout, /fail +Contexts +\S+ can be read by others/)
})

test('a damaged context file and an unusable URL are told, not used', async () => {
  const cwd = freshFolder()
  await run(['context', 'set', 'one', '--url', 'http://127.0.0.1:1'], { cwd })
  writeFileSync(join(cwd, 'config', 'mq', 'contexts.yaml'), 'contexts: [')
  assert.match((await run(['list'], { cwd })).stderr, /^MQ_FILE_INVALID: \S+ is not a context file/)
  assert.match((await run(['list', '--url', 'ftp://x'])).stderr, /^MQ_OPTION_INVALID: 'ftp:\/\/x' is not an http/)
  const secret = await run(['list', '--url', 'http://me:hunter2@127.0.0.1:1'])
  assert.equal(secret.code, 2)
  assert.ok(!secret.stderr.includes('hunter2'))
})

test('send checks its options before it talks to anyone', async () => {
  const wrong = [['--value', '1', '--file', 'x'], ['--key', 'a', '--key-field', 'b'], ['--key-optional']]
  for (const flags of wrong) {
    const { code, stderr } = await run(['send', 'a.b', ...flags])
    assert.equal(code, 2)
    assert.match(stderr, /^MQ_OPTION_INVALID: --/)
  }
  const terminal = await run(['send', 'a.b'], { tty: true })
  assert.match(terminal.stderr, /There is nothing to send/)
})

test('K1: completion scripts name every visible command and every option of it', async () => {
  const io = { env: {}, stdout: process.stdout, stderr: process.stderr } as never
  const visible = buildProgram(io)
    .commands.filter((command) => command.name() !== 'complete-ids')
    .map((command) => command.name())
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, code } = await run(['completion', shell])
    assert.equal(code, 0)
    for (const name of visible) assert.ok(stdout.includes(name), `${shell}: ${name}`)
    for (const option of ['detailed-exit-code', 'key-field', 'exit-at-end', 'bootstrap'])
      assert.ok(stdout.includes(option), `${shell}: ${option}`)
    assert.ok(!stdout.includes('complete-ids [') && stdout.includes('complete-ids'))
  }
})

test('K2: complete-ids prints the mQ IDs, and is silent when there is no control plane', async () => {
  await withPlane(
    () => ({ body: { ids: [summary] } }),
    async (url) => assert.equal((await run(['complete-ids'], { env: { MQ_URL: url } })).stdout, 'orders.placed\n'),
  )
  assert.deepEqual(await run(['complete-ids'], { env: { MQ_URL: 'http://127.0.0.1:9' } }), {
    code: 0,
    stdout: '',
    stderr: '',
  })
})

test('measure names what there is when asked for something else', async () => {
  const { code, stderr } = await run(['measure', 'thruput'])
  assert.equal(code, 2)
  assert.match(stderr, /There is no measurement 'thruput'.*latency/)
})

test('G1: doctor reports every check with a status, and exit code 1 when one fails', async () => {
  const { code, stdout } = await run(['doctor', '-o', 'json'], { env: { MQ_URL: 'http://127.0.0.1:9' } })
  assert.equal(code, 1)
  const { ok, checks } = JSON.parse(stdout) as {
    ok: boolean
    checks: { name: string; status: string; action: string | null }[]
  }
  assert.equal(ok, false)
  assert.equal(checks.find((check) => check.name === 'Control plane')?.status, 'fail')
  for (const check of checks) assert.equal(check.action === null, check.status === 'ok', check.name)
})

test('the clock is compared within what a Date header can say', () => {
  assert.equal(checkClock(10_000, 10_900, 10_950).status, 'ok')
  assert.match(checkClock(10_000, 20_000, 20_010).message, /9\.0 s ahead of/)
  assert.match(checkClock(20_000, 10_000, 10_010).message, /10\.0 s behind/)
  assert.equal(checkClock(undefined, 0, 0).status, 'warn')
  assert.equal(checkNode('24.11.0').status, 'ok')
  assert.equal(checkNode('24.10.9').status, 'fail')
  assert.equal(checkNode('22.30.0').status, 'fail')
})
