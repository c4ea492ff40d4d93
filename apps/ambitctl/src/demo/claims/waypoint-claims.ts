/** Group 8: what a waypoint adds, as a user meets it. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { areAll, type CallResult, formatCounts, httpCalls } from '../observe/http-calls.ts';
import { TokenIssuer } from '../observe/token-issuer.ts';
import {
  canaryRoute,
  circuit,
  CLIENT,
  fault,
  methodPolicy,
  mirror,
  noRetries,
  retries,
  STORE_FILE,
  storeManifest,
  STRANGER,
  tokenPolicy,
  urlOf,
} from './store.ts';

const RULES_FILE = 'demo-store-rules.yaml';

export const waypointClaims: ClaimGroup = {
  id: '8',
  title: 'A waypoint routes, polices and tells, for those who ask for it',
  async prove(context) {
    const { lab } = context;
    lab.manifests.put(STORE_FILE, storeManifest());
    try {
      await lab.waitFor('the store and its waypoint to be ready', () => isReady(lab), { timeoutMs: 60_000 });
      await proveBinding(context);
      await proveCanary(context);
      await proveRetries(context);
      await provePolicy(context);
      await proveTokens(context);
      await proveFaults(context);
      await proveMirror(context);
      await proveCircuit(context);
      await proveTelemetry(context);
      await proveRefusal(context);
    } finally {
      lab.manifests.remove(RULES_FILE);
      lab.manifests.remove(STORE_FILE);
    }
    await lab.waitFor('the store to be gone', () => !lab.pods().some(({ pod }) => pod.metadata.namespace === 'store'));
  },
};

function isReady(lab: Lab): boolean {
  const pods = lab.pods().filter(({ pod }) => pod.metadata.namespace === 'store');
  return pods.length >= 8 && pods.every(({ isReady }) => isReady) && lab.redirection(CLIENT) === 'enabled';
}

/** Calls until what a rule is about shows, as rules take effect a moment after they are written. */
async function once(
  lab: Lab,
  what: string,
  call: () => Promise<CallResult>,
  isWanted: (result: CallResult) => boolean,
): Promise<CallResult> {
  let last = await call();
  await lab
    .waitFor(
      what,
      async () => {
        if (isWanted(last)) return true;
        last = await call();
        return isWanted(last);
      },
      { timeoutMs: 15_000 },
    )
    .catch(() => {});
  return last;
}

const waypointAddress = (lab: Lab): string => lab.pod('store/waypoint-waypoint').address.v4;

async function proveBinding({ lab, report }: ClaimContext): Promise<void> {
  const ask = ['curl', '-sS', '-m', '5', '-D', '-', urlOf('web-v1')];
  let answer = '';
  await lab
    .waitFor('the first answer through the waypoint', async () => {
      answer = (await lab.exec(CLIENT, ask)).stdout;
      return /^server: istio-envoy/im.test(answer);
    })
    .catch(() => {});
  const time = /^x-envoy-upstream-service-time: (\d+)/im.exec(answer)?.[1];
  report({
    id: '8.1',
    text: 'a Gateway and a label put a waypoint before every service of the namespace',
    observed:
      time === undefined
        ? 'no answer of a waypoint'
        : `answered by the waypoint at ${waypointAddress(lab)}, ${time} ms upstream`,
    isProven: time !== undefined,
  });
}

async function proveCanary({ lab, report }: ClaimContext): Promise<void> {
  lab.manifests.put(RULES_FILE, canaryRoute);
  const headers = { 'x-canary': 'yes' };
  await once(
    lab,
    'the route',
    () => httpCalls(lab, CLIENT, urlOf('web'), { count: 5, headers }),
    ({ pods }) => areAll(pods, 'web-v2'),
  );
  const asked = await httpCalls(lab, CLIENT, urlOf('web'), { count: 100, headers });
  report({
    id: '8.2',
    text: 'a header chooses the new version',
    observed: formatCounts(asked.pods),
    isProven: areAll(asked.pods, 'web-v2'),
  });
  const all = await httpCalls(lab, CLIENT, urlOf('web'), { count: 1000 });
  const share = all.pods['web-v2'] ?? 0;
  report({
    id: '8.3',
    text: 'of the others 5 in 100 get it, counted over 1,000',
    observed: `${formatCounts(all.pods)}; ${formatCounts(all.statuses)}`,
    isProven: Math.abs(share - 50) <= 1 && areAll(all.statuses, '200'),
  });
}

async function proveRetries({ lab, report }: ClaimContext): Promise<void> {
  const call = (): Promise<CallResult> => httpCalls(lab, CLIENT, urlOf('flaky'), { count: 100 });
  lab.manifests.put(RULES_FILE, noRetries);
  const bare = await once(lab, 'failures without retries', call, ({ statuses }) => (statuses['503'] ?? 0) >= 40);
  lab.manifests.put(RULES_FILE, retries);
  const hidden = await once(lab, 'the retries', call, ({ statuses }) => areAll(statuses, '200'));
  report({
    id: '8.4',
    text: 'retries hide a backend that fails every second time',
    observed: `without: ${formatCounts(bare.statuses)}; with: ${formatCounts(hidden.statuses)}`,
    isProven: (bare.statuses['503'] ?? 0) >= 40 && areAll(hidden.statuses, '200'),
  });
}

async function provePolicy({ lab, report }: ClaimContext): Promise<void> {
  lab.manifests.put(RULES_FILE, methodPolicy);
  const call = (pod: string, path: string): Promise<CallResult> => httpCalls(lab, pod, urlOf('web-v1', path));
  const refused = await once(
    lab,
    'the policy',
    () => call(STRANGER, '/orders/1'),
    ({ statuses }) => areAll(statuses, '403'),
  );
  const [elsewhere, encoded, client] = [
    await call(STRANGER, '/'),
    await call(STRANGER, '/%6frders/1'),
    await call(CLIENT, '/orders/1'),
  ];
  const parts = {
    'stranger /orders/1': refused,
    'stranger /': elsewhere,
    'stranger /%6frders/1': encoded,
    'client /orders/1': client,
  };
  report({
    id: '8.5',
    text: 'a policy looks at path and identity together, and is not deceived by escapes',
    observed: Object.entries(parts)
      .map(([who, { statuses }]) => `${who}: ${Object.keys(statuses).join()}`)
      .join('; '),
    isProven:
      areAll(refused.statuses, '403') &&
      areAll(elsewhere.statuses, '200') &&
      areAll(encoded.statuses, '403') &&
      areAll(client.statuses, '200'),
  });
}

async function proveTokens({ lab, report }: ClaimContext): Promise<void> {
  const issuer = new TokenIssuer('demo');
  const forger = new TokenIssuer('demo');
  lab.manifests.put(RULES_FILE, tokenPolicy(issuer.jwks));
  const nowSec = Math.floor(Date.now() / 1000);
  const claims = { iss: 'https://issuer.example', sub: 'ada', exp: nowSec + 600 };
  const call = (token?: string): Promise<CallResult> =>
    httpCalls(
      lab,
      CLIENT,
      urlOf('vault'),
      token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    );
  const none = await once(
    lab,
    'the token rule',
    () => call(),
    ({ statuses }) => areAll(statuses, '403'),
  );
  const [good, forged, old] = [
    await call(issuer.issue(claims)),
    await call(forger.issue(claims)),
    await call(issuer.issue({ ...claims, exp: nowSec - 3600 })),
  ];
  report({
    id: '8.6',
    text: 'a token opens a service, and only a good one',
    observed: Object.entries({ none, good, forged, expired: old })
      .map(([name, { statuses }]) => `${name}: ${Object.keys(statuses).join()}`)
      .join('; '),
    isProven:
      areAll(none.statuses, '403') &&
      areAll(good.statuses, '200') &&
      areAll(forged.statuses, '401') &&
      areAll(old.statuses, '401'),
  });
}

async function proveFaults({ lab, report }: ClaimContext): Promise<void> {
  lab.manifests.put(RULES_FILE, fault);
  const call = (test: string): Promise<CallResult> =>
    httpCalls(lab, CLIENT, urlOf('slow'), { count: 5, headers: { 'x-test': test } });
  const aborted = await once(
    lab,
    'the fault',
    () => call('abort'),
    ({ statuses }) => areAll(statuses, '418'),
  );
  const delayed = await call('delay');
  const spared = await call('none');
  report({
    id: '8.7',
    text: 'faults reach those who ask for them and nobody else',
    observed: `abort: ${formatCounts(aborted.statuses)}; delay: ${delayed.slowestMs} ms; others: ${formatCounts(spared.statuses)}, ${spared.slowestMs} ms`,
    isProven: areAll(aborted.statuses, '418') && delayed.slowestMs >= 300 && areAll(spared.statuses, '200'),
  });
}

async function countOf(lab: Lab, pod: string): Promise<number> {
  return Number((await lab.exec(pod, ['curl', '-sS', '-m', '5', 'http://127.0.0.1:8080/count'])).stdout);
}

async function proveMirror({ lab, report }: ClaimContext): Promise<void> {
  lab.manifests.put(RULES_FILE, mirror);
  const call = (count: number): Promise<CallResult> => httpCalls(lab, CLIENT, urlOf('copied'), { count });
  let before = await countOf(lab, 'store/web-v2');
  await lab
    .waitFor('the first copy', async () => {
      await call(1);
      const now = await countOf(lab, 'store/web-v2');
      const isCopied = now > before;
      before = now;
      return isCopied;
    })
    .catch(() => {});
  const answers = await call(100);
  await lab
    .waitFor('the last copies', async () => (await countOf(lab, 'store/web-v2')) >= before + 100)
    .catch(() => {});
  const copies = (await countOf(lab, 'store/web-v2')) - before;
  report({
    id: '8.8',
    text: 'a mirror receives copies, and callers do not notice',
    observed: `${copies} copies of 100; answers: ${formatCounts(answers.pods)}`,
    isProven: copies === 100 && areAll(answers.pods, 'web-v1'),
  });
}

async function proveCircuit({ lab, report }: ClaimContext): Promise<void> {
  lab.manifests.put(RULES_FILE, circuit);
  const mood = (name: string): Promise<unknown> =>
    lab.exec('store/pair-b', ['curl', '-sS', '-m', '5', '-X', 'POST', `http://127.0.0.1:8080/mood/${name}`]);
  const call = (count: number): Promise<CallResult> => httpCalls(lab, CLIENT, urlOf('pair'), { count });
  await once(
    lab,
    'both to answer',
    () => call(20),
    ({ pods }) => (pods['pair-a'] ?? 0) > 5 && (pods['pair-b'] ?? 0) > 5,
  );
  await mood('ill');
  const opening = await once(
    lab,
    'the circuit to open',
    () => call(20),
    ({ statuses }) => areAll(statuses, '200'),
  );
  await mood('well');
  const closed = await once(
    lab,
    'the circuit to close',
    () => call(20),
    ({ pods }) => (pods['pair-b'] ?? 0) > 5,
  );
  report({
    id: '8.9',
    text: 'a circuit opens for a pod that is ill and closes when it is well',
    observed: `open: ${formatCounts(opening.pods)}; closed again: ${formatCounts(closed.pods)}`,
    isProven: areAll(opening.statuses, '200') && areAll(opening.pods, 'pair-a') && (closed.pods['pair-b'] ?? 0) > 5,
  });
}

async function proveTelemetry({ lab, report }: ClaimContext): Promise<void> {
  const metrics = await lab.exec('store/waypoint-waypoint', [
    'curl',
    '-sS',
    '-m',
    '5',
    'http://127.0.0.1:15020/stats/prometheus',
  ]);
  const line = metrics.stdout
    .split('\n')
    .find(
      (text) =>
        text.startsWith('istio_requests_total{') &&
        text.includes('destination_service_name="vault"') &&
        text.includes('response_code="200"'),
    );
  const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(line ?? '')?.[1] ?? '?';
  report({
    id: '8.10',
    text: "what happened is told in Istio's metrics: who asked whom, with which answer",
    observed:
      line === undefined
        ? 'no such line'
        : `${label('source_principal')} -> ${label('destination_service')}, ${label('response_code')}, reporter ${label('reporter')}: ${line.split(' ').at(-1)}`,
    isProven: line?.includes('reporter="waypoint"') === true && label('source_principal').endsWith('/sa/client'),
  });
}

/** Last, as it takes the waypoint away. */
async function proveRefusal({ lab, report }: ClaimContext): Promise<void> {
  lab.pod('store/waypoint-waypoint').kill('SIGKILL');
  const gone = await httpCalls(lab, CLIENT, urlOf('web-v1'));
  const back = await once(
    lab,
    'the waypoint to be back',
    () => httpCalls(lab, CLIENT, urlOf('web-v1')),
    ({ statuses }) => areAll(statuses, '200'),
  );
  report({
    id: '8.11',
    text: 'while its waypoint is down a service is refused, not reached around it; then it answers again',
    observed: `down: ${Object.keys(gone.statuses).join()}; then: ${Object.keys(back.statuses).join()}`,
    isProven: !areAll(gone.statuses, '200') && areAll(back.statuses, '200'),
  });
}
