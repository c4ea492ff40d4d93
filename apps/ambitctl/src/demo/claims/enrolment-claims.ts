/** Group 1: what a label changes, and what it does not break. */
import { setTimeout as pause } from 'node:timers/promises';
import { type CaptureSummary, describePorts } from '@ambit/net';
import type { Lab } from '../../lab/lab.ts';
import type { Claim, ClaimContext, ClaimGroup } from '../claim.ts';
import { describeLoad, HeldConnection, LoadRun } from '../observe/lab-program.ts';
import { captureLink } from '../observe/link-capture.ts';

const CLIENT = 'shop/client';
/** Served on the other node, so that it crosses the link. */
const URL = 'http://echo.shop/';
const ROUNDS = 10;

export const enrolmentClaims: ClaimGroup = {
  id: '1',
  title: 'A label secures a namespace, and taking it away goes back, without a restart and without a lost request',
  async prove(context) {
    const { lab, report, narrate } = context;
    const plain = await captureCall(lab, 'readable-before');
    report(
      plaintextClaim(
        '1.1',
        'before enrolment the link between the nodes carries readable plaintext',
        plain,
        'readable-before',
      ),
    );

    await using early = await HeldConnection.open(lab, CLIENT, 'echo.shop', 9000);
    const restartsBefore = restarts(lab);
    const startMs = performance.now();
    lab.setDataplaneMode('shop', 'ambient');
    await lab.waitForMode('shop', 'ambient');
    narrate(`namespace shop is in the mesh after ${Math.round(performance.now() - startMs)} ms`);
    await waitForTunnel(lab);
    const secure = await captureCall(lab, 'secret-inside');
    report(tunnelClaim(secure));
    const words = await early.words();
    report({
      id: '1.3',
      text: 'connections opened before enrolment go on',
      observed: (await early.isAlive())
        ? `still answers after ${words} words`
        : `broke: ${early.broken ?? 'no answer'}`,
      isProven: early.broken === undefined,
    });
    report({
      id: '1.4',
      text: 'no pod is restarted',
      observed: `${restarts(lab) - restartsBefore} restarts`,
      isProven: restarts(lab) === restartsBefore,
    });

    await using tunnelled = await HeldConnection.open(lab, CLIENT, 'echo.shop', 9000);
    lab.setDataplaneMode('shop', undefined);
    await lab.waitForMode('shop', undefined);
    await pause(500);
    const back = await captureCall(lab, 'readable-again');
    report(plaintextClaim('1.5', 'removing the label goes back to plaintext', back, 'readable-again'));
    const survivors = [await early.isAlive(), await tunnelled.isAlive()];
    report({
      id: '1.6',
      text: 'connections opened before and inside the mesh outlive leaving it',
      observed: survivors.map((alive) => (alive ? 'alive' : 'broken')).join(' and '),
      isProven: survivors.every(Boolean),
    });
    await proveUnderLoad(context);
  },
};

async function proveUnderLoad({ lab, report, narrate, signal }: ClaimContext): Promise<void> {
  await using fresh = new LoadRun(lab, CLIENT, URL, 8, 'new');
  await using kept = new LoadRun(lab, 'shop/neighbour', 'http://web.shop/', 4, 'keep');
  await pause(500);
  for (let round = 1; round <= ROUNDS; round += 1) {
    signal.throwIfAborted();
    lab.setDataplaneMode('shop', 'ambient');
    await lab.waitForMode('shop', 'ambient');
    await pause(700);
    lab.setDataplaneMode('shop', undefined);
    await lab.waitForMode('shop', undefined);
    await pause(700);
    narrate(`round ${round} of ${ROUNDS}`);
  }
  const results = [await fresh.stop(), await kept.stop()];
  const [one, two] = results.map(describeLoad);
  report({
    id: '1.7',
    text: `enrolling and un-enrolling ${ROUNDS} times under a constant load loses no request`,
    observed: `new connections: ${one}; kept connections: ${two}`,
    isProven: results.every(({ ok, failed }) => ok > 0 && failed === 0),
  });
}

/** Captures the link while one request with a mark in its path goes over it. */
async function captureCall(lab: Lab, mark: string): Promise<CaptureSummary> {
  const capture = await captureLink(lab);
  const result = await lab.exec(CLIENT, ['curl', '-sS', '-m', '10', `${URL}${mark}`]);
  await pause(100);
  const summary = await capture.stop();
  if (result.code !== 0) throw new Error(`the request for ${mark} failed: ${result.stderr.trim()}`);
  return summary;
}

/** The control plane tells the nodes a moment after the annotation; a mesh that is open until then is not a fault. */
async function waitForTunnel(lab: Lab): Promise<void> {
  await lab.waitFor(
    'a tunnel between the nodes',
    async () => !(await captureCall(lab, 'probe-for-tunnel')).contains('probe-for-tunnel'),
  );
}

function plaintextClaim(id: string, text: string, summary: CaptureSummary, mark: string): Claim {
  // A connection that is held from inside the mesh goes on in its tunnel; the request must not.
  const isProven = summary.contains(mark) && summary.bytesByPort.has(8_080);
  return {
    id,
    text,
    observed: `${summary.packets} packets, ${describePorts(summary)}, the request can ${summary.contains(mark) ? '' : 'not '}be read`,
    isProven,
  };
}

function tunnelClaim(summary: CaptureSummary): Claim {
  // The connection that is held from before may still be seen on its own port.
  const others = [...summary.bytesByPort.keys()].filter((port) => port !== 15_008 && port !== 9_000);
  const isProven =
    !summary.contains('secret-inside') &&
    summary.bytesByPort.has(15_008) &&
    others.length === 0 &&
    summary.tlsVersions.every((version) => version === '1.3');
  return {
    id: '1.2',
    text: 'with istio.io/dataplane-mode=ambient on the namespace, new connections are TLS 1.3 on port 15008 only',
    observed: `${describePorts(summary)}, TLS ${[...new Set(summary.tlsVersions)].join() || 'session kept from before'}, the request can ${summary.contains('secret-inside') ? '' : 'not '}be read`,
    isProven,
  };
}

function restarts(lab: Lab): number {
  return lab.pods().reduce((sum, pod) => sum + pod.restarts, 0);
}
