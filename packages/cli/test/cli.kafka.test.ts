import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Admin, Cluster } from '@mq/kafka'
import { within } from '@mq/testkit'
import { freshFolder, type Ran } from './harness.ts'
import { MqProcess, mq } from './process.ts'

const LIMIT = { timeout: 300_000 }
const cwd = freshFolder()
let dev: MqProcess
let url = ''
let bootstrap = ''

const run = (argv: readonly string[], stdin?: string): Promise<Ran> =>
  mq(argv, { cwd, env: { MQ_URL: url }, ...(stdin === undefined ? {} : { stdin }) })

async function good(argv: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await run(argv, stdin)
  assert.equal(code, 0, `${argv.join(' ')}: ${stderr}`)
  return stdout
}

async function startDev(): Promise<MqProcess> {
  const port = url === '' ? 0 : Number(new URL(url).port)
  const started = new MqProcess(['dev', '--port', String(port), '-o', 'json'], { cwd })
  await started.prints(/\}\n$/)
  const facts = JSON.parse(started.stdout) as { url: string; bootstrap: string[]; dataDir: string; pid: number }
  url = facts.url
  bootstrap = facts.bootstrap.join(',')
  assert.equal(facts.pid, started.child.pid)
  return started
}

async function stopDev(): Promise<Ran> {
  dev.child.kill('SIGINT')
  return await dev.ended
}

before(async () => {
  dev = await startDev()
}, LIMIT)

after(async () => {
  await stopDev()
  rmSync(cwd, { recursive: true, force: true })
}, LIMIT)

test('apply shows the difference, makes it so, and changes nothing the second time', LIMIT, async () => {
  writeFileSync(
    join(cwd, 'mq.yaml'),
    'ids:\n  orders.placed: { latencyP99Ms: 20ms }\n  notes.taken: { format: text }\n  pictures.taken: { format: bytes }\n',
  )
  assert.match(
    await good(['apply', '-f', 'mq.yaml', '--plan']),
    /\+ orders\.placed[\s\S]*3 to create\. Nothing was changed\./,
  )
  assert.deepEqual(JSON.parse(await good(['list', '-o', 'json'])), { ids: [], warnings: [] })
  assert.equal((await run(['apply', '-f', 'mq.yaml', '--plan', '--detailed-exit-code'])).code, 10)
  assert.match(await good(['apply', '-f', 'mq.yaml']), /3 created\./)
  assert.match(await good(['apply', '-f', 'mq.yaml']), /3 unchanged\./)
  assert.equal((await run(['apply', '-f', 'mq.yaml', '--plan', '--detailed-exit-code'])).code, 0)
  const { ids } = JSON.parse(await good(['list', '-o', 'json'])) as { ids: { id: string }[] }
  assert.deepEqual(ids.map((each) => each.id).sort(), ['notes.taken', 'orders.placed', 'pictures.taken'])
})

test('describe shows the intent and what mQ chose and why', LIMIT, async () => {
  const text = await good(['describe', 'orders.placed'])
  assert.match(text, /^orders\.placed {2}created by mq apply/)
  for (const part of [
    'Intent',
    '20 ms from send to handler',
    'What mQ chose, and why',
    'producer.codec',
    'Epochs',
    'Traffic',
  ]) {
    assert.ok(text.includes(part), part)
  }
  const detail = JSON.parse(await good(['describe', 'orders.placed', '-o', 'json'])) as {
    intent: { latencyP99Ms: number }
  }
  assert.equal(detail.intent.latencyP99Ms, 20)
})

test('what send sends, tail prints: keys, values, order within a key', LIMIT, async () => {
  const lines = Array.from({ length: 500 }, (_, n) => JSON.stringify({ order: { id: `o-${n % 7}` }, n }))
  writeFileSync(join(cwd, 'events.jsonl'), `${lines.join('\n')}\n`)
  assert.match(
    await good(['send', 'orders.placed', '--file', 'events.jsonl', '--key-field', 'order.id']),
    /^Sent 500 messages to orders\.placed in [\d.]+ s/,
  )
  const sent = JSON.parse(
    await good(['send', 'orders.placed', '--key', 'big', '-o', 'json'], '{"id":12345678901234567890}\n'),
  ) as { sent: number }
  assert.equal(sent.sent, 1)

  const printed = await good([
    'tail',
    'orders.placed',
    '--group',
    'me',
    '--take',
    '--from',
    'earliest',
    '--exit-at-end',
    '--format',
    '%t\\t%k\\t%v\\n',
  ])
  const rows = printed
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  assert.equal(rows.length, 501)
  assert.ok(rows.every(([id]) => id === 'orders.placed'))
  const last = new Map<string, number>()
  for (const [, key, value] of rows.filter(([, key]) => key !== 'big')) {
    const { n, order } = JSON.parse(value!) as { n: number; order: { id: string } }
    assert.equal(order.id, key)
    assert.ok(n > (last.get(key!) ?? -1), `${key} out of order`)
    last.set(key!, n)
  }
  assert.equal(last.size, 7)
  const offsets = JSON.parse(await good(['send', 'orders.placed', '--value', '{"again":true}', '-o', 'json'])) as {
    sent: number
  }
  assert.equal(offsets.sent, 1)
  const again = await good(['tail', 'orders.placed', '--group', 'me', '--take', '--exit-at-end', '-o', 'json'])
  assert.deepEqual(JSON.parse(again).value, { again: true })
})

test('what tail prints is what was stored, and send takes it back', LIMIT, async () => {
  await good(['apply', '-f', '-'], 'ids: { numbers.long: , numbers.copied: }')
  const value = '{"id":12345678901234567890,"price":0.1000000000000000055}'
  await good(['send', 'numbers.long', '--value', value, '--key', '9007199254740993'])
  const print = (id: string): Promise<string> => good(['tail', id, '--from', 'earliest', '--exit-at-end', '-o', 'json'])
  const line = await print('numbers.long')
  assert.ok(line.includes(`"key":"9007199254740993","value":${value},`), line)
  await good(['send', 'numbers.copied', '--envelope', '--keep-timestamps'], line)
  const sameButName = (text: string): unknown => ({ ...JSON.parse(text), id: '', offset: '' })
  const copy = await print('numbers.copied')
  assert.ok(copy.includes(`"value":${value},`), copy)
  assert.deepEqual(sameButName(copy), sameButName(line))
})

test('looking takes nothing: no group is left, and the group that was looked at gets its messages', LIMIT, async () => {
  await good(['apply', '-f', '-'], 'ids: { looked.at: { format: text } }')
  await good(['send', 'looked.at', '--key', 'k'], 'one\ntwo\n')
  const look = (...more: string[]): Promise<string> =>
    good(['tail', 'looked.at', '--from', 'earliest', '--format', '%v ', ...more])
  assert.equal(await look('--exit-at-end'), 'one two ')
  assert.equal(await look('--group', 'billing', '--limit', '1'), 'one ')
  assert.equal(await look('--group', 'billing', '--take', '--limit', '1'), 'one ')
  assert.equal(await look('--group', 'billing', '--limit', '1'), 'two ')
  assert.equal(await look('--since', '1h', '--until-end'), 'one two ')
  const member = new MqProcess(['tail', 'looked.at', '--group', 'billing', '--take', '--format', '%v '], {
    cwd,
    env: { MQ_URL: url },
  })
  await member.prints(/two/)
  const refused = await run(['tail', 'looked.at', '--group', 'billing', '--take', '--limit', '1'])
  assert.equal(refused.code, 5)
  assert.match(refused.stderr, /^MQ_GROUP_IN_USE: Group billing of looked\.at has 1 member now/)
  assert.equal(await look('--group', 'billing', '--exit-at-end').then((text) => 'one two '.includes(text)), true)
  member.child.kill('SIGINT')
  assert.equal((await member.ended).code, 0)
  const kafka = new Cluster({ name: 'dev', clientId: 'test', bootstrap: bootstrap.split(',') })
  try {
    const groups = (await new Admin(kafka).listGroups()).map(({ groupId }) => groupId)
    assert.deepEqual(groups.toSorted(), ['billing@looked.at', 'me@orders.placed'])
  } finally {
    await kafka.close()
  }
})

test('--limit takes that many and leaves the rest to the next run of the group', LIMIT, async () => {
  await good(['send', 'notes.taken', '--key', 'k'], 'one\ntwo\nthree\n')
  const first = await good([
    'tail',
    'notes.taken',
    '--group',
    'g',
    '--take',
    '--from',
    'earliest',
    '--limit',
    '2',
    '--format',
    '%v\\n',
  ])
  const second = await good(['tail', 'notes.taken', '--group', 'g', '--take', '--limit', '1', '--format', '%v\\n'])
  assert.equal(first + second, 'one\ntwo\nthree\n')
})

test('bytes go through as they are', LIMIT, async () => {
  writeFileSync(join(cwd, 'picture'), Buffer.from([0, 255, 10, 13, 128]))
  await good(['send', 'pictures.taken', '--file', 'picture'])
  const out = JSON.parse(await good(['tail', 'pictures.taken', '--from', 'earliest', '--exit-at-end', '-o', 'json']))
  assert.equal(out.valueBase64, Buffer.from([0, 255, 10, 13, 128]).toString('base64'))
})

test('a bad line is told by file and line, and what stood before it is sent', LIMIT, async () => {
  writeFileSync(join(cwd, 'bad.jsonl'), '{"id":1}\n{"id":2}\n{"id":\n{"id":4}\n')
  const { code, stderr } = await run(['send', 'orders.placed', '--file', 'bad.jsonl'])
  assert.equal(code, 2)
  assert.match(stderr, /^MQ_MESSAGE_INVALID: bad\.jsonl:3: not JSON: .*\(2 messages sent before it ended\)\n/)
  const missing = await run(['send', 'orders.placed', '--key-field', 'order.id', '-o', 'json'], '{"order":{}}\n')
  assert.equal(missing.code, 2)
  assert.equal((JSON.parse(missing.stderr) as { code: string; details: { sent: number } }).details.sent, 0)
})

test('a message over the size limit is refused with its line', LIMIT, async () => {
  const { code, stderr } = await run(['send', 'orders.placed'], `"ok"\n"${'x'.repeat(1_100_000)}"\n`)
  assert.equal(code, 2)
  assert.match(stderr, /^MQ_MESSAGE_TOO_LARGE: <stdin>:2: /)
})

test('tail ends in silence when its reader goes away, and with 0 at Ctrl-C', LIMIT, async () => {
  const gone = new MqProcess(['tail', 'orders.placed', '--from', 'earliest'], { cwd, env: { MQ_URL: url } })
  await gone.prints(/\n/)
  gone.child.stdout?.destroy()
  const pump = setInterval(() => void run(['send', 'orders.placed', '--value', '1']), 500)
  const ended = await gone.ended.finally(() => clearInterval(pump))
  assert.equal(ended.code, 0)
  assert.equal(ended.stderr, '')

  const waiting = new MqProcess(['tail', 'notes.taken', '--from', 'earliest'], { cwd, env: { MQ_URL: url } })
  await waiting.prints(/three\n/)
  waiting.child.kill('SIGINT')
  const stopped = await waiting.ended
  assert.equal(stopped.code, 0)
  assert.equal(stopped.stderr, '')
})

test('delete takes an mQ ID away, undelete brings it back with its records, --now does not', LIMIT, async () => {
  const look = (): Promise<string> =>
    good(['tail', 'pictures.taken', '--from', 'earliest', '--exit-at-end', '-o', 'json'])
  const before = await look()
  const reader = new MqProcess(['tail', 'pictures.taken'], { cwd, env: { MQ_URL: url } })
  const listeners = async (): Promise<number> => {
    const info = (await (await fetch(`${url}/v1/info`)).json()) as { connectedClients: number }
    return info.connectedClients
  }
  while ((await listeners()) === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.match((await run(['delete', 'pictures.taken', '--yes'])).stderr, /^MQ_ID_IN_USE: .*application mq-cli/)
  reader.child.kill('SIGINT')
  await reader.ended
  assert.match(
    await good(['delete', 'pictures.taken', '--yes']),
    /^Deleted pictures\.taken\. Its records are kept until /,
  )
  const { code, stderr } = await run(['describe', 'pictures.taken'])
  assert.equal(code, 3)
  assert.match(stderr, /^MQ_ID_DELETED: /)
  assert.match(await good(['undelete']), /pictures\.taken/)
  assert.match(await good(['undelete', 'pictures.taken']), /^pictures\.taken is back/)
  assert.equal(await look(), before)
  assert.match(await good(['delete', 'pictures.taken', '--yes', '--now']), /^Deleted pictures\.taken and its records\./)
  assert.equal((await run(['undelete', 'pictures.taken'])).code, 3)
})

test('doctor and cluster list find the cluster up', LIMIT, async () => {
  assert.match(await good(['doctor']), /ok +Cluster dev +\S+, 1 brokers?/)
  assert.match(await good(['cluster', 'list']), /dev +up +1 +- +- +- +127\.0\.0\.1:\d+/)
})

test('a second dev on the folder and a taken port are refused and disturb nothing', LIMIT, async () => {
  const second = await run(['dev', '--port', '0'])
  assert.equal(second.code, 5)
  assert.match(second.stderr, /MQ_STORE_LOCKED: Another mq dev runs on \.mq\/dev/)
  const port = new URL(url).port
  const taken = await run(['dev', '--port', port, '--data', 'elsewhere'])
  assert.equal(taken.code, 5)
  assert.match(taken.stderr, new RegExp(`MQ_PORT_IN_USE: Port ${port} of 127\\.0\\.0\\.1 is taken`))
  const open = await run(['dev', '--port', '0', '--host', '0.0.0.0', '--data', 'open', '--bootstrap', bootstrap])
  assert.equal(open.code, 2)
  assert.match(open.stderr, /MQ_TOKEN_REQUIRED/)
  await good(['list'])
})

test(
  'dev stops within seconds at Ctrl-C with exit code 0, and its data is there at the next start',
  LIMIT,
  async () => {
    const stopped = await within(15_000, stopDev)
    assert.equal(stopped.code, 0, stopped.stderr)
    assert.equal((await run(['list'])).code, 4)
    dev = await startDev()
    const { ids } = JSON.parse(await good(['list', '-o', 'json'])) as { ids: { id: string }[] }
    assert.ok(ids.some((each) => each.id === 'notes.taken'))
    const out = await good(['tail', 'notes.taken', '--from', 'earliest', '--exit-at-end', '--format', '%v\\n'])
    assert.equal(out, 'one\ntwo\nthree\n')
    assert.ok(readFileSync(join(cwd, '.mq', 'dev', 'control-plane.log'), 'utf8').length > 0)
  },
)
