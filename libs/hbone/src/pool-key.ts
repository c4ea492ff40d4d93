/** What makes two requests share a connection. Spec: data-plane 1.3. */
export interface PoolKey {
  readonly sourceIdentity: string;
  /** In order: another order is another key. */
  readonly destinationIdentities: readonly string[];
  readonly address: string;
  readonly port: number;
  /** The pod's address. */
  readonly sourceAddress: string;
}

/** The key as one string; none of its parts contains a line feed. */
export function poolKeyText(key: PoolKey): string {
  const identities = key.destinationIdentities.join('\n');
  return `${key.address}\n${key.port}\n${key.sourceAddress}\n${key.sourceIdentity}\n${identities}`;
}
