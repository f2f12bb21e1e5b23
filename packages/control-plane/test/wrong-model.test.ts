/**
 * What the loops do where the model is wrong: they end within a tenth of the cheapest configuration of the true world, or keep what stands.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LATENCY_MS, play, settingsText, worlds } from './wrong-worlds.ts'

const WITHIN = 0.1

for (const [name, world] of Object.entries(worlds)) {
  test(`${name}: within a tenth of the true optimum, or what stands is kept`, { timeout: 300_000 }, async (t) => {
    const { start, end, optimum, isAsBefore, isOver, states, seconds } = await play(t, world)
    const over = end.usdPerMillion / optimum.usdPerMillion - 1
    t.diagnostic(
      `${settingsText(start.settings)} at ${start.usdPerMillion.toFixed(4)} USD a million -> ${settingsText(end.settings)} at ${end.usdPerMillion.toFixed(4)} after ${seconds} s; the optimum is ${settingsText(optimum.settings)} at ${optimum.usdPerMillion.toFixed(4)}: ${(over * 100).toFixed(1)} % over; ${states.join('; ')}`,
    )
    assert.ok(isOver, 'the loops settle')
    assert.ok(isAsBefore || over <= WITHIN, `${(over * 100).toFixed(1)} % over the optimum`)
    assert.ok(end.usdPerMillion <= start.usdPerMillion * 1.001, 'nothing dearer than what stood is kept')
    assert.ok(isAsBefore || end.p99Ms <= LATENCY_MS, `a p99 of ${end.p99Ms} ms is kept`)
  })
}
