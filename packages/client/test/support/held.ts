import type { HeldBatch, HeldPart, HeldRecord, Receipt } from '@mq/kafka'

/** A batch as a halted producer gives it away. */
export class TestHeld implements HeldBatch {
  readonly topic = 'orders.placed.e1'
  readonly partition: number
  readonly parts: HeldBatch['parts']
  readonly question: HeldBatch['question']
  readonly promise: Promise<Receipt>
  settled = false
  letsGo = 0
  readonly #records: HeldRecord[]
  readonly #resolve: (receipt: Receipt) => void
  readonly #reject: (error: unknown) => void

  constructor(
    partition: number,
    records: readonly (readonly [string | null, string])[],
    isAmbiguous = false,
    deadlineMs = 1_001_000,
  ) {
    this.partition = partition
    this.#records = records.map(([key, value]) => ({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(value),
      headers: undefined,
      timestampMs: 1,
    }))
    const { topic } = this
    const place = { topic, partition, records: records.length, fromOffset: undefined, fromTimestampMs: 1 }
    const identities = [{ producerId: 1n, producerEpoch: 0, baseSequence: 0 }]
    this.question = isAmbiguous ? { ...place, identities } : undefined
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    promise.catch(() => {})
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    const part: HeldPart = {
      count: records.length,
      deadlineMs,
      isCancelled: false,
      hasOwnTime: false,
      get settled() {
        return isSettled()
      },
      resolve: (receipt) => this.resolve(receipt),
      reject: (error) => this.reject(error),
    }
    const isSettled = (): boolean => this.settled
    this.parts = [part]
  }

  get count(): number {
    return this.#records.length
  }

  records(): HeldRecord[] {
    return this.#records
  }

  found(baseOffset: bigint): void {
    this.resolve({ topic: this.topic, partition: this.partition, baseOffset })
  }

  resolve(receipt: Receipt): void {
    this.settled = true
    this.#resolve(receipt)
  }

  reject(error: unknown): void {
    this.settled = true
    this.#reject(error)
  }

  letGo(): void {
    this.letsGo++
  }
}
