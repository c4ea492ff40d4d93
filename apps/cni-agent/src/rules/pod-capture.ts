/**
 * All of a pod's capture as one thing: rules, return path, connection tracking.
 *
 * `program` moves a pod to a phase; `heal` puts back what somebody altered; `remove` leaves nothing.
 */
import type { CaptureBackend } from './capture-backend.ts';
import type { NamespacePlace } from './namespace-shell.ts';
import type { ReturnPath } from './return-path.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';

export type HealOutcome = 'intact' | 'repaired';

export class PodCapture {
  readonly #backend: CaptureBackend;
  readonly #returnPath: ReturnPath;

  constructor(backend: CaptureBackend, returnPath: ReturnPath) {
    this.#backend = backend;
    this.#returnPath = returnPath;
  }

  get backendName(): string {
    return this.#backend.name;
  }

  /** Moves the pod to `phase`; resolves when the rules read back are the wanted ones. */
  async program(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<void> {
    await this.#returnPath.install(place);
    if ((await this.#backend.inspect(place, options, phase)) === 'equal') return;
    await this.#backend.apply(place, options, phase);
    await this.#returnPath.install(place);
  }

  /** True when rules and routes are exactly those of `phase`. */
  async isIntact(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<boolean> {
    if ((await this.#backend.inspect(place, options, phase)) !== 'equal') return false;
    return this.#returnPath.isInstalled(place);
  }

  /**
   * Leaves intact rules alone; otherwise repairs them while traffic is held back, so that none passes uncaptured.
   * Dropped packets are sent again by TCP. Spec: data-plane contract 2.7.
   */
  async heal(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<HealOutcome> {
    if (await this.isIntact(place, options, phase)) {
      return 'intact';
    }
    await this.#backend.guard(place);
    try {
      await this.#returnPath.install(place);
      await this.#backend.apply(place, options, phase);
    } finally {
      await this.#backend.unguard(place);
    }
    return 'repaired';
  }

  /** Takes away a guard that an agent left behind when it died in the middle of a repair. */
  async clearGuard(place: NamespacePlace): Promise<void> {
    await this.#backend.unguard(place);
  }

  async remove(place: NamespacePlace): Promise<void> {
    await this.#backend.remove(place);
    await this.#backend.unguard(place);
    await this.#returnPath.remove(place);
  }
}
