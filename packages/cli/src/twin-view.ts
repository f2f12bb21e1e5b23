/** Workload twins for people: how far one is, and its ranking. */
import type { Twin, TwinRank, TwinSettings } from '@mq/contract'
import type { Colors } from './io.ts'
import { table, wrap } from './output.ts'
import { formatBytes, formatMs, formatUsd } from './units.ts'

export function twinProgress(twin: Twin): string {
  const what = `workload twin ${twin.number} of ${twin.mqId}`
  switch (twin.state) {
    case 'preparing':
      return `${what}: making records that compress like the real ones`
    case 'running':
      return `${what}: ${twin.done} of ${twin.of} runs`
    case 'done':
    case 'failed':
    case 'cancelled':
      return `${what}: ${twin.state}`
  }
}

export function twinText(twin: Twin, colors: Colors, width: number): string {
  const head = `${colors.bold(`workload twin ${twin.number}`)} of ${twin.mqId} on ${twin.cluster}: ${twin.state}`
  if (twin.problem !== null) return `${head}\n${colors.red(twin.problem)}`
  if (twin.ranking.length === 0) return head
  const current = twin.ranking.find((one) => one.isCurrent)
  const best = twin.ranking[0]
  return [
    head,
    '',
    table(
      [
        { head: '', align: 'right' },
        { head: 'SETTINGS' },
        { head: 'USD/MONTH', align: 'right' },
        { head: 'PREDICTED', align: 'right' },
        { head: 'MESSAGES/USD', align: 'right' },
        { head: 'BYTES/MESSAGE', align: 'right' },
        { head: 'P99', align: 'right' },
        { head: '' },
      ],
      twin.ranking.map((one) => row(one)),
      colors,
    ),
    '',
    ...verdict(current, best),
    ...twin.assumptions.flatMap((assumption) => wrap(`assumed: ${assumption}`, Math.min(width, 120))),
  ].join('\n')
}

function row(one: TwinRank): string[] {
  const { measured, predicted } = one
  const dash = '-'
  return [
    String(one.rank),
    settingsText(one.settings),
    measured.usdPerMonth === null ? dash : formatUsd(measured.usdPerMonth),
    predicted.usdPerMonth === null ? dash : formatUsd(predicted.usdPerMonth),
    one.recordsPerUsd === null ? dash : Math.round(one.recordsPerUsd).toLocaleString('en'),
    measured.wireBytesPerRecord === null ? dash : measured.wireBytesPerRecord.toFixed(1),
    measured.endToEndP99Ms === null ? dash : formatMs(measured.endToEndP99Ms),
    [one.isCurrent ? 'now' : '', one.meetsIntent ? '' : 'misses the intent'].filter((text) => text !== '').join(', '),
  ]
}

function settingsText(settings: TwinSettings): string {
  const level = settings.codecLevel === null ? '' : `-${settings.codecLevel}`
  const fetch =
    settings.fetchMinBytes === 1
      ? 'fetch at once'
      : `fetch ${sizeText(settings.fetchMinBytes)} or ${formatMs(settings.fetchMaxWaitMs)}`
  return `${settings.codec}${level}, linger ${formatMs(settings.lingerMs)}, batch ${sizeText(settings.batchBytes)}, ${fetch}`
}

/** Settings are round: 256 KiB, not 256.0 KiB. */
function sizeText(bytes: number): string {
  return formatBytes(bytes).replace('.0 ', ' ')
}

function verdict(current: TwinRank | undefined, best: TwinRank | undefined): string[] {
  if (current === undefined || best === undefined || best.isCurrent) {
    return best?.isCurrent === true ? ['What stands is the best of those that were tried.'] : []
  }
  const now = current.measured.usdPerMonth
  const then = best.measured.usdPerMonth
  if (now === null || then === null || now <= 0) return []
  const share = Math.round((1 - then / now) * 100)
  return [`The first would cost ${formatUsd(then)} a month instead of ${formatUsd(now)}, as measured: ${share} % less.`]
}
