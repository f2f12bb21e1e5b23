/**
 * A YAML file as a person wrote it: its nodes, and the place of everything that is wrong with it.
 *
 * Y1. Every problem names file, line and column of the very word that is wrong.
 * Y2. Anchors cannot be used to blow a small file up.
 */
import { MqError, type MqErrorCode, type StrictProblem } from '@mq/contract'
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import type { FileProblem } from './failures.ts'

const MAX_ALIASES = 100
const MAX_PROBLEMS = 50

export interface SourceFile {
  /** As the person named it. */
  readonly name: string
  readonly text: string
}

export class YamlSource {
  readonly problems: FileProblem[] = []
  readonly name: string
  readonly document: Document.Parsed
  readonly #lines = new LineCounter()
  readonly #sourceLines: readonly string[]

  constructor(file: SourceFile) {
    const text = file.text.replace(/^\uFEFF/, '')
    this.name = file.name
    this.#sourceLines = text.split(/\r?\n/)
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true })
  }

  /** Whether the text is YAML at all; what is wrong otherwise stands in `problems` (Y2). */
  check(): boolean {
    for (const error of this.document.errors) this.flag(error.pos[0], yamlMessage(error.code, error.message))
    if (this.problems.length > 0) return false
    try {
      this.document.toJS({ maxAliasCount: MAX_ALIASES })
      return true
    } catch (error) {
      this.flag(0, `the file cannot be expanded: ${(error as Error).message}`)
      return false
    }
  }

  toJs(node: Node): unknown {
    return node.toJS(this.document, { maxAliasCount: MAX_ALIASES })
  }

  /** `file:line:column` of a node. */
  place(node: Node): string {
    const at = this.position(node.range?.[0] ?? 0)
    return `${this.name}:${at.line}:${at.column}`
  }

  flagProblem({ path, text, isUnknownField }: StrictProblem, start: Node): void {
    if (isUnknownField !== true) {
      this.flagNode(this.locate(start, path), text)
      return
    }
    const parent = this.locate(start, path.slice(0, -1))
    this.flagNode(this.keyNode(parent, String(path.at(-1))) ?? parent, text)
  }

  /** The deepest node on the path that is written in the file. */
  locate(start: Node, path: readonly PropertyKey[]): Node {
    let node = start
    for (const step of path) {
      const parent = this.resolve(node)
      const next = isMap(parent)
        ? (parent.items.find((pair) => keyText(pair) === String(step))?.value as Node | null | undefined)
        : isSeq(parent)
          ? (parent.items[Number(step)] as Node | undefined)
          : undefined
      if (next === undefined || next === null) {
        return this.keyNode(node, String(step)) ?? node
      }
      node = next
    }
    return node
  }

  keyNode(node: Node, key: string): Node | undefined {
    const map = this.resolve(node)
    if (!isMap(map)) return undefined
    return map.items.find((pair) => keyText(pair as Pair) === key)?.key as Node | undefined
  }

  resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.document) ?? null) : node
  }

  flagNode(node: Node, message: string): void {
    this.flag(node.range?.[0] ?? 0, message)
  }

  /** Y1 */
  flag(offset: number, message: string): void {
    const { line, column } = this.position(offset)
    this.problems.push({ file: this.name, line, column, message, source: this.#sourceLines[line - 1] ?? '' })
  }

  position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
}

/** All problems of files, as one error. */
export function problemsError(code: MqErrorCode, files: readonly string[], problems: readonly FileProblem[]): MqError {
  const shown = problems.slice(0, MAX_PROBLEMS)
  const rest = problems.length - shown.length
  const count = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
  return new MqError(code, `${count} in ${files.join(', ')}${rest > 0 ? `, the first ${shown.length} shown` : ''}`, {
    details: { problems: shown },
  })
}

export function keyText(pair: Pair): string {
  return scalarText(pair.key as Node | null)
}

/** What stands in the file, so that `007` and `1e3` stay what they look like. */
export function scalarText(node: Node | null): string {
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
