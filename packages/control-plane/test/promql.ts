/**
 * The metrics that a PromQL expression asks for, with the labels it uses of them.
 *
 * L1. It fails closed: whatever it does not know is an error, so that nothing unchecked slips through.
 */

export interface Selector {
  readonly metric: string
  readonly labels: string[]
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  ...['rate', 'increase', 'histogram_quantile', 'max_over_time', 'vector', 'absent'],
  ...['sum', 'max', 'min', 'avg', 'count', 'topk'],
])
/** Each is followed by labels in brackets. */
const WITH_LABELS: ReadonlySet<string> = new Set(['by', 'on', 'group_left', 'group_right'])
const OPERATORS: ReadonlySet<string> = new Set(['and', 'or', 'unless'])
const TOKEN =
  /\s+|(?<text>"(?:[^"\\]|\\.)*")|(?<range>\[\d+[smhdw]\])|(?<number>\d+(?:\.\d+)?)|(?<word>[a-zA-Z_][a-zA-Z0-9_]*)|(?<sign>=~|!~|!=|==|>=|<=|[=<>+*/(){},-])/gy

interface Token {
  readonly kind: string
  readonly text: string
}

/** @throws Error on anything it does not know (L1) */
export function selectorsOf(expression: string): Selector[] {
  const tokens = tokensOf(expression)
  const selectors: Selector[] = []
  const grouping: string[] = []
  let [at, depth] = [0, 0]
  const fail = (why: string): never => {
    throw new Error(`${why} in ${expression}`)
  }
  const expect = (text: string): void => {
    if (tokens[at++]?.text !== text) fail(`'${text}' is missing`)
  }
  while (at < tokens.length) {
    const { kind, text } = tokens[at++]!
    if (text === '(') depth++
    else if (text === ')') depth--
    else if (kind === 'word' && WITH_LABELS.has(text)) {
      expect('(')
      grouping.push(...names())
    } else if (kind === 'word' && tokens[at]?.text === '(' && !OPERATORS.has(text)) {
      if (!FUNCTIONS.has(text)) fail(`unknown function ${text}`)
    } else if (kind === 'word' && FUNCTIONS.has(text) && tokens[at]?.text === 'by') continue
    else if (kind === 'word' && !OPERATORS.has(text)) selectors.push({ metric: text, labels: matchers() })
    else if (text === '{' || text === '}') fail('a selector without a metric')
  }
  if (depth !== 0) fail('brackets do not match')
  // Grouping and matching labels have to be labels of every metric in the expression.
  return selectors.map(({ metric, labels }) => ({ metric, labels: [...new Set([...labels, ...grouping])] }))

  function names(): string[] {
    const found: string[] = []
    for (;;) {
      const token = tokens[at++]
      if (token === undefined) return fail('a list of labels does not end')
      if (token.text === ')') return found
      if (token.kind === 'word') found.push(token.text)
      else if (token.text !== ',') fail(`'${token.text}' in a list of labels`)
    }
  }

  function matchers(): string[] {
    const found: string[] = []
    if (tokens[at]?.text !== '{') return found
    at++
    for (;;) {
      const token = tokens[at++]
      if (token?.text === '}') return found
      if (token?.text === ',') continue
      if (token?.kind !== 'word') return fail('a label is missing')
      if (!['=', '!=', '=~', '!~'].includes(tokens[at++]?.text ?? '')) fail('a label without a comparison')
      if (tokens[at++]?.kind !== 'text') fail('a label without a value')
      found.push(token.text)
    }
  }
}

function tokensOf(expression: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < expression.length) {
    const from = TOKEN.lastIndex
    const match = TOKEN.exec(expression)
    if (match === null) throw new Error(`'${expression.slice(from, from + 10)}' is not understood in ${expression}`)
    const [kind, text] = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined) ?? ['space', '']
    if (kind !== 'space') tokens.push({ kind, text: text! })
  }
  return tokens
}
