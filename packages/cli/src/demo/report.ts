/** What the demo tells at its end: counts, order, speed, bytes, and what mQ chose and why. */
import type { Choice, MqIdDetail } from '@mq/contract'
import { bytesText } from '../describe-view.ts'
import type { Colors } from '../io.ts'
import { fields, table, wrap } from '../output.ts'
import { formatCount, formatMs, formatRate } from '../units.ts'
import type { Check } from './checks.ts'
import { FLIGHTS_ID, type FlightsReport } from './flights.ts'
import type { MoveReport } from './move.ts'
import { SHOP_IDS, type ShopReport } from './shop.ts'

/** A report is read even where there is no terminal. */
const REPORT_WIDTH = 110

export interface DemoReport {
  readonly ok: boolean
  readonly durationMs: number
  readonly kafka: string
  readonly flights: FlightsReport
  readonly shop: ShopReport
  readonly failed: readonly Check[]
}

export function reportText(report: DemoReport, colors: Colors, width: number): string {
  const { flights, shop } = report
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
        ['moved', moveText(flights.move)],
        ['verdict', moveVerdict(flights.move)],
        ...flights.latest.map((line): [string, string] => ['result', line]),
      ],
      colors,
    ),
    checksText(flights.checks, colors),
    '',
    colors.bold(`B. A seeded shop through ${SHOP_IDS.join(', ')}, at a steady rate`),
    fields(
      [
        ['sent', `${formatCount(total(shop.sent))} messages in ${formatMs(shop.durationMs)}: ${perId(shop.sent)}`],
        ['send latency', `p50 ${formatMs(shop.sendMs.p50)}, p99 ${formatMs(shop.sendMs.p99)}`],
        ...shop.groups.map((group): [string, string] => [
          `group ${group.group}`,
          `${formatCount(group.received)} of ${formatCount(group.expected)} handled, end to end p50 ${formatMs(group.endToEndMs.p50)}, p99 ${formatMs(group.endToEndMs.p99)}`,
        ]),
        ['asked for', wishText(shop)],
        ['bytes', shopBytes(shop)],
      ],
      colors,
    ),
    checksText(shop.checks, colors),
    '',
    colors.bold('What mQ chose, with nobody naming a topic, a partition, a broker or a setting'),
    choicesText([flights.detail, ...shop.details], colors),
    '',
    colors.bold('Why'),
    reasonsText([flights.detail, ...shop.details], colors, Math.min(width, REPORT_WIDTH)),
    '',
    verdict(report, colors),
  ]
  return parts.join('\n')
}

function verdict(report: DemoReport, colors: Colors): string {
  const all = report.flights.checks.length + report.shop.checks.length
  const took = `${formatMs(report.durationMs)} on ${report.kafka}`
  if (report.ok) return colors.green(colors.bold(`All ${all} checks hold. ${took}.`))
  return colors.red(colors.bold(`${report.failed.length} of ${all} checks do not hold. ${took}.`))
}

function checksText(checks: readonly Check[], colors: Colors): string {
  return checks
    .map((check) => {
      const mark = check.ok ? colors.green('ok  ') : colors.red('FAIL')
      return `  ${mark} ${check.name} ${colors.dim(`(${check.detail})`)}`
    })
    .join('\n')
}

function moveText({ from, to, written, closedMs }: MoveReport): string {
  const place = (one: MoveReport['from']): string => `${one.cluster} (${one.partitions} partitions)`
  const closed = closedMs === null ? '' : `; closed for ${formatMs(closedMs)}`
  return `${place(from)} to ${place(to)} while in use: ${formatCount(written.before)} flights before, ${formatCount(written.after)} after${closed}`
}

function moveVerdict(move: MoveReport): string {
  const waits = `longest wait of a producer ${formatMs(move.longestWriteWaitMs)}, longest gap of a group ${formatMs(move.longestConsumerGapMs)}`
  return `${move.lost} lost, ${move.duplicated} duplicated, ${move.reordered} reordered; ${waits}`
}

function trafficBytes(detail: MqIdDetail, recordBytes: number): string {
  const { traffic } = detail
  if (traffic === null || traffic.recordBytesIn === 0) return 'no telemetry arrived'
  return bytesText(recordBytes, (recordBytes * traffic.wireBytesIn) / traffic.recordBytesIn)
}

/** The wish of the orders beside what their group measured. */
function wishText(shop: ShopReport): string {
  const orders = shop.details.find((detail) => detail.id === 'orders.placed')
  const measured = shop.groups.find((group) => group.group === 'warehouse')
  if (orders === undefined || measured === undefined) return '-'
  const wishMs = orders.intent.latencyP99Ms
  const met = measured.endToEndMs.p99 <= wishMs ? 'met' : 'missed on this machine'
  return `orders.placed end to end p99 ${formatMs(wishMs)}: ${met}`
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

/** The settings that differ most between wishes, beside each other. */
const SHOWN = [
  'partitions',
  'retention',
  'producer.codec',
  'producer.lingerMs',
  'producer.batchBytes',
  'consumer.fetchMinBytes',
  'consumer.sessionTimeoutMs',
] as const

function choicesText(details: readonly MqIdDetail[], colors: Colors): string {
  const shown = SHOWN.filter((setting) => details.some((detail) => choiceOf(detail, setting) !== undefined))
  return table(
    [{ head: '  SETTING' }, ...details.map((detail) => ({ head: detail.id }))],
    shown.map((setting) => [`  ${setting}`, ...details.map((detail) => choiceOf(detail, setting)?.value ?? '-')]),
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
