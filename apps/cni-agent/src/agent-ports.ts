/** Joins the agent's parts: what enrolment and proof ask for, answered by rules, namespaces, ztunnel and the cluster. */
import type { Pod } from '@ambit/kube';
import type { Clock } from '@ambit/runtime';
import type { AgentConfig } from './agent-config.ts';
import type { CaptureSetup } from './capture-setup.ts';
import type { MeshSide } from './cluster/mesh-side.ts';
import type { EnrolmentController } from './enrolment/enrolment-controller.ts';
import type { EnrolmentPorts } from './enrolment/enrolment-ports.ts';
import { captureOptions } from './pods/eligibility.ts';
import type { ProcessScan } from './pods/process-scan.ts';
import { runtimeUidOf } from './pods/told-pods.ts';
import type { NetnsLocator } from './pods/netns-locator.ts';
import { PodNetns } from './pods/pod-netns.ts';
import { probeCapture } from './proof/capture-probe.ts';
import type { ProofPorts } from './proof/proof-keeper.ts';
import { carriedConnections } from './rules/carried-connections.ts';
import type { ZdsRegistry } from './zds/zds-registry.ts';

export function enrolmentPorts(
  config: AgentConfig,
  setup: CaptureSetup,
  locator: NetnsLocator,
  registry: ZdsRegistry,
  side: MeshSide,
): EnrolmentPorts {
  const { shell, backend, capture, exemption } = setup;
  const anyOptions = { ingressMode: false, dnsCapture: config.dnsCapture, virtualInterfaces: [] };
  return {
    locateNetns: (pod, isStarting) => locator.locate(pod, isStarting),
    capture: {
      program: (place, options, phase) => capture.program(place, options, phase),
      heal: (place, options, phase) => capture.heal(place, options, phase),
      isPresent: async (place) => (await backend.inspect(place, anyOptions, 'carry')) !== 'absent',
      remove: (place) => capture.remove(place),
      forget: (place) => capture.forget(place),
    },
    carriedConnections: (place) => carriedConnections(shell, place),
    proxy: registry,
    probes: exemption,
    annotate: (pod, redirection) => side.annotate(pod, redirection),
  };
}

/** In doubt something of the pod runs. */
function hasProcess(processes: ProcessScan | undefined, pod: Pod): boolean {
  try {
    return processes === undefined || processes.netnsPath(runtimeUidOf(pod)) !== undefined;
  } catch {
    return true;
  }
}

export type ProofReporting = Pick<ProofPorts, 'report' | 'retract'>;

export function proofPorts(
  config: AgentConfig,
  setup: CaptureSetup,
  controller: EnrolmentController,
  registry: ZdsRegistry,
  proxyEpoch: () => number,
  processes: ProcessScan | undefined,
  clock: Clock,
  reporting: ProofReporting,
): ProofPorts {
  return {
    expected: () => controller.expected(),
    hasProcess: (pod) => hasProcess(processes, pod),
    look: (place) => setup.looker.look(place.enterPath),
    areRulesIntact: ({ pod }, place) =>
      setup.capture.isIntact(place, captureOptions(pod, config.dnsCapture), 'capture'),
    probe: async (place, pod) => {
      // A handle of its own: the pod may be let go of while the probe is under way.
      using netns = PodNetns.open(place.enterPath);
      const isV6 = pod.status.podIPs.every((address) => address.includes(':'));
      return await probeCapture(netns.fd, isV6 ? 'v6' : 'v4', clock);
    },
    proxyEpoch,
    heal: (uid, distrustsProxy) => {
      // A ztunnel that connects is told of every pod anyway.
      if (!distrustsProxy || registry.connected > 0) controller.recheck(uid, distrustsProxy);
    },
    ...reporting,
  };
}
