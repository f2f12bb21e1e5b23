/** DescribeClientQuotas (48): limits on users, clients and addresses. */
import { Api } from '../api.ts'
import {
  array,
  bool,
  float64,
  int8,
  int16,
  int32,
  nullableArray,
  nullableText,
  orElse,
  struct,
  text,
} from '../schema.ts'

export const describeClientQuotasApi = new Api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    components: array(struct({ entityType: text, matchType: int8, match: nullableText })),
    isStrict: bool,
  },
  response: {
    throttleMs: orElse(int32),
    errorCode: int16,
    errorMessage: orElse(nullableText),
    entries: nullableArray(
      struct({
        entity: array(struct({ type: text, name: nullableText })),
        values: array(struct({ key: text, value: float64 })),
      }),
    ),
  },
})
