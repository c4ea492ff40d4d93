import { toAmbitError } from './ambit-error.ts';

/** Fulfilled when the signal is aborted; at once when it is already. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

/** Why the signal was aborted, as text for the log. */
export function abortReason(signal: AbortSignal): string {
  const { reason } = signal;
  return typeof reason === 'string' ? reason : toAmbitError(reason).message;
}
