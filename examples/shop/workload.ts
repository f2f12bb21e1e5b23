/**
 * A day at the shop, made from a seed: 70 % views, 20 % changes of carts, 10 % orders.
 *
 * W1. The same count and seed give the same visitors, products and prices, so what must come out can be computed.
 * W2. `n` starts above anything an earlier run used (`firstN`), so that it rises over runs as well (E1).
 */
import type { CartEvent, OrderEvent, OrderLine, ViewEvent } from './events.ts'

export type ShopEvent =
  | { readonly id: 'shop.views'; readonly key: string; readonly value: ViewEvent }
  | { readonly id: 'shop.carts'; readonly key: string; readonly value: CartEvent }
  | { readonly id: 'orders.placed'; readonly key: string; readonly value: OrderEvent }

const VISITORS = 2_000
const PRODUCTS = 300

/** Numbers in [0, 1) from a seed: a linear congruential generator, of whose 32 bits the upper ones are used. */
function seededRandom(seed: number): () => number {
  let state = BigInt(seed)
  return () => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n
    return Number(state >> 32n) / 2 ** 32
  }
}

export function* shopEvents(count: number, seed: number, firstN = 1): Generator<ShopEvent> {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  for (let n = firstN; n < firstN + count; n++) {
    const visitor = `visitor-${below(VISITORS)}`
    const product = `product-${below(PRODUCTS)}`
    const kind = random()
    if (kind < 0.7) {
      yield { id: 'shop.views', key: visitor, value: { visitor, product, n } }
    } else if (kind < 0.9) {
      const change = random() < 0.8 ? 1 : -1
      yield { id: 'shop.carts', key: visitor, value: { visitor, product, change, n } }
    } else {
      const customer = visitor.replace('visitor', 'customer')
      const lines: OrderLine[] = Array.from({ length: 1 + below(3) }, () => {
        return { product: `product-${below(PRODUCTS)}`, units: 1 + below(4), cents: 100 + below(20_000) }
      })
      const totalCents = lines.reduce((sum, line) => sum + line.units * line.cents, 0)
      yield { id: 'orders.placed', key: customer, value: { order: `order-${n}`, customer, lines, totalCents, n } }
    }
  }
}
