/**
 * A question before something that cannot be undone.
 *
 * Q1. The name itself has to be typed; without a terminal there is nobody to ask, and --yes is needed.
 */
import { createInterface } from 'node:readline/promises'
import { MqError } from '@mq/contract'
import { type Io, writeLine } from './io.ts'

export async function confirmByName(io: Io, what: string, name: string): Promise<void> {
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) {
    throw new MqError('MQ_OPTION_INVALID', `${what} cannot be undone and there is no terminal to ask on: pass --yes`)
  }
  const asking = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const typed = await asking.question(`${what} cannot be undone. Type ${name} to go on: `, { signal: io.interrupt })
    if (typed.trim() !== name) {
      await writeLine(io.stderr, 'Nothing was changed.')
      throw new MqError('MQ_OPTION_INVALID', `'${typed.trim()}' is not '${name}'`)
    }
  } finally {
    asking.close()
  }
}
