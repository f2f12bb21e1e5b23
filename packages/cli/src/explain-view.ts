/**
 * What an mQ ID costs, for a person who pays the bill: what stands, what it costs by meter, what is better, and what each requirement costs.
 *
 * V1. Every amount stands beside what it bills and what was assumed; what nobody measured or verified says so.
 */
import {
  type CostConfiguration,
  type CostOption,
  type Explanation,
  formatDurationMs,
  type MeasuredCost,
  type WhatIfAnswer,
} from '@mq/contract'
import type { Colors } from './io.ts'
import { fields, table, wrap } from './output.ts'
import { formatBytes, formatCount, formatMs, formatRate, formatUsd, plural, usdBeside } from './units.ts'

const METER_NAMES: Readonly<Record<string, string>> = {
  'cross-zone-transfer': 'transfer between zones',
  'broker-storage': 'disks of brokers',
  'remote-storage': 'tiered storage',
  'remote-put': 'writes to tiered storage',
  'remote-retrieval': 'reads of tiered storage',
  'broker-compute': 'CPU of brokers',
  'client-compute': 'CPU of applications',
  'data-in': 'bytes in',
  'data-out': 'bytes out',
  'partition-hour': 'partitions',
  'cluster-hour': 'the cluster',
  'capacity-unit-hour': 'capacity units',
}
const PART_NAMES: Readonly<Record<CostOption['lines'][number]['part'], string>> = {
  produce: 'sending',
  replicate: 'copies',
  consume: 'reading',
  store: 'keeping',
  brokers: '',
  clients: 'sending',
  vendor: '',
}
/** Below it a column of its own for what is billed leaves no room for the reason. */
const NARROW = 110
const BASIS_NAMES = { wire: 'compressed bytes', logical: 'uncompressed bytes', none: 'no bytes' } as const

export function explanationText(explanation: Explanation, colors: Colors, width = Number.POSITIVE_INFINITY): string {
  const { current, best, id, workload, measured } = explanation
  // An amount nobody has caused yet is no cost.
  const costs = workload.source === 'assumed' ? 'would cost' : 'costs'
  const isBest = explanation.outcome.kind === 'keep' || explanation.outcome.kind === 'too-little'
  const parts = [
    ...measuredHead(explanation, colors),
    `${measured === null ? colors.bold(id) : 'By the model it'} ${costs} ${colors.bold(`${formatUsd(current.usdPerMonth)} a month`)}${perMillion(current)}${workload.source === 'assumed' ? ', at traffic that is assumed' : ''}`,
    ...wrap(
      `(with the retention full, and ${formatUsd(applicationsUsd(current))} of CPU of its applications, which is on no bill of Kafka)`,
      Math.min(width, 118),
    ),
    verdict(explanation, colors),
    ...overBudget(explanation, colors),
    section('The workload', workloadText(explanation, colors, width), colors),
    section('What stands', configurationText(current, explanation, colors, width), colors),
    ...(measured === null ? [] : [section('What it cost in the last hour', measuredText(measured, colors), colors)]),
    section('What it costs a month by the model', costText(current, colors, width), colors),
  ]
  if (explanation.choices.length > 0) {
    parts.push(section('Why it stands so', choicesText(explanation, colors, width), colors))
  }
  if (!isBest)
    parts.push(
      section(
        explanation.outcome.kind === 'infeasible' ? 'The nearest to it' : 'What is best',
        configurationText(best, explanation, colors, width),
        colors,
      ),
    )
  parts.push(section('Compared', comparedText(explanation, colors, width), colors))
  if (explanation.priceOf.length > 0)
    parts.push(section('What each requirement costs', pricesText(explanation, colors), colors))
  if (explanation.rejected.length > 0)
    parts.push(section('What is out, and why', rejectedText(explanation, colors, width), colors))
  parts.push(section('Prices and assumptions', assumptionsText(explanation, width), colors))
  return parts.join('\n')
}

/** The same amounts as in `mq cost`, part by part. */
function measuredHead({ id, measured, requirements }: Explanation, colors: Colors): string[] {
  if (measured === null) return []
  const { usdPerMonth, parts } = measured
  const budget = requirements.budgetUsdPerMonth
  const over =
    budget === null
      ? ''
      : usdPerMonth > budget
        ? colors.red(` That is over its budget of ${formatUsd(budget)} a month, which is for both.`)
        : ` Its budget of ${formatUsd(budget)} a month is for both.`
  return [
    `${colors.bold(id)} cost ${colors.bold(`${formatUsd(usdPerMonth)} a month`)} at the rate of the last hour (${formatMs(measured.watchedMs)} of it watched):`,
    `  ${formatUsd(parts.causedUsdPerMonth)} that it causes, ${formatUsd(parts.idleUsdPerMonth)} its share of idle brokers.${over}`,
  ]
}

function applicationsUsd({ lines }: CostOption): number {
  return lines.reduce((sum, { meter, usdPerMonth }) => (meter === 'client-compute' ? sum + usdPerMonth : sum), 0)
}

function measuredText(measured: MeasuredCost, colors: Colors): string {
  const spent = usdBeside(measured.usd)
  const rows = measured.lines.map(({ meter, part, usd, usdPerMonth }) => [
    formatUsd(usdPerMonth),
    spent(usd),
    METER_NAMES[meter] ?? meter,
    part === 'caused' ? 'it causes' : 'share of idle',
  ])
  rows.push([formatUsd(measured.usdPerMonth), spent(measured.usd), 'in all', ''])
  return indent(
    table(
      [{ head: '$/MONTH', align: 'right' }, { head: 'SPENT', align: 'right' }, { head: 'METER' }, { head: 'PART' }],
      rows,
      colors,
    ),
  )
}

export function whatIfText(answer: WhatIfAnswer, colors: Colors, width = Number.POSITIVE_INFINITY): string {
  const { before, after, asked, id } = answer
  const difference = after.best.usdPerMonth - before.current.usdPerMonth
  const direction =
    Math.abs(difference) < 0.005 ? 'the same' : `${formatUsd(Math.abs(difference))} ${difference > 0 ? 'more' : 'less'}`
  const requirements = table(
    [{ head: 'WHAT IF' }, { head: 'NOW' }, { head: 'THEN' }],
    asked.map((each) => [each.requirement, each.before, each.after]),
    colors,
  )
  return [
    `${colors.bold(id)}: ${formatUsd(before.current.usdPerMonth)} a month now, ${colors.bold(`${formatUsd(after.best.usdPerMonth)} a month then`)} (${direction})`,
    answerTo(after, colors),
    ...overBudget(after, colors),
    '',
    indent(requirements),
    section('Then', configurationText(after.best, after, colors, width), colors),
    section('What it would cost a month', costText(after.best, colors, width), colors),
    section('Settings', settingsText(before.current.configuration, after.best.configuration, colors), colors),
    section('Without changing settings', unchangedText(after, colors), colors),
    ...(after.priceOf.length > 0
      ? [section('What each requirement would cost', pricesText(after, colors), colors)]
      : []),
    section('Prices and assumptions', assumptionsText(after, width), colors),
    '',
    'Nothing was changed. `mq apply` changes the intent.',
  ].join('\n')
}

/** A budget is checked last: whatever fails before it hides it. */
function overBudget({ outcome, best, requirements }: Explanation, colors: Colors): string[] {
  const budget = requirements.budgetUsdPerMonth
  if (budget === null || outcome.constraint === 'budget' || best.usdPerMonth <= budget) return []
  return [
    colors.red(`It is ${formatUsd(best.usdPerMonth - budget)} a month over the budget of ${formatUsd(budget)}, too.`),
  ]
}

/** Whether the other requirements can be had; what they cost stands in the line before. */
function answerTo(after: Explanation, colors: Colors): string {
  const { kind, why } = after.outcome
  if (kind === 'infeasible') return colors.red(`No configuration would meet that: ${why}. The nearest is shown.`)
  if (kind === 'too-little') return colors.yellow(`Too little to judge yet: ${why}.`)
  return kind === 'keep'
    ? colors.green('It can be met with the settings of now.')
    : colors.green('It can be met, with the settings below.')
}

function verdict({ outcome, saving, best, workload }: Explanation, colors: Colors): string {
  const waits = workload.source === 'assumed' ? ' Nothing is changed before there is traffic to measure.' : ''
  switch (outcome.kind) {
    case 'keep':
      return colors.green(`It stays: ${outcome.why}.`)
    case 'change':
      return saving.usdPerMonth > 0
        ? colors.yellow(
            `${formatUsd(best.usdPerMonth)} would do: ${percent(saving.share)} less, ${formatUsd(Math.max(0, saving.fromUsdPerMonth))} to ${formatUsd(saving.toUsdPerMonth)} a month saved.${waits}`,
          )
        : colors.yellow(`It has to change: ${outcome.why}.`)
    case 'infeasible':
      return colors.red(`No configuration meets the intent: ${outcome.why}.`)
    case 'too-little':
      return colors.yellow(`Too little to judge yet: ${outcome.why}.`)
  }
}

function workloadText({ workload, requirements }: Explanation, colors: Colors, width: number): string {
  const { recordsPerSecond, recordBytes, peakMultiple, producers, groups } = workload
  const seen =
    workload.source === 'assumed'
      ? colors.yellow('assumed: no client has reported traffic yet')
      : `measured over ${formatMs(workload.observedMs)}, ${formatCount(workload.records)} messages`
  const readers = groups.map(({ group, members }) => `${group} (${plural(members, 'member')})`)
  return fields(
    [
      [
        'traffic',
        `${formatRate(recordsPerSecond)} messages/s of ${formatBytes(Math.round(recordBytes))} by ${plural(producers, 'producer')}; ${seen}`,
      ],
      ['peak', peakMultiple === 1 ? 'none expected' : `${formatRate(peakMultiple)} times the usual rate`],
      ['read by', workload.source === 'assumed' ? 'one group of one member; assumed' : readers.join(', ') || 'nobody'],
      [
        'requirements',
        `p99 ${formatDurationMs(requirements.latencyP99Ms)} end to end${requirements.acknowledgedWithinMs === null ? '' : `, acknowledged within ${formatDurationMs(requirements.acknowledgedWithinMs)} (p99)`}, ${requirements.retention} kept, order: ${requirements.ordering}, ${plural(requirements.copies, 'copy', 'copies')}` +
          (requirements.budgetUsdPerMonth === null
            ? ''
            : `, at most ${formatUsd(requirements.budgetUsdPerMonth)} a month`),
      ],
    ],
    colors,
    width,
  )
}

function configurationText(option: CostOption, { requirements }: Explanation, colors: Colors, width: number): string {
  const { configuration } = option
  const late = option.meetsLatency ? '' : colors.red(`  over the ${limitText(requirements)} asked for`)
  return fields(
    [
      [
        'place',
        `cluster ${configuration.cluster}, ${plural(configuration.partitions, 'partition')}, ${plural(configuration.replication, 'copy', 'copies')}, ${keptText(configuration)}`,
      ],
      ['sending', sendingText(configuration)],
      ['fetching', fetchingText(configuration)],
      [
        'batches',
        `${formatRate(option.recordsPerBatch)} messages each, ${formatRate(option.wireBytesPerRecord)} bytes a message on the wire, ${formatRate(option.ratio)} times compressed${option.codecSource === 'assumed' && configuration.codec !== 'none' ? ' (assumed)' : ''}`,
      ],
      [
        'latency',
        `p99 ${latencyText(option.sendP99Ms)} to acknowledge, ${latencyText(option.endToEndP99Ms)} end to end${late}`,
      ],
    ],
    colors,
    width,
  )
}

function costText(option: CostOption, colors: Colors, width: number): string {
  const isNarrow = width < NARROW
  const billed = option.lines.filter(({ usdPerMonth, quantity }) => usdPerMonth !== 0 || quantity !== 0)
  const rows = billed.map((line) => {
    const because = `${line.formula}: ${line.assumption}${line.confidence === 'verified' ? '' : ` (price ${line.confidence})`}`
    const before = [
      formatUsd(line.usdPerMonth),
      [METER_NAMES[line.meter] ?? line.meter, PART_NAMES[line.part]].filter((text) => text !== '').join(', '),
      `${formatRate(line.quantity)} ${line.unit}`,
    ]
    return isNarrow
      ? [...before, `${BASIS_NAMES[line.basis]}; ${because}`]
      : [...before, BASIS_NAMES[line.basis], because]
  })
  rows.push([formatUsd(option.usdPerMonth), 'in all', '', '', ...(isNarrow ? [] : [''])])
  return indent(
    table(
      [
        { head: '$/MONTH', align: 'right' },
        { head: 'METER' },
        { head: 'QUANTITY', align: 'right' },
        ...(isNarrow ? [{ head: 'BILLS, BECAUSE' }] : [{ head: 'BILLS' }, { head: 'BECAUSE' }]),
      ],
      rows,
      colors,
      width - 2,
    ),
  )
}

function choicesText({ choices }: Explanation, colors: Colors, width: number): string {
  return indent(
    table(
      [{ head: 'SETTING' }, { head: 'VALUE' }, { head: 'WHY' }],
      choices.map(({ setting, value, reason }) => [setting, value, reason]),
      colors,
      width - 2,
    ),
  )
}

function comparedText({ current, best, alternatives, evaluated }: Explanation, colors: Colors, width: number): string {
  const seen = new Set<string>()
  const options = [
    { option: current, what: 'now' },
    { option: best, what: 'best' },
    ...alternatives.map((option) => ({ option, what: '' })),
  ].filter(({ option }) => {
    const key = JSON.stringify(option.configuration)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  const rows = options
    .toSorted((a, b) => a.option.usdPerMonth - b.option.usdPerMonth)
    .map(({ option, what }) => [
      formatUsd(option.usdPerMonth),
      latencyText(option.endToEndP99Ms),
      what,
      settingsLine(option.configuration, current.configuration),
    ])
  const text = table(
    [{ head: '$/MONTH', align: 'right' }, { head: 'P99', align: 'right' }, { head: '' }, { head: 'CONFIGURATION' }],
    rows,
    colors,
    width - 2,
  )
  return `${indent(text)}\n  ${colors.dim(`of ${formatCount(evaluated)} configurations`)}`
}

function pricesText({ priceOf }: Explanation, colors: Colors): string {
  return indent(
    table(
      [{ head: 'SAVED', align: 'right' }, { head: 'REQUIREMENT' }, { head: 'INSTEAD OF' }, { head: 'IF IT WERE' }],
      priceOf.map(({ constraint, asked, relaxedTo, usdPerMonth }) => [
        formatUsd(usdPerMonth),
        constraint,
        asked,
        relaxedTo,
      ]),
      colors,
    ),
  )
}

function rejectedText({ rejected }: Explanation, colors: Colors, width: number): string {
  return indent(
    table(
      [{ head: 'CONFIGURATIONS', align: 'right' }, { head: 'REQUIREMENT' }, { head: 'WHY' }],
      rejected.map(({ constraint, reason, count }) => [formatCount(count), constraint, reason]),
      colors,
      width - 2,
    ),
  )
}

function assumptionsText({ priceBook, assumptions }: Explanation, width: number): string {
  const lines = [
    `prices: ${priceBook.id}, version ${priceBook.version} (${priceBook.title})`,
    ...priceBook.notes.map((note) => `prices: ${note}`),
    ...assumptions.map((assumption) => `assumed: ${assumption}`),
    'the hour that passed is that of `mq cost`: by what is stored now, and without the machines of applications',
    'latency and bytes are modelled; decisions are kept only when they hold on real traffic',
  ]
  return lines
    .flatMap((line) => wrap(line, Math.min(width - 2, 118)).map((part, at) => `  ${at === 0 ? '' : '  '}${part}`))
    .join('\n')
}

function settingsText(before: CostConfiguration, after: CostConfiguration, colors: Colors): string {
  const changes = changed(before, after)
  return changes.length === 0 ? '  as they are' : fields(changes, colors)
}

function unchangedText({ current, requirements }: Explanation, colors: Colors): string {
  const late = current.meetsLatency ? '' : colors.red(`, over the ${limitText(requirements)} asked for`)
  return `  ${formatUsd(current.usdPerMonth)} a month, p99 ${latencyText(current.endToEndP99Ms)} end to end${late}`
}

/** What differs, each with before and after. */
function changed(before: CostConfiguration, after: CostConfiguration): [string, string][] {
  const pairs: readonly (readonly [string, string, string])[] = [
    ['cluster', before.cluster, after.cluster],
    ['partitions', formatCount(before.partitions), formatCount(after.partitions)],
    ['copies', formatCount(before.replication), formatCount(after.replication)],
    ['kept', keptText(before), keptText(after)],
    ['codec', codecText(before), codecText(after)],
    ['linger', formatMs(before.lingerMs), formatMs(after.lingerMs)],
    ['batch', formatBytes(before.batchBytes), formatBytes(after.batchBytes)],
    ['fetch', fetchingText(before), fetchingText(after)],
  ]
  return pairs.filter(([, was, is]) => was !== is).map(([name, was, is]) => [name, `${was} -> ${is}`])
}

function settingsLine(option: CostConfiguration, current: CostConfiguration): string {
  const where = option.cluster === current.cluster ? '' : `on ${option.cluster}, `
  const partitions = option.partitions === current.partitions ? '' : `${plural(option.partitions, 'partition')}, `
  return `${where}${partitions}${sendingText(option)}, ${fetchingText(option)}`
}

function sendingText(configuration: CostConfiguration): string {
  return `${codecText(configuration)}, linger ${formatMs(configuration.lingerMs)}, batch ${formatBytes(configuration.batchBytes)}`
}

function codecText({ codec, codecLevel }: CostConfiguration): string {
  return codec === 'none' ? 'no codec' : codecLevel === null ? codec : `${codec} level ${codecLevel}`
}

function fetchingText({ fetchMinBytes, fetchMaxWaitMs, followerFetch }: CostConfiguration): string {
  const near = followerFetch ? ', from the nearest copy' : ''
  return fetchMinBytes <= 1
    ? `fetch at once${near}`
    : `fetch ${formatBytes(fetchMinBytes)} or after ${formatMs(fetchMaxWaitMs)}${near}`
}

function keptText({ retentionMs, localRetentionMs }: CostConfiguration): string {
  const kept = retentionMs === null ? 'kept without limit in time' : `kept ${formatDurationMs(retentionMs)}`
  return localRetentionMs === null ? kept : `${kept}, ${formatDurationMs(localRetentionMs)} of it on disks`
}

/** The deadline of a send stands for what never gets through. */
function latencyText(ms: number): string {
  return ms >= 120_000 ? 'never' : formatMs(ms)
}

function limitText({ latencyP99Ms, acknowledgedWithinMs }: Explanation['requirements']): string {
  const endToEnd = formatDurationMs(latencyP99Ms)
  return acknowledgedWithinMs === null
    ? endToEnd
    : `${endToEnd} end to end, or the ${formatDurationMs(acknowledgedWithinMs)} to acknowledge,`
}

function perMillion({ usdPerMillionRecords }: CostOption): string {
  return usdPerMillionRecords === null ? '' : `, ${usdPerMillionRecords.toPrecision(3)} USD a million messages`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function section(title: string, text: string, colors: Colors): string {
  return `\n${colors.bold(title)}\n${text}`
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n')
}
