import type { HboneSettings } from '@ambit/hbone';
import type { DataSettings } from '../worker-protocol.ts';

/** The settings of libs/hbone as the process is configured. */
export function hboneSettings({ http2, pool, sendsEarly }: DataSettings): Partial<HboneSettings> {
  return {
    streamWindowBytes: http2.streamWindowBytes,
    connectionWindowBytes: http2.connectionWindowBytes,
    // A pod that reads nothing must not stop the others of a tunnel.
    sharesWindows: true,
    maxFrameBytes: http2.frameBytes,
    poolMaxStreamsPerConnection: pool.maxStreamsPerConnection,
    poolUnusedReleaseTimeoutMs: pool.unusedReleaseMs,
    sendBeforeResponse: sendsEarly,
  };
}
