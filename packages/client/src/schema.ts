/**
 * Validation by any Standard Schema library, on both sides of an mQ ID.
 *
 * V1. The wire carries the schema's input: a value is checked on send and written as the application gave it; on consume it is
 *     checked again and the handler gets the schema's output, with defaults and conversions applied once.
 * V2. Sends of one handle keep their order, also when the schema answers asynchronously.
 * V3. An error names the paths that do not match, never the value.
 */
import { MqError } from '@mq/contract'
import type { StandardSchemaV1 } from '@standard-schema/spec'

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
  if (!(result instanceof Promise)) return outcome(mqId, result)
  return result.then(
    (settled) => outcome(mqId, settled),
    (error: unknown) => {
      throw broken(mqId, error)
    },
  )
}

function broken(mqId: string, error: unknown): MqError {
  const kind = error instanceof Error ? error.name : typeof error
  return new MqError('MQ_SCHEMA_MISMATCH', `The schema of ${mqId} threw a ${kind} instead of answering`)
}

function outcome<Output>(mqId: string, result: StandardSchemaV1.Result<Output>): Output {
  if (result.issues === undefined) return result.value
  const paths = result.issues.slice(0, 5).map((issue) => pathOf(issue) || '(the whole value)')
  const more = result.issues.length > paths.length ? ` and ${result.issues.length - paths.length} more` : ''
  throw new MqError(
    'MQ_SCHEMA_MISMATCH',
    `A value of ${mqId} does not match its schema at ${[...new Set(paths)].join(', ')}${more}`,
    { details: { mqId, paths } },
  )
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}
