/**
 * CUSTOM policies: asks their providers, one after the other, before anything else decides. Holds as much of the body as they
 * want to see. Spec: contract l7 4.2, 4.7.
 */
import type { AuthorizationProvider } from '../config/authorization-provider.ts';
import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import {
  applyCheckEdits,
  type AuthorizationCheck,
  type CheckUser,
  type CheckVerdict,
  type ShownBody,
} from './authorization-check.ts';
import { BodyCopy } from './body-copy.ts';
import { GrpcAuthorizationCheck } from './grpc-authorization-check.ts';
import { HttpAuthorizationCheck } from './http-authorization-check.ts';
import { bodyTooLarge, type LocalReply, localReply, policyDenied } from './local-reply.ts';
import { maxCopyBytes, type RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';

/** Whose request it is. One of `onPassed` and `onRefused` is called, perhaps before `start` returns. */
export interface GateOwner {
  /** `body`: what of it came meanwhile, now the owner's to drop; undefined if nothing did. */
  onPassed(responseHeaders: readonly (readonly [name: string, value: string])[], body: BodyCopy | undefined): void;
  onRefused(reply: LocalReply): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

/** What a request that waits is taken to need: pending checks are bounded by the memory for copies. */
const heldRequestBytes = 4096;

export class AuthorizationGate implements CheckUser {
  readonly #names: readonly string[];
  readonly #config: ConfigSnapshot;
  readonly #view: RequestView;
  readonly #surroundings: RequestSurroundings;
  readonly #owner: GateOwner;
  readonly #body: BodyCopy;
  readonly #wantedBytes: number;
  readonly #responseHeaders: (readonly [name: string, value: string])[] = [];
  #next = 0;
  #provider: AuthorizationProvider | undefined;
  #check: AuthorizationCheck | undefined;
  #isHolding = false;
  #hasMemory = false;
  #isDone = false;

  /** `names`: of the providers that are to be asked, in order. */
  constructor(
    names: readonly string[],
    config: ConfigSnapshot,
    view: RequestView,
    surroundings: RequestSurroundings,
    owner: GateOwner,
  ) {
    this.#names = names;
    this.#config = config;
    this.#view = view;
    this.#surroundings = surroundings;
    this.#owner = owner;
    this.#wantedBytes = Math.max(0, ...names.map((name) => config.proxy.providers.get(name)?.maxBodyBytes ?? 0));
    this.#body = new BodyCopy(surroundings.copyBudget, Math.max(maxCopyBytes, this.#wantedBytes));
  }

  start(isRequestEnded: boolean): void {
    this.#hasMemory = this.#surroundings.copyBudget.take(heldRequestBytes);
    if (!this.#hasMemory) return this.#refuse(errorReply(503));
    if (this.#wantedBytes > 0 && !isRequestEnded) this.#isHolding = true;
    else this.#askNext();
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isDone) return;
    if (!this.#body.append(buffer, offset, length)) return this.#refuse(bodyTooLarge);
    if (this.#isHolding && this.#body.bytes > this.#wantedBytes) this.#askNext();
  }

  onEnd(): void {
    if (this.#isHolding) this.#askNext();
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#check?.cancel();
    this.#close();
    this.#body.drop();
  }

  onVerdict(verdict: CheckVerdict): void {
    this.#check = undefined;
    switch (verdict.kind) {
      case 'denied':
        return this.#refuse(verdict.reply);
      case 'failed':
        if (this.#provider?.failsOpen !== true) return this.#refuse(errorReply(this.#provider?.statusOnError ?? 403));
        break;
      case 'allowed':
        applyCheckEdits(this.#view.head.fields, verdict.edits);
        this.#responseHeaders.push(...verdict.edits.responseHeaders);
    }
    this.#askNext();
  }

  #askNext(): void {
    this.#isHolding = false;
    const name = this.#names[this.#next];
    if (name === undefined) return this.#pass();
    this.#next += 1;
    this.#owner.pauseRequest();
    const provider = this.#config.proxy.providers.get(name);
    this.#provider = provider;
    // Nobody can say yes.
    if (provider === undefined) return this.#refuse(policyDenied('ext_authz_error'));
    const body = this.#shownBody(provider);
    if (body === 'too-large') return this.#refuse(bodyTooLarge);
    const { protocol } = provider;
    const check =
      protocol.kind === 'grpc'
        ? new GrpcAuthorizationCheck(this.#surroundings, provider, this.#view, body, this)
        : new HttpAuthorizationCheck(this.#surroundings, provider, protocol, this.#view, body, this);
    this.#check = check;
    check.start();
  }

  #shownBody({ maxBodyBytes, allowsPartialBody }: AuthorizationProvider): ShownBody | undefined | 'too-large' {
    if (maxBodyBytes === 0 || !this.#view.head.hasBody) return undefined;
    const bytes = this.#body.toBuffer();
    const isPartial = bytes.length > maxBodyBytes;
    if (isPartial && !allowsPartialBody) return 'too-large';
    return { bytes: bytes.subarray(0, maxBodyBytes), isPartial };
  }

  #pass(): void {
    this.#close();
    const hasBody = this.#body.bytes > 0;
    this.#owner.onPassed(this.#responseHeaders, hasBody ? this.#body : undefined);
  }

  #refuse(reply: LocalReply): void {
    this.#close();
    this.#body.drop();
    this.#owner.onRefused(reply);
  }

  #close(): void {
    this.#isDone = true;
    if (this.#hasMemory) this.#surroundings.copyBudget.giveBack(heldRequestBytes);
    this.#hasMemory = false;
  }
}

function errorReply(status: number): LocalReply {
  return localReply(status, '', 'ext_authz_error', { flag: 'UAEX' });
}
