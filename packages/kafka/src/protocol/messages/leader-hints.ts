/** Where a leader is now, told together with a refusal (KIP-951). */
import { array, int32, nullableText, orElse, struct, text } from '../schema.ts'

export const leaderAndEpoch = struct({ leaderId: int32, leaderEpoch: int32 })

export const nodeEndpoints = array(struct({ nodeId: int32, host: text, port: int32, rack: orElse(nullableText) }))
