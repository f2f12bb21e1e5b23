declare module 'write-file-atomic' {
  /** Writes a temporary file beside the target, syncs it and renames it over the target. */
  function writeFileAtomic(
    path: string,
    data: string,
    options?: { readonly mode?: number; readonly fsync?: boolean; readonly chown?: false },
  ): Promise<void>
  export default writeFileAtomic
}
