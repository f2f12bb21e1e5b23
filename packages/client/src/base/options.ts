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

export function optionsProblem(of: string, given: unknown, known: Readonly<Record<string, true>>): MqError | undefined {
  if (typeof given !== 'object' || given === null) {
    const what = given === null ? 'null' : `of type ${typeof given}`
    return new MqError('MQ_OPTION_INVALID', `The options of ${of} are ${what}, not an object`)
  }
  const problem = unknownOption(of, given, known)
  return problem === undefined ? undefined : new MqError('MQ_OPTION_INVALID', problem)
}

/** @throws MqError MQ_OPTION_INVALID */
export function checkOptions(of: string, given: unknown, known: Readonly<Record<string, true>>): void {
  const problem = optionsProblem(of, given, known)
  if (problem !== undefined) throw problem
}
