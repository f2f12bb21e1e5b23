/** A rejection that nobody has to listen to: a send that is left alone never ends the process. */
export function refused(error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}

/** The same promise, which nobody has to listen to. */
export function leftAlone<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
