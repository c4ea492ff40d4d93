/** Group 7: everything is replaced under load, one by one and then at once; losses are counted. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ClaimGroup } from '../claim.ts';
import { meshParts, type MeshPart } from '../cluster/mesh.ts';
import { begun, describeLoad, isWithoutLoss, Load, lost, type LoadFigures } from '../observe/load.ts';
import { CLIENT, FAR, SHOP } from './shop.ts';

/** What happens after a replacement, belongs to it still. */
const SETTLE_MS = 3_000;

export const upgradeClaims: ClaimGroup = {
  id: '7',
  title: 'An app and every part of the mesh are replaced at constant load',
  timeoutMs: 900_000,
  async prove({ cluster, objects, mesh, report, narrate, signal }) {
    {
      await using load = await Load.start(objects, SHOP, CLIENT.pod, 'web');
      await load.look();
      const startMs = performance.now();
      await cluster.kubectl(['-n', SHOP, 'rollout', 'restart', 'deployment/web']);
      await cluster.kubectl(['-n', SHOP, 'rollout', 'status', 'deployment/web', '--timeout=120s']);
      await pause(6_000);
      const figures = await load.look();
      // The program closes them itself, as it would without a mesh.
      const isLossless = figures.fresh.failed + figures.kept.failed === 0 && figures.fresh.ok > 0;
      report(
        '7.1',
        'a rolling restart of an app loses no request; connections that its pods held end with them',
        isLossless,
        `${seconds(startMs)}; ${describeLoad(figures)}`,
      );
    }
    // A service whose pods stay, so that what breaks is the mesh's doing.
    await using load = await Load.start(objects, SHOP, CLIENT.pod, 'far');
    for (const [index, { parts, name, promised }] of steps.entries()) {
      signal.throwIfAborted();
      narrate(`replacing ${name}`);
      await load.look();
      const startMs = performance.now();
      await mesh.upgrade(parts, `${Date.now()}`);
      const took = seconds(startMs);
      await pause(SETTLE_MS);
      const figures = await load.look();
      const { text, isKept } = promised;
      report(
        `7.${index + 2}`,
        `helm upgrade replaces ${name} ${text}`,
        isKept(figures),
        `${lost(figures)} losses of ${begun(figures)} in ${took}; ${describeLoad(figures)}`,
      );
    }
    const answer = await objects.ask(CLIENT.namespace, CLIENT.pod, FAR);
    report(
      `7.${steps.length + 2}`,
      'after all that the mesh answers',
      answer.code === 0,
      answer.stdout || answer.stderr.trim(),
    );
  },
};

interface Promised {
  readonly text: string;
  readonly isKept: (figures: LoadFigures) => boolean;
}

const lossless: Promised = { text: 'without a loss', isKept: isWithoutLoss };

/**
 * A connection lives in the process that carries it: what is still open when the old proxy has drained ends with it.
 * The load holds twelve connections open, two of them for requests; each passes the proxies of two nodes.
 */
const drained: Promised = {
  text: 'without a loss on new connections; one that outlives the drain of 25 s ends, once per proxy on its way',
  isKept: ({ fresh, kept, held }) =>
    fresh.ok > 0 && fresh.failed === 0 && kept.ok > 0 && kept.failed <= 2 * 2 && held.broken <= 2 * 10,
};

interface Step {
  readonly parts: readonly MeshPart[];
  readonly name: string;
  readonly promised: Promised;
}

/** One by one, the data plane last: what it needs has been replaced by then. Then all, as an operator upgrades a release. */
const steps: readonly Step[] = [
  ...meshParts.toReversed().map((part): Step => ({
    parts: [part],
    name: part,
    promised: part === 'ztunnel' ? drained : lossless,
  })),
  { parts: meshParts, name: 'every part at the same time', promised: drained },
];

function seconds(startMs: number): string {
  return `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
}
