/** Group 2: a label secures a namespace under load, between nodes and inside of one. */
import { setTimeout as pause } from 'node:timers/promises';
import { describePorts } from '@ambit/net';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { enrol, withdraw } from '../cluster/enrolment.ts';
import { canCapture, captureRequest, type Site } from '../cluster/sites.ts';
import { readAccessLog, type AccessLine } from '../observe/access-log.ts';
import { describeLoad, isWithoutLoss, Load } from '../observe/load.ts';
import { CLIENT, FAR, IDENTITY_OF_CLIENT, IDENTITY_OF_ECHO, NEAR, SHOP } from './shop.ts';

const ROUNDS = 3;

export const enrolmentClaims: ClaimGroup = {
  id: '2',
  title: 'A label secures a namespace under load, between nodes and inside of one',
  timeoutMs: 300_000,
  async prove(context) {
    const { objects, report, narrate, signal } = context;
    const before = await objects.pods(SHOP);
    {
      await using load = await Load.start(objects, SHOP, CLIENT.pod, 'web');
      await load.look();
      const tookMs: number[] = [];
      for (let round = 1; round <= ROUNDS; round += 1) {
        signal.throwIfAborted();
        tookMs.push(await enrol(context, SHOP));
        narrate(`in the mesh after ${Math.round(tookMs.at(-1) ?? 0)} ms`);
        await pause(2_000);
        await withdraw(context, SHOP);
        await pause(1_000);
      }
      tookMs.push(await enrol(context, SHOP));
      await pause(2_000);
      const figures = await load.look();
      report(
        '2.1',
        `a namespace enters the mesh ${ROUNDS + 1} times and leaves it ${ROUNDS} times under load, and no request or connection is lost`,
        isWithoutLoss(figures),
        `${describeLoad(figures)}; entered after ${tookMs.map((ms) => Math.round(ms)).join(', ')} ms`,
      );
    }
    const after = await objects.pods(SHOP);
    const isSame = before.every((pod) =>
      after.some(({ uid, restarts }) => uid === pod.uid && restarts === pod.restarts),
    );
    report('2.2', 'no pod is restarted for that', isSame, `${after.length} pods, the same as before: ${isSame}`);
    await proveTunnel(context, '2.3', 'between nodes', 'link', FAR);
    await proveTunnel(context, '2.4', 'inside a node', 'bridge', NEAR);
  },
};

async function proveTunnel(context: ClaimContext, id: string, where: string, site: Site, url: string): Promise<void> {
  const { report, skip } = context;
  const text = `${where}, what was readable is TLS 1.3 on port 15008`;
  const sinceMs = Date.now() - 1_000;
  const mark = `secret-${id.replace('.', '-')}`;
  if (canCapture(context)) {
    const summary = await captureRequest(context, site, CLIENT, url, mark);
    const ports = [...summary.bytesByPort.keys()];
    report(
      id,
      text,
      !summary.contains(mark) && ports.includes(15_008) && !ports.includes(8_080),
      `${describePorts(summary)}, TLS ${summary.tlsVersions.join(', ') || 'on a connection that was open'}; the request can ${summary.contains(mark) ? '' : 'not '}be read`,
    );
  } else {
    skip(id, text, 'captures need a lab of our own');
    await context.objects.ask(CLIENT.namespace, CLIENT.pod, `${url}/${mark}`);
  }
  await proveIdentities(context, `${id}b`, where, sinceMs);
}

/** Both ends, as the receiving proxy logged them. */
async function proveIdentities(context: ClaimContext, id: string, where: string, sinceWallMs: number): Promise<void> {
  const { objects, mesh, report } = context;
  const isCall = (line: AccessLine): boolean =>
    line.get('direction') === 'inbound' && line.get('src.identity') === IDENTITY_OF_CLIENT;
  let lines: readonly AccessLine[] = [];
  await objects
    .until(
      () => 'no such line',
      async () => {
        lines = readAccessLog(await objects.logs(mesh.namespace, 'app=ztunnel', sinceWallMs)).filter(isCall);
        return lines.length > 0;
      },
      15,
    )
    .catch(() => {});
  const line = lines.find((one) => one.get('dst.identity') === IDENTITY_OF_ECHO);
  report(
    id,
    `${where}, the certificates of both ends name their service accounts`,
    line !== undefined,
    line === undefined
      ? `no line of the access log names both; ${lines.length} name the caller`
      : `${String(line.get('src.identity'))} -> ${String(line.get('dst.identity'))}`,
  );
}
