/**
 * A scan for people: the bill, the dearest topics, the largest savings, and everything that was assumed.
 *
 * V1. What is shown adds up: topics that are not shown stand as one line with their sum, and so do savings.
 */
import type { ScannedSaving, ScannedTopic, ScanReport } from '@mq/control-plane'
import type { Colors } from './io.ts'
import { type Column, table, wrap } from './output.ts'
import { formatBytes, formatCount, formatMs, formatRate, formatUsd, plural } from './units.ts'

export interface ScanViewOptions {
  readonly top: number
  readonly colors: Colors
  readonly width: number
}

export function scanText(report: ScanReport, options: ScanViewOptions): string {
  const { colors } = options
  const { totals, priceBook } = report
  const where = report.clusterId === null ? 'Cluster' : `Cluster ${report.clusterId}`
  return [
    `${colors.bold(where)}: ${plural(report.brokers, 'broker')}, priced for ${plural(report.zones, 'zone')}, ${plural(totals.topics, 'topic')}; looked at in ${formatMs(report.tookMs)}, nothing written.`,
    `Price book ${priceBook.id}, version ${priceBook.version}: ${priceBook.title}.`,
    '',
    ...costSection(report, options),
    '',
    ...topicSection(report, options),
    '',
    ...savingSection(report, options),
    ...listSection('Not proposed, but good to know', report.remarks, options),
    ...listSection(
      'Could not be seen',
      report.problems
        .slice(0, options.top)
        .map(
          ({ about, name, missing, code, message }) =>
            `${about} ${name}: ${missing === 'everything' ? 'nothing of it is seen' : `no ${missing}`} (${code}: ${message})`,
        ),
      options,
      report.problems.length - options.top,
    ),
    ...listSection('Assumed', [...report.assumptions, ...priceBook.notes], options),
  ].join('\n')
}

function costSection({ totals }: ScanReport, { colors, width }: ScanViewOptions): string[] {
  const share = (usd: number): string =>
    totals.usdPerMonth > 0 ? `${((usd / totals.usdPerMonth) * 100).toFixed(0)} %` : '-'
  const rows = totals.meters.map(({ meter, usdPerMonth }) => [meter, formatUsd(usdPerMonth), share(usdPerMonth)])
  const rest = totals.unallocatedUsdPerMonth
  const ranged =
    totals.rangedTopics === 0
      ? []
      : [
          `${totals.knownUsdPerMonth + Math.max(0, rest) < 0.005 ? 'None of it is known well' : `${formatUsd(totals.knownUsdPerMonth + Math.max(0, rest))} of it is known well`}; ${plural(totals.rangedTopics, 'topic')} ${totals.rangedTopics === 1 ? 'was' : 'were'} seen for too short a time and may be anything from ${formatUsd(totals.fromUsdPerMonth - totals.knownUsdPerMonth)} to ${formatUsd(totals.toUsdPerMonth - totals.knownUsdPerMonth)} a month (--watch 3600 tells more).`,
        ]
  const idle =
    Math.abs(rest) < 0.005
      ? []
      : [
          rest > 0
            ? `${formatUsd(rest)} of it no topic needs (idle brokers, fees).`
            : `Topics need ${formatUsd(-rest)} more of broker CPU than there is.`,
        ]
  const unpriced =
    totals.unpricedTopics === 0
      ? []
      : [
          `${plural(totals.unpricedTopics, 'topic')} could not be priced and ${totals.unpricedTopics === 1 ? 'is' : 'are'} missing.`,
        ]
  const low = totals.fromUsdPerMonth + rest
  const high = totals.toUsdPerMonth + rest
  const isWide = high - low > 0.05 * totals.usdPerMonth
  const cost = isWide
    ? `Cost: ${formatUsd(low)} to ${formatUsd(high)} a month, ${formatUsd(totals.usdPerMonth)} if it goes on as it was seen`
    : `Cost: ${formatUsd(totals.usdPerMonth)} a month`
  return [
    colors.bold(cost),
    ...[...ranged, ...idle, ...unpriced].flatMap((text) => wrap(text, width - 2)).map((line) => `  ${line}`),
    ...(rows.length === 0
      ? []
      : [
          table(
            [{ head: 'METER' }, { head: '$/MONTH', align: 'right' }, { head: 'SHARE', align: 'right' }],
            rows,
            colors,
          ),
        ]),
  ]
}

/** Where a terminal is narrower, meters stay with the sum above; the notes stand below the table in any terminal. */
const NARROW = 140
const METER_COLUMNS: ReadonlySet<string> = new Set(['TRANSFER', 'STORAGE', 'CPU', 'OTHER', 'COPIES', 'READERS', 'IDLE'])

function topicSection(report: ScanReport, { top, colors, width }: ScanViewOptions): string[] {
  const { topics } = report
  if (topics.length === 0) return [colors.bold('No topics.')]
  const shown = topics.slice(0, top)
  const rest = topics.slice(top)
  const restUsd = rest.reduce((sum, { usdPerMonth }) => sum + (usdPerMonth ?? 0), 0)
  return [
    colors.bold(`Topics, the dearest first`),
    topicTable(shown, colors, width),
    ...(rest.length === 0 ? [] : [colors.dim(`and ${plural(rest.length, 'other')}: ${formatUsd(restUsd)} a month`)]),
    ...(width === Number.POSITIVE_INFINITY ? [] : noteLines(shown, width)),
  ]
}

function topicTable(topics: readonly ScannedTopic[], colors: Colors, width: number): string {
  const columns: readonly Column[] = [
    { head: 'TOPIC' },
    { head: '$/MONTH', align: 'right' },
    { head: 'IDLE', align: 'right' },
    { head: 'TRANSFER', align: 'right' },
    { head: 'STORAGE', align: 'right' },
    { head: 'CPU', align: 'right' },
    { head: 'OTHER', align: 'right' },
    { head: 'RECORDS/S', align: 'right' },
    { head: 'STORED', align: 'right' },
    { head: 'B/RECORD', align: 'right' },
    { head: 'CODEC' },
    { head: 'DEPTH', align: 'right' },
    { head: 'RATIO', align: 'right' },
    { head: 'COPIES', align: 'right' },
    { head: 'KEEPS', align: 'right' },
    { head: 'READERS', align: 'right' },
    { head: 'NOTE' },
  ]
  const isShown = ({ head }: Column): boolean =>
    width === Number.POSITIVE_INFINITY || (head !== 'NOTE' && (width >= NARROW || !METER_COLUMNS.has(head)))
  return table(
    columns.filter(isShown),
    topics.map((topic) => topicRow(topic).filter((_, at) => isShown(columns[at]!))),
    colors,
  )
}

/** Each note once, with the topics it is about. */
function noteLines(topics: readonly ScannedTopic[], width: number): string[] {
  const about = new Map<string, string[]>()
  for (const { topic, notes } of topics) for (const note of notes) about.set(note, [...(about.get(note) ?? []), topic])
  return [...about].flatMap(([note, names]) =>
    wrap(`${names.join(', ')}: ${note}`, Math.max(40, width - 4)).map(
      (line, index) => `${index === 0 ? '  - ' : '    '}${line}`,
    ),
  )
}

const STORAGE = ['broker-storage', 'remote-storage', 'remote-put', 'remote-retrieval'] as const

function topicRow(topic: ScannedTopic): string[] {
  const { meters, usdPerMonth, fromUsdPerMonth, toUsdPerMonth } = topic
  const transfer = meters['cross-zone-transfer'] ?? 0
  const storage = STORAGE.reduce((sum, meter) => sum + (meters[meter] ?? 0), 0)
  const cpu = meters['broker-compute'] ?? 0
  const money = (usd: number): string => (usdPerMonth === null ? '?' : usd === 0 ? '-' : formatUsd(usd))
  return [
    topic.topic,
    usdPerMonth === null
      ? '?'
      : formatUsd(fromUsdPerMonth ?? 0) === formatUsd(toUsdPerMonth ?? 0)
        ? money(usdPerMonth)
        : `${formatUsd(fromUsdPerMonth ?? 0)} to ${formatUsd(toUsdPerMonth ?? 0)}`,
    money(topic.parts?.idle ?? 0),
    money(transfer),
    money(storage),
    money(cpu),
    money((usdPerMonth ?? 0) - transfer - storage - cpu > 0.005 ? (usdPerMonth ?? 0) - transfer - storage - cpu : 0),
    topic.recordsPerSecond === null ? '?' : formatRate(topic.recordsPerSecond),
    topic.storedBytes === null ? '?' : formatBytes(topic.storedBytes),
    topic.wireBytesPerRecord === null ? '-' : formatCount(topic.wireBytesPerRecord),
    topic.codec ?? '-',
    topic.recordsPerBatch === null ? '-' : formatRate(topic.recordsPerBatch),
    topic.compressionRatio === null ? '-' : topic.compressionRatio.toFixed(1),
    String(topic.replication),
    topic.retentionMs === null ? '-' : keepsText(topic.retentionMs),
    topic.idleGroups === 0 ? String(topic.readers) : `${topic.readers} (+${topic.idleGroups} idle)`,
    topic.notes.join('; '),
  ]
}

function keepsText(ms: number): string {
  if (ms >= 86_400_000) return `${Number((ms / 86_400_000).toFixed(1))}d`
  return ms >= 3_600_000 ? `${Number((ms / 3_600_000).toFixed(1))}h` : `${Math.round(ms / 60_000)}m`
}

function savingSection(report: ScanReport, { top, colors, width }: ScanViewOptions): string[] {
  const { savings, together } = report
  if (savings.length === 0) return [colors.bold('No saving of a cent a month or more was found.')]
  const shown = savings.slice(0, top)
  const rest = savings.slice(top)
  const paint = { high: colors.green, medium: colors.yellow, low: colors.dim } as const
  const { high, medium, low } = together.byConfidence
  // Brokers that no topic needs are no part of what topics cost.
  const whole = report.totals.usdPerMonth
  const percentOf = (usd: number): string => `${whole > 0 ? ((usd / whole) * 100).toFixed(0) : 0} %`
  return [
    // What only a person can judge, such as whether a topic is needed, is no promise of the headline.
    ...wrap(
      `Savings: ${formatUsd(high + medium)} a month, ${percentOf(high + medium)} of the whole (high confidence ${formatUsd(high)}, medium ${formatUsd(medium)}); ${formatUsd(low)} more for a person to judge (low)`,
      width,
    ).map((line) => colors.bold(line)),
    ...(together.computeUsdPerMonth < 0.005
      ? []
      : [`  ${formatUsd(together.computeUsdPerMonth)} of it is broker CPU: on the bill once whole brokers can go.`]),
    ...wrap(
      'Largest first, but none before those of its topic that it counts on: each is what it saves once they are made, so the list adds up.',
      width - 2,
    ).map((line) => `  ${line}`),
    ...shown.flatMap((saving, index) => savingLines(saving, index + 1, paint[saving.confidence], width)),
    ...(rest.length === 0
      ? []
      : [
          colors.dim(
            `  and ${plural(rest.length, 'smaller one', 'smaller ones')}: ${formatUsd(rest.reduce((sum, one) => sum + one.usdPerMonth, 0))} a month`,
          ),
        ]),
  ]
}

function savingLines(saving: ScannedSaving, rank: number, paint: (text: string) => string, width: number): string[] {
  const { kind, topic, topics, change, assumption, confidence, usdPerMonth } = saving
  const about = topic ?? (kind === 'brokers' ? 'all brokers' : plural(topics, 'topic'))
  const indent = '                  '
  const room = Math.max(40, width - indent.length)
  return [
    `${String(rank).padStart(3)}. ${formatUsd(usdPerMonth).padStart(12)}  ${about}: ${kind} ${paint(`(${confidence})`)}`,
    ...wrap(change, room).map((line) => indent + line),
    ...(saving.after.length === 0
      ? []
      : wrap(`counted after: ${saving.after.join(', ')}`, room).map((line) => indent + line)),
    ...wrap(`assumes: ${assumption}`, room).map((line) => indent + line),
  ]
}

function listSection(head: string, items: readonly string[], { colors, width }: ScanViewOptions, more = 0): string[] {
  if (items.length === 0) return []
  return [
    '',
    colors.bold(head),
    ...items.flatMap((item) =>
      wrap(item, Math.max(40, width - 4)).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`),
    ),
    ...(more > 0 ? [`  - and ${more} more`] : []),
  ]
}
