import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { connect } from '../src/index.ts'
import { sendJson, sendProblem, TestControlPlane } from './support/control-plane.ts'
import { RecordingLogger } from './support/logs.ts'

const OPTIONS = { app: 'checkout', cacheDir: null, measureCodecs: false }

async function withServer<T>(answer: RequestListener, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const FOREIGN: Readonly<Record<string, readonly [RequestListener, RegExp]>> = {
  'a page': [(_, response) => void response.end('<html>'), /something that is not JSON/],
  'another API': [(_, response) => void response.end('{"hello":1}'), /something else than mQ would/],
  'a page that is not found': [
    (_, response) => void response.writeHead(404).end('<html>'),
    /status 404 and no error of mQ/,
  ],
  'a refusal of another API': [(_, response) => void response.writeHead(404).end('{"error":"nope"}'), /status 404/],
  'a redirect': [
    (_, response) => void response.writeHead(302, { location: 'https://login.example' }).end(),
    /redirects to another address/,
  ],
}

describe('connect to something else than a control plane (P4)', { timeout: 300_000 }, () => {
  for (const [what, [answer, text]] of Object.entries(FOREIGN)) {
    it(`says at once that ${what} is not mQ`, async () => {
      let requests = 0
      const counted: RequestListener = (request, response) => {
        requests++
        answer(request, response)
      }
      await withServer(counted, async (url) => {
        await assert.rejects(connect({ ...OPTIONS, url }), (error: unknown) => {
          assert.ok(error instanceof MqError && error.code === 'MQ_OPTION_INVALID', String(error))
          assert.match(error.message, /is not an mQ control plane: /)
          assert.match(error.message, text)
          return true
        })
      })
      assert.equal(requests, 1, 'it asks once')
    })
  }

  it('says at once that fetch refuses a port, and why, instead of waiting for a control plane there', async () => {
    // That of X11: one of the ports that browsers do not call.
    await assert.rejects(connect({ ...OPTIONS, url: 'http://127.0.0.1:6000', waitMs: 3_600_000 }), (error: unknown) => {
      assert.ok(error instanceof MqError && error.code === 'MQ_OPTION_INVALID', String(error))
      assert.match(error.message, /127\.0\.0\.1:6000: fetch refuses that port, as browsers do/)
      return true
    })
  })

  it('tries again while a gateway says that what is behind it is away', async () => {
    let requests = 0
    const gateway: RequestListener = (_, response) => {
      requests++
      if (requests < 3) response.writeHead(503).end('<html>')
      else
        sendJson(response, 200, {
          version: '1',
          incarnation: 1,
          revision: 1,
          createOnFirstUse: true,
          connectedClients: 0,
        })
    }
    await withServer(gateway, async (url) => {
      const mq = await connect({ ...OPTIONS, url })
      await mq.close()
    })
    assert.equal(requests, 3)
  })
})

describe('a control plane that answers and cannot help (R5)', { timeout: 300_000 }, () => {
  it('is not told as one that is away', async () => {
    const plane = await TestControlPlane.start()
    plane.intercept = (seen, response) => {
      if (!seen.path.startsWith('/v1/bindings/')) return false
      sendProblem(response, 503, 'MQ_KAFKA_UNREACHABLE', "cluster 'main' does not answer")
      return true
    }
    try {
      const mq = await connect({ ...OPTIONS, url: plane.url, logger: new RecordingLogger(), sendDeadlineMs: 1_500 })
      const isKafka = (error: unknown): boolean => {
        assert.ok(error instanceof MqError)
        assert.equal(error.code, 'MQ_KAFKA_UNREACHABLE')
        assert.match(error.message, /no binding of orders\.placed .*cluster 'main' does not answer/)
        return true
      }
      await assert.rejects(mq.send('orders.placed', 1), isKafka)
      await assert.rejects(
        mq.consume('orders.placed', 'g', () => {}),
        isKafka,
      )
      await mq.close()
    } finally {
      await plane.stop()
    }
  })
})
