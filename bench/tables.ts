/** Results as tables for people. */
import type {
  Contender,
  LatencyResult,
  MigrationResult,
  OptimiserResult,
  OutagesResult,
  PropagationResult,
  ReauthResult,
  RegretResult,
  RestoreResult,
  TelemetryCostResult,
  TelemetryStoreResult,
  ThroughputResult,
  UpgradeResult,
} from './results.ts'

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, n) => Math.max(title.length, ...rows.map((row) => row[n]!.length)))
  const line = (cells: readonly string[]): string =>
    cells.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!))).join('  ')
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

export const count = (value: number): string => Math.round(value).toLocaleString('en')

function contenderRow(contender: Contender): string[] {
  const { messagesPerSecond: rate } = contender
  return [
    contender.name,
    count(rate.median),
    `${count(rate.min)}-${count(rate.max)}`,
    contender.cpuUsPerMessage?.median.toFixed(2) ?? '-',
    contender.rssMb === null ? '-' : count(contender.rssMb.max),
  ]
}

export function throughputTable(result: ThroughputResult): string {
  const { machine, options, ratios } = result
  const head = ['messages/s', 'min-max', 'CPU us/message', 'peak RSS MB']
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${options.payloadBytes}-byte JSON, ${options.partitions} partitions, acks=all, idempotent, medians of ${options.rounds} rounds`,
    '',
    table(['produce', ...head], result.contenders.produce.map(contenderRow)),
    '',
    table(['consume', ...head], result.contenders.consume.map(contenderRow)),
    '',
    `mQ produces ${ratios.produceOverFastestNode}x the fastest other Node client (${result.fastestNode.produce}) and ${ratios.produceOverJava}x Java;`,
    `it consumes ${ratios.consumeOverFastestNode}x the fastest other Node client (${result.fastestNode.consume}) and ${ratios.consumeOverJava}x Java.`,
    'CPU and memory of Java include the start of its JVM.',
  ].join('\n')
}

export function latencyTable(result: LatencyResult): string {
  const { machine, options } = result
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${options.messagesPerSecond} messages/s of ${options.payloadBytes} bytes for ${options.seconds} s, linger 0, acks=all, medians of ${options.rounds} rounds`,
    '',
    table(
      ['send acknowledged', 'p50 ms', 'p99 ms', 'p99.9 ms'],
      result.contenders.map(({ name, median }) => [
        name,
        median.p50.toFixed(2),
        median.p99.toFixed(2),
        median.p999.toFixed(2),
      ]),
    ),
    '',
    `p99 of mQ is ${result.p99OverJavaMs} ms over Java's; Java's tool counts whole milliseconds.`,
  ].join('\n')
}

export function propagationTable(result: PropagationResult): string {
  const { machine, clients, changes } = result
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${changes} changes of one binding, ${count(clients)} clients connected, from the request to the arrival at each client`,
    '',
    table(
      ['binding change', 'p50 ms', 'p99 ms', 'max ms'],
      [[`at ${count(clients)} clients`, result.p50Ms.toFixed(1), result.p99Ms.toFixed(1), result.maxMs.toFixed(1)]],
    ),
    '',
    `All ${count(clients)} clients connecting at once have their binding within ${Math.round(result.reconnectAllMs)} ms.`,
  ].join('\n')
}

export function migrationTable(result: MigrationResult): string {
  const { machine, options } = result
  const spans = (name: string, { p50, p99, max }: MigrationResult['writePauseMs']): string[] => [
    name,
    ...[p50, p99, max].map((ms) => ms.toFixed(0)),
  ]
  const others = Object.entries(result.otherViolations).map(([rule, found]) => `${found} ${rule}`)
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${result.runs} migrations between ${options.partitionsFrom} partitions (${options.sourceBrokers} broker${options.sourceBrokers === 1 ? '' : 's'}) and ${options.partitionsTo} partitions (1 broker), ${count(result.messagesPerSecond)} messages/s of ${options.payloadBytes} bytes by ${options.producers} producers, ${count(options.keys)} keys`,
    '',
    table(
      ['around a migration', 'p50 ms', 'p99 ms', 'max ms'],
      [
        spans('write pause', result.writePauseMs),
        spans('consumer gap', result.consumerGapMs),
        spans('slowest send', result.slowestSendMs),
        spans('closed (control plane)', result.closedMs),
        spans('  until all leaders are proven', result.sealMs),
      ],
    ),
    '',
    `${count(result.messages)} messages: ${result.failedSends} sends failed, ${result.lost} lost, ${result.duplicated} duplicated, ${result.reordered} reordered; ${others.join(', ')}`,
  ].join('\n')
}

export function upgradeTable(result: UpgradeResult): string {
  const { machine, options, newClients } = result
  const spans = (name: string, { p50, p99, max }: UpgradeResult['writePauseMs']): string[] => [
    name,
    ...[p50, p99, max].map((ms) => ms.toFixed(0)),
  ]
  const others = Object.entries(result.otherViolations).map(([rule, found]) => `${found} ${rule}`)
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `three brokers, ${result.steps.length} restarts, ${count(result.messagesPerSecond)} messages/s of ${options.payloadBytes} bytes by ${options.producers} producers, ${count(options.keys)} keys, a new client every ${options.clientEveryMs} ms`,
    '',
    table(
      ['while a broker is replaced', 'p50 ms', 'p99 ms', 'max ms'],
      [
        spans('write pause', result.writePauseMs),
        spans('slowest send', result.slowestSendMs),
        spans('consumer gap', result.consumerGapMs),
        spans('new client, to its last own message', newClients.tookMs),
      ],
    ),
    '',
    `${count(result.messages)} messages: ${result.failedSends} sends failed, ${result.lost} lost, ${result.duplicated} duplicated, ${result.reordered} reordered; ${others.join(', ')}`,
    `${newClients.started} new clients: ${newClients.failed} could not send or read`,
  ].join('\n')
}

export function restoreTable(result: RestoreResult): string {
  const { machine, options, runs } = result
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${runs.length} backups restored, ${options.steps} changes before each and as many after it, applications running`,
    '',
    table(
      ['seed', 'mQ IDs', 'migrations', 'absent ms', 'settled ms', 'unsettled', 'wrong', 'messages', 'failed', 'lost'],
      runs.map((run) =>
        [
          ...[run.seed, run.ids, run.changes.migrate ?? 0, run.absentMs, run.settledMs, run.unsettled.length],
          ...[run.wrong.length, run.messages, run.failedSends, run.lost],
        ].map(String),
      ),
    ),
    '',
    `${count(result.messages)} messages: ${result.failedSends} sends failed, ${result.lost} lost, ${result.duplicated} duplicated, ${result.reordered} reordered, ${result.otherViolations} other violations`,
    `${result.ids} mQ IDs: ${result.unsettled} unsettled, ${result.wrong} wrong`,
  ].join('\n')
}

export function outagesTable(result: OutagesResult): string {
  const { machine, options } = result
  const rows = (who: string, outages: OutagesResult['source']): string[][] =>
    outages.map((one) => [
      ...[who, one.state, String(Math.round(one.awayMs / 1_000)), one.ended],
      ...[one.messages, one.acknowledgedMeanwhile, one.newEpochMeanwhile, one.failedSends, one.slowestSendMs].map(
        String,
      ),
      ...[one.lost, one.reordered, one.duplicated].map(String),
    ])
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `migrations under load; control plane killed for ${options.awaySeconds} s, all brokers of the source for ${options.sourceAwaySeconds} s; deadline of a send 120 s`,
    '',
    table(
      [
        ...['killed', 'in state', 'away s', 'ended', 'messages', 'acked meanwhile', 'of the new epoch handled'],
        ...['failed', 'slowest send ms', 'lost', 'reordered', 'handed out again'],
      ],
      [...rows('control plane', result.controlPlane), ...rows('source', result.source)],
    ),
    '',
    `${count(result.messages)} messages: ${result.failedSends} sends failed, ${result.lost} lost, ${result.reordered} reordered`,
  ].join('\n')
}

export function regretTable(result: RegretResult): string {
  const { machine, options, predictionError } = result
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${options.configurations} configurations a workload on one real broker, ${options.priceBook}, ${options.tookSeconds} s`,
    '',
    table(
      ['workload', 'chosen', 'cheapest measured', 'regret', 'USD/month', 'default', 'saving', 'p99 ms', 'SLO ms'],
      result.workloads.map((one) => [
        one.name,
        one.chosen.configuration,
        one.oracle.configuration === one.chosen.configuration ? 'the same' : one.oracle.configuration,
        percent(one.regret),
        one.usdPerMonthChosen.toFixed(2),
        one.usdPerMonthDefault.toFixed(2),
        percent(one.saving),
        `${one.chosen.endToEndP99Ms.toFixed(0)}${one.sloMet ? '' : ' (missed)'}`,
        String(one.latencyP99Ms),
      ]),
    ),
    '',
    `regret: median ${percent(result.medianRegret)}, worst ${percent(result.worstRegret)}; saving over the default client: median ${percent(result.medianSaving)} on data that compresses;`,
    `prediction error over all swept configurations: bytes ${percent(predictionError.bytes)}, dollars ${percent(predictionError.usd)}, p99 ${percent(predictionError.p99)}.`,
  ].join('\n')
}

export function optimiserTable(result: OptimiserResult): string {
  const { machine, options, outcomes } = result
  return [
    `${machine.cpu}, Node ${machine.node}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${count(options.ids)} mQ IDs over ${options.clusters} clusters, each with prices and constants of its own; one core`,
    '',
    table(
      ['', 'CPU s', 'clock s', 'us/mQ ID'],
      [
        ['best configuration of each', result.cpuSeconds.toFixed(2), result.seconds.toFixed(2), count(result.usPerId)],
        ['with the price of every requirement', '-', '-', count(result.fullUsPerId)],
      ],
    ),
    '',
    `${count(result.configurations)} configurations judged; change ${count(outcomes.change)}, keep ${count(outcomes.keep)}, no configuration meets the intent ${count(outcomes.infeasible)}`,
  ].join('\n')
}

export function telemetryStoreTable(result: TelemetryStoreResult): string {
  const { machine, options, kept, writing } = result
  const span = (ms: number): string => (ms >= 86_400_000 ? `${ms / 86_400_000} d` : `${ms / 60_000} min`)
  return [
    `${machine.cpu}, Node ${machine.node}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${count(options.ids)} busy mQ IDs with two groups each, kept for all of every retention`,
    '',
    table(
      ['window', 'kept for', 'windows/mQ ID', 'rows/mQ ID', 'bytes/mQ ID'],
      kept.map((one) => [
        one.resolutionMs < 60_000 ? `${one.resolutionMs / 1_000} s` : span(one.resolutionMs),
        span(one.keepMs),
        count(one.windowsPerId),
        String(one.chunksPerId),
        count(one.bytesPerId),
      ]),
    ),
    '',
    `file: ${count(result.storeBytesPerId)} bytes for each mQ ID, ${result.storeGb} GB for ${count(options.scaledTo)}`,
    `writing them: ${writing.cpuMsPerSecond} ms CPU a second, ${writing.writtenBytesPerSecond === null ? 'unknown' : count(writing.writtenBytesPerSecond)} bytes a second to storage`,
  ].join('\n')
}

const between = ({ low, high }: { low: number; high: number }): string => `${low} to ${high}`

export function telemetryCostTable(result: TelemetryCostResult): string {
  const { machine, options, runs } = result
  return [
    `${machine.cpu}, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `${options.rounds} pairs of slices of ${options.seconds} s, ${options.bytes}-byte values, ${options.codec}, ${options.partitions} partitions, on and off in turns; medians`,
    '',
    table(
      ['telemetry and shadow', 'messages/s', 'CPU us/message'],
      runs.map((run) => [run.what, count(run.messagesPerSecond), run.cpuUsPerMessage.toFixed(3)]),
    ),
    '',
    `cost: ${result.throughputLossPercent} % of throughput (95 %: ${between(result.throughputLossInterval)}), ${result.cpuPercent} % more CPU for a message (${between(result.cpuInterval)}); shadow measurements used ${result.shadowCpuPercent} % of a core for ${count(result.shadowSamples)} samples`,
  ].join('\n')
}

export function reauthTable(result: ReauthResult): string {
  const { machine, options, baseline } = result
  const times = (of: typeof baseline | ReauthResult): string[] =>
    [of.longestStallMs, of.slowestSendMs, of.slowestAdminMs, of.eventLoopStoodMs].map(String)
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `Login sessions of ${options.sessionMs} ms for ${options.seconds} s at ${count(options.rate)} messages/s: ${count(result.logins)} logins, ${count(result.sent)} messages`,
    '',
    table(
      [
        '',
        'lost',
        'twice',
        'out of order',
        'errors',
        'longest stall ms',
        'slowest send ms',
        'slowest admin request ms',
        'event loop stood ms',
      ],
      [
        [
          'sessions that end',
          ...[result.lost, result.twice, result.outOfOrder, result.errors].map(String),
          ...times(result),
        ],
        ['one session', '', '', '', String(baseline.errors), ...times(baseline)],
      ],
    ),
    ...result.firstErrors,
  ].join('\n')
}
