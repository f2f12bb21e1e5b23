/** Dead letters for people: how many of what, and one by one. */
import type { DeadLetterView } from '@mq/client'
import { type DeadLetterFacts, type DeadLetterQueue, type Format, formatDurationMs } from '@mq/contract'
import type { Colors } from './io.ts'
import { table } from './output.ts'
import { base64Of, oneLine, textOf } from './printed-message.ts'
import { formatAge, formatCount } from './units.ts'

export interface Reason {
  readonly kind: string
  readonly name: string
  readonly code: string | null
  /** Of one of them. */
  readonly message: string
  readonly letters: number
}

/** Dead letters of one group, as `mq dlq list` tells them. */
export interface DeadLetterSummary {
  readonly id: string
  readonly group: string
  readonly letters: number
  readonly oldestAtMs: number | null
  readonly newestAtMs: number | null
  /** Null: for ever. */
  readonly retentionMs: number | null
  readonly reasons: readonly Reason[]
}

const MOST_REASONS = 10
const MOST_VALUE = 120

export function summaryOf(queue: DeadLetterQueue, letters: readonly DeadLetterFacts[]): DeadLetterSummary {
  const times = letters.map(({ lastFailedAtMs }) => lastFailedAtMs)
  return {
    id: queue.mqId,
    group: queue.group,
    letters: letters.length,
    oldestAtMs: times.length === 0 ? null : times.reduce((least, one) => Math.min(least, one)),
    newestAtMs: times.length === 0 ? null : times.reduce((most, one) => Math.max(most, one)),
    retentionMs: queue.retentionMs,
    reasons: reasonsOf(letters),
  }
}

/** Most frequent first. */
export function reasonsOf(letters: readonly DeadLetterFacts[]): Reason[] {
  const found = new Map<string, Reason>()
  for (const { reason } of letters) {
    const name = [reason.kind, reason.name, reason.code ?? '', reason.stackHash ?? reason.message].join('\n')
    const known = found.get(name)
    const { kind, message } = reason
    found.set(name, { kind, name: reason.name, code: reason.code ?? null, message, letters: (known?.letters ?? 0) + 1 })
  }
  return [...found.values()].toSorted((a, b) => b.letters - a.letters)
}

export function summariesText(all: readonly DeadLetterSummary[], colors: Colors, nowMs: number): string {
  if (all.length === 0) return 'No group has dead letters.'
  const age = (atMs: number | null): string => (atMs === null ? '-' : `${formatAge(nowMs - atMs)} ago`)
  const rows = all.map((one) => [
    one.id,
    one.group,
    formatCount(one.letters),
    age(one.oldestAtMs),
    age(one.newestAtMs),
    one.retentionMs === null ? 'for ever' : formatDurationMs(one.retentionMs),
  ])
  const head = [
    { head: 'ID' },
    { head: 'GROUP' },
    { head: 'LETTERS', align: 'right' as const },
    { head: 'OLDEST' },
    { head: 'NEWEST' },
    { head: 'KEPT FOR' },
  ]
  const parts = all.filter(({ letters }) => letters > 0)
  return [
    table(head, rows, colors),
    ...parts.map((one) => `\n${one.id}, group ${one.group}:\n${reasonsText(one.reasons)}`),
  ].join('\n')
}

export function reasonsText(reasons: readonly Reason[]): string {
  const lines = reasons.slice(0, MOST_REASONS).map(({ kind, name, code, message, letters }) => {
    const what = kind === 'undecodable' ? 'cannot be decoded: ' : ''
    return `  ${formatCount(letters).padStart(7)}  ${what}${name}${code === null || code === name ? '' : ` (${code})`}: ${printable(message)}`
  })
  const left = reasons.length - lines.length
  return [...lines, ...(left > 0 ? [`  and ${left} other reasons`] : [])].join('\n')
}

/** One letter as a program reads it. */
export function letterJson({ letter, facts, key, valueBytes, headers }: DeadLetterView, format: Format) {
  const keyText = key === null ? null : textOf(key)
  return {
    letter,
    ...(keyText === undefined ? { keyBase64: base64Of(key!) } : { key: keyText }),
    ...valueJson(valueBytes, format),
    headers: headers.map(({ key: name, value }) => {
      const text = value === null ? null : textOf(value)
      return [name, text === undefined ? { base64: base64Of(value!) } : text]
    }),
    facts,
  }
}

function valueJson(value: Uint8Array | null, format: Format): { value: unknown } | { valueBase64: string } {
  if (value === null) return { value: null }
  const text = format === 'bytes' ? undefined : textOf(value)
  if (text === undefined) return { valueBase64: base64Of(value) }
  if (format === 'text') return { value: text }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return { valueBase64: base64Of(value) }
  }
}

export function letterText(view: DeadLetterView, format: Format, colors: Colors, nowMs: number): string {
  const { facts, key, valueBytes } = view
  const { reason } = facts
  const keyText = key === null ? '-' : (textOf(key) ?? base64Of(key))
  const came = facts.redrives === 0 ? '' : `, came back ${facts.redrives} times before`
  return [
    `${colors.bold(view.letter)}  key ${printable(keyText)}  ${facts.attempts} attempts${came}  ${formatAge(nowMs - facts.lastFailedAtMs)} ago`,
    `  ${reason.kind === 'undecodable' ? 'cannot be decoded: ' : ''}${reason.name}: ${printable(reason.message)}`,
    `  sent ${new Date(facts.timestampMs).toISOString()}, epoch ${facts.epoch} partition ${facts.partition} offset ${facts.offset}`,
    `  ${valueText(valueBytes, format)}`,
  ].join('\n')
}

function valueText(value: Uint8Array | null, format: Format): string {
  if (value === null) return 'no value (a tombstone)'
  const text = format === 'bytes' ? undefined : textOf(value)
  const shown = text === undefined ? `${value.length} bytes, base64 ${base64Of(value)}` : oneLine(text)
  return printable(shown.length > MOST_VALUE ? `${shown.slice(0, MOST_VALUE)}... (${value.length} bytes)` : shown)
}

/** Nothing that a terminal takes for a command. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}
