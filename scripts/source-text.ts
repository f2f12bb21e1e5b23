/**
 * Looks at TypeScript source without compiling it: what a module imports, and its code without comments and texts.
 *
 * U1. Comments, texts and regular expressions never count as code; what stands inside `${}` of a template does.
 * U2. Line numbers stay right: what is blanked keeps its line ends.
 */
export interface Import {
  readonly specifier: string
  readonly line: number
}

const REGEXP_MAY_FOLLOW = /(?:^|[=(,:;!&|?{}[+\-*%<>~^\n]|\b(?:return|typeof|case|in|of|await|yield|throw|else))\s*$/

/** The source with comments, and with the inside of texts and regular expressions, replaced by spaces. */
export function codeOnly(source: string): string {
  let code = ''
  let at = 0
  /** For each open `${`: how many braces are open inside it. */
  const templates: number[] = []
  const blank = (end: number) => {
    code += source.slice(at, end).replaceAll(/[^\n]/g, ' ')
    at = end
  }
  const blankUntil = (pattern: RegExp) => {
    pattern.lastIndex = at
    const found = pattern.exec(source)
    blank(found === null ? source.length : found.index + found[0].length)
  }
  const blankTemplate = () => {
    blankUntil(/(?:\\[\s\S]|(?!\$\{)[^\\`])*(?:`|\$\{)/y)
    if (source.slice(at - 2, at) === '${') templates.push(0)
  }
  if (source.startsWith('#!')) blankUntil(/[^\n]*/y)
  while (at < source.length) {
    const char = source[at]
    const pair = source.slice(at, at + 2)
    if (pair === '//') blankUntil(/[^\n]*/y)
    else if (pair === '/*') blankUntil(/\/\*[\s\S]*?\*\//y)
    else if (char === "'") blankUntil(/'(?:\\[\s\S]|[^\\'\n])*'?/y)
    else if (char === '"') blankUntil(/"(?:\\[\s\S]|[^\\"\n])*"?/y)
    else if (char === '/' && REGEXP_MAY_FOLLOW.test(code.slice(-40))) {
      blankUntil(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y)
    } else if (char === '`') {
      blank(at + 1)
      blankTemplate()
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop()
      blank(at + 1)
      blankTemplate()
    } else {
      const last = templates.length - 1
      if (last >= 0 && char === '{') templates[last] = (templates[last] ?? 0) + 1
      if (last >= 0 && char === '}') templates[last] = (templates[last] ?? 0) - 1
      code += char
      at++
    }
  }
  return code
}

/** Every module the source imports or re-exports, types included; a dynamic import counts when its name is a plain text. */
export function importsOf(source: string, code = codeOnly(source)): Import[] {
  const found: Import[] = []
  // The words are looked for in the code, the name is then read from the source at the same place.
  for (const match of code.matchAll(/\bfrom\b(?=\s)|\bimport\b\s*\(?(?=\s)/g)) {
    const name = /^\s*(?:'([^'\n]+)'|"([^"\n]+)")/.exec(source.slice(match.index + match[0].trimEnd().length))
    const specifier = name?.[1] ?? name?.[2]
    if (specifier !== undefined) found.push({ specifier, line: lineAt(source, match.index) })
  }
  return found
}

export function lineAt(source: string, index: number): number {
  let line = 1
  for (let at = source.indexOf('\n'); at !== -1 && at < index; at = source.indexOf('\n', at + 1)) line++
  return line
}
