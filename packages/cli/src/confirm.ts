/**
 * A question before something that cannot be undone, or may not be meant.
 *
 * Q1. The name itself has to be typed; without a terminal there is nobody to ask, and --yes is needed.
 * Q2. What is asked about is said before the question, and in the failure where nobody can be asked.
 */
import { createInterface } from 'node:readline/promises'
import { MqError } from '@mq/contract'
import { type Io, writeLine } from './io.ts'

export async function confirmByName(io: Io, what: string, name: string, isFinal = true): Promise<void> {
  const warning = isFinal ? ' cannot be undone' : ''
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `${what}${isFinal ? ' cannot be undone, and there' : ': there'} is no terminal to ask on: pass --yes`,
    )
  }
  const asking = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const typed = await asking.question(`${what}${warning}. Type ${name} to go on: `, { signal: io.interrupt })
    if (typed.trim() !== name) {
      await writeLine(io.stderr, 'Nothing was changed.')
      throw new MqError('MQ_OPTION_INVALID', `'${typed.trim()}' is not '${name}'`)
    }
  } finally {
    asking.close()
  }
}

/** Q2 */
export async function confirmChange(io: Io, shown: string, doubts: readonly string[]): Promise<void> {
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) {
    throw new MqError(
      'MQ_CONFIRMATION_NEEDED',
      `There is no terminal to ask on, and nothing was changed. ${doubts.slice(0, 5).join('; ')}${doubts.length > 5 ? `; and ${doubts.length - 5} more` : ''}`,
      { details: { doubts: doubts.slice(0, 100) } },
    )
  }
  await writeLine(io.stderr, shown)
  const asking = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const typed = await asking.question('Is that what you want? Type yes to go on: ', { signal: io.interrupt })
    if (typed.trim().toLowerCase() === 'yes') return
    throw new MqError('MQ_CONFIRMATION_NEEDED', `The answer was '${typed.trim()}'; nothing was changed`)
  } finally {
    asking.close()
  }
}
