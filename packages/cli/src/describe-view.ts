/** One mQ ID for people: what was asked, what mQ chose and why, and what it measures. */
import { formatDurationMs, type Intent, type MqIdDetail } from '@mq/contract'
import { appRows } from './apps-view.ts'
import { failingText } from './group-view.ts'
import type { Colors } from './io.ts'
import { lagTimeText, sparkline } from './lag-view.ts'
import { fields, table } from './output.ts'
import { formatAge, formatBytes, formatCount, formatMs, formatRate } from './units.ts'

export function describeText(
  detail: MqIdDetail,
  colors: Colors,
  nowMs: number,
  width = Number.POSITIVE_INFINITY,
): string {
  const by = detail.createdBy === 'apply' ? 'mq apply' : 'first use'
  const parts = [
    `${colors.bold(detail.id)}  ${colors.dim(`created by ${by} ${formatAge(nowMs - detail.createdAtMs)} ago, binding ${detail.incarnation}.${detail.revision}`)}`,
    ...(detail.unsettled === null ? [] : [colors.yellow(`unsettled: ${detail.unsettled}`)]),
    ...detail.warnings.map((warning) => colors.yellow(`warning: ${warning}`)),
    ...detail.drift.map(({ alarm, what }) =>
      alarm ? colors.red(`alarm: ${what}`) : colors.yellow(`changed outside mQ: ${what}`),
    ),
    section('Intent', fields(intentRows(detail.intent), colors), colors),
    section('What mQ chose, and why', choicesText(detail, colors, width - 2), colors),
    section('Epochs', epochsText(detail, colors), colors),
    section('Traffic', trafficText(detail, colors), colors),
    ...(detail.applications.length === 0 ? [] : [section('Applications', usersText(detail, colors, nowMs), colors)]),
    ...(detail.deadLetters.length === 0 ? [] : [section('Dead letters', deadLettersText(detail, nowMs), colors)]),
    ...(detail.groups.length === 0 ? [] : [section('Groups', groupsText(detail, colors, nowMs), colors)]),
  ]
  return parts.join('\n')
}

function deadLettersText({ id, deadLetters }: MqIdDetail, nowMs: number): string {
  return deadLetters.map((one) => `  ${one.group}: ${keptText(one, nowMs)} (mq dlq list ${id})`).join('\n')
}

export function keptText({ kept, oldestAtMs }: MqIdDetail['deadLetters'][number], nowMs: number): string {
  if (kept === null) return 'not counted yet'
  return oldestAtMs === null
    ? 'none kept'
    : `${formatCount(kept)} kept, the oldest failed ${formatAge(nowMs - oldestAtMs)} ago`
}

function section(title: string, text: string, colors: Colors): string {
  return `\n${colors.bold(title)}\n${text}`
}

export function retentionText(retention: Intent['retention']): string {
  return retention.policy === 'time' ? formatDurationMs(retention.durationMs) : retention.policy
}

function intentRows(intent: Intent): [string, string][] {
  const rows: [string, string | undefined][] = [
    ['latencyP99Ms', `${intent.latencyP99Ms} ms from send to handler`],
    [
      'acknowledgedWithinMs',
      intent.acknowledgedWithinMs === undefined
        ? undefined
        : `${intent.acknowledgedWithinMs} ms from send to acknowledgement`,
    ],
    ['durability', intent.durability],
    ['ordering', intent.ordering],
    ['retention', retentionText(intent.retention)],
    ['format', intent.format],
    ['priority', intent.priority],
    ['movable', intent.movable ? 'yes' : 'no: it is not moved'],
    ['minCopies', intent.minCopies?.toString()],
    ['minZones', intent.minZones?.toString()],
    ['regions', intent.regions?.join(', ')],
    [
      'clusterLabels',
      intent.clusterLabels &&
        Object.entries(intent.clusterLabels)
          .map(([key, value]) => `${key}=${value}`)
          .join(', '),
    ],
    ['maxMessageBytes', formatBytes(intent.maxMessageBytes)],
    ['expectedMessagesPerSecond', intent.expectedMessagesPerSecond?.toString()],
    ['expectedMessageBytes', intent.expectedMessageBytes?.toString()],
    ['budgetUsdPerMonth', intent.budgetUsdPerMonth?.toString()],
    ['peaks', intent.peaks.length === 0 ? undefined : intent.peaks.map(peakText).join('; ')],
    [
      'owner',
      intent.owner === undefined ? undefined : [intent.owner.team, intent.owner.service].filter(Boolean).join(' / '),
    ],
  ]
  return rows.filter((row): row is [string, string] => row[1] !== undefined)
}

function peakText(peak: Intent['peaks'][number]): string {
  return `${peak.multiple}x from ${peak.startsAt} for ${formatDurationMs(peak.durationMs)}`
}

function choicesText(detail: MqIdDetail, colors: Colors, width: number): string {
  return indent(
    table(
      [{ head: 'SETTING' }, { head: 'VALUE' }, { head: 'WHY' }],
      detail.choices.map((choice) => [choice.setting, choice.value, choice.reason]),
      colors,
      width,
    ),
  )
}

function epochsText(detail: MqIdDetail, colors: Colors): string {
  return indent(
    table(
      [
        { head: 'EPOCH', align: 'right' },
        { head: 'STATE' },
        { head: 'CLUSTER' },
        { head: 'TOPIC' },
        { head: 'PARTITIONS', align: 'right' },
        { head: 'ENDS AT', align: 'right' },
      ],
      detail.epochs.map((epoch) => [
        String(epoch.epoch),
        epoch.late === true ? `${epoch.state}, read late` : epoch.state,
        epoch.cluster,
        epoch.topic,
        String(epoch.partitions),
        epoch.endOffsets === null ? '-' : formatCount(epoch.endOffsets.reduce((sum, end) => sum + Number(end), 0)),
      ]),
      colors,
    ),
  )
}

function trafficText(detail: MqIdDetail, colors: Colors): string {
  const { traffic } = detail
  if (traffic === null) return '  nothing reported yet'
  const seconds = traffic.windowMs / 1_000
  const rows: [string, string][] = [
    ['window', `last ${formatMs(traffic.windowMs)}`],
    ['sent', `${formatCount(traffic.recordsIn)} messages, ${formatRate(traffic.recordsIn / seconds)}/s`],
    ['bytes', bytesText(traffic.recordBytesIn, traffic.wireBytesIn)],
    ['batches', batchesText(traffic.recordsIn, traffic.batches)],
    ['send latency', percentiles(traffic.sendP50Ms, traffic.sendP99Ms)],
  ]
  return fields(rows, colors)
}

function usersText(detail: MqIdDetail, colors: Colors, nowMs: number): string {
  return indent(
    table(
      [
        { head: 'APP' },
        { head: 'DOES' },
        { head: 'PROCESSES', align: 'right' },
        { head: 'SDK' },
        { head: 'HOSTS' },
        { head: 'SINCE', align: 'right' },
        { head: 'RATE', align: 'right' },
      ],
      appRows(detail.applications, detail.id, nowMs),
      colors,
    ),
  )
}

/** From the brokers, whether or not a client of a group runs. */
function groupsText(detail: MqIdDetail, colors: Colors, nowMs: number): string {
  const told = new Map(detail.traffic?.groups.map((group) => [group.group, group]))
  const rows = detail.groups.map((group) => {
    const handled = group.foreign ? undefined : told.get(group.group)
    return [
      group.foreign ? `${group.group} (not of mQ)` : group.group,
      group.members === null ? '?' : formatCount(group.members),
      handled === undefined ? '-' : formatCount(handled.records),
      percentiles(handled?.endToEndP50Ms ?? null, handled?.endToEndP99Ms ?? null),
      group.lagRecords === null ? 'unknown' : formatCount(group.lagRecords),
      lagTimeText(group),
      [sparkline(group.recent), group.trend].filter((part) => part !== null && part !== '').join(' '),
    ]
  })
  const notes = detail.groups.flatMap(({ group, problem, lostRecords, seenAtMs }) => [
    ...(problem === null ? [] : [`${group}: ${problem}`]),
    ...(lostRecords === 0 ? [] : [`${group}: retention removed ${formatCount(lostRecords)} records it had not read`]),
    ...(seenAtMs === null || nowMs - seenAtMs < 60_000 ? [] : [`${group}: seen ${formatAge(nowMs - seenAtMs)} ago`]),
  ])
  notes.push(...detail.failing.flatMap((one) => failingText(one.group, one)))
  const view = table(
    [
      { head: 'GROUP' },
      { head: 'MEMBERS', align: 'right' },
      { head: 'HANDLED', align: 'right' },
      { head: 'END TO END' },
      { head: 'LAG', align: 'right' },
      { head: 'BEHIND', align: 'right' },
      { head: 'LAST HOUR' },
    ],
    rows,
    colors,
  )
  return indent([view, ...notes.map((note) => colors.yellow(note))].join('\n'))
}

export function bytesText(recordBytes: number, wireBytes: number): string {
  if (recordBytes === 0) return '0 B'
  const percent = Math.round((wireBytes / recordBytes) * 100)
  return `${formatBytes(recordBytes)} sent by the application, ${formatBytes(wireBytes)} on the wire (${percent}%)`
}

function batchesText(records: number, batches: number): string {
  if (batches === 0) return '0'
  const each = formatRate(records / batches)
  return `${formatCount(batches)}, ${each} ${each === '1' ? 'message' : 'messages'} each`
}

function percentiles(p50Ms: number | null, p99Ms: number | null): string {
  if (p50Ms === null || p99Ms === null) return '-'
  return `p50 ${formatMs(p50Ms)}, p99 ${formatMs(p99Ms)}`
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n')
}
