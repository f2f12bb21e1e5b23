/**
 * Reading what a control plane answered.
 *
 * R1. A body is read only up to a limit.
 * R2. A Problem becomes the MqError that it describes; its request id stands in the details.
 */
import { isMqErrorCode, MqError, Problem } from '@mq/contract'
import { type CallPlace, foreignAnswer, statusError } from './transport-errors.ts'

/** R1 */
export async function readText(place: CallPlace, response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > maxBytes) {
      await reader.cancel()
      throw foreignAnswer(place, `answered with over ${maxBytes} bytes`)
    }
    text += decoder.decode(value, { stream: true })
  }
}

export function parseAnswer(place: CallPlace, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw foreignAnswer(place, 'answered with something that is not JSON')
  }
}

/** R2 */
export function failureOf(place: CallPlace, status: number, text: string): MqError {
  const problem = Problem.safeParse(jsonOf(text))
  if (!problem.success || !isMqErrorCode(problem.data.code)) return statusError(place, status)
  const { code, message, details, requestId } = problem.data
  return new MqError(code, message, { details: requestId === undefined ? { ...details } : { ...details, requestId } })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
