/** Part B: a seeded shop at a steady rate over four mQ IDs, checked against what the seed alone says. */
import type { MqIdDetail } from '@mq/contract'
import type { z } from 'zod'
import { type Check, none, sameCount } from './checks.ts'
import { Insights, ShopExpected, Shoppers, Warehouse } from './results.ts'
import type { Stage } from './stage.ts'

export const SHOP_IDS = ['shop.views', 'shop.carts', 'orders.placed', 'stock.levels'] as const
const IDLE_MS = 15_000

export interface ShopOptions {
  readonly messagesPerSecond: number
  readonly seconds: number
  readonly seed: number
}

export interface ShopReport {
  readonly sent: Readonly<Record<string, number>>
  readonly recordBytes: number
  readonly durationMs: number
  readonly sendMs: { readonly p50: number; readonly p99: number }
  readonly groups: readonly {
    readonly group: string
    readonly received: number
    readonly expected: number
    readonly endToEndMs: { readonly p50: number; readonly p99: number }
  }[]
  readonly details: readonly MqIdDetail[]
  readonly checks: readonly Check[]
}

export async function playShop(
  stage: Stage,
  options: ShopOptions,
  say: (text: string, detail?: string) => void,
): Promise<ShopReport> {
  await stage.declare('examples/shop/mq.yaml')
  const seeded = [
    '--rate',
    String(options.messagesPerSecond),
    '--seconds',
    String(options.seconds),
    '--seed',
    String(options.seed),
  ]
  const expected = await stage.run('what the seed says', 'shop/expected.ts', seeded).result(ShopExpected)
  const orders = expected.sent['orders.placed'] ?? 0
  const all = Object.values(expected.sent).reduce((sum, each) => sum + each, 0)
  const idle = ['--idle-ms', String(IDLE_MS)]
  const warehouseApp = stage.run('the warehouse', 'shop/warehouse.ts', ['--expect', String(orders), ...idle])
  const insightsApp = stage.run('the insights', 'shop/insights.ts', ['--expect', String(all), ...idle])
  // Else the figures would tell how long the groups took to come together.
  await Promise.all([warehouseApp.started(), insightsApp.started()])
  const shoppersApp = stage.run('the shoppers', 'shop/shoppers.ts', seeded)
  const timer = setInterval(() => {
    say('B. a shop at a steady rate', `${shoppersApp.progress.toLocaleString('en-US')} sent`)
  }, 250)
  try {
    const [shoppers, warehouse, insights] = await Promise.all([
      shoppersApp.result(Shoppers),
      warehouseApp.result(Warehouse),
      insightsApp.result(Insights),
    ])
    const details = await Promise.all(SHOP_IDS.map((id) => stage.describe(id)))
    return report(shoppers, warehouse, insights, expected, all, details)
  } finally {
    clearInterval(timer)
  }
}

function report(
  shoppers: z.output<typeof Shoppers>,
  warehouse: z.output<typeof Warehouse>,
  insights: z.output<typeof Insights>,
  expected: z.output<typeof ShopExpected>,
  all: number,
  details: readonly MqIdDetail[],
): ShopReport {
  const sent = { ...shoppers.sent, ...warehouse.sent }
  const orders = expected.sent['orders.placed'] ?? 0
  const received = Object.values(insights.received).reduce((sum, each) => sum + each, 0)
  return {
    sent,
    recordBytes: shoppers.recordBytes,
    durationMs: shoppers.durationMs,
    sendMs: shoppers.sendMs,
    groups: [
      { group: warehouse.group, received: warehouse.received, expected: orders, endToEndMs: warehouse.endToEndMs },
      { group: insights.group, received, expected: all, endToEndMs: insights.endToEndMs },
    ],
    details,
    checks: [
      ...SHOP_IDS.map((id) => sameCount(`${id}: sent what the seed says`, sent[id] ?? 0, expected.sent[id] ?? 0)),
      sameCount('warehouse handled every order', warehouse.received, orders),
      sameCount('warehouse moved the units the seed says', warehouse.units, expected.units),
      ...SHOP_IDS.map((id) =>
        sameCount(`insights handled all of ${id}`, insights.received[id] ?? 0, expected.sent[id] ?? 0),
      ),
      sameCount('insights added up the revenue (cents)', insights.revenueCents, expected.revenueCents),
      none('order per key held in both groups', warehouse.orderViolations + insights.orderViolations, 'out of order'),
    ],
  }
}
