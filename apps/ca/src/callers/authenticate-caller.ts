import type { CallContext } from '@ambit/grpc';
import { toAmbitError } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import type { Caller, CallerAuthenticator } from './caller.ts';

/**
 * Tries the authenticators in order; the first success wins. An authenticator that fails itself counts as refusing.
 * Throws CaError CALLER_UNKNOWN with all reasons if none succeeds.
 * Istio: security/pkg/server/ca authenticators; control-plane contract 1.3.
 */
export async function authenticateCaller(
  authenticators: readonly CallerAuthenticator[],
  call: CallContext,
): Promise<Caller> {
  const reasons: string[] = [];
  for (const authenticator of authenticators) {
    try {
      const result = await authenticator.authenticate(call);
      if (result.kind === 'caller') return result.caller;
      if (result.kind === 'refused') reasons.push(result.reason);
    } catch (error) {
      reasons.push(toAmbitError(error).message);
    }
  }
  const reason = reasons.length === 0 ? 'no credentials' : reasons.join('; ');
  throw new CaError('CALLER_UNKNOWN', `caller is not authenticated: ${reason}`, { source: 'downstream' });
}
