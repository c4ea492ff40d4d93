/** Why there was no answer, in each of the words that somebody needs: retry conditions, flags, log details, bodies. */
import type { ExchangeError } from '@ambit/exchange';
import type { AttemptOutcome } from '@ambit/routing';

import { type LocalReply, localReply } from './local-reply.ts';
import type { ResponseFlag } from './request-record.ts';
import type { AttemptResult, ConnectFailure } from './upstream.ts';

export interface UpstreamReset {
  /** Envoy's words. */
  readonly reason: string;
  readonly status: 502 | 503;
  readonly flag: ResponseFlag;
  readonly outcome: AttemptOutcome;
  readonly result: AttemptResult;
  /** Empty if there is nothing to add. */
  readonly transportReason: string;
}

export function connectFailureReset({ kind, transportReason }: ConnectFailure): UpstreamReset {
  if (kind === 'overflow') return overflowReset;
  return {
    reason: kind === 'timeout' ? 'connection timeout' : 'remote connection failure',
    status: 503,
    flag: 'UF',
    outcome: { kind: 'connect-failure' },
    result: { kind: 'connect-failure' },
    transportReason,
  };
}

/** A circuit limit of the backend. */
export const overflowReset: UpstreamReset = {
  reason: 'overflow',
  status: 503,
  flag: 'UO',
  outcome: { kind: 'overflow' },
  result: { kind: 'canceled' },
  transportReason: '',
};

export function exchangeReset(error: ExchangeError): UpstreamReset {
  const reset = (reason: string, flag: ResponseFlag, status: 502 | 503 = 503): UpstreamReset => ({
    reason,
    status,
    flag,
    outcome: { kind: 'reset', wasRequestSent: true },
    result: { kind: 'reset' },
    transportReason: '',
  });
  switch (error.kind) {
    case 'refused':
      return { ...reset('remote refused stream reset', 'UR'), outcome: { kind: 'refused-stream' } };
    case 'reset':
      return reset('remote reset', 'UR');
    case 'lost':
      return reset('connection termination', 'UC');
    case 'protocol':
      return reset('protocol error', 'UPE', 502);
    case 'overload':
    case 'timeout':
    case 'closed':
      return reset('local reset', 'LR');
  }
}

/** The answer of a request that got none from its backend. */
export function resetReply(reset: UpstreamReset, wasRetried: boolean): LocalReply {
  const { reason, status, flag, transportReason } = reset;
  const retried = wasRetried ? 'retried and the latest reset reason: ' : 'reset reason: ';
  const transport = transportReason === '' ? '' : `, transport failure reason: ${transportReason}`;
  return localReply(
    status,
    `upstream connect error or disconnect/reset before headers. ${retried}${reason}${transport}`,
    `upstream_reset_before_response_started{${detailsOf(reset)}}`,
    flag === 'UO' ? { flag, headers: [['x-envoy-overloaded', 'true']] } : { flag },
  );
}

/** For the log, when the answer had begun. */
export function lateResetDetails(reset: UpstreamReset): string {
  return `upstream_reset_after_response_started{${detailsOf(reset)}}`;
}

function detailsOf({ reason, transportReason }: UpstreamReset): string {
  const text = transportReason === '' ? reason : `${reason}|${transportReason}`;
  return text.replace(/\s+/g, '_');
}
