/** Group 11: what is outside, through a waypoint that adds TLS. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '@ambit/runtime';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { DATAPLANE_MODE } from '../cluster/enrolment.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';

const INSIDE = 'e2e-egress';
const OUTSIDE = 'e2e-outside';
const CLIENT = 'deploy/client';
const PARTNER = 'partner.example.test';
const DOOR = `outside.door.${OUTSIDE}.svc.cluster.local`;
/** Of the Gateway API, as far as a waypoint needs it; a cluster that has it keeps its own. */
const KINDS = [
  ['gateways', 'Gateway', 'Namespaced'],
  ['gatewayclasses', 'GatewayClass', 'Cluster'],
] as const;

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

export const egressClaims: ClaimGroup = {
  id: '11',
  title: 'The way out: external hosts, wildcards and networks through a waypoint, with TLS begun there',
  timeoutMs: 300_000,
  async prove(context) {
    const { cluster, objects, report } = context;
    const made = await addDefinitions(context);
    try {
      const [served, other] = [await selfSigned(), await selfSigned()];
      await objects.addNamespace(INSIDE, 'egress.yaml', { [DATAPLANE_MODE]: 'ambient' });
      await objects.apply(INSIDE, secret('partner', served));
      await objects.apply(
        undefined,
        JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: OUTSIDE } }),
      );
      await objects.apply(OUTSIDE, secret('certificate', served));
      await objects.addNamespace(OUTSIDE, 'outside.yaml');
      const waypoint = 'gateway.networking.k8s.io/gateway-name=egress';
      await objects.until(
        () => 'there is no pod of the waypoint',
        async () => (await objects.pods(INSIDE, waypoint)).length > 0,
      );
      await Promise.all([objects.untilReady(INSIDE), objects.untilReady(OUTSIDE)]);
      await objects.until(
        () => 'the caller is not in the mesh',
        async () => (await objects.pods(INSIDE, 'app=client')).every(isEnrolled),
      );
      const [address = ''] = await cluster
        .kubectl(['-n', INSIDE, 'get', 'pods', '-l', waypoint, '-o', 'jsonpath={.items[0].status.podIPs[*].ip}'])
        .then((text) => text.split(' '));

      const partner = await answered(context, `http://${PARTNER}/`);
      const seen = readSeen(partner);
      report(
        '11.1',
        'a ServiceEntry host that is asked plainly is reached with TLS under its own name',
        seen.serverName === PARTNER && seen.host === PARTNER,
        partner,
      );
      report(
        '11.2',
        'and from the waypoint, not from the caller',
        seen.client === address,
        `${seen.client}; waypoint ${address}`,
      );
      const door = await answered(context, `http://${DOOR}/`);
      report(
        '11.3',
        'a host that a wildcard covers is found by the name that is asked for, and reached with TLS',
        readSeen(door).serverName === DOOR,
        door,
      );
      const [ip = ''] = await objects.addressesOf(OUTSIDE, 'outside');
      await objects.apply(INSIDE, networkEntry(ip));
      let network = '';
      await objects
        .until(
          () => 'nobody answers with TLS',
          async () => {
            network = (await objects.ask(INSIDE, CLIENT, `http://${ip}:18443/`)).stdout;
            return readSeen(network).serverName === PARTNER;
          },
          60,
        )
        .catch(() => undefined);
      report(
        '11.4',
        'addresses of a network are reached through it by their number, with TLS',
        readSeen(network).client === address,
        network || 'nobody answered with TLS',
      );
      await objects.apply(INSIDE, secret('partner', other));
      let last = '';
      await objects
        .until(
          () => 'the server is still trusted',
          async () => {
            const { code, stderr } = await objects.ask(INSIDE, CLIENT, `http://${PARTNER}/`);
            last = stderr.trim();
            return code !== 0 && last.includes('503');
          },
        )
        .catch(() => undefined);
      report(
        '11.5',
        'a server that the roots do not vouch for is not talked to',
        last.includes('503'),
        last || 'answered',
      );
    } finally {
      await objects.deleteNamespace(INSIDE);
      await objects.deleteNamespace(OUTSIDE);
      for (const name of made) await cluster.kubectl(['delete', 'crd', name, '--ignore-not-found']);
    }
  },
};

/** A network of one address, by its number and without a name. */
function networkEntry(ip: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: network, labels: { istio.io/use-waypoint: egress } }
spec:
  hosts: [network.example.test]
  addresses: [${ip}/32]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{ number: 18443, name: http, protocol: HTTP }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: network }
spec:
  host: network.example.test
  trafficPolicy: { tls: { mode: SIMPLE, credentialName: partner, sni: ${PARTNER}, subjectAltNames: [${PARTNER}] } }
`;
}

/** The first answer with status 200; what stood in the way if there is none. */
async function answered({ objects }: ClaimContext, url: string): Promise<string> {
  let last = '';
  await objects
    .until(
      () => 'nobody answers',
      async () => {
        const { code, stdout, stderr } = await objects.ask(INSIDE, CLIENT, url);
        last = stdout.trim() || stderr.trim();
        return code === 0;
      },
      60,
    )
    .catch(() => undefined);
  return last;
}

function readSeen(text: string): { readonly serverName?: string; readonly client?: string; readonly host?: string } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** @returns names of the definitions that were not there */
async function addDefinitions({ cluster, objects }: ClaimContext): Promise<readonly string[]> {
  const group = 'gateway.networking.k8s.io';
  const made: string[] = [];
  for (const [plural, kind, scope] of KINDS) {
    const name = `${plural}.${group}`;
    if ((await cluster.kubectl(['get', 'crd', name, '--ignore-not-found', '-o', 'name'])).trim() !== '') continue;
    const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } };
    const version = { name: 'v1', served: true, storage: true, schema, subresources: { status: {} } };
    const names = { plural, kind, singular: kind.toLowerCase() };
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name, annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' } },
      spec: { group, scope, names, versions: [version] },
    };
    await objects.apply(undefined, JSON.stringify(definition));
    await cluster.kubectl(['wait', '--for=condition=Established', `crd/${name}`, '--timeout=30s']);
    made.push(name);
  }
  return made;
}

/** A certificate that vouches for itself. */
async function selfSigned(): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-e2e-'));
  try {
    const [certificate, key] = [join(folder, 'cert'), join(folder, 'key')];
    const names = `subjectAltName=DNS:${PARTNER},DNS:${DOOR}`;
    const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const files = ['-keyout', key, '-out', certificate];
    await mustRun(['openssl', 'req', '-x509', ...algorithm, '-subj', '/CN=outside', '-addext', names, ...files]);
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function secret(name: string, { certificate, key }: Pair): string {
  const stringData = { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': certificate };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/tls',
    stringData,
  });
}
