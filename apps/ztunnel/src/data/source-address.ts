import type { PodScope } from './pod-scope.ts';

/**
 * The address to come from when the application is dialled: the client's, so that the application sees it. Undefined
 * where that cannot work. Spec: contract data-plane 2.9.
 */
export function sourceToKeep(
  scope: Pick<PodScope, 'keepsSourceAddress'>,
  client: string,
  target: string,
): string | undefined {
  if (!scope.keepsSourceAddress) return undefined;
  // A pod that calls itself: the answer would go straight to the application.
  if (client === target) return undefined;
  return client.includes(':') === target.includes(':') ? client : undefined;
}
