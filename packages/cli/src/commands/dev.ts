/** `mq dev`: Kafka and a control plane that stay up until Ctrl-C, with data kept between runs. */

import { resolve } from 'node:path'
import { ApiClient } from '@mq/api-client'
import { sleep, systemDeps } from '@mq/contract/timing'
import { type Command, Option } from 'commander'
import { DevStack } from '../dev/stack.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit, interruptedExitCode } from '../failures.ts'
import { type Colors, commandName, type Io, write } from '../io.ts'
import { addressList, type OutputFlags, wholeNumber, withExamples, withOutput } from '../options.ts'
import { fields, print } from '../output.ts'
import { startProgress } from '../progress.ts'
import { hasSourceTree } from '../source-tree.ts'
import { formatMs } from '../units.ts'

/** How long it is waited to see whether Kafka answers. */
const KAFKA_LOOK_MS = 8_000
const POLL_MS = 100

interface DevFlags extends OutputFlags {
  readonly data: string
  readonly port: number
  readonly host: string
  readonly brokers: string
  readonly bootstrap?: readonly string[]
  readonly create: boolean
}

export function devCommand(program: Command, io: Io): void {
  const command = program
    .command('dev')
    .summary('run Kafka and the control plane here until Ctrl-C')
    .description(
      'Starts a local Kafka and the control plane, and keeps them up until Ctrl-C. The data folder is kept between runs. mQ IDs are created on first use, and it is said.',
    )
    .option('--data <folder>', 'where data is kept', '.mq/dev')
    .option('--port <n>', 'port of the control plane', wholeNumber(0, 65_535), 7_070)
    .option('--host <address>', 'address of the control plane; beyond this machine MQ_TOKEN is needed', '127.0.0.1')
    .addOption(new Option('--brokers <n>', 'local brokers').choices(['1', '3']).default('1'))
    .option('--bootstrap <addresses>', 'use this Kafka (host:port, commas between) instead of a local one', addressList)
    .option('--no-create', 'refuse mQ IDs that nobody declared, instead of making them on first use')
  withExamples(withOutput(command), [
    ['mq dev', 'http://127.0.0.1:7070, data in .mq/dev'],
    ['mq dev --brokers 3', 'three brokers, three copies of every record'],
    ['mq dev --no-create', 'a mistyped mQ ID is an error, as in production'],
    ['mq dev --bootstrap 127.0.0.1:9092', 'on a Kafka that runs already'],
  ]).action((flags: DevFlags) => dev(io, flags))
}

async function dev(io: Io, flags: DevFlags): Promise<void> {
  const startedMs = performance.now()
  const progress = startProgress(io, flags.bootstrap === undefined ? 'starting Kafka' : 'starting the control plane', {
    announce: true,
  })
  const stack = await DevStack.start({
    dataDir: resolve(io.cwd, flags.data),
    shownDataDir: flags.data,
    host: flags.host,
    port: flags.port,
    brokers: flags.brokers === '3' ? 3 : 1,
    bootstrap: flags.bootstrap,
    token: io.env.MQ_TOKEN || undefined,
    signal: io.interrupt,
    create: flags.create,
    onFirstUse: (id, actor, hint) => {
      const line = `created ${id}: first use by ${actor}${hint === '' ? '.' : hint} With --no-create unknown mQ IDs are refused\n`
      write(io.stderr, line).catch(() => {})
    },
    onProgress: (text) => progress.update(text),
  }).finally(() => progress.stop())
  let failure: unknown
  try {
    const { url, bootstrap } = stack
    const facts = { url, bootstrap, dataDir: flags.data, pid: process.pid }
    const tookMs = performance.now() - startedMs
    const kafka = await kafkaStatus(io, url)
    await print(io, flags.output, { ...facts, kafka }, (colors) =>
      upText(stack, flags, tookMs, commandName(io.env), kafka.problem, colors),
    )
    failure = await stack.ended(io.interrupt)
  } finally {
    const stopping = startProgress(io, 'stopping', { quiet: io.stderr.isTTY !== true })
    await stack.close()
    stopping.stop()
  }
  if (failure !== undefined) throw failure
  if (io.stderr.isTTY === true) await write(io.stderr, `Stopped. The data stays in ${flags.data}.\n`)
  // Ctrl-C is how this command ends well.
  if (io.interrupt.reason === 'terminated') throw new Exit(exitCodes.ok)
  if (io.interrupt.reason !== 'ctrl-c') throw new Exit(interruptedExitCode(io))
}

interface KafkaStatus {
  readonly status: 'up' | 'unreachable' | 'unknown'
  readonly problem: string | null
}

/** What the control plane knows of the Kafka it was given, once it has looked. */
async function kafkaStatus(io: Io, url: string): Promise<KafkaStatus> {
  const api = new ApiClient({ url, token: io.env.MQ_TOKEN || undefined, source: 'this mq dev' })
  const endMs = performance.now() + KAFKA_LOOK_MS
  for (;;) {
    try {
      const { clusters } = await api.all('listClusters', {}, { signal: io.interrupt, deadlineMs: KAFKA_LOOK_MS })
      const dev = clusters.find(({ name }) => name === 'dev')
      if (dev !== undefined && dev.status !== 'unknown') return { status: dev.status, problem: dev.problem }
    } catch {
      // It is asked again, until the time is over.
    }
    if (performance.now() > endMs || io.interrupt.aborted) {
      return { status: 'unknown', problem: `it has not answered within ${KAFKA_LOOK_MS / 1_000} s` }
    }
    await sleep(systemDeps, POLL_MS, io.interrupt)
  }
}

function upText(
  stack: DevStack,
  flags: DevFlags,
  tookMs: number,
  mq: string,
  kafkaProblem: string | null,
  colors: Colors,
): string {
  const standard = stack.url === 'http://127.0.0.1:7070'
  const prefix = standard ? mq : `MQ_URL=${stack.url} ${mq}`
  const next = [
    ...(hasSourceTree() ? [`${prefix} apply -f examples/shop/mq.yaml`] : []),
    `echo '{"id":"o-1","customer":"c-7","totalCents":1200}' | ${prefix} send orders.placed --key-field customer`,
    `${prefix} tail orders.placed --from earliest`,
  ]
  return [
    ...(kafkaProblem === null
      ? [colors.green(colors.bold(`mQ is up, after ${formatMs(tookMs)}.`))]
      : [
          colors.yellow(
            colors.bold(`The control plane is up, after ${formatMs(tookMs)}, but Kafka is not: ${kafkaProblem}`),
          ),
          colors.yellow('Nothing can be declared, sent or read until it answers; it is asked again all the time.'),
        ]),
    '',
    fields(
      [
        ['control plane', stack.url],
        ['API', `${stack.url}/openapi.json`],
        ['metrics', `${stack.url}/metrics`],
        [
          'Kafka',
          `${stack.bootstrap.join(', ')}${flags.bootstrap === undefined ? ` (${stack.kafkaVersion}, ${flags.brokers === '1' ? '1 broker' : '3 brokers'})` : ''}`,
        ],
        ['data', `${flags.data}, kept between runs`],
      ],
      colors,
    ),
    '',
    'Try next, in another terminal:',
    ...next.map((line) => `  ${colors.cyan(line)}`),
    '',
    colors.dim('Ctrl-C stops everything; the data stays.'),
  ].join('\n')
}
