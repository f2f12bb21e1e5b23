/**
 * Options as an application gives them: one that is not known is refused, never ignored.
 */
import { didYouMean, MqError } from '@mq/contract'

/** Every option of `T`, so that a new one cannot be forgotten. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>

export function unknownOption(of: string, given: object, known: Readonly<Record<string, true>>): string | undefined {
  for (const name in given) {
    if (known[name] === true) continue
    const names = Object.keys(known)
    return `${of} has no option '${name.slice(0, 100)}'${didYouMean(name, names)}; it takes ${names.join(', ')}`
  }
  return undefined
}

/** @throws MqError MQ_OPTION_INVALID */
export function checkOptions(of: string, given: unknown, known: Readonly<Record<string, true>>): void {
  if (typeof given !== 'object' || given === null) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `The options of ${of} are ${given === null ? 'null' : `of type ${typeof given}`}, not an object`,
    )
  }
  const problem = unknownOption(of, given, known)
  if (problem !== undefined) throw new MqError('MQ_OPTION_INVALID', problem)
}
