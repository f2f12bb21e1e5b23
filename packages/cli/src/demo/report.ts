/** What the demo tells at its end: counts, order, speed, bytes, and what mQ chose and why. */
import type { MqIdDetail } from '@mq/contract'
import { bytesText } from '../describe-view.ts'
import type { Colors } from '../io.ts'
import { fields, table } from '../output.ts'
import { formatCount, formatMs, formatRate } from '../units.ts'
import type { Check } from './checks.ts'
import { FLIGHTS_ID, type FlightsReport } from './flights.ts'
import { SHOP_IDS, type ShopReport } from './shop.ts'

export interface DemoReport {
  readonly ok: boolean
  readonly durationMs: number
  readonly kafka: string
  readonly flights: FlightsReport
  readonly shop: ShopReport
  readonly failed: readonly Check[]
}

export function reportText(report: DemoReport, colors: Colors): string {
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
        ['bytes', shopBytes(shop)],
      ],
      colors,
    ),
    checksText(shop.checks, colors),
    '',
    colors.bold('What mQ chose, and why'),
    choicesText([flights.detail, ...shop.details], colors),
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

function trafficBytes(detail: MqIdDetail, recordBytes: number): string {
  const { traffic } = detail
  if (traffic === null || traffic.recordBytesIn === 0) return 'no telemetry arrived'
  return bytesText(recordBytes, (recordBytes * traffic.wireBytesIn) / traffic.recordBytesIn)
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

/** Each choice once: where mQ IDs differ, their values stand side by side. */
function choicesText(details: readonly MqIdDetail[], colors: Colors): string {
  const rows = new Map<string, { ids: string[]; setting: string; value: string; reason: string }>()
  for (const detail of details) {
    for (const choice of detail.choices) {
      const key = JSON.stringify([choice.setting, choice.value, choice.reason])
      const row = rows.get(key)
      if (row === undefined) rows.set(key, { ids: [detail.id], ...choice })
      else row.ids.push(detail.id)
    }
  }
  const sorted = [...rows.values()].sort((a, b) => a.setting.localeCompare(b.setting))
  return table(
    [{ head: '  SETTING' }, { head: 'VALUE' }, { head: 'FOR' }, { head: 'WHY' }],
    sorted.map((row) => [
      `  ${row.setting}`,
      row.value,
      row.ids.length === details.length ? 'all' : row.ids.join(', '),
      row.reason,
    ]),
    colors,
  )
}

function total(sent: Readonly<Record<string, number>>): number {
  return Object.values(sent).reduce((sum, each) => sum + each, 0)
}

function perId(sent: Readonly<Record<string, number>>): string {
  return Object.entries(sent)
    .map(([id, count]) => `${id} ${formatCount(count)}`)
    .join(', ')
}
