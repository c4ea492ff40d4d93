/**
 * Keeps proving, pod by pod and round and round, that every pod which should be in the mesh is: looks, tries, judges, has
 * it healed, and counts the time that was not proven. Bounded: a fixed number of pods a second, whatever happens.
 */
import type { Clock } from '@ambit/runtime';
import type { Pod } from '@ambit/kube';
import type { ExpectedPod } from '../enrolment/enrolment-controller.ts';
import type { NetnsView } from '../pods/netns-view.ts';
import type { PodPlace } from '../rules/return-path.ts';
import {
  judgeProof,
  unenforced,
  unenforcedReasons,
  type ProbeOutcome,
  type UnenforcedReason,
  type Verdict,
} from './judge-proof.ts';

export interface ProofPorts {
  expected(): readonly ExpectedPod[];
  /** False only when it is known that nothing of the pod runs, for instance after a reboot. */
  hasProcess(pod: Pod): boolean;
  look(place: PodPlace): Promise<NetnsView>;
  areRulesIntact(expected: ExpectedPod, place: PodPlace): Promise<boolean>;
  probe(place: PodPlace, pod: Pod): Promise<ProbeOutcome>;
  /** Changes whenever another ztunnel connects. */
  proxyEpoch(): number;
  /** Has rules put right; with `distrustsProxy` ztunnel is told of the pod again. */
  heal(uid: string, distrustsProxy: boolean): void;
  /** A pod's state changed, or has not been told for a while. */
  report(pod: Pod, verdict: Verdict, sinceWallMs: number): void;
  /** The pod is none of the mesh's any more. */
  retract(pod: Pod): void;
}

export interface ProofKeeperOptions {
  readonly ports: ProofPorts;
  readonly clock: Clock;
  /** Time between two proofs of one pod, while there are few enough. */
  readonly intervalMs: number;
  /** Upper bound for all pods together. */
  readonly proofsPerSecond: number;
  /** A state that does not change is told again after this time; 0: never. */
  readonly heartbeatMs: number;
}

interface Track {
  pod: Pod;
  verdict: Verdict | undefined;
  /** When the verdict began, and when it was last told. */
  sinceWallMs: number;
  reportedMs: number;
  /** Up to here the time has been accounted for. */
  accountedMs: number;
  dueMs: number;
  /** Last proof of a silent proxy of another make. */
  probedMs: number;
  silentSinceMs: number | undefined;
}

/** Another make of ztunnel takes the probe for traffic and logs it. */
const FOREIGN_PROBE_MS = 60_000;
const RULES_AT_FAULT: ReadonlySet<UnenforcedReason> = new Set(['RulesAltered', 'NotCaptured']);
const PROXY_AT_FAULT: ReadonlySet<UnenforcedReason> = new Set(['NotServed', 'ProxySilent', 'WrongPod']);
const TICK_MS = 100;
/** A pod whose labels have just changed is on its way in; the time counts if it does not arrive. */
const GRACE_MS = 500;
/** An unenforced pod is looked at again this soon, so that healing shows. */
const URGENT_MS = 500;
/** The proxy may be about to open its listeners; telling it again costs it little, but not nothing. */
const DISTRUST_AFTER_MS = 3_000;

export class ProofKeeper implements Disposable {
  readonly #options: ProofKeeperOptions;
  readonly #tracks = new Map<string, Track>();
  /** From the start on, so that a first increase is seen as one. */
  readonly #unprovenSeconds = new Map<UnenforcedReason, number>(unenforcedReasons.map((reason) => [reason, 0]));
  readonly #running = new Set<string>();
  #timer: Disposable | undefined;
  #credit = 0;
  #creditMs = 0;
  #answeringEpoch: number | undefined;

  constructor(options: ProofKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#creditMs = this.#options.clock.nowMs();
    this.#tick();
  }

  /** Proofs that are under way conclude nothing any more. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#tracks.clear();
  }

  /** Seconds of all pods together in which enforcement was not proven, by reason. */
  unenforcedSeconds(): ReadonlyMap<UnenforcedReason, number> {
    return this.#unprovenSeconds;
  }

  /** Pods that are not where they should be right now. */
  get unenforcedCount(): number {
    return [...this.#tracks.values()].filter(({ verdict }) => verdict?.kind === 'unenforced').length;
  }

  /** Somebody else found rules altered and put them back; that must not pass unnoticed. */
  noteRepair(uid: string): void {
    const track = this.#tracks.get(uid);
    if (track) this.#settle(track, unenforced('RulesAltered'), this.#options.clock.nowMs());
  }

  /** Proofs that are due are begun, as far as the budget goes; the most overdue first. */
  #tick(): void {
    const { clock, proofsPerSecond } = this.#options;
    const nowMs = clock.nowMs();
    const expected = this.#follow(nowMs);
    this.#credit = Math.min(proofsPerSecond, this.#credit + ((nowMs - this.#creditMs) / 1_000) * proofsPerSecond);
    this.#creditMs = nowMs;
    const due = [...this.#tracks]
      .filter(([uid, track]) => track.dueMs <= nowMs && !this.#running.has(uid))
      .toSorted(([, a], [, b]) => a.dueMs - b.dueMs);
    for (const [uid, track] of due) {
      const one = expected.get(uid);
      if (this.#credit < 1 || !one) break;
      this.#credit -= 1;
      this.#running.add(uid);
      void this.#prove(one, track)
        .catch(() => unenforced('ProofFailed'))
        .then((verdict) => {
          this.#running.delete(uid);
          if (this.#tracks.get(uid) === track) this.#conclude(uid, track, verdict);
        });
    }
    this.#timer = clock.after(TICK_MS, () => this.#tick());
  }

  /** Takes up new pods, lets go of others, and accounts for the time of those that are not enforced. */
  #follow(nowMs: number): ReadonlyMap<string, ExpectedPod> {
    const { ports, clock } = this.#options;
    const expected = new Map<string, ExpectedPod>();
    for (const one of ports.expected()) {
      const uid = one.pod.metadata.uid ?? '';
      // Before the first container nothing of a pod can send; the runtime is kept waiting meanwhile.
      // After a reboot the API server still shows it as running and enrolled.
      const isOut = !one.isEnrolled || one.place === undefined;
      if (isOut && (one.pod.status.phase === 'Pending' || !ports.hasProcess(one.pod))) continue;
      expected.set(uid, one);
      const track = this.#tracks.get(uid);
      if (track) track.pod = one.pod;
      else
        this.#tracks.set(uid, {
          pod: one.pod,
          verdict: undefined,
          sinceWallMs: clock.wallTimeMs(),
          reportedMs: nowMs,
          accountedMs: nowMs,
          dueMs: nowMs + GRACE_MS,
          probedMs: -Infinity,
          silentSinceMs: undefined,
        });
    }
    for (const [uid, track] of this.#tracks) {
      if (!expected.has(uid)) {
        this.#tracks.delete(uid);
        if (track.verdict) ports.retract(track.pod);
      } else if (track.verdict?.kind === 'unenforced') {
        this.#account(track, track.verdict.reason, nowMs);
      }
    }
    return expected;
  }

  async #prove(expected: ExpectedPod, track: Track): Promise<Verdict> {
    const { ports, clock } = this.#options;
    const { pod, isEnrolled, place } = expected;
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const epoch = ports.proxyEpoch();
    const answersProbes = this.#answeringEpoch === epoch;
    const seen = { pod: name, addresses: pod.status.podIPs, isEnrolled, answersProbes };
    if (!isEnrolled || !place) return judgeProof({ ...seen, view: undefined, areRulesIntact: false, probe: undefined });
    const [areRulesIntact, view] = [await ports.areRulesIntact(expected, place), await ports.look(place)];
    const early = judgeProof({ ...seen, view, areRulesIntact, probe: undefined });
    if (early.kind === 'unenforced') return early;
    if (!answersProbes && clock.nowMs() - track.probedMs < FOREIGN_PROBE_MS && track.verdict?.kind === 'enforced')
      return track.verdict;
    const probe = await ports.probe(place, pod);
    track.probedMs = clock.nowMs();
    if (probe.kind === 'answered') this.#answeringEpoch = epoch;
    // A proxy that ended meanwhile refuses too, which is something else than a connection that got past it.
    const isFailed = probe.kind === 'refused' || probe.kind === 'lost';
    return judgeProof({ ...seen, view: isFailed ? await ports.look(place) : view, areRulesIntact, probe });
  }

  #conclude(uid: string, track: Track, verdict: Verdict): void {
    const nowMs = this.#options.clock.nowMs();
    if (verdict.kind === 'unenforced' && !verdict.isExposed && track.pod.status.phase === 'Pending') {
      // The control plane learns of a pod while it starts; until then its traffic is held.
      track.accountedMs = nowMs;
      track.dueMs = nowMs + URGENT_MS;
      return;
    }
    if (verdict.kind === 'unenforced') this.#heal(uid, track, verdict.reason, nowMs);
    else track.silentSinceMs = undefined;
    this.#settle(track, verdict, nowMs);
  }

  /** What the agent cannot put right is left to those who can; enrolment retries by itself. */
  #heal(uid: string, track: Track, reason: UnenforcedReason, nowMs: number): void {
    const { ports } = this.#options;
    if (RULES_AT_FAULT.has(reason)) ports.heal(uid, false);
    if (!PROXY_AT_FAULT.has(reason)) return;
    track.silentSinceMs ??= nowMs;
    if (nowMs - track.silentSinceMs < DISTRUST_AFTER_MS) return;
    track.silentSinceMs = nowMs;
    ports.heal(uid, true);
  }

  #settle(track: Track, verdict: Verdict, nowMs: number): void {
    const { ports, clock, intervalMs, heartbeatMs } = this.#options;
    // Since the last proof nothing is known; the time counts in full.
    if (verdict.kind === 'unenforced') this.#account(track, verdict.reason, nowMs);
    else track.accountedMs = nowMs;
    const isNew = !isSameVerdict(track.verdict, verdict);
    if (isNew) track.sinceWallMs = clock.wallTimeMs();
    const isHeartbeat = heartbeatMs > 0 && nowMs - track.reportedMs >= heartbeatMs;
    track.verdict = verdict;
    if (isNew || isHeartbeat) {
      track.reportedMs = nowMs;
      ports.report(track.pod, verdict, track.sinceWallMs);
    }
    track.dueMs = nowMs + (verdict.kind === 'enforced' ? intervalMs : Math.min(URGENT_MS, intervalMs));
  }

  #account(track: Track, reason: UnenforcedReason, nowMs: number): void {
    const seconds = (nowMs - track.accountedMs) / 1_000;
    track.accountedMs = nowMs;
    this.#unprovenSeconds.set(reason, (this.#unprovenSeconds.get(reason) ?? 0) + seconds);
  }
}

function isSameVerdict(a: Verdict | undefined, b: Verdict): boolean {
  if (a?.kind !== b.kind) return false;
  return a.kind === 'enforced' || (b.kind === 'unenforced' && a.reason === b.reason);
}
