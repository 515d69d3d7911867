/** Pure rules: from the list of leases to what each place of the panel shows. */

import type { LeaseAnswer } from '../wire';
import { at } from './times';

/** Seconds before its end from which on a lease is shown as ending soon. */
const SOON = 600;

export interface ILeaseRows {
  /** The caller's, waiting for an answer to the offer. */
  readonly offered: readonly LeaseAnswer[];
  /** The caller's, first the one that ends first. */
  readonly active: readonly LeaseAnswer[];
  /** The caller's requests in the queue. */
  readonly queued: readonly LeaseAnswer[];
  /** Everybody's requests in the queue, in their order. */
  readonly waiting: readonly LeaseAnswer[];
  /** Everybody's devices: offered or in use; first the one that ends first. */
  readonly held: readonly LeaseAnswer[];
}

export const NO_ROWS: ILeaseRows = {
  offered: [],
  active: [],
  queued: [],
  waiting: [],
  held: []
};

export function leaseRows(leases: readonly LeaseAnswer[]): ILeaseRows {
  const held = leases
    .filter(({ status }) => status === 'active' || status === 'offered')
    .sort((a, b) => endOf(a) - endOf(b) || compare(a, b));
  const waiting = leases
    .filter(({ status }) => status === 'queued')
    .sort(
      (a, b) =>
        (a.position ?? Infinity) - (b.position ?? Infinity) || compare(a, b)
    );
  const mine = held.filter(lease => lease.mine);
  return {
    offered: mine.filter(({ status }) => status === 'offered'),
    active: mine.filter(({ status }) => status === 'active'),
    queued: waiting.filter(lease => lease.mine),
    waiting,
    held
  };
}

/** A stable order where nothing else tells two apart; ids of others may be hidden. */
function compare(a: LeaseAnswer, b: LeaseAnswer): number {
  return at(a.created_at) - at(b.created_at) || (a.id < b.id ? -1 : 1);
}

/** When a lease ends, or the offer of it; milliseconds. */
export function endOf(lease: LeaseAnswer): number {
  const end =
    lease.status === 'offered' ? lease.offer_expires_at : lease.expires_at;
  return end === null ? Infinity : at(end);
}

/** Seconds until then, never below 0. */
export function remaining(lease: LeaseAnswer, now: number): number {
  return Math.max(0, (endOf(lease) - now) / 1000);
}

/** Whether a lease is in its last ten minutes, or was told to end early. */
export function isEnding(lease: LeaseAnswer, now: number): boolean {
  return (
    lease.status === 'active' &&
    (lease.reason !== null || remaining(lease, now) <= SOON)
  );
}

/** Who holds a device: several share it, mostly one or nobody. */
export function holdersOf(
  held: readonly LeaseAnswer[],
  uuid: string
): LeaseAnswer[] {
  return held.filter(lease => lease.devices.includes(uuid));
}

/** The devices of which somebody holds at least a part. */
export function heldDevices(held: readonly LeaseAnswer[]): ReadonlySet<string> {
  return new Set(held.flatMap(lease => lease.devices));
}

/** A key that lasts, of leases whose id is hidden too. */
export function keyOf(lease: LeaseAnswer): string {
  return lease.id || [lease.created_at, ...lease.devices].join(' ');
}
