/** Fails to compile unless both types are the same, `any` included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `sameType<A, B>(true)` compiles only if A and B are the same. */
export function sameType<A, B>(_same: Equal<A, B>): void {}
