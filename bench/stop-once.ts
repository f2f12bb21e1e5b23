/** Stops what a measurement started, once, also when the measurement is ended by a signal. */
export function stopOnce(stopAll: () => Promise<void>): () => Promise<void> {
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    await stopAll()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stop().then(() => process.exit(1)))
  }
  return stop
}
