/** Part of group 6: connections that say nothing, half of something, or nonsense, on every port of the mesh. */
import { attack } from '../observe/attack.ts';
import { metricSum } from '../observe/process-watch.ts';
import type { Outcome, Trials } from './trials.ts';

interface NoiseFindings {
  readonly opened: number;
  readonly refused: number;
  readonly closed: number;
  readonly closedSoon: number;
  readonly stillOpen: number;
  readonly bytesBack: number;
  readonly firstBytes: string;
  readonly lastCloseMs: number;
}

interface PortAnswer {
  readonly host: string;
  readonly port: number;
  readonly answer: string;
}

const CROWD = 200;
/** More than ztunnel holds for one address. */
const HALF_OPEN = 2_000;
const FEW = 20;
const MANY = 500;
const CLIENT = 'shop/client';
/** On the victim's node. */
const NEIGHBOUR = 'shop/neighbour';
const CLIENT_NODE = 'node1';
/** Longer than a handshake may take. */
const HANDSHAKE_PATIENCE_MS = 15_000;
const PATIENCE_MS = 4_000;
/** Longer than the DNS proxy waits for the rest of a query. */
const OWN_PORTS_PATIENCE_MS = 8_000;
/** A loopback port of each kind that the mesh opens in a pod. */
const OWN_PORTS = [15_001, 15_006, 15_008, 15_053, 15_080, 15_000, 15_020, 15_021];

export async function proveNoise(trials: Trials): Promise<void> {
  const {
    context: { lab },
    attacker,
    victim,
    prove,
  } = trials;
  const noise = (pod: string, order: Readonly<Record<string, unknown>>): Promise<NoiseFindings> =>
    attack(lab, pod, 'noise.ts', order);
  const sockets = (node: string): Promise<number> => metricSum(lab, node, 'istio_tcp_sockets_open');
  const request = (pod: string): ReturnType<typeof lab.exec> =>
    lab.exec(pod, [
      'curl',
      '-sS',
      '-m',
      '5',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} after %{time_total} s',
      `http://${victim.address}:8080/`,
    ]);
  const allEnd = async (
    pod: string,
    host: string,
    port: number,
    kind: string,
    connections: number,
    patienceMs: number,
  ): Promise<Outcome> => {
    const findings = await noise(pod, { host, port, kind, connections, patienceMs });
    return {
      observed: describe(findings),
      isRefused: findings.opened + findings.refused === connections && findings.stillOpen === 0,
    };
  };
  await prove(`${CROWD} connections with garbage on 15008 are ended`, () =>
    allEnd(attacker, victim.address, 15_008, 'garbage', CROWD, PATIENCE_MS),
  );
  await prove(`${CROWD} connections that are reset at once on 15008 leave nothing`, async () => {
    const before = await sockets(victim.node);
    const findings = await noise(attacker, {
      host: victim.address,
      port: 15_008,
      kind: 'reset',
      connections: CROWD,
      patienceMs: PATIENCE_MS,
    });
    await lab.waitFor('ztunnel to have let go of them', async () => (await sockets(victim.node)) <= before);
    return {
      observed: `${describe(findings)}; sockets of ztunnel: ${before} before, ${await sockets(victim.node)} after`,
      isRefused: findings.stillOpen === 0,
    };
  });
  await prove(
    `of ${HALF_OPEN} TLS handshakes on 15008 that stop half way most are turned away at once and the rest in time; all pods are served meanwhile`,
    async () => {
      const before = await sockets(victim.node);
      const waiting = noise(attacker, {
        host: victim.address,
        port: 15_008,
        kind: 'half-tls',
        connections: HALF_OPEN,
        patienceMs: HANDSHAKE_PATIENCE_MS,
      });
      const isBegun = async (): Promise<boolean> => (await sockets(victim.node)) >= before + CROWD;
      await Promise.race([waiting, lab.waitFor('the handshakes to begin', isBegun)]);
      const during = await request(CLIENT);
      const neighbour = await request(NEIGHBOUR);
      const findings = await waiting;
      return {
        observed: `${describe(findings)}, ${findings.closedSoon} of them at once; a request meanwhile: ${during.stdout}, from another pod of the node: ${neighbour.stdout}`,
        isRefused:
          findings.stillOpen === 0 &&
          findings.closedSoon >= HALF_OPEN / 2 &&
          findings.closedSoon < findings.opened &&
          during.code === 0 &&
          neighbour.code === 0,
      };
    },
  );
  for (const port of [15_001, 15_006]) {
    await prove(`garbage for ${port} of a pod in the mesh, from elsewhere, is ended without an answer`, async () => {
      const findings = await noise(attacker, {
        host: victim.address,
        port,
        kind: 'garbage',
        connections: FEW,
        patienceMs: PATIENCE_MS,
      });
      return { observed: describe(findings), isRefused: findings.stillOpen === 0 && findings.bytesBack === 0 };
    });
  }
  await prove('silent connections through 15001 and 15006 hold up nobody', async () => {
    const order = {
      kind: 'silent',
      connections: CROWD / 2,
      patienceMs: PATIENCE_MS,
      host: victim.address,
      port: 8_080,
    };
    const before = await sockets(CLIENT_NODE);
    // Out of the client through its 15001 into the tunnel, and from outside into the victim's 15006.
    const waiting = Promise.all([noise(CLIENT, order), noise(attacker, order)]);
    await Promise.race([
      waiting,
      lab.waitFor('the connections to be there', async () => (await sockets(CLIENT_NODE)) >= before + CROWD / 2),
    ]);
    const during = await request(CLIENT);
    const [out, into] = await waiting;
    await lab.waitFor('ztunnel to have let go of them', async () => (await sockets(CLIENT_NODE)) <= before);
    return {
      observed: `15001: ${describe(out)}; 15006, where the policy admits nobody: ${describe(into)}; a request meanwhile: ${during.stdout}; sockets of ztunnel: ${before} before, ${await sockets(CLIENT_NODE)} after`,
      isRefused: during.code === 0 && into.stillOpen === 0,
    };
  });
  await prove(
    `${MANY} connections through 15001 that are reset at once, with garbage in them, leave nothing`,
    async () => {
      const before = await sockets(CLIENT_NODE);
      const findings = await noise(CLIENT, {
        host: victim.address,
        port: 8_080,
        kind: 'reset',
        connections: MANY,
        patienceMs: 2 * PATIENCE_MS,
      });
      await lab.waitFor('ztunnel to have let go of them', async () => (await sockets(CLIENT_NODE)) <= before);
      return {
        observed: `${describe(findings)}; sockets of ztunnel: ${before} before, ${await sockets(CLIENT_NODE)} after`,
        isRefused: findings.stillOpen === 0,
      };
    },
  );
  await proveOwnPorts(trials);
}

/** What an application gets that dials the mesh's ports in its own pod, by loopback and by its own address. */
async function proveOwnPorts({ context: { lab }, prove }: Trials): Promise<void> {
  const pod = CLIENT;
  await prove("an application that dials the mesh's own ports gets nothing from them", async () => {
    const { v4, v6 } = lab.pod(pod).address;
    const hosts = ['127.0.0.1', '::1', v4, v6];
    const found = await attack<readonly PortAnswer[]>(lab, pod, 'own-ports.ts', {
      hosts,
      ports: OWN_PORTS,
      patienceMs: OWN_PORTS_PATIENCE_MS,
    });
    const shown = hosts.map((host) => {
      const answers = Map.groupBy(
        found.filter((one) => one.host === host),
        ({ answer }) => answer,
      );
      return `${host}: ${[...answers]
        .map(
          ([answer, ports]) =>
            `${answer} ${ports
              .map(({ port }) => port)
              .toSorted((a, b) => a - b)
              .join(' ')}`,
        )
        .join(', ')}`;
    });
    return {
      observed: shown.join('; '),
      isRefused:
        found.length === hosts.length * OWN_PORTS.length &&
        found.every(({ answer }) => answer === 'closed' || answer === 'refused' || answer === 'alert'),
    };
  });
}

function describe({ opened, refused, closed, stillOpen, bytesBack, lastCloseMs }: NoiseFindings): string {
  return `${opened} opened${refused > 0 ? `, ${refused} refused` : ''}, ${closed} ended by the other side (the last after ${lastCloseMs} ms), ${stillOpen} left, ${bytesBack} bytes back`;
}
