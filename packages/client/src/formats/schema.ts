/**
 * Validation by any Standard Schema library, on both sides of an mQ ID.
 *
 * V1. The wire carries the schema's input: a value is checked on send and written as the application gave it; on consume it is
 *     checked again and the handler gets the schema's output, with defaults and conversions applied once.
 * V2. Sends of one handle keep their order, also when the schema answers asynchronously.
 * V3. An error names the paths that do not match and what the schema says of them, never a value: where its words hold one, the type
 *     of it stands instead.
 */
import { MqError } from '@mq/contract'
import type { StandardSchemaV1 } from '@standard-schema/spec'

const MOST_ISSUES = 5
const MOST_TEXT = 200
const MOST_LEAVES = 1_000
/** What is shorter is part of words. */
const SECRET_LENGTH = 3
const WHOLE = '(the whole value)'

export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>

/** The schema's output, now or later. */
export function validate<Output>(
  mqId: string,
  schema: StandardSchemaV1<unknown, Output>,
  value: unknown,
): Output | Promise<Output> {
  let result: StandardSchemaV1.Result<Output> | Promise<StandardSchemaV1.Result<Output>>
  try {
    result = schema['~standard'].validate(value)
  } catch (error) {
    throw broken(mqId, error)
  }
  if (!(result instanceof Promise)) return outcome(mqId, value, result)
  return result.then(
    (settled) => outcome(mqId, value, settled),
    (error: unknown) => {
      throw broken(mqId, error)
    },
  )
}

function broken(mqId: string, error: unknown): MqError {
  const kind = error instanceof Error ? error.name : typeof error
  return new MqError('MQ_SCHEMA_MISMATCH', `The schema of ${mqId} threw a ${kind} instead of answering`)
}

function outcome<Output>(mqId: string, value: unknown, result: StandardSchemaV1.Result<Output>): Output {
  if (result.issues === undefined) return result.value
  const first = result.issues.slice(0, MOST_ISSUES)
  const paths = first.map((issue) => pathOf(issue) || WHOLE)
  const more = result.issues.length > paths.length ? ` and ${result.issues.length - paths.length} more` : ''
  const secrets = leavesOf(value)
  const problems = first.map((issue, nth) => {
    const says = withoutValues(String(issue.message ?? ''), secrets, valueAt(value, issue)).slice(0, MOST_TEXT)
    return says === '' ? paths[nth]! : `${paths[nth]} (${says})`
  })
  throw new MqError(
    'MQ_SCHEMA_MISMATCH',
    `A value of ${mqId} does not match its schema at ${[...new Set(problems)].join(', ')}${more}`,
    { details: { mqId, paths } },
  )
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}

function valueAt(value: unknown, { path = [] }: StandardSchemaV1.Issue): unknown {
  let at: unknown = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<PropertyKey, unknown>)[typeof part === 'object' ? part.key : part]
  }
  return at
}

/** Texts and numbers of a value, the longest first. */
function leavesOf(value: unknown): (string | number | bigint)[] {
  const leaves: (string | number | bigint)[] = []
  const queue: unknown[] = [value]
  for (let at = 0; at < queue.length && at < MOST_LEAVES; at++) {
    const one = queue[at]
    if (typeof one === 'string' || typeof one === 'number' || typeof one === 'bigint') leaves.push(one)
    else if (typeof one === 'object' && one !== null && !ArrayBuffer.isView(one)) queue.push(...Object.values(one))
  }
  return leaves.toSorted((a, b) => String(b).length - String(a).length)
}

/** V3. @param meant the value that the words are about: however short, it does not stand there */
function withoutValues(text: string, leaves: readonly (string | number | bigint)[], meant: unknown): string {
  let clean = text
  for (const leaf of leaves) {
    const shown = String(leaf)
    if (shown.length >= SECRET_LENGTH && clean.includes(shown)) clean = clean.replaceAll(shown, typeof leaf)
  }
  if (typeof meant === 'string') return clean.replaceAll(`"${meant}"`, '"string"').replaceAll(`'${meant}'`, "'string'")
  if (typeof meant !== 'number' && typeof meant !== 'bigint') return clean
  const shown = String(meant).replaceAll('.', '\\.')
  return clean.replaceAll(new RegExp(`(?<![\\w.])${shown}(?![\\w])`, 'g'), typeof meant)
}
