/**
 * What the lab's resolver answers: names of services and of the pods behind headless ones. It knows no other zone and
 * asks nobody. Pure.
 */
import type { Pod, Service } from '@ambit/kube';
import type { Answer, Packet } from 'dns-packet';
import { AUTHORITATIVE_ANSWER, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet';
import { isHeadless, servicePods } from './service-endpoints.ts';

const DOMAIN = 'cluster.local';
const TTL_SEC = 5;
const NXDOMAIN = 3;
const NOT_IMPLEMENTED = 4;

/** The reply to a query; undefined when it deserves none. */
export function answerQuery(query: Packet, services: readonly Service[], pods: readonly Pod[]): Packet | undefined {
  const [question] = query.questions ?? [];
  if (query.type !== 'query' || !question) return undefined;
  const base: Packet = { type: 'response', id: query.id ?? 0, questions: [question] };
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED);
  const addresses = lookUp(question.name.toLowerCase().replace(/\.$/, ''), services, pods);
  if (!addresses) return { ...base, flags: flags | NXDOMAIN };
  if (question.type !== 'A' && question.type !== 'AAAA')
    return { ...base, flags: question.type === 'SRV' ? flags | NOT_IMPLEMENTED : flags };
  const wanted = addresses.filter((address) => address.includes(':') === (question.type === 'AAAA'));
  const type = question.type;
  const answers = wanted.map((data): Answer => ({ type, name: question.name, ttl: TTL_SEC, data }));
  return { ...base, flags, answers };
}

/** Addresses of a name; undefined when there is no such name. */
function lookUp(name: string, services: readonly Service[], pods: readonly Pod[]): readonly string[] | undefined {
  const suffix = `.svc.${DOMAIN}`;
  if (!name.endsWith(suffix)) return undefined;
  const labels = name.slice(0, -suffix.length).split('.');
  const [serviceName, namespace] = labels.slice(-2);
  const service = services.find(({ metadata }) => metadata.name === serviceName && metadata.namespace === namespace);
  if (!service || labels.length < 2 || labels.length > 3) return undefined;
  const podName = labels.length === 3 ? labels[0] : undefined;
  if (!isHeadless(service)) return podName === undefined ? service.spec.clusterIPs : undefined;
  const behind = servicePods(service, pods).filter(
    ({ metadata }) => podName === undefined || metadata.name === podName,
  );
  if (podName !== undefined && behind.length === 0) return undefined;
  return behind.flatMap(({ status }) => status.podIPs);
}
