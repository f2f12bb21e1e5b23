import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import {
  FREE,
  isThenable,
  KeyScheduler,
  type RecordPlace,
  type StretchEnd,
  type WorkBatch,
} from '../src/epochs/key-scheduler.ts'
import { FakeTime, turn } from './support/time.ts'

interface Run {
  readonly batch: TestBatch
  readonly index: number
  readonly attempt: number
  finish(): void
  fail(): void
}

/** A batch whose handlers end when the test says so; `keys` are hashes. */
class TestBatch implements WorkBatch {
  readonly keys: readonly number[]
  live = true
  readonly done: number[] = []
  readonly started: number[] = []
  handler: (run: Run) => unknown
  delayMs: number | undefined = 10

  constructor(keys: readonly number[], handler: (run: Run) => unknown = () => undefined) {
    this.keys = keys
    this.handler = handler
  }

  get count(): number {
    return this.keys.length
  }

  keyHash(index: number): number {
    return this.keys[index]!
  }

  describe(index: number): RecordPlace {
    return { partition: 3, offset: BigInt(100 + index), keyHash: this.keyHash(index) }
  }

  run(index: number, attempt: number): unknown {
    this.started.push(index)
    let finish!: () => void
    let fail!: () => void
    const promise = new Promise<void>((resolve, reject) => {
      finish = resolve
      fail = () => reject(new Error('handler failed'))
    })
    promise.catch(() => {})
    const answer = this.handler({ batch: this, index, attempt, finish, fail })
    return answer === ASYNC ? promise : answer
  }

  finished(index: number): void {
    this.done.push(index)
  }

  failed(): number | undefined {
    return this.delayMs
  }
}

const ASYNC = Symbol('async')

/** The same, run in stretches wherever the scheduler asks for them (K8). */
class StretchingBatch extends TestBatch {
  readonly stretches: (readonly [number, number])[] = []

  runStretch(from: number, to: number, end: StretchEnd): number {
    this.stretches.push([from, to])
    for (let index = from; index < to; index++) {
      if (!this.live) {
        end.why = 'not-live'
        return index
      }
      try {
        end.outcome = this.run(index, 1)
      } catch (error) {
        end.why = 'error'
        end.outcome = error
        return index
      }
      if (isThenable(end.outcome)) {
        end.why = 'promise'
        return index
      }
      this.finished(index)
    }
    return to
  }
}

function schedulerOf(concurrency: number, time: FakeTime, maxParked?: number): KeyScheduler {
  return new KeyScheduler({
    concurrency,
    deps: time.deps,
    yieldNow: (fn) => void setImmediate(fn),
    ...(maxParked === undefined ? {} : { maxParked }),
  })
}

for (const Batch of [TestBatch, StretchingBatch])
  describe(`KeyScheduler with a ${Batch.name}`, () => {
    it('runs synchronous handlers one after the other without a promise (K5)', () => {
      const time = new FakeTime()
      const scheduler = schedulerOf(1, time)
      const batch = new Batch([1, 2, 1, FREE])
      scheduler.add(batch)
      assert.deepEqual(batch.done, [0, 1, 2, 3])
      assert.equal(scheduler.running, 0)
      assert.equal(time.timers, 0)
    })

    it('runs one record of a key at a time and other keys beside it (K1, K2)', async () => {
      const runs: Run[] = []
      const batch = new Batch([1, 1, 2, 3, 4], (run) => {
        runs.push(run)
        return ASYNC
      })
      const scheduler = schedulerOf(3, new FakeTime())
      scheduler.add(batch)
      assert.deepEqual(batch.started, [0, 2, 3])
      assert.equal(scheduler.parked, 1)
      runs[1]!.finish()
      await turn()
      assert.deepEqual(batch.started, [0, 2, 3, 4])
      runs[0]!.finish()
      await turn()
      assert.deepEqual(batch.started, [0, 2, 3, 4, 1])
    })

    it('hands a failed record again before later ones of its key, while other keys go on (K2, K3)', async () => {
      const time = new FakeTime()
      const order: string[] = []
      const batch = new Batch([1, 1, 2, 1, 2], ({ index, attempt }) => {
        order.push(`${index}#${attempt}`)
        if (index === 0 && attempt < 3) throw new Error('not yet')
      })
      const scheduler = schedulerOf(1, time)
      scheduler.add(batch)
      assert.deepEqual(order, ['0#1', '2#1', '4#1'])
      assert.equal(scheduler.parked, 3)
      await time.advance(10)
      await time.advance(10)
      assert.deepEqual(order, ['0#1', '2#1', '4#1', '0#2', '0#3', '1#1', '3#1'])
      assert.deepEqual(
        batch.done.toSorted((a, b) => a - b),
        [0, 1, 2, 3, 4],
      )
      assert.equal(scheduler.parked, 0)
    })

    it('retries a rejected promise like a thrown error, also for records without a key', async () => {
      const time = new FakeTime()
      const attempts: number[] = []
      const batch = new Batch([FREE, FREE], ({ index, attempt }) => {
        if (index === 1) return undefined
        attempts.push(attempt)
        return attempt === 1 ? Promise.reject(new Error('no')) : Promise.resolve()
      })
      schedulerOf(4, time).add(batch)
      await time.advance(20)
      assert.deepEqual(attempts, [1, 2])
      assert.deepEqual(
        batch.done.toSorted((a, b) => a - b),
        [0, 1],
      )
    })

    it('stops taking records when too many wait behind busy keys, and goes on later (K3)', async () => {
      const runs: Run[] = []
      const batch = new Batch([1, 1, 1, 1, 2], (run) => {
        runs.push(run)
        return ASYNC
      })
      const scheduler = schedulerOf(2, new FakeTime(), 2)
      scheduler.add(batch)
      assert.deepEqual(batch.started, [0])
      assert.equal(scheduler.parked, 2)
      runs[0]!.finish()
      await turn()
      assert.deepEqual(batch.started, [0, 1])
      runs[1]!.finish()
      await turn()
      assert.deepEqual(batch.started, [0, 1, 2, 4])
    })

    it('drops what was not started of a batch whose partition is gone (K4)', async () => {
      const runs: Run[] = []
      const batch = new Batch([1, 1, 2], (run) => {
        runs.push(run)
        return ASYNC
      })
      const scheduler = schedulerOf(1, new FakeTime())
      scheduler.add(batch)
      const next = new Batch([5])
      scheduler.add(next)
      batch.live = false
      runs[0]!.finish()
      await turn()
      assert.deepEqual(batch.started, [0])
      assert.deepEqual(next.done, [0])
      assert.equal(scheduler.parked, 0)
    })

    it('asks before it starts the next record whether time has taken its batch away (K7)', async () => {
      const runs: Run[] = []
      const batch = new Batch([1, 1, 2], (run) => {
        runs.push(run)
        return ASYNC
      })
      let hasSlept = false
      const scheduler = new KeyScheduler({
        concurrency: 1,
        deps: new FakeTime().deps,
        onTurn: () => {
          if (hasSlept) batch.live = false
        },
      })
      scheduler.add(batch)
      hasSlept = true
      runs[0]!.finish()
      await turn()
      assert.deepEqual([batch.started, batch.done], [[0], [0]])
    })

    it('counts a failure as finished when no retry is wanted', () => {
      const batch = new Batch([1, 1], ({ index }) => {
        if (index === 0) throw new Error('poison')
      })
      batch.delayMs = undefined
      schedulerOf(1, new FakeTime()).add(batch)
      assert.deepEqual(batch.done, [1])
    })

    it('gives the event loop its turn while handlers are fast and never wait (K6)', { timeout: 300_000 }, async () => {
      let turns = 0
      let busy = true
      const count = 200_000
      const batch = new Batch(new Array(count).fill(FREE), () => Promise.resolve())
      const deps = {
        clock: { nowMs: () => 0, monotonicMs: () => performance.now() },
        timers: new FakeTime().deps.timers,
        random: () => 0.5,
      }
      const scheduler = new KeyScheduler({ concurrency: 1, deps })
      const tick = (): void => {
        turns++
        if (busy) setImmediate(tick)
      }
      setImmediate(tick)
      scheduler.add(batch)
      while (batch.done.length < count) await turn()
      busy = false
      assert.ok(turns > 3, `${turns} turns of the event loop`)
    })

    it('keeps order per key and the bound under any schedule, and finishes every record once (K1, K2, K4)', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 5 }),
          fc.array(fc.array(fc.constantFrom(FREE, 1, 2, 3, 4), { maxLength: 12 }), { minLength: 1, maxLength: 5 }),
          fc.array(fc.constantFrom('sync', 'throw', 'async', 'reject'), { minLength: 1, maxLength: 20 }),
          fc.infiniteStream(fc.nat()),
          async (concurrency, batches, modes, picks) => {
            const time = new FakeTime()
            const scheduler = schedulerOf(concurrency, time, 6)
            const open: Run[] = []
            const perKey = new Map<number, number[]>()
            const running = new Set<number>()
            let serial = 0
            let most = 0
            let step = 0
            const all = batches.map((keys) => {
              const first = serial
              serial += keys.length
              return new Batch(keys, (run) => {
                const key = keys[run.index]!
                const mode = modes[step++ % modes.length]!
                if (key !== FREE) assert.ok(!running.has(key), `key ${key} runs twice`)
                if (mode === 'throw' && run.attempt === 1) throw new Error('again')
                const end = (done: boolean): void => {
                  running.delete(key)
                  if (!done) return
                  const seen = perKey.get(key) ?? []
                  seen.push(first + run.index)
                  perKey.set(key, seen)
                }
                if (mode === 'sync' || mode === 'throw') {
                  end(true)
                  return undefined
                }
                running.add(key)
                open.push({
                  ...run,
                  finish: () => {
                    end(true)
                    run.finish()
                  },
                  fail: () => {
                    end(false)
                    run.fail()
                  },
                })
                most = Math.max(most, open.length)
                return ASYNC
              })
            })
            for (const batch of all) scheduler.add(batch)
            for (let round = 0; round < 2_000; round++) {
              await turn()
              if (open.length > 0) {
                const [run] = open.splice(picks.next().value % open.length, 1)
                if (run!.attempt < 3 && picks.next().value % 3 === 0) run!.fail()
                else run!.finish()
              } else if (time.timers > 0) await time.advance(10)
              else if (all.every((batch) => batch.done.length === batch.count)) break
            }
            assert.ok(most <= concurrency)
            for (const batch of all) {
              assert.deepEqual(
                batch.done.toSorted((a, b) => a - b),
                batch.keys.map((_, index) => index),
              )
            }
            for (const [key, seen] of perKey) {
              if (key !== FREE)
                assert.deepEqual(
                  seen,
                  seen.toSorted((a, b) => a - b),
                )
            }
          },
        ),
        { numRuns: 150 },
      )
    })

    it('keeps nothing of batches it is done with, however long it is behind', async () => {
      setFlagsFromString('--expose-gc')
      const gc = runInNewContext('gc') as () => void
      const time = new FakeTime()
      const scheduler = new KeyScheduler({ concurrency: 1, deps: time.deps })
      const ends: (() => void)[] = []
      const busy = (): TestBatch =>
        new Batch([1], ({ finish }) => {
          ends.push(finish)
          return ASYNC
        })
      const gone: WeakRef<TestBatch>[] = []
      scheduler.add(busy())
      for (let count = 0; count < 100; count++) {
        const batch = new Batch([2])
        batch.live = false
        gone.push(new WeakRef(batch))
        scheduler.add(batch)
      }
      scheduler.add(busy())
      scheduler.add(busy())
      ends[0]!()
      await turn()
      await turn()
      assert.equal(ends.length, 2)
      gc()
      // The engine may still have the last one on its stack.
      assert.ok(gone.filter((batch) => batch.deref() !== undefined).length <= 2)
    })
  })

describe('KeyScheduler in stretches (K8)', () => {
  it('asks for stretches only while no key is busy', async () => {
    const runs: Run[] = []
    const batch = new StretchingBatch([1, 2, 3, 2, 4], (run) => {
      if (run.index !== 1) return undefined
      runs.push(run)
      return ASYNC
    })
    schedulerOf(2, new FakeTime()).add(batch)
    assert.deepEqual(batch.stretches, [[0, 5]], 'record 1 ended it, and made key 2 busy')
    assert.deepEqual(batch.started, [0, 1, 2, 4])
    runs[0]!.finish()
    await turn()
    assert.deepEqual(batch.done, [0, 2, 4, 1, 3])
    const next = new StretchingBatch([2, 2])
    schedulerOf(1, new FakeTime()).add(next)
    assert.deepEqual(next.stretches, [[0, 2]])
  })

  it('looks at the clock between stretches, and gives the event loop back when its slice is over (K6)', async () => {
    let nowMs = 0
    const deps = {
      clock: { nowMs: () => 0, monotonicMs: () => nowMs },
      timers: new FakeTime().deps.timers,
      random: () => 0.5,
    }
    const batch = new StretchingBatch(new Array(1_000).fill(FREE), () => {
      nowMs += 0.25
    })
    const scheduler = new KeyScheduler({ concurrency: 1, deps })
    scheduler.add(batch)
    const [first] = batch.stretches
    assert.ok(batch.done.length < 100, `${batch.done.length} records of 0.25 ms in one slice`)
    assert.ok(first![1] - first![0] <= 16)
    while (batch.done.length < 1_000) await turn()
    assert.equal(batch.started.length, 1_000)
  })
})
