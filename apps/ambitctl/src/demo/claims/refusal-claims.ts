/** Group 6: what must be refused is refused, and whoever refused it goes on serving. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import {
  askCa,
  attack,
  credentialsOf,
  forgeToken,
  identityOf,
  selfMadeCredentials,
  stealToken,
  type Credentials,
} from '../observe/attack.ts';
import { errorOf, LogMark, metricSum, ProcessWatch } from '../observe/process-watch.ts';
import { proveFloods } from './flood-trials.ts';
import { proveImpostor } from './impostor-trial.ts';
import { proveNoise } from './noise-trials.ts';
import type { Outcome, Trials } from './trials.ts';

/** On the same node as its victim, and not in the mesh. */
const ATTACKER = 'outside/stranger-2';
const VICTIM = 'shop/echo';
const VICTIM_NODE = 'node2';
const POLICY_FILE = 'only-the-client.yaml';
const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: shop, name: only-the-client }
spec:
  selector: { matchLabels: { app: echo } }
  action: ALLOW
  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/client] } }] }]
`;
/** Memory that a process of the mesh may gain over all attacks together. */
const MAX_GROWTH_MIB = 96;

export const refusalClaims: ClaimGroup = {
  id: '6',
  title: 'What must be refused is refused, and the process that refused it goes on',
  async prove(context) {
    const { lab } = context;
    for (const namespace of ['shop', 'bank']) lab.setDataplaneMode(namespace, 'ambient');
    for (const namespace of ['shop', 'bank']) await lab.waitForMode(namespace, 'ambient');
    lab.manifests.put(POLICY_FILE, POLICY);
    try {
      await lab.waitFor(
        'the policy to be in force and its caller admitted',
        async () => (await isServing(lab)) && (await curl(lab, ATTACKER)).code !== 0,
      );
      await proveAll(context);
    } finally {
      lab.manifests.remove(POLICY_FILE);
      for (const namespace of ['shop', 'bank']) lab.setDataplaneMode(namespace, undefined);
    }
    for (const namespace of ['shop', 'bank']) await lab.waitForMode(namespace, undefined);
  },
};

async function proveAll(context: ClaimContext): Promise<void> {
  const { lab, report, signal } = context;
  const watch = new ProcessWatch(
    lab,
    lab.processes().map(({ name }) => name),
  );
  let count = 0;
  const trials: Trials = {
    context,
    attacker: ATTACKER,
    victim: { pod: VICTIM, node: VICTIM_NODE, address: lab.pod(VICTIM).address.v4 },
    own: await credentialsOf(lab, ATTACKER, ATTACKER),
    admitted: await credentialsOf(lab, ATTACKER, 'shop/client'),
    async prove(text, run) {
      signal.throwIfAborted();
      count += 1;
      const { observed, isRefused } = await run();
      const isServed = await isServing(lab);
      const replaced = watch.replaced();
      const after = `${replaced.length === 0 ? 'same processes' : `replaced: ${replaced.join(', ')}`}, memory ${signed(watch.growthMib())} MiB, ${isServed ? 'serves' : 'does not serve'}`;
      report({
        id: `6.${count}`,
        text,
        observed: `${observed}; ${after}`,
        isProven: isRefused && isServed && replaced.length === 0 && watch.growthMib() < MAX_GROWTH_MIB,
      });
    },
  };
  await proveIdentities(trials);
  await proveCaRefusals(trials);
  await proveRequests(trials);
  await proveImpostor(trials);
  await proveNoise(trials);
  await proveFloods(trials);
}

interface TunnelFindings {
  readonly hasHandshake: boolean;
  readonly peer: string;
  readonly answers: readonly { readonly status?: number; readonly body?: string; readonly error?: string }[];
  readonly error?: string;
}

async function proveIdentities({ context: { lab }, attacker, victim, own, prove }: Trials): Promise<void> {
  const connect = { method: 'CONNECT', authority: `${victim.address}:8080` };
  const order = { host: victim.address, port: 15_008, requests: [connect] };
  const refusedInTls = async (credentials: Credentials | undefined, alert: string): Promise<Outcome> => {
    const log = new LogMark(lab, `ztunnel.${victim.node}`);
    const { answers, error = 'none' } = await attack<TunnelFindings>(lab, attacker, 'tunnel-client.ts', {
      ...order,
      credentials,
    });
    const line = await log.find(lab.pod(attacker).address.v4, 'inbound', '"error"');
    return {
      observed: `the caller gets ${error}, ztunnel logs "${errorOf(line)}"`,
      isRefused: answers.length === 0 && error.includes(alert) && line !== undefined,
    };
  };
  await prove('a caller without a certificate is refused', () => refusedInTls(undefined, 'CERTIFICATE_REQUIRED'));
  await prove('a certificate of another mesh, with the right name in it, is refused', () =>
    refusedInTls(selfMadeCredentials('spiffe://cluster.local/ns/shop/sa/client'), 'UNKNOWN_CA'),
  );

  const refusedByPolicy = async (
    credentials: Credentials,
    identity: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Outcome> => {
    const log = new LogMark(lab, `ztunnel.${victim.node}`);
    const denials = (): Promise<number> =>
      metricSum(
        lab,
        victim.node,
        'istio_tcp_connections_failed_total',
        'response_flags="DENY"',
        `source_principal="${identity}"`,
      );
    const before = await denials();
    const { answers, error } = await attack<TunnelFindings>(lab, attacker, 'tunnel-client.ts', {
      ...order,
      credentials,
      requests: [{ ...connect, headers }],
    });
    const line = await log.find(`"src.identity":"${identity}"`, 'policy rejection');
    const counted = (await denials()) - before;
    return {
      observed: `seen as ${identity}, answer ${answers[0]?.status ?? error}, "${errorOf(line)}", ${counted} more with response_flags DENY`,
      isRefused: answers[0]?.status === 401 && line !== undefined && counted === 1,
    };
  };
  const pretended = {
    baggage: 'k8s.namespace.name=shop,k8s.pod.name=client,service.name=client',
    forwarded: `for="${lab.pod('shop/client').address.v4}:1234"`,
    'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/shop/sa/client',
  };
  await prove('a caller is who its certificate says, whatever its headers pretend', () =>
    refusedByPolicy(own, identityOf(lab, attacker), pretended),
  );
  const stolen = await credentialsOf(lab, attacker, 'bank/teller');
  await prove("a stolen certificate for another workload gives that workload's rights and no more", () =>
    refusedByPolicy(stolen, identityOf(lab, 'bank/teller'), {}),
  );
  await prove("a pod in the mesh that dials a neighbour's 15008 itself cannot borrow its proxy's key", async () => {
    const log = new LogMark(lab, `ztunnel.${victim.node}`);
    const { answers, error = 'none' } = await attack<TunnelFindings>(lab, 'shop/neighbour', 'tunnel-client.ts', order);
    const line = await log.find(lab.pod('shop/neighbour').address.v4, '"error"');
    return {
      observed: `the caller gets ${error}, ztunnel logs "${errorOf(line)}"`,
      isRefused: answers.every(({ status }) => status !== 200) && line !== undefined,
    };
  });
}

async function proveCaRefusals({ context: { lab }, attacker, prove }: Trials): Promise<void> {
  const refused = async (token: string, identity: string, isImpersonating: boolean): Promise<Outcome> => {
    const log = new LogMark(lab, 'ca');
    const { refusal = 'a certificate', message = '' } = await askCa(lab, attacker, token, identity, isImpersonating);
    const line = await log.find('certificate refused');
    return {
      observed: `the CA answers ${refusal}: ${message}${line === undefined ? ', and logs nothing' : ', and logs it'}`,
      isRefused: refusal === 'UNAUTHENTICATED' && line !== undefined,
    };
  };
  const vault = identityOf(lab, 'bank/vault');
  await prove('a stolen proxy token does not get an identity that has no pod on that node', () =>
    refused(stealToken(lab, 'ztunnel.node1'), vault, true),
  );
  await prove("a pod's token does not get another pod's identity", () =>
    refused(stealToken(lab, 'pod.outside.stranger-2'), vault, true),
  );
  await prove('a token with another name written into it is worth nothing', () =>
    refused(forgeToken(stealToken(lab, 'pod.outside.stranger-2'), 'bank:vault'), vault, false),
  );
}

/** Method and authority, all on one connection of the caller that the policy admits; the last one is a good one. */
async function proveRequests({ context: { lab }, attacker, victim, admitted, prove }: Trials): Promise<void> {
  const other = lab.pod('shop/web-2').address.v4;
  const good = {
    method: 'CONNECT',
    authority: `${victim.address}:8080`,
    body: 'GET /good HTTP/1.1\r\nhost: echo\r\nconnection: close\r\n\r\n',
  };
  const bad = [
    { name: 'GET', method: 'GET', authority: `${victim.address}:8080`, expected: 400 },
    { name: 'an authority that is not this pod', method: 'CONNECT', authority: `${other}:8080`, expected: 400 },
    { name: 'no port', method: 'CONNECT', authority: victim.address, expected: 400 },
    { name: 'port 15008', method: 'CONNECT', authority: `${victim.address}:15008`, expected: 503 },
    { name: 'port 15001', method: 'CONNECT', authority: `${victim.address}:15001`, expected: 503 },
    { name: 'port 15006', method: 'CONNECT', authority: `${victim.address}:15006`, expected: 503 },
    { name: 'a closed port', method: 'CONNECT', authority: `${victim.address}:1`, expected: 503 },
    { name: 'an unknown host', method: 'CONNECT', authority: 'nobody.shop.svc.cluster.local:80', expected: 503 },
  ];
  await prove(
    "an authority that is not this pod, the mesh's own ports, and everything but CONNECT are refused",
    async () => {
      const { answers, error } = await attack<TunnelFindings>(lab, attacker, 'tunnel-client.ts', {
        host: victim.address,
        port: 15_008,
        credentials: admitted,
        requests: [...bad, good],
      });
      const last = answers.at(-1);
      const isServed =
        answers.length === bad.length + 1 && last?.status === 200 && (last.body ?? '').includes('"path":"/good"');
      const shown = bad
        .map(({ name }, index) => `${name}: ${answers[index]?.status ?? error ?? 'no answer'}`)
        .join(', ');
      return {
        observed: `${shown}; a good CONNECT on the same connection: ${last?.status ?? error}`,
        isRefused: isServed && bad.every(({ expected }, index) => answers[index]?.status === expected),
      };
    },
  );
}

async function isServing(lab: Lab): Promise<boolean> {
  const { code, stdout } = await curl(lab, 'shop/client');
  return code === 0 && stdout.includes('"pod":"echo"');
}

function curl(lab: Lab, pod: string): ReturnType<Lab['exec']> {
  return lab.exec(pod, ['curl', '-sS', '-m', '10', `http://${lab.pod(VICTIM).address.v4}:8080/`]);
}

function signed(mib: number): string {
  return `${mib < 0 ? '-' : '+'}${Math.abs(mib).toFixed(1)}`;
}
