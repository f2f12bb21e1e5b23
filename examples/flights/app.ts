/**
 * What every program of this example does around its own work.
 *
 * A1. The last line of stdout is one JSON object; before it, once a second, `{"progress":N}`.
 * A2. SIGINT and SIGTERM end the work early; what was done is still printed.
 */

export const url = process.env.MQ_URL ?? 'http://127.0.0.1:7070'

const stopping = new AbortController()
/** Aborted when someone asks the program to end (A2). */
export const stop: AbortSignal = stopping.signal
process.once('SIGINT', () => stopping.abort())
process.once('SIGTERM', () => stopping.abort())

/** Prints how far the work is, once a second, until the returned function is called (A1). */
export function showProgress(count: () => number): () => void {
  const timer = setInterval(() => console.log(JSON.stringify({ progress: count() })), 1_000)
  return () => clearInterval(timer)
}

/** A whole number given on the command line. */
export function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} ${text}: write a whole number`)
  return number
}
