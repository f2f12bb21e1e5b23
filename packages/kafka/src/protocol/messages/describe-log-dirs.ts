/** DescribeLogDirs (35): the disks of a broker, and what partitions take on them. */
import { Api } from '../api.ts'
import { array, bool, int16, int32, int64, nullableArray, orElse, since, struct, text } from '../schema.ts'

export const describeLogDirsApi = new Api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 4],
  flexibleSince: 2,
  request: { topics: nullableArray(struct({ name: text, partitions: array(int32) })) },
  response: {
    throttleMs: orElse(int32),
    errorCode: since(3, int16),
    results: array(
      struct({
        errorCode: int16,
        path: text,
        topics: array(
          struct({
            name: text,
            partitions: array(struct({ partition: int32, bytes: int64, offsetLag: int64, isFuture: bool })),
          }),
        ),
        totalBytes: since(4, int64, -1n),
        usableBytes: since(4, int64, -1n),
      }),
    ),
  },
})
