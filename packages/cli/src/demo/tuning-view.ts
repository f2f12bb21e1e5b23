/** Part C for people: configuration, $ and speed before and after, predicted beside measured, and the proof it was kept for. */
import { type Decision, isDecided, type Outcome, ProducerSettings } from '@mq/contract'
import { shareText } from '../decision-view.ts'
import type { Colors } from '../io.ts'
import { fields, table, wrap } from '../output.ts'
import { formatBytes, formatCount, formatMs, formatRate, formatUsd, plural } from '../units.ts'
import type { TuningReport } from './tuning.ts'

/** From so many times as much on, a change is told as a factor. */
const MANIFOLD = 3
const SECONDS_PER_MONTH = 730 * 3_600

export const DEFAULTS = "the defaults of Kafka's Java client"

export function tuningText(report: TuningReport, colors: Colors, width: number): string {
  const { decision, group, latencyWishMs, sent, durationMs, instances } = report
  const met = group.endToEndMs.p99 <= latencyWishMs ? 'met' : 'missed on this machine'
  const rows: (readonly [string, string])[] = [
    [
      'sent',
      `${formatCount(sent)} messages by ${instances} instances in ${formatMs(durationMs)}, ${formatCount(group.received)} of them handled by group ${group.group}`,
    ],
    ...decisionFields(report),
    ['policy', `auto for ${report.id}; observe for all others, so that A and B stay as mQ chose at the start`],
    [
      'asked for',
      `${report.id} end to end p99 ${formatMs(latencyWishMs)}: ${met}, ${formatMs(group.endToEndMs.p99)} over all messages${decision?.trial == null ? '' : ', while settings changed'}`,
    ],
  ]
  const parts = [fields(rows, colors, width)]
  if (decision !== null)
    parts.push('', outcomesText(report, decision, colors), '', pricesText(report, decision, colors, width))
  return parts.join('\n')
}

function decisionFields(report: TuningReport): (readonly [string, string])[] {
  const { decision, decidedAfterMs, outlook, detail } = report
  if (decision === null || decision.change.kind !== 'producer-settings') {
    return [
      ['settings', `${settingsText(detail.producer)}: ${DEFAULTS}, and still so`],
      ['not decided', outlook?.reason ?? 'the tuning loop said nothing'],
    ]
  }
  const { state, status, number, change, trial } = decision
  const after = settingsText(ProducerSettings.parse(change.after))
  const when = decidedAfterMs === null ? '' : ` ${formatMs(decidedAfterMs)} after the first messages`
  const outcome =
    state === 'kept'
      ? `${after}: found, tried and kept by the tuning loop${when} (decision ${number})`
      : isDecided(state)
        ? `as before. ${after} was tried and is ${state}${when}: ${status}`
        : `not decided in the time of the demo. ${after} is in state ${state}: ${status}`
  const proof = decision.trialComparisons[0]
  return [
    ['before', `${settingsText(ProducerSettings.parse(change.before))}: ${DEFAULTS}`],
    [state === 'kept' ? 'now' : 'not reached', outcome],
    ...(trial === null
      ? []
      : ([
          [
            'tried on',
            trial.design === 'instances'
              ? `${trial.instances.length} of ${plural(trial.ofInstances, 'instance')} against the rest${state === 'kept' ? ', then on all against the time before' : ''}`
              : 'the one instance that sent, in turns with the old settings',
          ],
        ] as const)),
    ...(proof === undefined
      ? []
      : ([
          [
            'proof',
            `${proof.metric.replace('records', 'messages')} ${shareText(proof.changeShare)}${proof.low === null || proof.high === null ? '' : ` (95 % interval ${shareText(proof.low)} to ${shareText(proof.high)})`}, p = ${proof.pValue.toPrecision(2)}, ${proof.after.windows} windows against ${proof.before.windows}`,
          ],
        ] as const)),
  ]
}

export function settingsText({ codec, codecLevel, lingerMs, batchBytes }: ProducerSettings): string {
  const name = codec === 'none' ? 'no codec' : codecLevel === undefined ? codec : `${codec} level ${codecLevel}`
  return `${name}, linger ${lingerMs} ms, batch ${formatBytes(batchBytes).replace('.0 ', ' ')}`
}

function outcomesText(
  { stored }: TuningReport,
  { before, predicted, measuredBefore, measured }: Decision,
  colors: Colors,
): string {
  const onDisk = (bytes: number | null): string => (bytes === null ? '-' : formatRate(bytes))
  const row = (name: string, of: (one: Outcome) => number | null, show: (value: number) => string): string[] => {
    const values = [before, measuredBefore, predicted, measured].map((one) => (one === null ? null : of(one)))
    const [, was, , is] = values
    return [`  ${name}`, ...values.map((value) => (value === null ? '-' : show(value))), changeText(was, is)]
  }
  const kinds = ['predicted', 'measured', 'predicted', 'measured', 'measured'].map((kind) => colors.dim(kind))
  return table(
    [
      { head: '' },
      { head: 'BEFORE', align: 'right' },
      { head: '', align: 'right' },
      { head: 'AFTER', align: 'right' },
      { head: '', align: 'right' },
      { head: 'CHANGE', align: 'right' },
    ],
    [
      ['', ...kinds],
      row('$ a month', (one) => one.usdPerMonth, formatUsd).map((text) => colors.bold(text)),
      row('$ a billion messages', (one) => one.usdPerMillionRecords && one.usdPerMillionRecords * 1_000, formatUsd),
      row('wire bytes a message', (one) => one.wireBytesPerRecord, formatRate),
      [
        '  log bytes a message',
        '',
        onDisk(stored.before),
        '',
        onDisk(stored.after),
        changeText(stored.before, stored.after),
      ],
      row('messages a batch', (one) => one.recordsPerBatch, formatRate),
      row('p99 of a send', (one) => one.sendP99Ms, formatMs),
      row('p99 end to end', (one) => one.endToEndP99Ms, formatMs),
    ],
    colors,
  )
}

function changeText(was: number | null | undefined, is: number | null | undefined): string {
  if (was == null || is == null || was === 0) return '-'
  return is >= MANIFOLD * was ? `${formatRate(is / was)} times` : shareText(is / was - 1)
}

/** What the $ stand on. */
function pricesText(
  { priceBook, assumptions }: TuningReport,
  { before }: Decision,
  colors: Colors,
  width: number,
): string {
  const { usdPerMonth, usdPerMillionRecords } = before
  const rate =
    usdPerMonth === null || usdPerMillionRecords === null || usdPerMillionRecords === 0
      ? ''
      : `, at the ${formatCount((usdPerMonth / usdPerMillionRecords) * (1e6 / SECONDS_PER_MONTH))} messages/s the loop saw`
  const text = `$ are what these brokers would cost by price book ${priceBook.id}, version ${priceBook.version} (${priceBook.title})${rate}, all month. Assumed: ${assumptions.join('; ')}.`
  return wrap(text, width - 2)
    .map((line) => `  ${colors.dim(line)}`)
    .join('\n')
}
