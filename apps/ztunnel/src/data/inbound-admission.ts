import { type Admitted, authorize, type ConnectionContext, type Explanation, type PolicyTarget } from '@ambit/policy';
import type { ChangeWaiter } from './change-waits.ts';
import type { DenialCause } from './connection-record.ts';
import type { DataContext } from './data-context.ts';
import { type Failure, policyRejection } from './failure.ts';

/** Takes the answer; one call, unless the admission is cancelled. */
export interface AdmissionListener {
  onAdmitted(permit: Admitted, target: PolicyTarget): void;
  onRefused(failure: Failure, cause: DenialCause): void;
}

/**
 * The policy decision of one inbound connection. It holds the connection while a policy that the workload names has not
 * arrived, and refuses it when it does not come in time: an unknown policy may be the one that denies.
 */
export class InboundAdmission implements ChangeWaiter {
  readonly #data: DataContext;
  readonly #context: ConnectionContext;
  readonly #target: () => PolicyTarget;
  readonly #listener: AdmissionListener;
  #missing: readonly string[] = [];

  /** `target` is asked each time, because the wait may be for the workload to drop the name. */
  constructor(data: DataContext, context: ConnectionContext, target: () => PolicyTarget, listener: AdmissionListener) {
    this.#data = data;
    this.#context = context;
    this.#target = target;
    this.#listener = listener;
  }

  /** Decides, now or later. */
  start(): void {
    if (!this.retry()) this.#data.waits.add(this, this.#data.settings.missingPolicyWaitMs);
  }

  cancel(): void {
    this.#data.waits.cancel(this);
  }

  retry(): boolean {
    const { policies, settings } = this.#data;
    const target = this.#target();
    const answer = authorize(policies, this.#context, target, settings.missingPolicy);
    if (answer.kind === 'missing') {
      this.#missing = answer.policies;
      return false;
    }
    this.#logDryRun(answer.explanation);
    if (answer.kind === 'admitted') {
      this.#listener.onAdmitted(answer, target);
    } else {
      const { reason, explanation } = answer;
      const cause = { policy: explanation.policy ?? '', reason, isLate: false };
      this.#listener.onRefused(policyRejection(reason), cause);
    }
    return true;
  }

  onExpired(): void {
    const policy = this.#missing[0] ?? '';
    const reason = `policy ${policy} has not been received`;
    this.#listener.onRefused(policyRejection(reason), { policy, reason, isLate: false });
  }

  #logDryRun({ dryRun }: Explanation): void {
    for (const { policy, outcome } of dryRun) this.#data.logPolicy(`dry-run: ${outcome}`, policy);
  }
}
