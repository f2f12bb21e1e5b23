import assert from 'node:assert/strict'
import { it } from 'node:test'
import { connect } from '../src/index.ts'
import { bindingOf } from './support/bindings.ts'
import { TestControlPlane } from './support/control-plane.ts'
import { RecordingLogger } from './support/logs.ts'

it('a consume() whose signal fires while its binding is looked up joins nothing', { timeout: 300_000 }, async () => {
  const plane = await TestControlPlane.start()
  const mq = await connect({ url: plane.url, app: 'checkout', cacheDir: null, logger: new RecordingLogger() })
  try {
    plane.bindings.set('orders.placed', bindingOf())
    const stop = new AbortController()
    const consuming = mq.consume('orders.placed', 'g', () => {}, { signal: stop.signal })
    const reason = new Error('not wanted any more')
    stop.abort(reason)
    await assert.rejects(consuming, reason)
  } finally {
    await mq.close()
    await plane.stop()
  }
})
