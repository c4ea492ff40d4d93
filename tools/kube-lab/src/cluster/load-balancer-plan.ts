/** Which Service gets which address of the lab's load balancer. Pure. */

/** What of a Service matters here. */
export interface BalancedService {
  readonly namespace: string;
  readonly name: string;
  /** Stays the same as long as the Service is the same one. */
  readonly uid: string;
  /** `spec.loadBalancerIP`; empty: any. */
  readonly wanted: string;
  /** `status.loadBalancer.ingress[0].ip`; empty: none yet. */
  readonly given: string;
}

/** An address to write into a status; empty takes the present one away. */
export interface AddressChange {
  readonly service: BalancedService;
  readonly address: string;
}

/** Prefix of all addresses; the last number is 1 to 254. */
const PREFIX = '10.97.0.';

export function planAddresses(services: readonly BalancedService[]): readonly AddressChange[] {
  const isKept = ({ given, wanted }: BalancedService): boolean => given !== '' && (wanted === '' || wanted === given);
  const taken = new Set(services.filter(isKept).map(({ given }) => given));
  const changes: AddressChange[] = [];
  const byUid = services.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
  // Who asks for an address comes before who takes any.
  for (const service of [
    ...byUid.filter(({ wanted }) => wanted !== ''),
    ...byUid.filter(({ wanted }) => wanted === ''),
  ]) {
    if (isKept(service)) continue;
    const address = service.wanted === '' ? freeAddress(taken) : service.wanted;
    const isUsable = address.startsWith(PREFIX) && !taken.has(address);
    if (isUsable) taken.add(address);
    const next = isUsable ? address : '';
    if (next !== service.given) changes.push({ service, address: next });
  }
  return changes;
}

function freeAddress(taken: ReadonlySet<string>): string {
  for (let last = 1; last < 255; last++) if (!taken.has(`${PREFIX}${last}`)) return `${PREFIX}${last}`;
  return '';
}
