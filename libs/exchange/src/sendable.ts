/**
 * What connections check of heads that others have edited: whatever a filter of a configuration adds, the framing is the
 * connection's, and a request line has three parts.
 */
import { isPathTarget } from '@ambit/http';

const ownNames: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a field goes out: false for those that each connection writes itself. */
export function isSendable(name: string, value: string): boolean {
  return !ownNames.has(name) && (name !== 'te' || value === 'trailers');
}

/** The target with everything percent-encoded that a request line cannot hold. */
export function sendableTarget(target: string): string {
  if (isPathTarget(target) || target === '*') return target;
  const encoded = target.replace(/[^\u0021-\u007e]/g, (character) => {
    const code = character.charCodeAt(0);
    return code <= 0xff ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : '%3F';
  });
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}
