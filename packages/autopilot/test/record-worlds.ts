/** Writes recorded-worlds.json anew: `node --conditions=mq-source packages/autopilot/test/record-worlds.ts`. */
import { writeFileSync } from 'node:fs'
import { loops, serialise } from '@mq/autopilot'
import { manyWorlds } from './many-worlds.ts'

const recorded = Object.values(manyWorlds).flatMap((world) =>
  loops.flatMap(({ name, assess }) =>
    assess(world).flatMap(({ proposal }) =>
      proposal === undefined ? [] : [{ loop: name, world: serialise(world), proposal: serialise(proposal) }],
    ),
  ),
)
writeFileSync(new URL('recorded-worlds.json', import.meta.url), `${JSON.stringify(recorded, null, 1)}\n`)
console.log(`${recorded.length} proposals recorded`)
