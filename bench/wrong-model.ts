/**
 * `mq measure wrong-model`: what the loops make of fleets whose truth differs from the model, beside the cheapest configuration of the true
 * world. No broker: clients in numbers, on a clock that the program moves.
 */
import { play, settingsText, worlds } from '../packages/control-plane/test/wrong-worlds.ts'
import { readFlags } from './flags.ts'

const flags = readFlags('mq measure wrong-model [--json]', {})

const rows: Record<string, unknown>[] = []
console.log(
  '| truth, over what the model says | at the end | USD a million: before, at the end, optimum | over the optimum | tried |',
)
console.log('| --- | --- | --- | --- | --- |')
for (const [name, world] of Object.entries(worlds)) {
  const cleaning: (() => unknown)[] = []
  try {
    const { start, end, optimum, states } = await play(
      { after: (done) => void cleaning.push(done as () => unknown) },
      world,
    )
    const overPercent = Math.round((end.usdPerMillion / optimum.usdPerMillion - 1) * 1_000) / 10
    const usd = [start, end, optimum].map(({ usdPerMillion }) => usdPerMillion.toFixed(4)).join(', ')
    rows.push({ name, ...world, start, end, optimum, overPercent, states })
    console.log(`| ${name} | ${settingsText(end.settings)} | ${usd} | ${overPercent} % | ${states.length} |`)
  } finally {
    for (const clean of cleaning) await clean()
  }
}
if (flags.json) console.log(JSON.stringify({ measure: 'wrong-model', rows }))
