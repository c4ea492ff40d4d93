/**
 * The answer of the mesh to a DNS question of one pod. Pure; forwarding, caching and packets are
 * elsewhere. Spec: contract data-plane 5.11.
 */
import { isIpv6 } from './ip-words.ts';
import { isVisibleTo, type Service, type Workload } from './workload.ts';
import type { WorkloadView } from './workload-view.ts';

export interface NameQuestion {
  readonly view: WorkloadView;
  /** The pod that asks. */
  readonly client: Workload;
  /** As asked; the case and a trailing dot do not matter. */
  readonly name: string;
  readonly type: 'A' | 'AAAA';
  /** Domain of the cluster without dots at its ends, `cluster.local`. */
  readonly clusterDomain: string;
  /** Search suffixes to strip; without it those of a pod of the client's namespace. */
  readonly searchDomains?: readonly string[];
  readonly isIpv6Enabled: boolean;
  /** Namespace whose services win over others when nothing better decides. */
  readonly preferredNamespace: string | undefined;
  readonly random: () => number;
}

/** What to answer. Names are without trailing dot and in lower case. */
export type NameAnswer =
  /** Not ours: ask the upstream server. */
  | { readonly kind: 'forward' }
  /**
   * Ours. Without addresses it is NOERROR and empty, never forwarded. With `cname` a CNAME from the
   * question to it comes first, and the addresses belong to it.
   */
  | {
      readonly kind: 'answer';
      readonly addresses: readonly string[];
      readonly cname: string | undefined;
      readonly service: Service;
    };

interface Alias {
  readonly name: string;
  /** Set when the name came from stripping a search suffix. */
  readonly stripped: string | undefined;
}

/** Answers a question about a name. */
export function resolveName(question: NameQuestion): NameAnswer {
  const name = question.name.toLowerCase().replace(/\.$/u, '');
  for (const { name: candidate, stripped } of aliases(question, name)) {
    for (const search of withWildcards(candidate)) {
      const service = bestService(question, search);
      if (service === undefined) continue;
      const addresses = addressesOf(question, service);
      const cname = addresses.length === 0 || search.startsWith('*.') ? undefined : stripped;
      return { kind: 'answer', addresses, cname, service };
    }
  }
  return { kind: 'forward' };
}

/** The name, its Kubernetes expansions, and the same for the name without each search suffix. */
function aliases(question: NameQuestion, name: string): readonly Alias[] {
  const { clusterDomain, client } = question;
  const svc = `svc.${clusterDomain}`;
  const own = `${client.namespace}.${svc}`;
  const found = new Map<string, Alias>();
  const add = (alias: string, stripped: string | undefined): void => {
    if (!found.has(alias)) found.set(alias, { name: alias, stripped });
  };
  const addWithExpansions = (base: string, stripped: string | undefined): void => {
    add(base, stripped);
    for (const expanded of expansions(base, own, svc, clusterDomain)) add(expanded, stripped);
  };
  addWithExpansions(name, undefined);
  for (const suffix of question.searchDomains ?? [own, svc, clusterDomain]) {
    if (!name.endsWith(`.${suffix}`)) continue;
    const stripped = name.slice(0, -suffix.length - 1);
    addWithExpansions(stripped, stripped);
  }
  return [...found.values()];
}

function expansions(name: string, own: string, svc: string, domain: string): readonly string[] {
  const labels = name.split('.');
  const endsInSvc = labels.at(-1) === 'svc';
  switch (labels.length) {
    case 1:
      return [`${name}.${own}`];
    case 2:
      return [`${name}.${svc}`, `${name}.${own}`];
    case 3:
      return endsInSvc ? [`${name}.${domain}`, `${name}.${svc}`] : [`${name}.${svc}`];
    case 4:
      return endsInSvc ? [`${name}.${domain}`] : [];
    default:
      return [];
  }
}

/** The name, then wildcards with one more label gone each time, down to `*.tld`. */
function withWildcards(name: string): readonly string[] {
  const names = [name];
  let rest = name;
  for (let dot = rest.indexOf('.'); dot >= 0; dot = rest.indexOf('.')) {
    rest = rest.slice(dot + 1);
    names.push(`*.${rest}`);
  }
  return names;
}

function bestService(question: NameQuestion, hostname: string): Service | undefined {
  const { view, client, clusterDomain, preferredNamespace } = question;
  let best: Service | undefined;
  let bestRank = -1;
  for (const service of view.servicesByHost(hostname)) {
    // Without a VIP only headless Kubernetes services are ours; others are resolved upstream.
    if (service.vips.length === 0 && !service.hostname.endsWith(`.svc.${clusterDomain}`)) continue;
    if (!isVisibleTo(service, client.namespace)) continue;
    const rank =
      service.namespace === client.namespace
        ? 3
        : service.isCanonical
          ? 2
          : Number(service.namespace === preferredNamespace);
    if (rank <= bestRank) continue;
    best = service;
    bestRank = rank;
  }
  return best;
}

function addressesOf(question: NameQuestion, service: Service): readonly string[] {
  const { client, type, isIpv6Enabled, view } = question;
  const wantsV6 = type === 'AAAA';
  if (wantsV6 && !isIpv6Enabled) return [];
  if (service.ipFamilies === (wantsV6 ? 'ipv4' : 'ipv6')) return [];
  const isWanted = (address: string): boolean => isIpv6(address) === wantsV6;
  if (service.vips.length > 0) {
    const usable = service.vips.filter(({ network }) => network === client.network);
    return shuffled(usable.map(({ address }) => address).filter(isWanted), question.random);
  }
  const addresses: string[] = [];
  const cursor = view.endpointsOf(service, client);
  while (cursor.advance()) {
    const address = cursor.workload()?.addresses.find(isWanted);
    if (address !== undefined) addresses.push(address);
  }
  return shuffled(addresses, question.random);
}

function shuffled(values: string[], random: () => number): readonly string[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a = '', b = ''] = [values[i], values[j]];
    values[i] = b;
    values[j] = a;
  }
  return values;
}
