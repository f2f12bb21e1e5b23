/** ApiVersions: what the broker says it speaks, whatever that is. */
import { apiVersionsApi } from '@mq/kafka/protocol'
import type { ResponseOfApi } from '../api-types.ts'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import type { FakeSpeech } from '../options.ts'

export const DEFAULT_NEWEST_API_VERSIONS = 3
const TELLS_WHOM_VERSION = 5

type Response = ResponseOfApi<typeof apiVersionsApi>

export function newestApiVersions({ newestApiVersions: newest }: FakeSpeech): number {
  return newest ?? DEFAULT_NEWEST_API_VERSIONS
}

/** KIP-511: in version 0, with the one range that tells what to ask instead. */
export function tooNew(speech: FakeSpeech): Response {
  const apis = [{ key: apiVersionsApi.key, min: 0, max: newestApiVersions(speech) }]
  return { errorCode: Code.UNSUPPORTED_VERSION, apis }
}

export const apiVersions = handler(apiVersionsApi, {
  answer: ({ clusterId, nodeId }, { node: { speech }, version }) => {
    const { apis, features = {}, apiVersionsError = Code.NONE, identity } = speech
    const isStranger =
      version >= TELLS_WHOM_VERSION &&
      identity !== undefined &&
      (clusterId !== identity.clusterId || nodeId !== identity.nodeId)
    const levels = Object.entries(features)
    return {
      errorCode: isStranger ? Code.REBOOTSTRAP_REQUIRED : apiVersionsError,
      apis,
      ...(levels.length === 0
        ? {}
        : { finalizedFeaturesEpoch: 1n, finalizedFeatures: levels.map(([name, max]) => ({ name, max, min: 1 })) }),
    }
  },
  refuse: (_, errorCode) => ({ errorCode, apis: [] }),
})
