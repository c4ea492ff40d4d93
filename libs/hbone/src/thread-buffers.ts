/** The buffers that all connections of one thread share. */
export interface ThreadBuffers {
  /** What was read; used within one synchronous call. */
  readonly read: Uint8Array;
  /** Header blocks while they are encoded; used within one synchronous call. */
  readonly headers: Uint8Array;
}

let buffers: ThreadBuffers | undefined;

/** Each worker has its own module instance, so this is one set a thread; made at first use. */
export function threadBuffers(): ThreadBuffers {
  buffers ??= { read: Buffer.allocUnsafeSlow(256 * 1024), headers: Buffer.allocUnsafeSlow(64 * 1024) };
  return buffers;
}
