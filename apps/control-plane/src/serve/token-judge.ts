/** The pod a token is bound to. */
export interface TokenPod {
  readonly name: string;
  readonly uid: string;
  /** Empty when nobody told. */
  readonly node: string;
}

/** Who a bearer token belongs to, or why it is refused. */
export type Judgement =
  | {
      readonly kind: 'verified';
      readonly namespace: string;
      readonly serviceAccount: string;
      /** Undefined for a token that is not bound to a pod. */
      readonly pod: TokenPod | undefined;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** Judges bearer tokens: offline by a key set, or by asking the API server. */
export interface TokenJudge {
  /** `header` is the value of `authorization`. Never rejects. */
  verify(header: string | undefined): Promise<Judgement>;
}
