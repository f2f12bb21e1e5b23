/** What `connect` is given, and where it logs (connect, options, logger L2). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { type ConnectOptions, connect } from '../src/api/connect.ts'
import { consoleLogger, type LogFields, loggerOf } from '../src/base/logger.ts'

async function refusalOf(options: unknown): Promise<string> {
  const error = await connect(options as ConnectOptions).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof MqError, String(error))
  return `${error.code} ${error.message}`
}

describe('connect', () => {
  it('says what it needs when it is given nothing, too little, or an option it does not know', async (context) => {
    const { MQ_URL, MQ_APP } = process.env
    delete process.env.MQ_URL
    delete process.env.MQ_APP
    context.after(() => {
      if (MQ_URL !== undefined) process.env.MQ_URL = MQ_URL
      if (MQ_APP !== undefined) process.env.MQ_APP = MQ_APP
    })
    const url = 'http://127.0.0.1:1'
    assert.match(await refusalOf(undefined), /^MQ_OPTION_INVALID url is missing.*connect\({ url: .*, app: /)
    assert.match(await refusalOf(null), /^MQ_OPTION_INVALID The options of connect are null/)
    assert.match(
      await refusalOf({ app: 'x' }),
      /^MQ_OPTION_INVALID url is missing, the control plane, and MQ_URL is not set/,
    )
    assert.match(await refusalOf({ url }), /^MQ_OPTION_INVALID app is missing, .* MQ_APP is not set: connect\(/)
    assert.match(
      await refusalOf({ url, app: 'x', brokers: ['a'] }),
      /^MQ_OPTION_INVALID connect has no option 'brokers'; it takes url, app/,
    )
    assert.match(await refusalOf({ url, app: 'x', sendDeadline: 5 }), /did you mean 'sendDeadlineMs'\?/)
    assert.match(await refusalOf({ url, app: 'x', logger: {} }), /^MQ_OPTION_INVALID logger has no functions/)
    assert.match(await refusalOf({ url, app: 'x', waitMs: -1 }), /^MQ_OPTION_INVALID waitMs is -1/)
  })

  it('takes MQ_URL, MQ_APP and MQ_TOKEN from the environment, and waits as long as it is asked to', async () => {
    const seen: (string | null)[] = []
    const away: typeof fetch = async (url, init) => {
      seen.push(`${String(url)} ${new Headers(init?.headers).get('authorization')}`)
      throw new TypeError('no route')
    }
    const given = { MQ_URL: 'http://from.the.environment:7070', MQ_APP: 'of-env', MQ_TOKEN: 'token-of-the-environment' }
    const names = Object.keys(given) as (keyof typeof given)[]
    const before = names.map((name) => [name, process.env[name]] as const)
    Object.assign(process.env, given)
    try {
      assert.match(await refusalOf({ cacheDir: null, waitMs: 1, fetch: away }), /^MQ_CONTROL_PLANE_AWAY/)
      process.env.MQ_APP = 'no name'
      assert.match(await refusalOf({ cacheDir: null, fetch: away }), /^MQ_NAME_INVALID 'no name' is not a name/)
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
    assert.deepEqual(seen, ['http://from.the.environment:7070/v1/info Bearer token-of-the-environment'])
  })
})

describe('loggerOf', () => {
  const fields: LogFields = { code: 'MQ_CLOSED', mqId: 'orders.placed' }

  it('gives the fields first to pino and bunyan, and second to all others (L2)', () => {
    const calls: unknown[][] = []
    const note = (...given: unknown[]): void => void calls.push(given)
    const plain = { warn: note, error: note }
    const child = (): unknown => plain
    for (const logger of [
      plain,
      { ...plain, child },
      { ...plain, child, bindings: child },
      { ...plain, child, addStream: note },
    ]) {
      const own = loggerOf(logger)
      own.warn('text', fields)
      own.error('text', fields)
    }
    assert.deepEqual(calls.slice(0, 4), Array(4).fill(['text', fields]))
    assert.deepEqual(calls.slice(4), Array(4).fill([fields, 'text']))
  })

  it('prints a line with a code, whatever it is given', (context) => {
    const lines: unknown[] = []
    context.mock.method(console, 'warn', (line: unknown) => lines.push(line))
    consoleLogger.warn('text', fields)
    consoleLogger.warn('text', {} as LogFields)
    consoleLogger.warn('text', undefined as unknown as LogFields)
    assert.deepEqual(lines, ['mQ MQ_CLOSED: text', 'mQ MQ_INTERNAL: text', 'mQ MQ_INTERNAL: text'])
  })
})
