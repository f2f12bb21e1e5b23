/**
 * `mq.yaml`: mQ IDs with their intents, as people write them.
 *
 * D1. Every problem names file, line and column of the very word that is wrong, and all problems are told at once.
 * D2. What is sent on is what was written; defaults are filled in by the contract, not here.
 * D3. An mQ ID is declared once over all files given.
 */
import { Declaration, didYouMean, mqIdProblem, type OwnerRule, OwnerRules, parseStrict } from '@mq/contract'
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml'
import type { z } from 'zod'
import type { FileProblem } from './failures.ts'
import { keyText, problemsError, type SourceFile, scalarText, YamlSource } from './yaml-source.ts'

export type { SourceFile }

export const MAX_FILE_BYTES = 16 * 1_024 * 1_024

export type DeclarationInput = z.input<typeof Declaration>

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
  if (problems.length > 0) {
    throw problemsError(
      'MQ_FILE_INVALID',
      files.map(({ name }) => name),
      problems,
    )
  }
  return { declarations, owners }
}

class Reader extends YamlSource {
  owners: OwnerRule[] | null = null
  readonly #seen: Map<string, string>

  constructor(file: SourceFile, seen: Map<string, string>) {
    super(file)
    this.#seen = seen
  }

  read(): DeclarationInput[] {
    if (!this.check()) return []
    const root = this.document.contents
    if (root === null) {
      this.flag(0, "the file is empty; write 'ids:' and under it the mQ IDs")
      return []
    }
    if (!isMap(root)) {
      this.flagNode(root, "the file holds no fields; write 'ids:' and under it the mQ IDs")
      return []
    }
    let ids: Node | null | undefined
    for (const pair of root.items) {
      const key = keyText(pair)
      if (key === 'ids') ids = (pair.value as Node | null) ?? null
      else if (key === 'owners') this.#readOwners((pair.value as Node | null) ?? (pair.key as Node))
      else
        this.flagNode(
          pair.key as Node,
          `unknown field '${key}'${didYouMean(key, ['ids', 'owners'])}; only 'ids' and 'owners' stand at the top`,
        )
    }
    if (ids === undefined) {
      if (this.owners === null && this.problems.length === 0) this.flag(0, "the field 'ids' is missing")
      return []
    }
    const list = this.resolve(ids)
    if (isMap(list)) return list.items.flatMap((pair) => this.#fromPair(pair))
    if (isSeq(list)) return list.items.flatMap((item) => this.#fromItem(item as Node))
    if (list === null || (isScalar(list) && list.value === null)) return []
    this.flagNode(list, "'ids' is a map from mQ ID to intent, or a list of { id, intent }")
    return []
  }

  /** `owners: [{ topics: 'checkout.*', team: checkout }]` */
  #readOwners(node: Node): void {
    const parsed = parseStrict(OwnerRules, this.toJs(node))
    if (parsed.success) this.owners = parsed.data
    else for (const each of parsed.problems) this.flagProblem(each, node)
  }

  /** `orders.placed: { latencyP99Ms: 50 }` */
  #fromPair(pair: Pair): DeclarationInput[] {
    const value = (pair.value ?? null) as Node | null
    return this.#declare(keyText(pair), pair.key as Node, value)
  }

  /** `- id: orders.placed` with `intent:` beside it */
  #fromItem(item: Node): DeclarationInput[] {
    const map = this.resolve(item)
    if (!isMap(map)) {
      this.flagNode(item, 'an entry of the list is { id, intent }')
      return []
    }
    let id: Node | null | undefined
    let intent: Node | null = null
    for (const pair of map.items) {
      const key = keyText(pair)
      if (key === 'id') id = pair.value as Node | null
      else if (key === 'intent') intent = pair.value as Node | null
      else
        this.flagNode(
          pair.key as Node,
          `unknown field '${key}'${didYouMean(key, ['id', 'intent'])}; an entry is { id, intent }`,
        )
    }
    if (id === undefined || id === null) {
      this.flagNode(map, "the entry has no 'id'")
      return []
    }
    return this.#declare(scalarText(this.resolve(id)), id, intent)
  }

  #declare(id: string, idNode: Node, intentNode: Node | null): DeclarationInput[] {
    const before = this.problems.length
    const problem = mqIdProblem(id)
    if (problem !== undefined) this.flagNode(idNode, `'${id}' is not an mQ ID: ${problem}`)
    else this.#flagRepeated(id, idNode)
    const intent: unknown = intentNode === null ? {} : (this.toJs(intentNode) ?? {})
    if (typeof intent !== 'object' || Array.isArray(intent)) {
      this.flagNode(
        intentNode ?? idNode,
        `the intent of ${id} is a map of fields, not ${Array.isArray(intent) ? 'a list' : `'${String(intent)}'`}`,
      )
      return []
    }
    const parsed = parseStrict(Declaration.shape.intent, intent)
    if (!parsed.success) for (const each of parsed.problems) this.flagProblem(each, intentNode ?? idNode)
    return this.problems.length > before ? [] : [{ id, intent: intent as DeclarationInput['intent'] }]
  }

  #flagRepeated(id: string, node: Node): void {
    const place = this.place(node)
    const first = this.#seen.get(id)
    if (first === undefined) this.#seen.set(id, place)
    else this.flagNode(node, `${id} is declared twice, first at ${first}`)
  }
}
