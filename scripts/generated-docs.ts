/**
 * The parts of the docs that are made from the code, so that they cannot disagree with it.
 *
 * G1. A page holds blocks `<!-- generated:NAME -->` ... `<!-- /generated -->`; only what stands between is made here.
 * G2. `node scripts/generated-docs.ts --check` changes nothing and fails when a block is not what the code says.
 * G4. Every source file opens with a header, and every folder has a line in DESIGN.md (folder-map.ts).
 * G3. Every name in `blocks` stands in exactly one page, and every block of a page has a name in `blocks`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandDocs, exitCodeDocs, settingDocs } from '@mq/cli'
import {
  Binding,
  ConsumerSettings,
  ConsumerTelemetry,
  catalogue,
  Intent,
  KeySketch,
  Problem,
  ProducerSettings,
  ProducerTelemetry,
  routes,
  ShadowSample,
  TelemetryReport,
  Trial,
} from '@mq/contract'
import { metricDocs } from '@mq/control-plane'
import { allRequests } from '@mq/kafka'
import { z } from 'zod'
import { filesWithoutHeader, folderMapProblems } from './folder-map.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const BLOCK = /<!-- generated:([a-z-]+) -->\n([\s\S]*?)<!-- \/generated -->/g

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
}

function shapeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(shapeOf))].join(' or ')
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : shapeOf(schema.items)}`
  if (schema.type === 'integer' || schema.type === 'number') {
    const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema
    const low = minimum > Number.MIN_SAFE_INTEGER ? `from ${minimum}` : ''
    const high = maximum < Number.MAX_SAFE_INTEGER ? `to ${maximum}` : ''
    return [schema.type === 'integer' ? 'whole number' : 'number', low, high].filter((part) => part !== '').join(' ')
  }
  if (schema.type === 'object')
    return schema.properties === undefined ? 'object' : `object (${Object.keys(schema.properties).join(', ')})`
  return [schema.type ?? 'any'].flat().join(' or ')
}

function fieldTable(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const rows = Object.entries(json.properties ?? {}).map(([name, field]) => {
    const fallback =
      field.default === undefined
        ? json.required?.includes(name)
          ? 'required'
          : '-'
        : `\`${JSON.stringify(field.default)}\``
    return `| \`${name}\` | ${shapeOf(field)} | ${fallback} | ${field.description ?? ''} |`
  })
  return ['| field | value | default | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

/** One line of a table must not be broken by a pipe in its text. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

const blocks: Readonly<Record<string, () => string>> = {
  errors: () =>
    Object.entries(catalogue)
      .map(([code, entry]) =>
        [
          `### ${code}`,
          '',
          `${entry.title}. ${entry.retryable ? 'Retryable' : 'Not retryable'}; HTTP ${entry.httpStatus}.`,
          '',
          `What to do: ${entry.action}.`,
          '',
        ].join('\n'),
      )
      .join('\n'),
  commands: commandDocs,
  'exit-codes': exitCodeDocs,
  'serve-settings': settingDocs,
  metrics: metricDocs,
  intent: () => fieldTable(Intent),
  binding: () => fieldTable(Binding),
  'producer-settings': () => fieldTable(ProducerSettings),
  'consumer-settings': () => fieldTable(ConsumerSettings),
  trial: () => fieldTable(Trial),
  'telemetry-report': () => fieldTable(TelemetryReport),
  'producer-telemetry': () => fieldTable(ProducerTelemetry),
  'consumer-telemetry': () => fieldTable(ConsumerTelemetry),
  'shadow-sample': () => fieldTable(ShadowSample),
  'key-sketch': () => fieldTable(KeySketch),
  problem: () => fieldTable(Problem),
  'kafka-requests': () =>
    [
      '| request | versions | what is lost with older ones |',
      '| --- | --- | --- |',
      ...allRequests.map(({ name, versions, facts }) => {
        const { losses = [], missing } = facts
        const lost = losses.map(({ below, what }) => `below ${below}: ${what}`)
        const all = missing === undefined ? lost : [...lost, `without it mQ cannot ${missing}`]
        const span = versions.length === 1 ? `${versions[0]}` : `${versions[0]} to ${versions.at(-1)}`
        return `| ${name} | ${span} | ${all.length === 0 ? '-' : cell(all.join('; '))} |`
      }),
      '',
    ].join('\n'),
  routes: () =>
    [
      '| method | path | permission | what it does |',
      '| --- | --- | --- | --- |',
      ...Object.values(routes).map(
        ({ method, path, permission, summary }) =>
          `| ${method} | \`${path}\` | ${permission === 'none' ? '-' : `\`${permission}\``} | ${cell(summary)} |`,
      ),
      '',
    ].join('\n'),
}

function pages(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file))
}

/** Problems found, in words; with `write` the pages are brought up to date instead. */
export function checkGeneratedDocs(write: boolean): string[] {
  const problems: string[] = []
  const seen = new Map<string, string>()
  for (const page of [...pages(join(root, 'docs')), join(root, 'README.md'), join(root, 'DESIGN.md')]) {
    const name = relative(root, page)
    const before = readFileSync(page, 'utf8')
    const after = before.replace(BLOCK, (whole: string, block: string) => {
      const make = blocks[block]
      if (make === undefined) {
        problems.push(`${name}: no such generated block: ${block}`)
        return whole
      }
      if (seen.has(block)) problems.push(`${name}: block ${block} stands in ${seen.get(block)} too`)
      seen.set(block, name)
      return `<!-- generated:${block} -->\n\n${make()}\n<!-- /generated -->`
    })
    if (after === before) continue
    if (write) writeFileSync(page, after)
    else problems.push(`${name} is not what the code says: run \`./mq docs\``)
  }
  problems.push(...folderMapProblems(root))
  for (const file of filesWithoutHeader(root))
    problems.push(`${file} does not open with a comment that says what it is`)
  for (const block of Object.keys(blocks))
    if (!seen.has(block)) problems.push(`no page holds the generated block ${block}`)
  return problems
}

if (import.meta.main) {
  const problems = checkGeneratedDocs(!process.argv.includes('--check'))
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}
