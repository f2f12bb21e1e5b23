/** Worlds that the loops have something to propose for. */
import { clusterModel, priceBook } from '@mq/economics'
import { anId, aWorld, DAY_MS, main, NOW, workload } from './worlds.ts'

const cheaper = clusterModel({ name: 'cheaper', book: thirdOf() })
const late = Array.from({ length: 21 }, (_, nth) => ({
  atMs: NOW - (20 - nth) * 30_000,
  sendMs: 700,
  endToEndMs: 720,
}))
export const manyWorlds = {
  saving: aWorld([anId()]),
  'two clusters': aWorld([anId()], { clusters: [main, cheaper] }),
  repair: aWorld([anId({ looks: late })]),
  retention: aWorld([anId({ seenRetentionMs: 30 * DAY_MS })]),
  'measured codecs': aWorld([
    anId({
      workload: {
        ...workload,
        curves: [1, 10, 100].map((depth) => ({
          codec: 'zstd' as const,
          codecLevel: depth,
          source: 'measured' as const,
          points: [
            {
              depth,
              uncompressedBytes: depth * 410,
              compressedBytes: depth * 93.7,
              compressUs: 11.3,
              decompressUs: 4.1,
            },
          ],
        })),
      },
    }),
  ]),
}

function thirdOf() {
  const book = priceBook('aws-us-east-1')
  const figures = Object.fromEntries(
    Object.entries(book.figures).map(([meter, figure]) => [meter, { ...figure, usd: figure.usd / 3 }]),
  )
  return { ...book, figures } as typeof book
}
