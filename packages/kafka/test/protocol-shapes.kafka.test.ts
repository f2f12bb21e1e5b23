/**
 * The shapes of messages against those in Kafka's own classes, field by field, in every version: the library ends earlier, and a shape that
 * is wrong both ways goes round without being noticed.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Api } from '../src/protocol/api.ts'
import { allApis } from '../src/protocol/messages/all-apis.ts'
import type { AnyType } from '../src/protocol/schema.ts'
import { javaSource } from './kafka-tools.ts'

type Shape = string | { readonly nullable: Shape } | { readonly array: Shape } | Struct
interface Struct {
  readonly fields: readonly (readonly [name: string, shape: Shape])[]
  readonly tags: readonly (readonly [tag: number, shape: Shape])[]
}

interface KafkaVersion {
  readonly key: number
  readonly version: number
  readonly isFlexible: boolean
  readonly request: Struct
  readonly response: Struct
}

function shapeOf({ kind }: AnyType, version: number): Shape {
  if (typeof kind !== 'object') return kind
  if ('nullable' in kind) return { nullable: shapeOf(kind.nullable, version) }
  if ('array' in kind) return { array: shapeOf(kind.array, version) }
  const fields: [string, Shape][] = []
  const tags: [number, Shape][] = []
  for (const [name, field] of Object.entries(kind.struct)) {
    if (!('type' in field)) fields.push([name, shapeOf(field, version)])
    else if (version >= field.since && version <= field.until) {
      if (field.tag === undefined) fields.push([name, shapeOf(field.type, version)])
      else tags.push([field.tag, shapeOf(field.type, version)])
    }
  }
  return { fields, tags }
}

const isNullable = (shape: Shape): shape is { nullable: Shape } => typeof shape === 'object' && 'nullable' in shape

/** @returns how many values were compared */
function compare(ours: Shape, theirs: Shape, where: string): number {
  // A struct that may be null looks in Kafka's classes as one that may not; else null is allowed here where it is there (S5).
  if (isNullable(theirs)) assert.ok(isNullable(ours), `${where} may be null`)
  const [own, other] = [isNullable(ours) ? ours.nullable : ours, isNullable(theirs) ? theirs.nullable : theirs]
  if (typeof own === 'string' || typeof other === 'string') {
    assert.equal(own, other, where)
    return 1
  }
  if ('array' in own || 'array' in other) {
    assert.ok('array' in own && 'array' in other, where)
    return compare(own.array, other.array, `${where}[]`)
  }
  const [mine, kafkas] = [own as Struct, other as Struct]
  const names = (struct: Struct): string => struct.fields.map(([name]) => name).join(', ')
  assert.equal(mine.fields.length, kafkas.fields.length, `${where}: ${names(mine)} are not ${names(kafkas)}`)
  const tagsOf = (struct: Struct) => struct.tags.toSorted(([one], [another]) => one - another)
  assert.deepEqual(
    tagsOf(mine).map(([tag]) => tag),
    tagsOf(kafkas).map(([tag]) => tag),
    `tags of ${where}`,
  )
  const fields = mine.fields.map(([name, shape], at) => compare(shape, kafkas.fields[at]![1], `${where}.${name}`))
  const tags = tagsOf(mine).map(([tag, shape], at) => compare(shape, tagsOf(kafkas)[at]![1], `${where} tag ${tag}`))
  return [...fields, ...tags].reduce((sum, some) => sum + some, 0)
}

test("every message has the shape that it has in Kafka's own classes", async () => {
  const lines = (await javaSource(join(import.meta.dirname, 'java', 'Shapes.java'))).trim().split('\n')
  const versions = new Map(
    lines.map((line) => JSON.parse(line) as KafkaVersion).map((one) => [`${one.key}:${one.version}`, one]),
  )
  let compared = 0
  for (const api of allApis as readonly Api[]) {
    for (let version = api.min; version <= api.max; version++) {
      const kafkas = versions.get(`${api.key}:${version}`)
      assert.ok(kafkas !== undefined, `Kafka has no ${api.name} version ${version}`)
      assert.equal(api.isFlexible(version), kafkas.isFlexible, `${api.name} version ${version}`)
      compared += compare(shapeOf(api.request, version), kafkas.request, `${api.name} request ${version}`)
      compared += compare(shapeOf(api.response, version), kafkas.response, `${api.name} response ${version}`)
    }
  }
  assert.ok(compared > 2_000, `only ${compared} values were compared`)
})
