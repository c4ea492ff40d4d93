/** What enrolment needs from the outside; the real ones are assembled in `agent.ts`, tests bring fakes. */
import type { Pod } from '@ambit/kube';
import type { Redirection } from '../pods/eligibility.ts';
import type { HealOutcome } from '../rules/pod-capture.ts';
import type { PodPlace } from '../rules/return-path.ts';
import type { CaptureOptions, CapturePhase } from '../rules/rule-model.ts';
import type { ZdsWorkload } from '../zds/zds-messages.ts';

/** An open pod namespace, as `PodNetns` gives it. */
export interface NetnsHandle extends Disposable {
  readonly fd: number;
  readonly id: string;
  readonly enterPath: string;
}

export interface EnrolmentPorts {
  /**
   * The namespace of a running pod; undefined when it cannot be found (yet). Ownership goes to the caller. Of a pod that
   * is starting only the one that the runtime has told counts: processes that are left are those of an older sandbox.
   */
  locateNetns(pod: Pod, isStarting: boolean): Promise<NetnsHandle | undefined>;
  readonly capture: {
    program(place: PodPlace, options: CaptureOptions, phase: CapturePhase): Promise<void>;
    heal(place: PodPlace, options: CaptureOptions, phase: CapturePhase): Promise<HealOutcome>;
    /** True when any of our rules is there, whatever their phase. */
    isPresent(place: PodPlace): Promise<boolean>;
    remove(place: PodPlace): Promise<void>;
    /** The pod is gone. */
    forget(place: PodPlace): void;
  };
  /** Connections that ztunnel still carries for the pod. */
  carriedConnections(place: PodPlace): Promise<number>;
  readonly proxy: {
    add(workload: ZdsWorkload, netnsFd: number): Promise<void>;
    del(uid: string): Promise<void>;
  };
  readonly probes: {
    add(uid: string, addresses: readonly string[]): Promise<void>;
    /** Takes away only what was added for this uid. */
    remove(uid: string, addresses: readonly string[]): Promise<void>;
  };
  /** Writes the annotation that the control plane reads; undefined removes it. */
  annotate(pod: Pod, redirection: Redirection | undefined): Promise<void>;
}

/** What enrolment tells about its progress, for the log, the metrics and the bus. */
export type EnrolmentEvent =
  | { readonly kind: 'enrolled' | 'released' | 'forgotten' | 'releasing' | 'repaired'; readonly pod: Pod }
  | { readonly kind: 'grace-ended'; readonly pod: Pod; readonly carried: number }
  | { readonly kind: 'failed'; readonly pod: Pod; readonly error: Error; readonly retryMs: number };
