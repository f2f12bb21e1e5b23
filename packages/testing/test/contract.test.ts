import { TestMq } from '../src/index.ts'
import { contractOf } from './contract.ts'

contractOf('in memory', async () => {
  const mq = new TestMq()
  return {
    connect: async () => mq.another(),
    declare: async (id, options) => mq.declare(id, options),
    tick: () => mq.advance(100),
    close: () => mq.close(),
  }
})
