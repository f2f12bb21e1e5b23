/**
 * Parsing that refuses what it does not know: a misspelt field must not count as one that was left out.
 *
 * K1. Every object of the input, however deep, holds only fields of its schema; where a union has several kinds of objects, of any
 *     of them. Records with free names are left alone.
 * K2. An unknown field is told with its path and the nearest known one, all of them at once.
 */
import { z } from 'zod'
import { chosenByMq, Intent } from './intent.ts'
import { describeIssues } from './issues.ts'
import { didYouMean } from './nearest.ts'

export type StrictResult<T> =
  | { readonly success: true; readonly data: T }
  | { readonly success: false; readonly problems: readonly StrictProblem[] }

export interface StrictProblem {
  readonly path: readonly PropertyKey[]
  /** Path and what is wrong, for people. */
  readonly text: string
  /** Set when the last step of the path is a field that is not known. */
  readonly isUnknownField?: boolean
}

const INTENT_FIELDS = Object.keys(Intent.shape)

export function parseStrict<S extends z.ZodType>(schema: S, input: unknown): StrictResult<z.output<S>> {
  const parsed = schema.safeParse(input)
  const problems: StrictProblem[] = unknownFields(jsonSchemaOf(schema), input, [])
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      // Told above, with the nearest known field.
      if (issue.code === 'unrecognized_keys') continue
      const lines = describeIssues({ issues: [issue] } as unknown as z.ZodError)
      problems.push(...lines.map((text) => ({ path: issue.path, text })))
    }
    if (problems.length === 0) {
      problems.push(...describeIssues(parsed.error).map((text) => ({ path: parsed.error.issues[0]?.path ?? [], text })))
    }
  }
  if (problems.length > 0 || !parsed.success) return { success: false, problems }
  return { success: true, data: parsed.data }
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: unknown
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
}

const schemas = new WeakMap<z.ZodType, JsonSchema>()

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = schemas.get(schema)
  if (known !== undefined) return known
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  schemas.set(schema, made)
  return made
}

/** K1 */
function unknownFields(schema: JsonSchema, input: unknown, path: readonly PropertyKey[]): StrictProblem[] {
  const kinds = kindsOf(schema)
  if (Array.isArray(input)) {
    const items = kinds.flatMap(({ items: each }) => (each === undefined ? [] : [each]))
    if (items.length === 0) return []
    return input.flatMap((one: unknown, index) => unknownFields({ anyOf: items }, one, [...path, index]))
  }
  if (typeof input !== 'object' || input === null) return []
  const objects = kinds.filter(({ properties }) => properties !== undefined)
  const isFree = kinds.some(
    ({ properties, additionalProperties }) =>
      properties === undefined && typeof additionalProperties === 'object' && additionalProperties !== null,
  )
  if (objects.length === 0 || isFree) return []
  const known = new Map<string, JsonSchema[]>()
  for (const { properties = {} } of objects) {
    for (const [name, one] of Object.entries(properties)) known.set(name, [...(known.get(name) ?? []), one])
  }
  return Object.entries(input).flatMap(([name, value]) => {
    const own = known.get(name)
    if (own !== undefined) return unknownFields({ anyOf: own }, value, [...path, name])
    const where = path.length === 0 ? '' : `${path.map(String).join('.')}: `
    const chosen = INTENT_FIELDS.every((field) => known.has(field)) ? chosenByMq(name) : undefined
    const hint = chosen === undefined ? didYouMean(name, [...known.keys()]) : `: ${chosen}`
    const text = `${where}unknown field '${name.slice(0, 100)}'${hint}`
    return [{ path: [...path, name], text, isUnknownField: true }]
  })
}

function kindsOf(schema: JsonSchema): JsonSchema[] {
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  return parts.length === 0 ? [schema] : [schema, ...parts.flatMap(kindsOf)].filter(isKind)
}

function isKind({ properties, additionalProperties, items }: JsonSchema): boolean {
  return properties !== undefined || items !== undefined || typeof additionalProperties === 'object'
}
