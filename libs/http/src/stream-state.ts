import { assertNever } from '@ambit/runtime';

/** States of a stream without push. `closed` streams are forgotten by their connection. Spec: RFC 9113 section 5.1. */
export type StreamState = 'idle' | 'open' | 'halfClosedLocal' | 'halfClosedRemote' | 'closed';

/** What happens to a stream. `end` is END_STREAM; `headers` the first header block in either direction. */
export type StreamEvent = 'headers' | 'sentEnd' | 'receivedEnd' | 'sentReset' | 'receivedReset';

/** The next state, or undefined when the event is illegal in this state. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | undefined {
  switch (event) {
    case 'headers':
      return state === 'idle' ? 'open' : undefined;
    case 'sentEnd':
      if (state === 'open') return 'halfClosedLocal';
      return state === 'halfClosedRemote' ? 'closed' : undefined;
    case 'receivedEnd':
      if (state === 'open') return 'halfClosedRemote';
      return state === 'halfClosedLocal' ? 'closed' : undefined;
    case 'sentReset':
    case 'receivedReset':
      return state === 'idle' ? undefined : 'closed';
    default:
      return assertNever(event);
  }
}

/** May DATA or trailers be sent in this state? */
export function canSend(state: StreamState): boolean {
  return state === 'open' || state === 'halfClosedRemote';
}

/** May DATA or trailers be received in this state? */
export function canReceive(state: StreamState): boolean {
  return state === 'open' || state === 'halfClosedLocal';
}
