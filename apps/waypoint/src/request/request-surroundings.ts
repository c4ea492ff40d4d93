import type { TokenBuckets } from '@ambit/routing';

import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import type { CopyBudget } from './body-copy.ts';
import type { LimitObserver } from './limit-gate.ts';
import type { ProxySelf } from './prepare-request.ts';
import type { RequestObserver } from './request-record.ts';
import type { SpanSink } from './trace/span-exporter.ts';
import type { Timers } from './timers.ts';
import type { Upstreams } from './upstream.ts';

/** What requests of one worker share. */
export interface RequestSurroundings extends ProxySelf {
  readonly timers: Timers;
  readonly upstreams: Upstreams;
  readonly observer: RequestObserver;
  /** Spans of sampled requests; without it requests are traced on, but nobody is told. */
  readonly spans?: SpanSink;
  /** Of all copies of bodies on the worker. */
  readonly copyBudget: CopyBudget;
  /** Of rate limits; all workers take of the same. */
  readonly buckets: TokenBuckets;
  /** Without it nobody is told what they decide. */
  readonly limits?: LimitObserver;
  /** The configuration now; a request asks once. */
  config(): ConfigSnapshot;
  wallTimeMs(): number;
  /** 0 to under 1. */
  random(): number;
}

/** Most of a body that is kept for another attempt, a mirror that is behind, or an authorisation service. */
export const maxCopyBytes: number = 1024 * 1024;
