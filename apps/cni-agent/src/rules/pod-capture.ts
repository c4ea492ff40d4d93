/**
 * All of a pod's capture as one thing: rules, return path, connection tracking.
 *
 * `program` moves a pod to a phase; `heal` puts back what somebody altered; `remove` leaves nothing. Rules that were read
 * back once are taken for intact as long as the kernel counts no change in the namespace, so that looking costs no process.
 */
import { FRESH_GENERATION } from '../pods/netns-view.ts';
import type { CaptureBackend } from './capture-backend.ts';
import type { LearnedRules } from './learned-rules.ts';
import type { NamespaceEyes, PodPlace, ReturnPath } from './return-path.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';

export type HealOutcome = 'intact' | 'repaired';

export class PodCapture {
  readonly #backend: CaptureBackend;
  readonly #returnPath: ReturnPath;
  readonly #eyes: NamespaceEyes;
  /** What was last read back and found right, by namespace. */
  readonly #proven = new Map<string, string>();

  readonly #learned: Pick<LearnedRules, 'get' | 'learn'> | undefined;

  /** With `learned` a pod that is fresh or untouched costs no process. */
  constructor(
    backend: CaptureBackend,
    returnPath: ReturnPath,
    eyes: NamespaceEyes,
    learned?: Pick<LearnedRules, 'get' | 'learn'>,
  ) {
    this.#backend = backend;
    this.#returnPath = returnPath;
    this.#eyes = eyes;
    this.#learned = learned;
  }

  get backendName(): string {
    return this.#backend.name;
  }

  /** Moves the pod to `phase`; resolves when the tools say that it is done. `heal` reads back. */
  async program(place: PodPlace, options: CaptureOptions, phase: CapturePhase): Promise<void> {
    if (phase === 'capture' && (await this.#replay(place, options))) return;
    const { generation } = await this.#eyes.look(place.enterPath);
    await this.#returnPath.install(place);
    const isFresh = generation === FRESH_GENERATION;
    if (!isFresh && (await this.#backend.inspect(place, options, phase)) === 'equal') return;
    await this.#backend.apply(place, options, phase, isFresh);
  }

  /** True when the pod has exactly these rules now: it had none, or had them already. */
  async #replay(place: PodPlace, options: CaptureOptions): Promise<boolean> {
    const rules = this.#learned?.get(options);
    if (rules === undefined) {
      void this.#learned?.learn(options);
      return false;
    }
    // Whatever it was: the tool can still do it, or says better what is wrong.
    try {
      return (await this.#eyes.capture(place.enterPath, rules)) || (await this.#eyes.rules(place.enterPath)) === rules;
    } catch {
      return false;
    }
  }

  /** True when rules and routes are exactly those of `phase`. */
  async isIntact(place: PodPlace, options: CaptureOptions, phase: CapturePhase): Promise<boolean> {
    const { returnPath, generation } = await this.#eyes.look(place.enterPath);
    if (!returnPath) return false;
    // The generation from before the reading: what changes meanwhile is read again next time.
    const claim = JSON.stringify([generation, options, phase]);
    if (this.#proven.get(place.id) === claim) return true;
    const learned = phase === 'capture' ? this.#learned?.get(options) : undefined;
    if (learned === undefined || (await this.#eyes.rules(place.enterPath)) !== learned) {
      if ((await this.#backend.inspect(place, options, phase)) !== 'equal') return false;
      // An agent that died in the middle of a repair left its guard.
      await this.#backend.unguard(place);
    }
    this.#proven.set(place.id, claim);
    return true;
  }

  /**
   * Leaves intact rules alone; otherwise repairs them while traffic is held back, so that none passes uncaptured.
   * Dropped packets are sent again by TCP. Spec: data-plane contract 2.7.
   */
  async heal(place: PodPlace, options: CaptureOptions, phase: CapturePhase): Promise<HealOutcome> {
    if (await this.isIntact(place, options, phase)) {
      return 'intact';
    }
    await this.#backend.guard(place);
    try {
      await this.#returnPath.install(place);
      await this.#backend.apply(place, options, phase, false);
    } finally {
      await this.#backend.unguard(place);
    }
    return 'repaired';
  }

  async remove(place: PodPlace): Promise<void> {
    this.forget(place);
    await this.#backend.remove(place);
    await this.#backend.unguard(place);
    await this.#returnPath.remove(place);
  }

  /** The namespace is not looked at any more. */
  forget(place: PodPlace): void {
    this.#proven.delete(place.id);
  }
}
