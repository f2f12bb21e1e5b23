/**
 * The shape of a message of the Kafka protocol, said once for all its versions: it reads and it writes.
 *
 * S1. A field that a version does not have reads as its default (`absent`), and is left out when written.
 * S2. What is written must hold every field without a default; one with a default may be left out.
 * S3. A tagged field (KIP-482) is written only when it has a value; one that is unknown is passed over.
 * S4. From its first flexible version on a message has compact lengths and tagged fields, below it neither.
 * S5. Where Kafka lets a value be null from some version on only, null is read and written in all: no older peer sends it.
 */
import { MqError } from '@mq/contract'
import type { WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

export interface Form {
  readonly version: number
  readonly isFlexible: boolean
}

/** How values of one type are read and written. `In` is what may be left out where there are defaults. */
export interface WireType<Out, In = Out> {
  readonly kind: TypeKind
  /** What a field of this type reads as where a version does not have it. */
  readonly absent: Out
  read(from: WireReader, form: Form): Out
  write(to: WireWriter, value: In, form: Form): void
}

/** For those who look at shapes instead of values, such as tests. */
export type TypeKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'text'
  | 'bytes'
  | { readonly nullable: AnyType }
  | { readonly array: AnyType }
  | { readonly struct: Fields }

// biome-ignore lint/suspicious/noExplicitAny: types of all values, whose own types are kept by inference
export type AnyType = WireType<any, any>

function plain<T>(
  kind: TypeKind,
  absent: T,
  read: (from: WireReader, form: Form) => T,
  write: (to: WireWriter, value: T, form: Form) => void,
): WireType<T> {
  return { kind, absent, read, write }
}

export const bool = plain(
  'bool',
  false,
  (from) => from.int8() !== 0,
  (to, value) => void to.int8(value ? 1 : 0),
)
export const int8 = plain(
  'int8',
  0,
  (from) => from.int8(),
  (to, value) => void to.int8(value),
)
export const int16 = plain(
  'int16',
  0,
  (from) => from.int16(),
  (to, value) => void to.int16(value),
)
export const int32 = plain(
  'int32',
  0,
  (from) => from.int32(),
  (to, value) => void to.int32(value),
)
export const int64 = plain(
  'int64',
  0n,
  (from) => from.int64(),
  (to, value) => void to.int64(value),
)
export const float64 = plain(
  'float64',
  0,
  (from) => from.float64(),
  (to, value) => void to.float64(value),
)
export const uuid = plain(
  'uuid',
  '00000000-0000-0000-0000-000000000000',
  (from) => from.uuid(),
  (to, value) => void to.uuid(value),
)
export const text = plain<string>(
  'text',
  '',
  (from, { isFlexible }) => notNull(from.text(isFlexible), 'a text'),
  (to, value, { isFlexible }) => void to.text(value, isFlexible),
)
export const nullableText = plain<string | null>(
  { nullable: text },
  null,
  (from, { isFlexible }) => from.text(isFlexible),
  (to, value, { isFlexible }) => void to.text(value, isFlexible),
)
/** A view into what was received. */
export const bytes = plain<Buffer>(
  'bytes',
  Buffer.alloc(0),
  (from, { isFlexible }) => notNull(from.bytes(isFlexible), 'a value'),
  (to, value, { isFlexible }) => void to.bytes(value, isFlexible),
)
export const nullableBytes = plain<Buffer | null>(
  { nullable: bytes },
  null,
  (from, { isFlexible }) => from.bytes(isFlexible),
  (to, value, { isFlexible }) => void to.bytes(value, isFlexible),
)

export function array<Out, In>(element: WireType<Out, In>): WireType<readonly Out[], readonly In[]> {
  const nullable = nullableArray(element)
  return {
    kind: { array: element },
    absent: [],
    read: (from, form) => notNull(nullable.read(from, form), 'an array'),
    write: nullable.write,
  }
}

export function nullableArray<Out, In>(
  element: WireType<Out, In>,
): WireType<readonly Out[] | null, readonly In[] | null> {
  return {
    kind: { nullable: { kind: { array: element } } as unknown as AnyType },
    absent: null,
    read: (from, form) => {
      const count = from.count(form.isFlexible)
      if (count === undefined) return null
      const elements: Out[] = []
      for (let index = 0; index < count; index++) elements.push(element.read(from, form))
      return elements
    },
    write: (to, elements, form) => {
      to.count(elements?.length, form.isFlexible)
      for (const one of elements ?? []) element.write(to, one, form)
    },
  }
}

export interface Field<Out, In, Optional extends boolean> {
  readonly type: WireType<Out, In>
  readonly since: number
  readonly until: number
  readonly absent: Out
  readonly tag: number | undefined
  readonly isOptional: Optional
}

// biome-ignore lint/suspicious/noExplicitAny: see AnyType
export type Fields = Readonly<Record<string, AnyType | Field<any, any, boolean>>>

type OutOf<F> =
  F extends Field<infer Out, infer _In, boolean> ? Out : F extends WireType<infer Out, infer _In> ? Out : never
type InOf<F> =
  F extends Field<infer _Out, infer In, boolean> ? In : F extends WireType<infer _Out, infer In> ? In : never
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly isOptional: true } ? K : never
}[keyof F]

/** What a message with these fields reads as. */
export type Read<F extends Fields> = { readonly [K in keyof F]: OutOf<F[K]> }
/** What may be written as one (S2). */
export type Written<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InOf<F[K]>
} & { readonly [K in OptionalKeys<F>]?: InOf<F[K]> | undefined }

/** A field of the versions from the first on. */
export function since<Out, In>(
  version: number,
  type: WireType<Out, In>,
  absent: Out = type.absent,
): Field<Out, In, true> {
  return { type, since: version, until: Number.POSITIVE_INFINITY, absent, tag: undefined, isOptional: true }
}

/** A field of the versions up to the last. */
export function until<Out, In>(version: number, type: WireType<Out, In>): Field<Out, In, true> {
  return { ...since(0, type), until: version }
}

export function between<Out, In>(
  first: number,
  last: number,
  type: WireType<Out, In>,
  absent: Out = type.absent,
): Field<Out, In, true> {
  return { ...since(first, type, absent), until: last }
}

/** A field of all versions that is written with this value when it is left out. */
export function orElse<Out, In>(type: WireType<Out, In>, absent: Out = type.absent): Field<Out, In, true> {
  return since(0, type, absent)
}

/** S3 */
export function tagged<Out, In>(
  tag: number,
  version: number,
  type: WireType<Out, In>,
): Field<Out | undefined, In | undefined, true> {
  return { ...(since(version, type) as Field<Out | undefined, In | undefined, true>), absent: undefined, tag }
}

interface PlannedField {
  readonly name: string
  readonly type: AnyType
  readonly absent: unknown
  readonly isPresent: boolean
  readonly tag: number | undefined
}

export function struct<F extends Fields>(fields: F): WireType<Read<F>, Written<F>> {
  const plans = new Map<number, readonly PlannedField[]>()
  const planOf = (version: number): readonly PlannedField[] => {
    const known = plans.get(version)
    if (known !== undefined) return known
    const plan = Object.entries(fields).map(([name, field]): PlannedField => {
      if (!('type' in field)) return { name, type: field, absent: undefined, isPresent: true, tag: undefined }
      const { type, absent, tag } = field
      return { name, type, absent, tag, isPresent: version >= field.since && version <= field.until }
    })
    plans.set(version, plan)
    return plan
  }
  return {
    kind: { struct: fields },
    // A field with this type says itself what it reads as when it is absent.
    absent: undefined as unknown as Read<F>,
    read: (from, form) => {
      const plan = planOf(form.version)
      const value: Record<string, unknown> = {}
      for (const { name, type, absent, isPresent, tag } of plan) {
        value[name] = isPresent && tag === undefined ? type.read(from, form) : absent
      }
      if (form.isFlexible) {
        from.tags((tag, bytesOfTag) => {
          const field = plan.find((one) => one.tag === tag && one.isPresent)
          if (field !== undefined) value[field.name] = field.type.read(bytesOfTag, form)
        })
      }
      return value as Read<F>
    },
    write: (to, value, form) => {
      const given = value as Record<string, unknown>
      const plan = planOf(form.version)
      for (const { name, type, absent, isPresent, tag } of plan) {
        if (isPresent && tag === undefined) type.write(to, given[name] === undefined ? absent : given[name], form)
      }
      if (form.isFlexible) writeTags(to, plan, given, form)
    },
  }
}

/** A struct that may be missing: one byte in front says so. */
export function nullableStruct<F extends Fields>(fields: F): WireType<Read<F> | null, Written<F> | null> {
  const whole = struct(fields)
  return {
    kind: { nullable: whole },
    absent: null,
    read: (from, form) => (from.int8() < 0 ? null : whole.read(from, form)),
    write: (to, value, form) => {
      to.int8(value === null ? -1 : 1)
      if (value !== null) whole.write(to, value, form)
    },
  }
}

function writeTags(
  to: WireWriter,
  plan: readonly PlannedField[],
  given: Readonly<Record<string, unknown>>,
  form: Form,
): void {
  const present = plan
    .filter(({ name, tag, isPresent }) => tag !== undefined && isPresent && given[name] !== undefined)
    .toSorted((a, b) => a.tag! - b.tag!)
  to.unsignedVarint(present.length)
  for (const { name, type, tag } of present) {
    const field = new WireWriter()
    type.write(field, given[name], form)
    to.unsignedVarint(tag!).unsignedVarint(field.size)
    for (const chunk of field.chunks()) to.raw(chunk)
  }
}

function notNull<T>(value: T | null, what: string): T {
  if (value !== null) return value
  throw new MqError('MQ_PROTOCOL_VIOLATION', `${what} is missing`)
}
