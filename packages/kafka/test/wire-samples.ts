/** Values for the messages of the protocol, made from their shapes: the same ones for the same seed. */
import type { AnyType, Fields } from '../src/protocol/schema.ts'

export type Chance = () => number

/** xorshift32 */
export function chanceOf(seed: number): Chance {
  let state = seed === 0 ? 1 : seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}

export interface SampleOptions {
  readonly version: number
  readonly chance: Chance
  /** Tagged fields have a value; without it they have none. */
  readonly withTags?: boolean
  /** Nothing is null. */
  readonly withoutNull?: boolean
  /** Instead of a made-up value, by the name of the field. */
  readonly fixed?: Readonly<Record<string, unknown>>
}

/** A value of every field that the version has, and what a reader is to say of the others. */
export function sampleOf(type: AnyType, options: SampleOptions): unknown {
  const { chance } = options
  const { kind } = type
  const upTo = (limit: number): number => Math.floor(chance() * limit)
  if (typeof kind === 'object') {
    if ('nullable' in kind)
      return options.withoutNull !== true && chance() < 0.3 ? null : sampleOf(kind.nullable, options)
    if ('array' in kind)
      return Array.from({ length: upTo(3) + (chance() < 0.002 ? 150 : 0) }, () => sampleOf(kind.array, options))
    return sampleStruct(kind.struct, options)
  }
  switch (kind) {
    case 'bool':
      return chance() < 0.5
    case 'int8':
      return upTo(256) - 128
    case 'int16':
      return upTo(65_536) - 32_768
    case 'int32':
      return upTo(4_294_967_296) - 2_147_483_648
    case 'int64':
      return (BigInt(upTo(4_294_967_296) - 2_147_483_648) << 32n) | BigInt(upTo(4_294_967_296))
    case 'float64':
      return chance() * 1e9
    case 'uuid':
      return Array.from({ length: 32 }, () => upTo(16).toString(16))
        .join('')
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    case 'text':
      return Array.from({ length: upTo(chance() < 0.05 ? 300 : 8) }, () => ['a', 'é', '€', '𝄞', '0'][upTo(5)]).join('')
    case 'bytes':
      return Buffer.from(Array.from({ length: upTo(chance() < 0.05 ? 5_000 : 12) }, () => upTo(256)))
  }
}

function sampleStruct(fields: Fields, options: SampleOptions): Record<string, unknown> {
  const { version, withTags = true, fixed = {} } = options
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    if (!('type' in field)) value[name] = name in fixed ? fixed[name] : sampleOf(field, options)
    else {
      const isPresent = version >= field.since && version <= field.until && (field.tag === undefined || withTags)
      value[name] = !isPresent ? field.absent : name in fixed ? fixed[name] : sampleOf(field.type, options)
    }
  }
  return value
}

/** The values that stand in the bytes of the version, in their order, without their names. */
export function leavesOf(type: AnyType, value: unknown, version: number): unknown[] {
  const { kind } = type
  if (typeof kind !== 'object') return [leafOf(value)]
  if (value === null) return [null]
  if ('nullable' in kind) return leavesOf(kind.nullable, value, version)
  if ('array' in kind) return (value as unknown[]).flatMap((one) => leavesOf(kind.array, one, version))
  return Object.entries(kind.struct).flatMap(([name, field]) => {
    const of = (value as Record<string, unknown>)[name]
    if (!('type' in field)) return leavesOf(field, of, version)
    if (version < field.since || version > field.until || field.tag !== undefined) return []
    return leavesOf(field.type, of, version)
  })
}

/** Likewise, of an object whose properties are in the order of the bytes. */
export function leavesOfObject(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return [leafOf(value)]
  return (Array.isArray(value) ? value : Object.values(value)).flatMap(leavesOfObject)
}

function leafOf(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  return value === undefined ? null : value
}
