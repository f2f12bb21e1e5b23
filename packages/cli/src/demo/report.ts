/** What the demo tells at its end: counts, order, speed, bytes, what mQ chose and why, and what it made cheaper. */
import type { Choice, MqIdDetail } from '@mq/contract'
import { bytesText } from '../describe-view.ts'
import type { Colors } from '../io.ts'
import { fields, table, wrap } from '../output.ts'
import { formatCount, formatMs, formatRate } from '../units.ts'
import type { Check } from './checks.ts'
import { FLIGHTS_ID, type FlightsReport } from './flights.ts'
import type { MigrationOutcome } from './migration.ts'
import { SHOP_IDS, type ShopReport } from './shop.ts'
import type { TuningReport } from './tuning.ts'
import { DEFAULTS, tuningText } from './tuning-view.ts'

/** A report is read even where there is no terminal. */
const REPORT_WIDTH = 110
/** Where the text of a check begins. */
const INDENT = ' '.repeat(7)

export interface DemoReport {
  readonly ok: boolean
  readonly durationMs: number
  readonly kafka: string
  readonly flights: FlightsReport
  readonly shop: ShopReport
  /** Null when it was left out. */
  readonly tuning: TuningReport | null
  readonly failed: readonly Check[]
  /** Neither held nor broken (D2). */
  readonly open: readonly Check[]
}

export function allChecks({ flights, shop, tuning }: Pick<DemoReport, 'flights' | 'shop' | 'tuning'>): Check[] {
  return [...flights.checks, ...shop.checks, ...(tuning?.checks ?? [])]
}

export function reportText(report: DemoReport, colors: Colors, terminal: number): string {
  const { flights, shop, tuning } = report
  const width = Math.min(terminal, REPORT_WIDTH)
  const parts = [
    colors.bold(`A. ${formatCount(flights.sent)} real US flights through ${FLIGHTS_ID}, at full speed`),
    fields(
      [
        [
          'sent',
          `${formatCount(flights.sent)} messages by 2 producers in ${formatMs(flights.sendDurationMs)}, ${formatRate(flights.messagesPerSecond)}/s`,
        ],
        ...flights.groups.map((group): [string, string] => [
          `group ${group.group}`,
          `${formatCount(group.received)} of ${formatCount(group.expected)} handled, ${formatRate(group.messagesPerSecond)}/s`,
        ]),
        ['bytes', trafficBytes(flights.detail, flights.recordBytes)],
        ['moved', migrationText(flights.move)],
        ['verdict', migrationVerdict(flights.move)],
        ...flights.latest.map((line): [string, string] => ['result', line]),
      ],
      colors,
      width,
    ),
    checksText(flights.checks, colors, width),
    '',
    ...wrap(`B. A seeded shop through ${SHOP_IDS.join(', ')}, at a steady rate`, width).map((line) =>
      colors.bold(line),
    ),
    fields(
      [
        ['sent', `${formatCount(total(shop.sent))} messages in ${formatMs(shop.durationMs)}: ${perId(shop.sent)}`],
        ['send latency', `p50 ${formatMs(shop.sendMs.p50)}, p99 ${formatMs(shop.sendMs.p99)}`],
        ...shop.groups.map((group): [string, string] => [
          `group ${group.group}`,
          `${formatCount(group.received)} of ${formatCount(group.expected)} handled, end to end p50 ${formatMs(group.endToEndMs.p50)}, p99 ${formatMs(group.endToEndMs.p99)}`,
        ]),
        ['asked for', intentText(shop)],
        ['bytes', shopBytes(shop)],
      ],
      colors,
      width,
    ),
    checksText(shop.checks, colors, width),
    '',
    ...(tuning === null ? [] : tuningParts(tuning, colors, width)),
    colors.bold('What mQ chose, with nobody naming a topic, a partition, a broker or a setting'),
    choicesText([flights.detail, ...shop.details], colors, width),
    '',
    colors.bold('Why'),
    reasonsText([flights.detail, ...shop.details], colors, width),
    '',
    verdict(report, colors),
  ]
  return parts.join('\n')
}

function tuningParts(tuning: TuningReport, colors: Colors, width: number): string[] {
  const title = `C. A service that begins with ${DEFAULTS}, through ${tuning.id} at ${formatCount(tuning.messagesPerSecond)} messages/s`
  return [
    ...wrap(title, width).map((line) => colors.bold(line)),
    tuningText(tuning, colors, width),
    '',
    checksText(tuning.checks, colors, width),
    '',
  ]
}

function verdict(report: DemoReport, colors: Colors): string {
  const all = allChecks(report).length - report.open.length
  const took = `${formatMs(report.durationMs)} on ${report.kafka}`
  const open = report.open.length === 0 ? '' : ` ${colors.yellow('Not reached: part C found nothing it could keep.')}`
  if (report.ok) return `${colors.green(colors.bold(`All ${all} checks hold. ${took}.`))}${open}`
  return `${colors.red(colors.bold(`${report.failed.length} of ${all} checks do not hold. ${took}.`))}${open}`
}

function checksText(checks: readonly Check[], colors: Colors, width: number): string {
  return checks
    .flatMap((check) => {
      const mark = check.isOpen === true ? colors.yellow('--  ') : check.ok ? colors.green('ok  ') : colors.red('FAIL')
      const detail = `(${check.detail})`
      if (INDENT.length + check.name.length + 1 + detail.length <= width) {
        return [`  ${mark} ${check.name} ${colors.dim(detail)}`]
      }
      const [head, ...rest] = wrap(check.name, width - INDENT.length)
      const details = wrap(detail, width - INDENT.length)
      return [
        `  ${mark} ${head}`,
        ...rest.map((line) => `${INDENT}${line}`),
        ...details.map((line) => `${INDENT}${colors.dim(line)}`),
      ]
    })
    .join('\n')
}

function migrationText({ from, to, written, closedMs }: MigrationOutcome): string {
  const place = (one: MigrationOutcome['from']): string => `${one.cluster} (${one.partitions} partitions)`
  const closed = closedMs === null ? '' : `; closed for ${formatMs(closedMs)}`
  return `${place(from)} to ${place(to)} while in use: ${formatCount(written.before)} flights before, ${formatCount(written.after)} after${closed}`
}

function migrationVerdict(move: MigrationOutcome): string {
  const waits = `longest wait of a producer ${formatMs(move.longestWriteWaitMs)}, longest gap of a group ${formatMs(move.longestConsumerGapMs)}`
  return `${move.lost} lost, ${move.duplicated} duplicated, ${move.reordered} reordered; ${waits}`
}

function trafficBytes(detail: MqIdDetail, recordBytes: number): string {
  const { traffic } = detail
  if (traffic === null || traffic.recordBytesIn === 0) return 'no telemetry arrived'
  return bytesText(recordBytes, (recordBytes * traffic.wireBytesIn) / traffic.recordBytesIn)
}

/** The requirement of the orders beside what their group measured. */
function intentText(shop: ShopReport): string {
  const orders = shop.details.find((detail) => detail.id === 'orders.placed')
  const measured = shop.groups.find((group) => group.group === 'warehouse')
  if (orders === undefined || measured === undefined) return '-'
  const latencyMs = orders.intent.latencyP99Ms
  const met = measured.endToEndMs.p99 <= latencyMs ? 'met' : 'missed on this machine'
  return `orders.placed end to end p99 ${formatMs(latencyMs)}: ${met}`
}

function shopBytes(shop: ShopReport): string {
  const traffic = shop.details.flatMap((detail) => (detail.traffic === null ? [] : [detail.traffic]))
  const recordBytes = traffic.reduce((sum, one) => sum + one.recordBytesIn, 0)
  if (recordBytes === 0) return 'no telemetry arrived'
  return bytesText(
    recordBytes,
    traffic.reduce((sum, one) => sum + one.wireBytesIn, 0),
  )
}

/** The settings that differ most between requirements, beside each other. */
const SHOWN = [
  'partitions',
  'retention',
  'producer.codec',
  'producer.lingerMs',
  'producer.batchBytes',
  'consumer.fetchMinBytes',
  'consumer.sessionTimeoutMs',
] as const

/** In parts below each other where the terminal is too narrow for all of them beside each other. */
function choicesText(details: readonly MqIdDetail[], colors: Colors, width: number): string {
  const shown = SHOWN.filter((setting) => details.some((detail) => choiceOf(detail, setting) !== undefined))
  const values = (detail: MqIdDetail): string[] => shown.map((setting) => choiceOf(detail, setting)?.value ?? '-')
  const wide = details.reduce(
    (sum, detail) => sum + 2 + Math.max(detail.id.length, ...values(detail).map((value) => value.length)),
    Math.max(...shown.map((setting) => setting.length)) + 2,
  )
  if (wide > width && details.length > 1) {
    const half = Math.ceil(details.length / 2)
    return [details.slice(0, half), details.slice(half)].map((part) => choicesText(part, colors, width)).join('\n\n')
  }
  return table(
    [{ head: '  SETTING' }, ...details.map((detail) => ({ head: detail.id }))],
    shown.map((setting, nth) => [`  ${setting}`, ...details.map((detail) => values(detail)[nth]!)]),
    colors,
  )
}

/** The reason for the value of the first mQ ID, and of the next one that has another value. */
function reasonsText(details: readonly MqIdDetail[], colors: Colors, width: number): string {
  return SHOWN.flatMap((setting) => {
    const choices = details.flatMap((detail) => {
      const choice = choiceOf(detail, setting)
      return choice === undefined ? [] : [{ id: detail.id, value: choice.value, reason: choice.reason }]
    })
    const first = choices[0]
    const other = choices.findLast((choice) => choice.id === 'orders.placed' && choice.value !== first?.value)
    return [first, other].flatMap((choice) => {
      if (choice === undefined) return []
      const [head, ...rest] = wrap(`${setting} = ${choice.value} for ${choice.id}: ${choice.reason}`, width - 4)
      return [`  ${colors.dim('-')} ${head}`, ...rest.map((line) => `    ${line}`)]
    })
  }).join('\n')
}

function choiceOf(detail: MqIdDetail, setting: string): Choice | undefined {
  return detail.choices.find((choice) => choice.setting === setting)
}

function total(sent: Readonly<Record<string, number>>): number {
  return Object.values(sent).reduce((sum, each) => sum + each, 0)
}

function perId(sent: Readonly<Record<string, number>>): string {
  return Object.entries(sent)
    .map(([id, count]) => `${id} ${formatCount(count)}`)
    .join(', ')
}
