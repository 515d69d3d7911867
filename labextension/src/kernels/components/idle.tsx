/** Leases on which nothing runs: keep, or release. */

import * as React from 'react';

import type { Words } from '../../format';
import { Place } from '../../leases/components/action';
import type { ILeaseRows } from '../../leases/rows';
import type { Label } from '../../leases/sentences';
import type { IdleAnswer } from '../../wire';
import type { KernelActions } from '../actions';
import { idleLine, named } from '../sentences';

export function Idle(props: {
  idle: readonly IdleAnswer[];
  rows: ILeaseRows;
  actions: KernelActions;
  label: Label;
  now: number;
  words: Words;
}): React.JSX.Element | null {
  const { idle, rows, actions, label, now, words } = props;
  const shown = idle.flatMap(answer => {
    const lease = rows.active.find(({ id }) => id === answer.lease_id);
    return lease ? [{ answer, lease }] : [];
  });
  if (shown.length === 0) {
    return null;
  }
  return (
    <Place className="gpuctl-Mine">
      {shown.map(({ answer, lease }) => (
        <div key={lease.id} className="gpuctl-Mine-part" data-state="ending">
          <p className="gpuctl-Mine-why">
            {words.__(
              '%1: %2',
              named(lease, label, words),
              idleLine(answer, now, words)
            )}
          </p>
          <div className="gpuctl-Buttons">
            <button
              type="button"
              className="gpuctl-Button"
              data-look="main"
              onClick={() => void actions.keep(lease.id)}
            >
              {words.__('Keep')}
            </button>
            <button
              type="button"
              className="gpuctl-Button"
              aria-haspopup="dialog"
              onClick={() => {
                actions.release(lease.id);
              }}
            >
              {words.__('Release')}
            </button>
          </div>
        </div>
      ))}
    </Place>
  );
}
