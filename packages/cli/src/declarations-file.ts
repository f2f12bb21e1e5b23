/**
 * `mq.yaml`: mQ IDs with their intents, as people write them.
 *
 * D1. Every problem names file, line and column of the very word that is wrong, and all problems are told at once.
 * D2. What is sent on is what was written; defaults are filled in by the contract, not here.
 * D3. An mQ ID is declared once over all files given; anchors cannot be used to blow a small file up.
 */
import {
  Declaration,
  didYouMean,
  MqError,
  mqIdProblem,
  type OwnerRule,
  OwnerRules,
  parseStrict,
  type StrictProblem,
} from '@mq/contract'
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml'
import type { z } from 'zod'
import type { FileProblem } from './failures.ts'

export const MAX_FILE_BYTES = 16 * 1_024 * 1_024
const MAX_ALIASES = 100
const MAX_PROBLEMS = 50

export type DeclarationInput = z.input<typeof Declaration>

export interface SourceFile {
  /** As the person named it. */
  readonly name: string
  readonly text: string
}

export interface FileContent {
  readonly declarations: DeclarationInput[]
  /** Null where no file says anything about owners: what is set stays. */
  readonly owners: readonly OwnerRule[] | null
}

export function readDeclarations(files: readonly SourceFile[]): DeclarationInput[] {
  return readContent(files).declarations
}

/** All that the files say, or MQ_FILE_INVALID with every problem in its details (D1). */
export function readContent(files: readonly SourceFile[]): FileContent {
  const seen = new Map<string, string>()
  const problems: FileProblem[] = []
  const declarations: DeclarationInput[] = []
  let owners: OwnerRule[] | null = null
  for (const file of files) {
    const reader = new Reader(file, seen)
    declarations.push(...reader.read())
    if (reader.owners !== null) owners = [...(owners ?? []), ...reader.owners]
    problems.push(...reader.problems.sort((a, b) => a.line - b.line || a.column - b.column))
  }
  if (problems.length > 0) throw fileInvalid(files, problems)
  return { declarations, owners }
}

function fileInvalid(files: readonly SourceFile[], problems: readonly FileProblem[]): MqError {
  const shown = problems.slice(0, MAX_PROBLEMS)
  const rest = problems.length - shown.length
  const count = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
  const where = files.map((file) => file.name).join(', ')
  return new MqError('MQ_FILE_INVALID', `${count} in ${where}${rest > 0 ? `, the first ${shown.length} shown` : ''}`, {
    details: { problems: shown },
  })
}

class Reader {
  readonly problems: FileProblem[] = []
  owners: OwnerRule[] | null = null
  readonly #file: SourceFile
  readonly #seen: Map<string, string>
  readonly #lines = new LineCounter()
  readonly #sourceLines: readonly string[]
  readonly #document: Document.Parsed

  constructor(file: SourceFile, seen: Map<string, string>) {
    this.#file = { name: file.name, text: file.text.replace(/^\uFEFF/, '') }
    this.#seen = seen
    this.#sourceLines = this.#file.text.split(/\r?\n/)
    this.#document = parseDocument(this.#file.text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true })
  }

  read(): DeclarationInput[] {
    const document = this.#document
    for (const error of document.errors) this.#flag(error.pos[0], yamlMessage(error.code, error.message))
    if (this.problems.length > 0) return []
    try {
      document.toJS({ maxAliasCount: MAX_ALIASES })
    } catch (error) {
      this.#flag(0, `the file cannot be expanded: ${(error as Error).message}`)
      return []
    }
    const root = document.contents
    if (root === null) {
      this.#flag(0, "the file is empty; write 'ids:' and under it the mQ IDs")
      return []
    }
    if (!isMap(root)) {
      this.#flagNode(root, "the file holds no fields; write 'ids:' and under it the mQ IDs")
      return []
    }
    let ids: Node | null | undefined
    for (const pair of root.items) {
      const key = keyText(pair)
      if (key === 'ids') ids = (pair.value as Node | null) ?? null
      else if (key === 'owners') this.#readOwners((pair.value as Node | null) ?? (pair.key as Node))
      else
        this.#flagNode(
          pair.key as Node,
          `unknown field '${key}'${didYouMean(key, ['ids', 'owners'])}; only 'ids' and 'owners' stand at the top`,
        )
    }
    if (ids === undefined) {
      if (this.owners === null && this.problems.length === 0) this.#flag(0, "the field 'ids' is missing")
      return []
    }
    const list = this.#resolve(ids)
    if (isMap(list)) return list.items.flatMap((pair) => this.#fromPair(pair))
    if (isSeq(list)) return list.items.flatMap((item) => this.#fromItem(item as Node))
    if (list === null || (isScalar(list) && list.value === null)) return []
    this.#flagNode(list, "'ids' is a map from mQ ID to intent, or a list of { id, intent }")
    return []
  }

  /** `owners: [{ topics: 'checkout.*', team: checkout }]` */
  #readOwners(node: Node): void {
    const parsed = parseStrict(OwnerRules, this.#toJs(node))
    if (parsed.success) this.owners = parsed.data
    else for (const each of parsed.problems) this.#flagProblem(each, node)
  }

  /** `orders.placed: { latencyP99Ms: 50 }` */
  #fromPair(pair: Pair): DeclarationInput[] {
    const value = (pair.value ?? null) as Node | null
    return this.#declare(keyText(pair), pair.key as Node, value)
  }

  /** `- id: orders.placed` with `intent:` beside it */
  #fromItem(item: Node): DeclarationInput[] {
    const map = this.#resolve(item)
    if (!isMap(map)) {
      this.#flagNode(item, 'an entry of the list is { id, intent }')
      return []
    }
    let id: Node | null | undefined
    let intent: Node | null = null
    for (const pair of map.items) {
      const key = keyText(pair)
      if (key === 'id') id = pair.value as Node | null
      else if (key === 'intent') intent = pair.value as Node | null
      else
        this.#flagNode(
          pair.key as Node,
          `unknown field '${key}'${didYouMean(key, ['id', 'intent'])}; an entry is { id, intent }`,
        )
    }
    if (id === undefined || id === null) {
      this.#flagNode(map, "the entry has no 'id'")
      return []
    }
    return this.#declare(scalarText(this.#resolve(id)), id, intent)
  }

  #declare(id: string, idNode: Node, intentNode: Node | null): DeclarationInput[] {
    const before = this.problems.length
    const problem = mqIdProblem(id)
    if (problem !== undefined) this.#flagNode(idNode, `'${id}' is not an mQ ID: ${problem}`)
    else this.#flagRepeated(id, idNode)
    const intent: unknown = intentNode === null ? {} : (this.#toJs(intentNode) ?? {})
    if (typeof intent !== 'object' || Array.isArray(intent)) {
      this.#flagNode(
        intentNode ?? idNode,
        `the intent of ${id} is a map of fields, not ${Array.isArray(intent) ? 'a list' : `'${String(intent)}'`}`,
      )
      return []
    }
    const parsed = parseStrict(Declaration.shape.intent, intent)
    if (!parsed.success) for (const each of parsed.problems) this.#flagProblem(each, intentNode ?? idNode)
    return this.problems.length > before ? [] : [{ id, intent: intent as DeclarationInput['intent'] }]
  }

  #toJs(node: Node): unknown {
    return node.toJS(this.#document, { maxAliasCount: MAX_ALIASES })
  }

  #flagRepeated(id: string, node: Node): void {
    const at = this.#position(node.range?.[0] ?? 0)
    const place = `${this.#file.name}:${at.line}:${at.column}`
    const first = this.#seen.get(id)
    if (first === undefined) this.#seen.set(id, place)
    else this.#flagNode(node, `${id} is declared twice, first at ${first}`)
  }

  #flagProblem({ path, text, isUnknownField }: StrictProblem, intent: Node): void {
    if (isUnknownField !== true) {
      this.#flagNode(this.#locate(intent, path), text)
      return
    }
    const parent = this.#locate(intent, path.slice(0, -1))
    this.#flagNode(this.#keyNode(parent, String(path.at(-1))) ?? parent, text)
  }

  /** The deepest node on the path that is written in the file. */
  #locate(start: Node, path: readonly PropertyKey[]): Node {
    let node = start
    for (const step of path) {
      const parent = this.#resolve(node)
      const next = isMap(parent)
        ? (parent.items.find((pair) => keyText(pair) === String(step))?.value as Node | null | undefined)
        : isSeq(parent)
          ? (parent.items[Number(step)] as Node | undefined)
          : undefined
      if (next === undefined || next === null) {
        return this.#keyNode(node, String(step)) ?? node
      }
      node = next
    }
    return node
  }

  #keyNode(node: Node, key: string): Node | undefined {
    const map = this.#resolve(node)
    if (!isMap(map)) return undefined
    return (map as YAMLMap<Node, Node>).items.find((pair) => keyText(pair) === key)?.key
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node
  }

  #flagNode(node: Node, message: string): void {
    this.#flag(node.range?.[0] ?? 0, message)
  }

  #flag(offset: number, message: string): void {
    const { line, column } = this.#position(offset)
    this.problems.push({ file: this.#file.name, line, column, message, source: this.#sourceLines[line - 1] ?? '' })
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
}

function keyText(pair: Pair): string {
  return scalarText(pair.key as Node | null)
}

/** What stands in the file, so that `007` and `1e3` stay what they look like. */
function scalarText(node: Node | null): string {
  if (!isScalar(node)) return ''
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
}

const YAML_MESSAGES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands twice in the same map',
  TAB_AS_INDENT: 'a tab is used to indent; YAML wants spaces',
  MULTIPLE_DOCS: 'the file holds several documents (---); use one, or several files',
}

function yamlMessage(code: string, message: string): string {
  return YAML_MESSAGES[code] ?? `not YAML: ${message}`
}
