/** Loaded into every test process: ends one that is still there after its time, and says what kept it. */
const limitMs = Number(process.env.MQ_TEST_FILE_LIMIT_MS)

if (limitMs > 0) {
  const guard = setTimeout(() => {
    const kept = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name))
    const list = kept.map(([name, each]) => `${each?.length} ${name}`).join(', ')
    console.error(`${process.argv[1]} was still running after ${limitMs / 1000} s; open: ${list}`)
    process.exit(86)
  }, limitMs)
  // A file that ends by itself must not wait for its guard.
  guard.unref()
}
