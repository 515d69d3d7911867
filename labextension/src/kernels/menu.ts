/** Pure rules: what can be done about the GPUs of a kernel, as the entries of a menu. */

import type { Words } from '../format';
import { remaining, type ILeaseRows } from '../leases/rows';
import type { Label } from '../leases/sentences';
import { left } from '../leases/times';
import { CommandIDs } from '../tokens';
import type { KernelAnswer, LeaseAnswer } from '../wire';
import { elsewhere, leasesOf, markOf } from './rows';
import { named, said } from './sentences';

export interface IEntry {
  readonly command: string;
  readonly args: Record<string, string>;
}

export interface IMenuSubject {
  readonly kernelId: string;
  /** What people call it: its notebook. */
  readonly title: string;
  readonly kernel: KernelAnswer | undefined;
  /** What people call the kernel of that id. */
  readonly titleOf: (kernelId: string) => string;
}

/** Groups, with a line between them; `extend` stands for the menu of times. */
export interface IMenuGroups {
  readonly head: string;
  readonly groups: readonly (readonly IEntry[])[];
  /** The lease that can be extended. */
  readonly extend: LeaseAnswer | null;
}

export function kernelMenu(
  { kernelId, title, kernel, titleOf }: IMenuSubject,
  rows: ILeaseRows,
  label: Label,
  now: number,
  words: Words
): IMenuGroups {
  const own = leasesOf(rows, kernelId);
  const about = { kernel: kernelId, title };
  const offers = own.offered.flatMap(({ id }) => [
    { command: CommandIDs.accept, args: { lease: id } },
    { command: CommandIDs.decline, args: { lease: id } }
  ]);
  const restart =
    markOf(kernel) === 'restart'
      ? [{ command: CommandIDs.restart, args: about }]
      : [];
  const attach = elsewhere(rows, kernelId).map(lease => ({
    command: CommandIDs.attach,
    args: {
      ...about,
      lease: lease.id,
      name: attachName(lease, titleOf, label, now, words)
    }
  }));
  const release = own.active.map(lease => ({
    command: CommandIDs.release,
    args: { lease: lease.id, name: named(lease, label, words) }
  }));
  const detach =
    own.active.length > 0 ? [{ command: CommandIDs.detach, args: about }] : [];
  const leave = own.queued.map(({ id }) => ({
    command: CommandIDs.cancel,
    args: { lease: id }
  }));
  return {
    head: said(kernel, own, label, now, words),
    groups: [
      [...offers, ...restart],
      [...detach, ...release, ...leave],
      [...attach, { command: CommandIDs.request, args: about }],
      [{ command: CommandIDs.show, args: {} }]
    ].filter(group => group.length > 0),
    extend: own.active.find(({ reason }) => reason === null) ?? null
  };
}

/** Which lease, how long it lasts, and from which kernel it would be taken. */
function attachName(
  lease: LeaseAnswer,
  titleOf: (kernelId: string) => string,
  label: Label,
  now: number,
  words: Words
): string {
  const what = named(lease, label, words);
  const time = left(remaining(lease, now));
  return lease.kernel_id === null
    ? words.__('Attach %1, %2 left', what, time)
    : words.__(
        'Move %1 here from %2, %3 left',
        what,
        titleOf(lease.kernel_id),
        time
      );
}
