import { ErrorCode } from './frame-type.ts';
import { Http2Error } from './http2-error.ts';

/** What a peer can do cheaply and we pay for. */
export type AbuseKind =
  /** The peer reset a stream before we answered it (rapid reset, CVE-2023-44487). */
  | 'rapidReset'
  /** We had to reset a stream because of what the peer sent on it (MadeYouReset, CVE-2025-8671). */
  | 'causedReset'
  | 'settings'
  | 'ping'
  /** A DATA frame without payload and without END_STREAM. */
  | 'emptyData'
  /** Frames that say nothing to us: PRIORITY, unknown types, frames on closed streams. */
  | 'ignoredFrame'
  /** A header list over the limit. */
  | 'oversizeHeaders';

/** A leaky bucket: `burst` at once, then `perSec`. */
export interface AbuseBudget {
  readonly burst: number;
  readonly perSec: number;
}

/** How much of each a connection may do before it is ended with ENHANCE_YOUR_CALM. */
export interface Http2AbuseLimits extends Readonly<Record<AbuseKind, AbuseBudget>> {
  /** WINDOW_UPDATE frames allowed at once; more are earned by what we send and by streams opened. */
  readonly windowUpdateBurst: number;
  /** For each DATA frame sent and each stream opened. Envoy: 10. */
  readonly windowUpdatesPerFrame: number;
  /** For each KiB of DATA sent: some peers give credit in steps of 4 KiB, to stream and connection. */
  readonly windowUpdatesPerKiB: number;
}

/** Well above what clients in use do, far below what costs us. */
export const defaultHttp2AbuseLimits: Http2AbuseLimits = {
  rapidReset: { burst: 400, perSec: 50 },
  causedReset: { burst: 100, perSec: 10 },
  settings: { burst: 30, perSec: 1 },
  ping: { burst: 200, perSec: 20 },
  emptyData: { burst: 100, perSec: 10 },
  ignoredFrame: { burst: 2000, perSec: 200 },
  oversizeHeaders: { burst: 20, perSec: 1 },
  windowUpdateBurst: 2000,
  windowUpdatesPerFrame: 10,
  windowUpdatesPerKiB: 1,
};

/**
 * Counts abuse on one connection and ends it with ENHANCE_YOUR_CALM when a budget is used up.
 *
 * Time is a parameter (milliseconds, monotonic). An unsuspicious connection costs one small object: buckets are kept
 * from the first event of a kind on.
 */
export class Http2AbuseMeter {
  readonly #limits: Http2AbuseLimits;
  /** Bucket levels and times of their last change, by kind. */
  #levels: Partial<Record<AbuseKind, { level: number; atMs: number }>> | undefined;
  #windowUpdates = 0;

  constructor(limits: Http2AbuseLimits = defaultHttp2AbuseLimits) {
    this.#limits = limits;
  }

  /** @throws Http2Error ENHANCE_YOUR_CALM for the connection when the budget of `kind` is exceeded. */
  note(kind: AbuseKind, nowMs: number): void {
    const budget = this.#limits[kind];
    this.#levels ??= {};
    const bucket = (this.#levels[kind] ??= { level: 0, atMs: nowMs });
    const leaked = (Math.max(0, nowMs - bucket.atMs) * budget.perSec) / 1000;
    bucket.level = Math.max(0, bucket.level - leaked) + 1;
    bucket.atMs = nowMs;
    if (bucket.level > budget.burst) throw new Http2Error(ErrorCode.enhanceYourCalm, `too many: ${kind}`);
  }

  /**
   * A WINDOW_UPDATE came. `frames`: DATA frames sent and streams opened, `dataBytes`: payload sent, over the connection's
   * life. @throws Http2Error ENHANCE_YOUR_CALM.
   */
  noteWindowUpdate(frames: number, dataBytes: number): void {
    this.#windowUpdates++;
    const { windowUpdateBurst, windowUpdatesPerFrame, windowUpdatesPerKiB } = this.#limits;
    const earned = frames * windowUpdatesPerFrame + (dataBytes / 1024) * windowUpdatesPerKiB;
    if (this.#windowUpdates <= windowUpdateBurst + earned) return;
    throw new Http2Error(ErrorCode.enhanceYourCalm, 'too many: windowUpdate');
  }
}
