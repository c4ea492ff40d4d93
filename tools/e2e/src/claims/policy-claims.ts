/** Group 4: policies as users write them. */
import type { CommandResult } from '@ambit/runtime';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { nobodyMayCallNearOn9000, onlyClientMayCallFar, strictPeers } from './policies.ts';
import { type Caller, CLIENT, FAR, NEAR, OUTSIDER, SHOP, STRANGER } from './shop.ts';

/** A policy has to be felt within this time. */
const PATIENCE_SECONDS = 15;

export const policyClaims: ClaimGroup = {
  id: '4',
  title: 'AuthorizationPolicy and PeerAuthentication decide, as users write them',
  timeoutMs: 240_000,
  async prove(context) {
    const { objects, report } = context;
    try {
      const before = await ask(context, OUTSIDER, FAR);
      report('4.1', 'without a policy a caller outside of the mesh is let in', before.code === 0, answer(before));

      await objects.apply(SHOP, onlyClientMayCallFar);
      const refused = await askUntil(context, STRANGER, FAR, 1);
      const allowed = await ask(context, CLIENT, FAR);
      report(
        '4.2',
        'an ALLOW policy lets its service account in and refuses another of the same node',
        refused.result.code !== 0 && allowed.code === 0,
        `client: ${answer(allowed)}; stranger: ${answer(refused.result)} ${Math.round(refused.tookMs)} ms after kubectl apply`,
      );
      const outside = await ask(context, OUTSIDER, FAR);
      report('4.3', 'it refuses who has no identity', outside.code !== 0, answer(outside));

      await objects.apply(SHOP, nobodyMayCallNearOn9000);
      const denied = await askUntil(context, CLIENT, `tcp near.${SHOP} 9000`, 1);
      const other = await ask(context, CLIENT, NEAR);
      report(
        '4.4',
        'a DENY policy closes one port and leaves the others open',
        denied.result.code !== 0 && other.code === 0,
        `9000: ${answer(denied.result)}; 8080: ${answer(other)}`,
      );

      await objects.apply(SHOP, strictPeers);
      const strict = await askUntil(context, OUTSIDER, NEAR, 1);
      const inside = await ask(context, STRANGER, NEAR);
      report(
        '4.5',
        'STRICT refuses plaintext and lets the mesh in',
        strict.result.code !== 0 && inside.code === 0,
        `outside: ${answer(strict.result)} ${Math.round(strict.tookMs)} ms after kubectl apply; inside: ${answer(inside)}`,
      );
    } finally {
      await objects.delete(SHOP, 'authorizationpolicies,peerauthentications', '--all');
    }
    const again = await Promise.all([
      askUntil(context, OUTSIDER, NEAR, 0),
      askUntil(context, STRANGER, FAR, 0),
      askUntil(context, CLIENT, `tcp near.${SHOP} 9000`, 0),
    ]);
    report(
      '4.6',
      'without the policies all is as before',
      again.every(({ result }) => result.code === 0),
      again.map(({ result }) => answer(result)).join('; '),
    );
  },
};

function ask({ objects }: ClaimContext, { namespace, pod }: Caller, target: string): Promise<CommandResult> {
  return objects.ask(namespace, pod, ...target.split(' '));
}

/** Asks until the exit code is this one, or gives the last answer. */
async function askUntil(
  context: ClaimContext,
  caller: Caller,
  target: string,
  code: number,
): Promise<{ readonly result: CommandResult; readonly tookMs: number }> {
  const startMs = performance.now();
  let result = await ask(context, caller, target);
  while (result.code !== code && performance.now() - startMs < PATIENCE_SECONDS * 1_000)
    result = await ask(context, caller, target);
  return { result, tookMs: performance.now() - startMs };
}

/** kubectl adds a line of its own about the exit code. */
function answer({ code, stderr }: CommandResult): string {
  return code === 0 ? 'answered' : (stderr.trim().split('\n')[0] ?? 'no answer');
}
